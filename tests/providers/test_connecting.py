"""The loop that a run over many keys uses, and the connection to a name that has several addresses."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from kojikey.model.verdict import Verdict
from kojikey.providers.requests import fast_loop, network
from support.probing import probe
from support.scripted_server import playing, request_head, response

NAME = "localhost"
REFUSED = 1  # a port that nobody listens on


async def kind_of_loop() -> str:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


def test_many_requests_are_made_on_uvloop() -> None:
    assert fast_loop.run(kind_of_loop()) == "uvloop"


def test_without_uvloop_requests_are_made_on_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert fast_loop.run(kind_of_loop()) == "asyncio"


def answering(connection: socket.socket, _number: int) -> None:
    head = request_head(connection)
    if head.startswith(b"GET"):
        connection.sendall(response(b'{"tier": "free"}'))
    else:
        connection.sendall(response(b'{"detail": {"status": "voice_not_found"}}', status="404 Not Found"))


@contextlib.contextmanager
def never_answering(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Yield a port on which connecting never ends, as if a firewall dropped the packets."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((host, port), backlog=0))
        port = listener.getsockname()[1]
        while True:
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((host, port))
            if not _is_connected(waiting):
                break
        yield port


def _is_connected(connecting: socket.socket) -> bool:
    try:
        connecting.getpeername()
    except OSError:
        return False
    return True


def probed(monkeypatch: pytest.MonkeyPatch, *ports: int, delay: float = 0.01, timeout: float = 30.0) -> Verdict:
    """Test a key at a host name with several addresses: this machine, with one of the ports each."""

    def addresses(host: str, _port: int, **_: object) -> list[tuple[Any, ...]]:
        assert host == NAME
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]

    monkeypatch.setattr(socket, "getaddrinfo", addresses)
    monkeypatch.setattr(network, "_HAPPY_EYEBALLS_S", delay)
    return probe("elevenlabs", base_url=f"http://{NAME}:{ports[-1] if ports else REFUSED}", timeout=timeout)


@pytest.mark.usefixtures("each_loop")
def test_an_address_that_never_answers_does_not_delay_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with never_answering() as black_hole, playing(answering) as port:
        verdict = probed(monkeypatch, black_hole, port)
    assert verdict.outcome == "valid"


@pytest.mark.usefixtures("each_loop")
def test_after_an_address_that_refuses_the_next_is_tried_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with playing(answering) as port:
        verdict = probed(monkeypatch, REFUSED, port, delay=3600.0)
    assert verdict.outcome == "valid"


@pytest.mark.server
@pytest.mark.usefixtures("each_loop")
@pytest.mark.parametrize("ports", [(REFUSED,), (REFUSED, REFUSED), ()])
def test_a_name_without_an_address_that_answers_is_unreachable(
    monkeypatch: pytest.MonkeyPatch, ports: tuple[int, ...]
) -> None:
    verdict = probed(monkeypatch, *ports)
    assert (verdict.reason, verdict.detail) == ("unreachable", "no connection could be made to the endpoint")


@pytest.mark.usefixtures("each_loop")
def test_addresses_that_all_never_answer_are_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    with never_answering() as black_hole:
        verdict = probed(monkeypatch, black_hole, black_hole, timeout=0.2)
    assert verdict.reason == "timeout"


@pytest.mark.usefixtures("each_loop")
def test_a_name_is_looked_up_once_for_many_tests_and_again_where_its_address_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_up = 0

    def addresses(*_: object, **__: object) -> list[tuple[Any, ...]]:
        nonlocal looked_up
        looked_up += 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    async def connected(known: network.Addresses) -> None:
        opened = network.Network(known)
        await opened.connect_tcp(NAME, port)
        opened.close()
        await asyncio.sleep(0)

    async def work() -> list[int]:
        counts = []
        known: network.Addresses = {}
        for _ in range(3):
            await connected(known)
        counts.append(looked_up)
        known[NAME, port] = "127.0.0.2", known[NAME, port][1]  # nobody listens there
        await connected(known)
        counts.append(looked_up)
        known[NAME, port] = "127.0.0.2", known[NAME, port][1]
        with never_answering("127.0.0.2", port):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await connected(known)
            async with asyncio.timeout(10):
                await connected(known)
        counts.append(looked_up)
        return counts

    monkeypatch.setattr(socket, "getaddrinfo", addresses)
    with playing(answering) as port:
        assert asyncio.run(work()) == [1, 2, 3]
