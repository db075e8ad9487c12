"""The sandbox's server: sockets and an event loop in a separate thread.

Owns: listening on a loopback port, and a clean end. Must not: know the providers.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import threading
from collections.abc import Awaitable, Callable

from kojikey.model.errors import UsageError
from kojikey.testing.sandbox.wire import Reply, Request, close, serve

_BACKLOG = 512


class Server:
    """Serves HTTP from :meth:`start` to :meth:`stop`; can be started again.

    ``port`` is 0 before the start, unless one was chosen. ``closed_port`` is bound, but does not listen: connections to
    it are refused, and no other program can use it meanwhile.

    Raises:
        UsageError: ``host`` is not a loopback address.
    """

    def __init__(self, host: str, port: int, play: Callable[[Request], Awaitable[Reply]]) -> None:
        self.host, self.port, self.closed_port = _loopback(host), port, 0
        self.loop: asyncio.AbstractEventLoop | None = None
        self._play = play
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def is_started(self) -> bool:
        """Whether the server is running."""
        return self._thread is not None

    def url(self, *, scheme: str = "http", port: int | None = None) -> str:
        """Return a URL of this host, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port if port is None else port}"

    def start(self) -> None:
        """Start the server; it accepts connections when this returns.

        Raises:
            UsageError: it is started already, or the port is not available.
        """
        if self._thread is not None:
            raise UsageError("the sandbox is started already")
        listening = self._bind(self.port)
        try:
            closed = self._bind(0)
        except BaseException:
            listening.close()
            raise
        listening.listen(_BACKLOG)
        listening.setblocking(False)
        self.port, self.closed_port = listening.getsockname()[1], closed.getsockname()[1]
        self._is_stopping, ready = False, threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(listening, closed, ready)), name="kojikey-sandbox", daemon=True
        )
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Close every connection and end the thread. Safe to repeat."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._is_stopping = True
        while thread.is_alive():  # repeated only while this process cannot open a socket
            with contextlib.suppress(OSError):
                socket.create_connection((self.host, self.port), timeout=1).close()  # wakes `_accept`
            thread.join(1)

    def _bind(self, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        # asyncio sets TCP_NODELAY only if the protocol is named
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if os.name == "posix":  # on Windows the option would let two sandboxes share a port
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((self.host, port))
        except (OSError, OverflowError) as error:
            bound.close()
            raise UsageError(f"port {port} of {self.host} is not available", hint="port 0 takes a free one") from error
        return bound

    async def _run(self, listening: socket.socket, closed: socket.socket, ready: threading.Event) -> None:
        self.loop = asyncio.get_running_loop()
        ready.set()
        with listening, closed:
            await self._accept(self.loop, listening)
        connections = dict(self._connections)
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        for writer in connections.values():
            writer.transport.abort()
            await close(writer)

    async def _accept(self, loop: asyncio.AbstractEventLoop, listening: socket.socket) -> None:
        """Accept connections until the sandbox stops.

        Not with ``asyncio.start_server``, which leaves some connections open if it is closed while others arrive, and
        warns on stderr. For the same reason :meth:`stop` wakes this by a connection and does not cancel it.
        """
        while True:
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError:  # for example too many open files
                await asyncio.sleep(0.05)
                continue
            if self._is_stopping:
                connection.close()
                return
            with contextlib.suppress(OSError):
                await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(), self._connected)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer, self._play))
        self._connections[task] = writer
        task.add_done_callback(self._connections.pop)


def _loopback(host: str) -> str:
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise UsageError("the sandbox listens on a loopback address only", hint="use 127.0.0.1 or ::1")
    return host
