"""The connections of one test. No connection ever carries the requests of two keys.

Owns: the choice of the connection for a request, and when a connection may be used again. Must not: speak HTTP or judge
an answer.

A server or proxy may send an answer twice, or late. The next request on that connection then reads it, because HTTP/1.1
does not say to which request an answer belongs. So only one test uses a connection, only while no bytes arrived without
a request, and an answer over a connection that had been used before is marked as doubtful.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import Any, NamedTuple, cast

import httpcore2

from kojikey.providers.requests.network import Network, Stream

Opener = Callable[[], httpcore2.AsyncConnectionInterface]
"""Returns a connection to the endpoint of the test, which connects with its first request."""


class Received(NamedTuple):
    """An answer. Names of headers are in lower case; ``is_cut``: the body was longer than the limit.

    ``is_doubtful``: it may be the answer to another request, because the connection had been used before or more
    bytes followed.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    is_cut: bool
    is_doubtful: bool


class _Idle(NamedTuple):
    connection: httpcore2.AsyncConnectionInterface
    stream: Stream


class Session:
    """The connections of one test, closed by :meth:`close`."""

    def __init__(self, opener: Opener, network: Network, *, limit: int) -> None:
        """The opener's connections use ``network``; at most ``limit`` bytes of a body are read."""
        self._open, self._network, self._limit = opener, network, limit
        self._idle: list[_Idle] = []

    async def ask(self, request: httpcore2.Request, *, is_fresh: bool = False) -> Received:
        """Make one request and return its answer; ``is_fresh``: over a new connection. The caller sets the time limit.

        Raises:
            NetworkError, ProtocolError, ProxyError: there is no answer.
        """
        idle = None if is_fresh else self._quiet_one()
        if idle is not None:
            try:
                return await self._ask_over(idle.connection, request, is_reused=True)
            except (httpcore2.NetworkError, httpcore2.RemoteProtocolError):
                if idle.stream.has_answered:
                    raise
                # the server closed the idle connection, which says nothing about the endpoint
        return await self._ask_over(self._open(), request, is_reused=False)

    async def is_followed(self, seconds: float) -> bool:
        """Wait, and return whether bytes followed an answer, as they do when it was early or sent twice.

        Returns at once if no connection was kept.
        """
        watched = list(self._idle)
        if watched:
            await asyncio.sleep(seconds)
        self._idle = [idle for idle in self._idle if not idle.stream.is_spoiled]
        return any(idle.stream.is_spoiled for idle in watched)

    def close(self) -> None:
        """Close all connections."""
        self._idle.clear()
        self._network.close()

    def _quiet_one(self) -> _Idle | None:
        while self._idle:
            idle = self._idle.pop()
            if idle.connection.is_available() and not idle.connection.has_expired():
                return idle
            idle.stream.abort()
        return None

    async def _ask_over(
        self, connection: httpcore2.AsyncConnectionInterface, request: httpcore2.Request, *, is_reused: bool
    ) -> Received:
        is_kept = is_doubtful = False
        try:
            response = await connection.handle_async_request(request)
            stream = response.extensions.get("network_stream")
            if isinstance(stream, Stream) and stream.is_early:
                raise httpcore2.RemoteProtocolError("the answer came before the request was sent whole")
            body, is_cut = await self._body(response)
            if isinstance(stream, Stream):
                is_quiet, is_clean = stream.finish(), _is_clean(connection)
                is_doubtful = is_reused or not is_clean
                if is_quiet and is_clean and connection.is_available():
                    is_kept = True
                    self._idle.append(_Idle(connection, stream))
        finally:
            if not is_kept:
                await connection.aclose()
        return Received(response.status, _joined(response.headers), body, is_cut, is_doubtful)

    async def _body(self, response: httpcore2.Response) -> tuple[bytes, bool]:
        body = bytearray()
        try:
            parts = cast(AsyncGenerator[bytes, None], aiter(cast(AsyncIterable[bytes], response.stream)))
            async for part in parts:  # it closes itself at its end, and where it raises
                body += part
                if len(body) > self._limit:
                    await parts.aclose()
                    break
        finally:
            await response.aclose()
        return bytes(body[: self._limit]), len(body) > self._limit


def _is_clean(connection: httpcore2.AsyncConnectionInterface) -> bool:
    """Return whether no bytes are left after the last answer of a connection.

    httpcore2 does not check this and would read them as the next answer. If a later release of it keeps its h11
    connection elsewhere, no connection counts as clean, which is slower and safe.
    """
    inner: Any = connection
    while (within := getattr(inner, "_connection", None)) is not None:
        inner = within
    protocol = getattr(inner, "_h11_state", None)
    return protocol is not None and not protocol.trailing_data[0]


def _joined(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers
