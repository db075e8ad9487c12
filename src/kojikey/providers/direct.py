"""HTTP/1.1 straight over asyncio, for runs of many keys. h11 speaks the protocol; this only moves bytes.

Owns: connections that are kept from one request to the next, by origin. Must not: judge, retry, follow anything, or
be used where a proxy is set (``exchange.py`` leaves those requests to httpx).

Why not httpx for these: at 64 requests under way its pool is searched whole for every request (httpcore 1.0,
``connection_pool.py``, ``_assign_requests_to_connections``), and each passes through five layers. Measured with
benchmarks/fleet.py: one client with 64 connections makes about 110 requests a second, a client for each connection
about 500, this about four times that, of which none are lost to the time limit.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import h11

_CHUNK = 64 * 1024


class NotConnectedError(OSError):
    """No connection was made; the cause says why."""


class Origin(NamedTuple):
    """Where a connection leads."""

    host: str
    port: int
    is_tls: bool


class Received(NamedTuple):
    """An answer: header names in lower case; ``is_cut`` where the body was longer than was wanted."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_cut: bool


class _Connection:
    __slots__ = ("protocol", "reader", "writer")

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.protocol = h11.Connection(h11.CLIENT)

    @property
    def is_usable(self) -> bool:
        return not (self.reader.at_eof() or self.writer.transport.is_closing())

    async def ask(self, request: h11.Request, body: bytes, limit: int) -> Received:
        data = self.protocol.send(request) or b""
        if body:
            data += self.protocol.send(h11.Data(data=body)) or b""
        self.writer.write(data + (self.protocol.send(h11.EndOfMessage()) or b""))
        head = await self._next()
        while isinstance(head, h11.InformationalResponse):
            head = await self._next()
        if not isinstance(head, h11.Response):
            raise h11.RemoteProtocolError("no response came")
        content, is_cut = bytearray(), False
        while isinstance(event := await self._next(), h11.Data):
            content += event.data
            if len(content) > limit:
                is_cut = True
                break
        return Received(head.status_code, _joined(head), bytes(content[:limit]), is_cut)

    async def _next(self) -> object:
        while (event := self.protocol.next_event()) is h11.NEED_DATA:
            self.protocol.receive_data(await self.reader.read(_CHUNK))
        if event is h11.PAUSED:
            raise h11.RemoteProtocolError("the server wants to speak another protocol")
        return event

    def is_kept(self) -> bool:
        """Make the connection ready for another request; tell whether it can be."""
        if self.protocol.our_state is not h11.DONE or self.protocol.their_state is not h11.DONE:
            return False
        self.protocol.start_next_cycle()
        return self.is_usable and not self.protocol.trailing_data[0]

    def abort(self) -> None:
        self.writer.transport.abort()


class Direct:
    """Connections of one run, closed by :meth:`close`."""

    def __init__(self, tls: ssl.SSLContext, *, most_idle: int = 256) -> None:
        """``most_idle`` bounds the connections that are kept while nobody uses them, over all origins."""
        self._tls, self._most_idle = tls, most_idle
        self._idle: dict[Origin, list[_Connection]] = {}
        self._targets: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[Origin, str, str]] = {}

    async def send(
        self, method: str, url: str, query: Mapping[str, str], headers: Mapping[str, str], body: object, *, limit: int
    ) -> Received:
        """Make one request and return its answer, at most ``limit`` bytes of its body. ``body`` is sent as JSON.

        Raises:
            NotConnectedError, OSError, h11.RemoteProtocolError: there is none. The caller sets the time limit.
        """
        origin, host, target = self._target(url, query)
        content = json.dumps(body, separators=(",", ":")).encode() if body is not None else b""
        extra = [("content-type", "application/json"), ("content-length", str(len(content)))] if content else []
        request = h11.Request(method=method, target=target, headers=[("host", host), *headers.items(), *extra])
        connection = await self._connection(origin)
        try:
            received = await connection.ask(request, content, limit)
            is_kept = not received.is_cut and connection.is_kept()
        except BaseException:
            connection.abort()
            raise
        if is_kept:
            self._keep(origin, connection)
        else:
            connection.abort()
        return received

    def _keep(self, origin: Origin, connection: _Connection) -> None:
        """Keep a connection; of too many, the one whose origin was longest not asked goes."""
        self._idle[origin] = [*self._idle.pop(origin, ()), connection]
        if sum(map(len, self._idle.values())) > self._most_idle:
            oldest = next(iter(self._idle))
            self._idle[oldest].pop(0).abort()
            if not self._idle[oldest]:
                del self._idle[oldest]

    async def close(self) -> None:
        """Close the connections that are kept."""
        kept = [connection for connections in self._idle.values() for connection in connections]
        self._idle.clear()
        for connection in kept:
            connection.abort()
        await asyncio.gather(*(connection.writer.wait_closed() for connection in kept), return_exceptions=True)

    def _target(self, url: str, query: Mapping[str, str]) -> tuple[Origin, str, str]:
        key = (url, tuple(query.items()))
        if key not in self._targets:
            if len(self._targets) >= 256:
                self._targets.clear()
            parts = urlsplit(url)
            is_tls = parts.scheme == "https"
            origin = Origin(parts.hostname or "", parts.port or (443 if is_tls else 80), is_tls)
            target = quote(parts.path or "/", safe="/:@!$&'()*+,;=~%-._")
            self._targets[key] = origin, parts.netloc, target + (f"?{urlencode(query)}" if query else "")
        return self._targets[key]

    async def _connection(self, origin: Origin) -> _Connection:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.is_usable:
                return connection
            connection.abort()
        tls = self._tls if origin.is_tls else None
        try:
            reader, writer = await asyncio.open_connection(origin.host, origin.port, ssl=tls, happy_eyeballs_delay=0.25)
        except OSError as error:
            raise NotConnectedError from error
        return _Connection(reader, writer)


def _joined(head: h11.Response) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in head.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
