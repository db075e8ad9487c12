"""Servers and proxies that send answers without a request: no answer is ever counted for another key.

Each simulates the provider correctly, except for its connections. Its answers depend on the key: a good
one is known with its own usage, a bad one is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest

from kojikey.model.secret import Secret
from kojikey.model.verdict import Outcome, Verdict
from kojikey.providers.requests.network import MOST_BYTES
from kojikey.providers.requests.probe import Prober, ProbeRequest
from kojikey.providers.requests.traffic import Traffic
from kojikey.testing import load_key
from support.exhaustive import exhaustive, exhaustive_except
from support.probing import CATALOG, Time
from support.scripted_server import loopback_certificate, playing, request_head, requests, server_context

pytestmark = pytest.mark.usefixtures("each_loop")

Behaviour = Callable[[socket.socket], None]

MANY = 700  # keys, of which every other one is bad: 1,050 requests
SOME = 24
LONG_AGO = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
STRANGER = b"HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: 39\r\n\r\n"
STRANGER += b'{"detail":{"status":"invalid_api_key"}}'


def key_of(number: int) -> str:
    return load_key("elevenlabs", number)


NUMBER_OF = {key_of(number): number for number in range(MANY)}


def is_good(number: int) -> bool:
    return number % 2 == 0


def answer(head: bytes) -> bytes:
    """Return the right answer to a request, on a connection that stays open."""
    found = re.search(rb"(?i)xi-api-key: *([!-~]+)", head)
    assert found
    number = NUMBER_OF[found[1].decode()]
    status, document = "401 Unauthorized", {"detail": {"status": "invalid_api_key", "message": "no"}}
    if is_good(number) and head.startswith(b"GET"):
        status, document = "200 OK", {"tier": "free", "character_count": number, "character_limit": 10_000}  # type: ignore[dict-item]
    elif is_good(number):
        status, document = "404 Not Found", {"detail": {"status": "voice_not_found", "message": "no such voice"}}
    body = json.dumps(document).encode()
    return f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def twice_at_once(connection: socket.socket) -> None:
    for head in requests(connection):
        connection.sendall(answer(head) * 2)


def twice_one_after_the_other(connection: socket.socket) -> None:
    for head in requests(connection):
        connection.sendall(answer(head))
        connection.sendall(answer(head))


def twice_the_second_late(connection: socket.socket) -> None:
    """Send the second copy during the next request: nothing on this connection distinguishes the two answers."""
    late = b""
    for head in requests(connection):
        connection.sendall(late + answer(head))
        late = answer(head)


def a_refusal_of_somebody_else_behind_it(connection: socket.socket) -> None:
    for head in requests(connection):
        connection.sendall(answer(head) + STRANGER)


def half_an_answer_behind_it(connection: socket.socket) -> None:
    for head in requests(connection):
        connection.sendall(answer(head) + STRANGER[:40])


def trailing_bytes(connection: socket.socket) -> None:
    for head in requests(connection):
        connection.sendall(answer(head) + b"\r\n\r\nwhatever\0")


def a_timeout_while_idle(connection: socket.socket) -> None:
    for head in requests(connection):
        connection.sendall(answer(head))
        connection.sendall(LONG_AGO)


def an_answer_of_a_request_that_was_given_up(connection: socket.socket) -> None:
    """Send more than is read of an answer: the bytes after the limit must count for no request."""
    for head in requests(connection):
        right = answer(head)
        start, _, body = right.partition(b"\r\n\r\n")
        padded = body + b" " * 70_000 + STRANGER
        start = re.sub(rb"content-length: [0-9]+", b"content-length: %d" % len(padded), start)
        connection.sendall(start + b"\r\n\r\n" + padded)


def half_closed(connection: socket.socket) -> None:
    for head in requests(connection):
        connection.sendall(answer(head))
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)


def some_1xx_before_it(connection: socket.socket) -> None:
    for head in requests(connection):
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 50 + answer(head))


BEHAVIOURS: tuple[Behaviour, ...] = (
    twice_at_once, twice_one_after_the_other, twice_the_second_late, a_refusal_of_somebody_else_behind_it,
    half_an_answer_behind_it, trailing_bytes, a_timeout_while_idle, an_answer_of_a_request_that_was_given_up,
    half_closed, some_1xx_before_it,
)  # fmt: skip


CONNECTIONS = pytest.mark.parametrize(
    ("each_loop", "tls"),
    exhaustive_except(product(("asyncio", "fast"), ("plain", "tls")), [("asyncio", "plain"), ("fast", "tls")]),
    indirect=True,
)


@pytest.fixture
def tls(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext | None:
    if request.param == "plain":
        return None
    certificate = loopback_certificate(str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    return server_context(certificate)


def verdicts_at(port: int, numbers: range, *, is_tls: bool, concurrency: int = 4) -> dict[int, Verdict]:
    """Test the keys of these numbers in one run, and return the verdicts by number."""
    base_url = f"{'https' if is_tls else 'http'}://127.0.0.1:{port}"
    found: dict[int, Verdict] = {}
    left = iter(numbers)

    async def run() -> None:
        async with Prober(surroundings=Time().surroundings(), traffic=Traffic(clock=lambda: 0.0)) as prober:

            async def lane() -> None:
                for number in left:
                    request = ProbeRequest(CATALOG.get("elevenlabs"), Secret(key_of(number)), base_url)
                    found[number] = await prober.test(request)

            await asyncio.gather(*(lane() for _ in range(concurrency)))

    asyncio.run(run())
    return found


def crossed(found: dict[int, Verdict]) -> Iterator[tuple[int, str, object]]:
    """Yield the verdicts that cannot be about their key."""
    for number, verdict in found.items():
        said = verdict.usage.used if verdict.usage else None
        wrong = (Outcome.REJECTED, Outcome.LIMITED) if is_good(number) else (Outcome.VALID, Outcome.LIMITED)
        if verdict.outcome in wrong or said not in (None, number) or (said is not None and not is_good(number)):
            yield number, verdict.reason, said


@CONNECTIONS
@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.__name__)
def test_no_answer_is_counted_for_another_key(behaviour: Behaviour, tls: ssl.SSLContext | None) -> None:
    with playing(lambda connection, _: behaviour(connection), tls=tls) as port:
        found = verdicts_at(port, range(SOME), is_tls=tls is not None)
    assert len(found) == SOME
    assert list(crossed(found)) == []


@CONNECTIONS
@pytest.mark.parametrize("many", [100, exhaustive(MANY)])
def test_of_many_requests_at_once_no_answer_is_counted_for_another_key(tls: ssl.SSLContext | None, many: int) -> None:
    def play(connection: socket.socket, number: int) -> None:
        BEHAVIOURS[number % len(BEHAVIOURS)](connection)

    with playing(play, tls=tls) as port:
        found = verdicts_at(port, range(many), is_tls=tls is not None, concurrency=16)
    assert len(found) == many
    assert list(crossed(found)) == []


@CONNECTIONS
@pytest.mark.parametrize(
    "behaviour",
    [
        twice_at_once, a_refusal_of_somebody_else_behind_it, half_an_answer_behind_it, trailing_bytes, half_closed,
        some_1xx_before_it,
    ],
    ids=lambda behaviour: behaviour.__name__,
)  # fmt: skip
def test_bytes_that_follow_an_answer_do_not_prevent_a_verdict(behaviour: Behaviour, tls: ssl.SSLContext | None) -> None:
    """The bytes arrive with the answer. Later bytes may look like the next answer, which is then not judged."""
    with playing(lambda connection, _: behaviour(connection), tls=tls) as port:
        found = verdicts_at(port, range(SOME), is_tls=tls is not None)
    assert [found[number].outcome for number in range(SOME)] == ["valid", "rejected"] * (SOME // 2)


@CONNECTIONS
def test_an_answer_before_any_request_is_counted_for_no_key(tls: ssl.SSLContext | None) -> None:
    """Every other connection begins with a refusal before any request."""

    def play(connection: socket.socket, number: int) -> None:
        if number % 2 == 0:
            connection.sendall(STRANGER)
        for head in requests(connection):
            connection.sendall(answer(head))

    with playing(play, tls=tls) as port:
        found = verdicts_at(port, range(SOME), is_tls=tls is not None, concurrency=1)
    assert [found[number].outcome for number in range(SOME)] == ["valid", "rejected"] * (SOME // 2)


@CONNECTIONS
def test_no_connection_carries_two_keys(tls: ssl.SSLContext | None) -> None:
    seen: list[set[bytes]] = []

    def note(connection: socket.socket, _number: int) -> None:
        keys: set[bytes] = set()
        seen.append(keys)
        for head in requests(connection):
            keys.add(re.findall(rb"(?i)xi-api-key: *([!-~]+)", head)[0])
            connection.sendall(answer(head))

    with playing(note, tls=tls) as port:
        verdicts_at(port, range(SOME), is_tls=tls is not None)
    assert {len(keys) for keys in seen} == {1}
    assert len(seen) == SOME, "the requests of one test share a connection"


def rejected_second(first: bytes, second: bytes) -> tuple[Verdict, int]:
    """Test with a server that refuses the second request of a connection with ``first``, later with ``second``."""
    count = 0

    def play(connection: socket.socket, _number: int) -> None:
        nonlocal count
        is_used = False
        for head in requests(connection):
            count += 1
            is_get = head.startswith(b"GET")
            connection.sendall(answer(head) if is_get else first if is_used else second or answer(head))
            is_used = True

    with playing(play) as port:
        return verdicts_at(port, range(1), is_tls=False)[0], count


def test_a_rejection_over_a_used_connection_counts_only_where_a_fresh_one_confirms_it() -> None:
    assert (rejected_second(STRANGER, b"")[0].outcome, rejected_second(STRANGER, b"")[1]) == ("valid", 3)
    confirmed, count = rejected_second(STRANGER, STRANGER)
    assert (confirmed.outcome, confirmed.attempts, count) == ("rejected", 1, 3)


def test_a_rejection_over_a_fresh_connection_is_asked_once() -> None:
    count = 0

    def play(connection: socket.socket, _number: int) -> None:
        nonlocal count
        for head in requests(connection):
            count += 1
            connection.sendall(answer(head))

    with playing(play) as port:
        verdict = verdicts_at(port, range(1, 2), is_tls=False)[1]
    assert (verdict.outcome, count) == ("rejected", 1)


def test_a_flood_of_1xx_answers_is_cut_off() -> None:
    sent = 0

    def flood(connection: socket.socket, _number: int) -> None:
        nonlocal sent
        request_head(connection)
        while True:
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)
            sent += 2500

    with playing(flood) as port:
        verdict = verdicts_at(port, range(1), is_tls=False)[0]
    assert (verdict.outcome, verdict.reason) == ("indeterminate", "unreachable")
    assert sent > MOST_BYTES


def test_a_server_that_speaks_before_the_connection_is_encrypted_is_a_tls_error_or_no_connection() -> None:
    def speak(connection: socket.socket, _number: int) -> None:
        connection.sendall(STRANGER)
        request_head(connection)

    with playing(speak) as port:
        verdict = verdicts_at(port, range(1), is_tls=True)[0]
    assert verdict.reason in ("tls_error", "unreachable")
    assert verdict.authentic is None


def test_no_log_of_a_real_request_has_the_key(caplog: pytest.LogCaptureFixture) -> None:
    def play(connection: socket.socket, _number: int) -> None:
        for head in requests(connection):
            connection.sendall(answer(head))

    with playing(play) as port, caplog.at_level(logging.DEBUG):
        for name in ("httpcore2.http11", "httpcore2.connection"):
            caplog.set_level(logging.DEBUG, name)
        verdicts_at(port, range(1), is_tls=False)
    assert any(record.name.startswith("httpcore2") for record in caplog.records)
    assert key_of(0) not in caplog.text
