"""The bytes of a connection, for httpcore2: its network interface over asyncio's own transports.

Owns: telling whether a connection is quiet. Bytes that arrive while no request is under way answer nothing, and end
the connection at once. Must not: know HTTP (httpcore2 and h11 do), or keep connections (:mod:`.session` does).

Why not httpcore2's own backend: it reads only when it is asked to, so that bytes can wait unseen, in the socket or in
the buffers of TLS, until the next request takes them for its answer.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Iterable
from typing import Any, Self, cast

import httpcore2

from kojikey.model.errors import BadNetworkSettings, Effect

MOST_BYTES = 512 * 1024
"""Of one answer, with whatever comes before it and beside what is read of its body: a flood of ``1xx`` has an end."""
_HAPPY_EYEBALLS_S = 0.25  # RFC 8305, section 5
_REMEMBERED_S = 60.0


class Stream(httpcore2.AsyncNetworkStream, asyncio.Protocol):
    """One connection.

    ``is_early`` tells that bytes came before the request was sent whole, ``is_spoiled`` that some came unasked.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._transport: asyncio.Transport | None = None
        self._received, self._unsent = bytearray(), bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._count = 0
        self._is_asking = self._is_closed = self.is_spoiled = self.is_early = False

    @property
    def has_answered(self) -> bool:
        """Whether anything came since the request that is under way, or was the last one, began."""
        return bool(self._count or self._received)

    def finish(self) -> bool:
        """End a request; return whether the connection is open and quiet, so that it may carry another."""
        self._is_asking = False
        return not self._received and not self._is_unusable()

    def _is_unusable(self) -> bool:
        return self._is_closed or self.is_spoiled or self._transport is None or self._transport.is_closing()

    def abort(self) -> None:
        """Close the connection without waiting for the other side."""
        if self._transport is not None:
            self._transport.abort()

    # --- for asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep what was asked for; what was not ends the connection."""
        if not self._is_asking:
            self.is_spoiled = True
            self.abort()
            return
        if self._unsent or (self._transport is not None and self._transport.get_write_buffer_size()):
            self.is_early = True
        self._received += data
        self._wake()

    def eof_received(self) -> None:
        """Take note that the other side sends no more; the transport closes itself then."""
        self._is_closed = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Take note that the connection is gone."""
        self._is_closed = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- for httpcore2, which gives no time limits here: the caller ends what takes too long ---

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        """Send what was written, all at once; return what arrives, b"" at the end.

        Raises:
            ReadError: more came than any answer needs.
        """
        if self._unsent and self._transport is not None:
            self._transport.write(bytes(self._unsent))
            self._unsent.clear()
        while not self._received and not self._is_closed:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        data = bytes(self._received)
        self._received.clear()
        self._count += len(data)
        if self._count > self._most:
            raise httpcore2.ReadError("the answer was too long")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Take bytes to send with the next :meth:`read`. Those that begin a request first see what has arrived by now.

        Raises:
            ReadError: the connection is closed, or the other side spoke before it was asked. Not a WriteError:
                httpcore2 would look for an answer after one.
        """
        if not buffer:
            return
        if not self._is_asking:
            for _ in range(2):  # the loop looks at its sockets, then it hands over what they have
                await asyncio.sleep(0)
            if self._is_unusable():
                raise httpcore2.ReadError("the connection was closed, or something arrived unasked")
            self._is_asking, self._count, self.is_early = True, 0, False
        self._unsent += buffer

    async def aclose(self) -> None:
        """Close the connection."""
        self.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> Self:
        """Encrypt the connection.

        Raises:
            ConnectError: that failed, or bytes came before it that nobody vouches for.
        """
        loop = asyncio.get_running_loop()
        if self._transport is None or not self.finish():
            self.abort()
            raise httpcore2.ConnectError("the other side spoke before the connection was encrypted")
        try:
            self._transport = await loop.start_tls(self._transport, self, ssl_context, server_hostname=server_hostname)
        except OSError as error:
            self.abort()
            raise httpcore2.ConnectError("no encrypted connection") from error
        except BaseException:
            self.abort()
            raise
        return self

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore2 asks about a connection."""
        if info == "is_readable":
            return bool(self._received) or self._is_unusable()
        return self._transport.get_extra_info(info) if self._transport is not None else None


Addresses = dict[tuple[str, int], tuple[str, float]]
"""Which address of a host and port answered, and until when that is taken as known: a run asks for no name per key."""


class Network(httpcore2.AsyncNetworkBackend):
    """Opens the connections of one test, and ends all of them: httpcore2 leaves one open that a SOCKS proxy refused.

    ``body_limit`` is how many bytes of a body are read.
    """

    def __init__(self, addresses: Addresses, *, body_limit: int = 0) -> None:
        self._addresses, self._most = addresses, MOST_BYTES + body_limit
        self._streams: list[Stream] = []

    def close(self) -> None:
        """Close the connections that are left."""
        for stream in self._streams:
            stream.abort()
        self._streams.clear()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> Stream:
        """Connect.

        Raises:
            ConnectError: no address of the host can be connected to, or it has none.
        """
        now = asyncio.get_running_loop().time()
        address, until = self._addresses.get((host, port), ("", 0.0))
        try:
            if now < until:
                try:
                    return await self._connected(address, port)
                except OSError:
                    self._addresses.pop((host, port), None)
            stream = await self._connected(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError("no connection") from error
        peer = stream.get_extra_info("peername")
        if peer and peer[0] != host:
            self._addresses[host, port] = peer[0], now + _REMEMBERED_S
        return stream

    async def _connected(self, host: str, port: int) -> Stream:
        is_address = ":" in host or host.replace(".", "").isdigit()
        delay = None if is_address else _HAPPY_EYEBALLS_S
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(lambda: Stream(self._most), host, port, happy_eyeballs_delay=delay)
        self._streams.append(stream)
        return stream


def tls_context() -> ssl.SSLContext:
    """Return the settings of encrypted connections: verified by SSL_CERT_FILE or SSL_CERT_DIR, else by the system.

    Raises:
        BadNetworkSettings: the variable does not name readable certificates.
    """
    variable = "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
    try:
        folders = os.environ.get("SSL_CERT_DIR", "").split(os.pathsep)
        if variable == "SSL_CERT_DIR" and any(folders) and not any(map(os.path.isdir, folders)):
            raise FileNotFoundError  # OpenSSL would take it for a folder without certificates
        return httpcore2.default_ssl_context()
    except (OSError, ValueError):
        raise BadNetworkSettings(
            f"{variable} does not name readable certificates",
            hint=f"set {variable} to a PEM file of CA certificates, or unset it to use the system's",
            effect=Effect.NOTHING_SENT,
        ) from None
