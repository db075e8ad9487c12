"""The short way to the network: what it keeps open, and what it never does."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
from scripted_server import playing, request_head

from kojikey.providers.direct import Direct, NotConnectedError, Received

BODY = b'{"a": 1}'


def kept_open(connection: socket.socket, _number: int) -> None:
    while request_head(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY))


async def get(direct: Direct, url: str) -> Received:
    return await direct.send("GET", url, {}, {"x-key": "k"}, None, limit=100)


def test_a_connection_is_used_again_and_of_too_many_the_oldest_is_closed() -> None:
    async def run(ports: list[int]) -> list[int]:
        direct = Direct(ssl.create_default_context(), most_idle=2)
        try:
            for port in [*ports, ports[-1]]:
                assert (await get(direct, f"http://127.0.0.1:{port}/x")).body == BODY
            return [origin.port for origin in direct._idle]
        finally:
            await direct.close()

    with playing(kept_open) as one, playing(kept_open) as two, playing(kept_open) as three:
        assert asyncio.run(run([one, two, three])) == [two, three]


def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again() -> None:
    def once(connection: socket.socket, _number: int) -> None:
        request_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async def run(port: int) -> None:
        direct = Direct(ssl.create_default_context())
        try:
            for _ in range(3):
                assert (await get(direct, f"http://127.0.0.1:{port}/")).status == 200
                (idle,) = direct._idle.values()
                while not idle[0].reader.at_eof():
                    await asyncio.sleep(0)
        finally:
            await direct.close()

    with playing(once) as port:
        asyncio.run(run(port))


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcde",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"nonsense\r\n\r\n",
        b"",
    ],
)
def test_what_is_no_whole_answer_is_an_error_and_the_connection_is_gone(answer: bytes) -> None:
    import h11

    def broken(connection: socket.socket, _number: int) -> None:
        request_head(connection)
        connection.sendall(answer)

    async def run(port: int) -> None:
        direct = Direct(ssl.create_default_context())
        try:
            with pytest.raises((h11.RemoteProtocolError, OSError)):
                await get(direct, f"http://127.0.0.1:{port}/")
            assert direct._idle == {}
        finally:
            await direct.close()

    with playing(broken) as port:
        asyncio.run(run(port))


def test_more_than_was_asked_for_is_not_taken_for_the_next_answer() -> None:
    def chatty(connection: socket.socket, _number: int) -> None:
        request_head(connection)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfake"
        )

    async def run(port: int) -> None:
        direct = Direct(ssl.create_default_context())
        try:
            assert (await get(direct, f"http://127.0.0.1:{port}/")).body == b"ab"
            assert direct._idle == {}
        finally:
            await direct.close()

    with playing(chatty) as port:
        asyncio.run(run(port))


def test_a_port_where_nobody_listens_is_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    async def run() -> None:
        direct = Direct(ssl.create_default_context())
        with pytest.raises(NotConnectedError):
            await get(direct, f"http://127.0.0.1:{port}/")
        await direct.close()

    asyncio.run(run())
