"""A loopback server whose every connection is played by a function, for what no mock of an HTTP client can show."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

Play = Callable[[socket.socket, int], None]


def request_head(connection: socket.socket) -> bytes:
    """Return what was sent up to the end of the headers, b"" when the other side closed."""
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(4096)
        if not chunk:
            return b""
        received += chunk
    return received


def response(body: bytes, *, status: str = "200 OK", headers: str = "content-type: application/json\r\n") -> bytes:
    """Return a whole response that closes its connection."""
    head = f"HTTP/1.1 {status}\r\n{headers}content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return head.encode() + body


def _hear_out(connection: socket.socket) -> None:
    """Read what the client still sends: closing before that would reset the connection under the answer."""
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(65536):
        pass


@contextlib.contextmanager
def playing(play: Play, *, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Yield the port of a server that hands each connection, with its number from 0, to a thread of ``play``."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []
    connections: list[socket.socket] = []

    def serve(connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):
            if tls:
                with tls.wrap_socket(connection, server_side=True) as secured:
                    play(secured, number)
                    _hear_out(secured)
            else:
                play(connection, number)
        with contextlib.suppress(OSError):
            connection.close()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                threads.append(threading.Thread(target=serve, args=(connection, len(threads)), daemon=True))
                threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        acceptor.join(5)
        for thread in threads:
            thread.join(5)
