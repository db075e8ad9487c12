"""Reads and writes the bytes of a connection: httpcore2's network interface over asyncio's transports.

Owns: noticing bytes that arrive while no request is under way; they end the connection at once. Must not: know HTTP
(httpcore2 and h11 do), or keep connections (:mod:`.session` does).

httpcore2's own backend reads only during a request. Earlier bytes then wait in the socket or in the buffers of TLS, and
the next request takes them for its answer.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Iterable
from functools import partial
from typing import Any, Self, cast

import httpcore2

from kojikey.model.errors import BadNetworkSettings, Effect

MOST_BYTES = 512 * 1024
"""The limit for one answer without the read part of its body, which also ends a flood of ``1xx`` answers."""
_HAPPY_EYEBALLS_S = 0.25  # RFC 8305, section 5
_REMEMBERED_S = 60.0


class Stream(httpcore2.AsyncNetworkStream, asyncio.Protocol):
    """One connection.

    ``is_early``: bytes arrived before the request was sent completely. ``is_spoiled``: bytes arrived without a request.
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
        """Whether any byte arrived since the current or last request began."""
        return bool(self._count or self._received)

    def finish(self) -> bool:
        """End a request; return whether the connection is open and quiet, so that it may be used again."""
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
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep the bytes of an answer; bytes that arrive without a request end the connection."""
        if not self._is_asking:
            self.is_spoiled = True
            self.abort()
            return
        if self._unsent or (self._transport is not None and self._transport.get_write_buffer_size()):
            self.is_early = True
        self._received += data
        self._wake()

    def eof_received(self) -> None:
        """Remember that the other side sends no more; the transport closes itself."""
        self._is_closed = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Remember that the connection is closed."""
        self._is_closed = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- for httpcore2; the caller of a request sets its time limit ---

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        """Send all written bytes at once; return the bytes that arrive, b"" at the end.

        Raises:
            ReadError: the answer is longer than the limit.
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
        """Keep bytes to send at the next :meth:`read`. Before the first ones of a request, look for unasked bytes.

        Raises:
            ReadError: the connection is closed, or bytes arrived without a request. Not a WriteError, after which
                httpcore2 would read an answer.
        """
        if not buffer:
            return
        if not self._is_asking:
            for _ in range(2):  # in the first turn the loop polls its sockets, in the second it delivers their bytes
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
            ConnectError: that failed, or bytes arrived before it, which anyone on the way could have sent.
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
        """Return a fact about the connection that httpcore2 needs."""
        if info == "is_readable":
            return bool(self._received) or self._is_unusable()
        return self._transport.get_extra_info(info) if self._transport is not None else None


Addresses = dict[tuple[str, int], tuple[str, float]]
"""For a host and port: the address that answered, and until when it is used without resolving the name again."""


class Network(httpcore2.AsyncNetworkBackend):
    """Opens and closes the connections of one test. (httpcore2 does not close one that a SOCKS proxy refused.)

    ``body_limit`` is the number of bytes of a body that are read.
    """

    def __init__(self, addresses: Addresses, *, body_limit: int = 0) -> None:
        self._addresses, self._most = addresses, MOST_BYTES + body_limit
        self._streams: list[Stream] = []

    def close(self) -> None:
        """Close all connections that are still open."""
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
        """Connect to a host.

        Raises:
            ConnectError: the host has no address, or none of them accepts a connection.
        """
        is_address = ":" in host or host.replace(".", "").isdigit()
        try:
            return await (self._to_address(host, port) if is_address else self._to_name(host, port))
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError("no connection") from error

    async def _to_address(self, host: str, port: int) -> Stream:
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(lambda: Stream(self._most), host, port)
        self._streams.append(stream)
        return stream

    async def _to_name(self, host: str, port: int) -> Stream:
        loop = asyncio.get_running_loop()
        address, until = self._addresses.get((host, port), ("", 0.0))
        if loop.time() < until:
            try:
                return await self._to_address(address, port)
            except OSError:
                self._addresses.pop((host, port), None)
            except asyncio.CancelledError:  # the request's time is over; the next one looks the name up
                self._addresses.pop((host, port), None)
                raise
        connected = await _first_connected(host, port)
        _, stream = await loop.create_connection(lambda: Stream(self._most), sock=connected)
        self._streams.append(stream)
        peer = stream.get_extra_info("peername")
        if peer:
            self._addresses[host, port] = peer[0], loop.time() + _REMEMBERED_S
        return stream


async def _first_connected(host: str, port: int) -> socket.socket:
    """Return a socket that is connected to a name: to the first of its addresses that answers (RFC 8305).

    Raises:
        OSError: none does, or the name has none.
    """
    from aiohappyeyeballs import start_connection  # an address needs none of this, and one that answered is remembered

    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    addresses = await asyncio.get_running_loop().run_in_executor(None, look_up)
    if not addresses:
        raise OSError("the name has no address")
    return await start_connection(addresses, happy_eyeballs_delay=_HAPPY_EYEBALLS_S)


def tls_context() -> ssl.SSLContext:
    """Return the TLS settings; servers are verified with SSL_CERT_FILE or SSL_CERT_DIR, else with the system's store.

    Raises:
        BadNetworkSettings: the variable does not name readable certificates.
    """
    variable = "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
    try:
        folders = os.environ.get("SSL_CERT_DIR", "").split(os.pathsep)
        if variable == "SSL_CERT_DIR" and any(folders) and not any(map(os.path.isdir, folders)):
            raise FileNotFoundError  # OpenSSL would treat it like a folder without certificates
        return httpcore2.default_ssl_context()
    except (OSError, ValueError):
        raise BadNetworkSettings(
            f"{variable} does not name readable certificates",
            hint=f"set {variable} to a PEM file of CA certificates, or unset it to use the system's",
            effect=Effect.NOTHING_SENT,
        ) from None
