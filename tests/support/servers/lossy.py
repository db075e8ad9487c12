"""A proxy between kojikey and a PostgreSQL server on loopback that closes a connection at a chosen moment.

Owns: forwarding bytes. Must not: interpret them, except for the one word that it waits for.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from types import TracebackType


class Lossy:
    """A proxy for a port of this machine. Each call of :meth:`lose` causes one loss."""

    def __init__(self, port: int, *, buffer: int | None = None) -> None:
        """``buffer``: the bytes that it takes before it forwards them, as a slow network does."""
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        if buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._word: bytes | None = None
        self._delivered = False
        self._afterwards: Callable[[], object] | None = None
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Lossy:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refuse()
        for thread in self._threads:
            thread.join()

    def lose(self, word: bytes, *, delivered: bool, afterwards: Callable[[], object] | None = None) -> None:
        """Close the next connection on which the client sends ``word``.

        ``delivered``: the server still receives it, and only its answer is lost. ``afterwards`` is called after the
        connection is closed and the server has finished, before another connection is accepted.
        """
        self._word, self._delivered, self._afterwards = word, delivered, afterwards

    def refuse(self) -> None:
        """Accept no further connections. Safe to repeat."""
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
        finally:
            self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._serve(client)

    def _serve(self, client: socket.socket) -> None:
        # The next connection is accepted after the end of this one.
        with (
            client,
            socket.create_connection(("127.0.0.1", self._target)) as server,
            selectors.DefaultSelector() as ready,
        ):
            ready.register(client, selectors.EVENT_READ)
            ready.register(server, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    source = key.fileobj
                    data = source.recv(65536)  # type: ignore[union-attr]
                    if not data:
                        return
                    if source is server:
                        client.sendall(data)
                    elif self._word is not None and self._word in data:
                        self._part(server, data)
                        return
                    else:
                        server.sendall(data)

    def _part(self, server: socket.socket, data: bytes) -> None:
        self._word = None
        if self._delivered:
            server.sendall(data)
            server.shutdown(socket.SHUT_WR)
            while server.recv(65536):  # discard its answer, until it notices the end of the connection
                pass
        server.close()
        if self._afterwards:
            self._afterwards()
