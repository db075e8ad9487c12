"""A loopback server whose connections a function answers, for cases that a mock of an HTTP client cannot have."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Play = Callable[[socket.socket, int], None]


def request_head(connection: socket.socket) -> bytes:
    """Return the bytes up to the end of the headers, b"" if the client closed the connection."""
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = connection.recv(4096)
        if not chunk:
            return b""
        received += chunk
    return received


def requests(connection: socket.socket) -> Iterator[bytes]:
    """Yield the head of each request on a connection, and read its body, until the client closes the connection."""
    received = b""
    while True:
        while b"\r\n\r\n" not in received:
            chunk = connection.recv(65536)
            if not chunk:
                return
            received += chunk
        head, _, received = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *([0-9]+)", head)
        while len(received) < int(length[1] if length else 0):
            received += connection.recv(65536)
        received = received[int(length[1] if length else 0) :]
        yield head


def response(body: bytes, *, status: str = "200 OK", headers: str = "content-type: application/json\r\n") -> bytes:
    """Return a whole response that closes its connection."""
    head = f"HTTP/1.1 {status}\r\n{headers}content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return head.encode() + body


def _hear_out(connection: socket.socket) -> None:
    """Read until the client closes: closing earlier would reset the connection before the client has the answer."""
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(65536):
        pass


@contextlib.contextmanager
def playing(play: Play, *, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Yield the port of a server that calls ``play`` in a thread for each connection, with its number from 0."""
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


def server_context(certificate: str) -> ssl.SSLContext:
    """Return the TLS context of a server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def loopback_certificate(folder: str, *names: str) -> str:
    """Make a self-signed certificate for 127.0.0.1 and ``names``; return the path of a file with its key and itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), *map(x509.DNSName, names)]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = os.path.join(folder, "loopback.pem")
    with open(path, "wb") as file:
        file.write(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path
