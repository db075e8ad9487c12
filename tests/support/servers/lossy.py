"""Stands between kojikey and a PostgreSQL server on loopback, and loses a connection at a chosen moment.

Owns: moving bytes. Must not: know what they mean, but for the one word that it waits for.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from types import TracebackType


class Lossy:
    """A proxy for a port of this machine. It is armed with :meth:`lose`, once for each loss."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
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
        """Lose the connection whose client next says ``word``.

        ``delivered``: the server still hears it, and only its answer is lost. ``afterwards`` is called when the
        connection is gone and the server has done what it heard, before another connection is taken.
        """
        self._word, self._delivered, self._afterwards = word, delivered, afterwards

    def refuse(self) -> None:
        """Take no further connections. Safe to repeat."""
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
        # One after another: the next connection is taken when this one is done with.
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
            while server.recv(65536):  # its answer, which nobody gets, until it has seen that the client is gone
                pass
        server.close()
        if self._afterwards:
            self._afterwards()
