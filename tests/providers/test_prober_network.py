"""The prober on a misbehaving network, with real connections over loopback."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from typing import Any

import pytest

from kojikey.model.verdict import Verdict
from support.probing import ELEVENLABS_KEY, Time, probe
from support.scripted_server import loopback_certificate, playing, request_head, response, server_context

pytestmark = pytest.mark.usefixtures("each_loop")

SUBSCRIPTION = json.dumps({"tier": "free", "character_count": 1, "character_limit": 10, "status": "free"}).encode()
NO_VOICE = json.dumps({"detail": {"status": "voice_not_found", "message": "no such voice"}}).encode()
BRIEF = 0.2  # the time limit of tests in which a server never answers


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def at(port: int, **choices: Any) -> Verdict:
    return probe("elevenlabs", base_url=f"http://127.0.0.1:{port}", **choices)


def healthy(connection: socket.socket, _number: int) -> None:
    head = request_head(connection)
    body, status = (SUBSCRIPTION, "200 OK") if head.startswith(b"GET") else (NO_VOICE, "404 Not Found")
    connection.sendall(response(body, status=status))


def learned_nothing(verdict: Verdict, reason: str) -> bool:
    return (verdict.outcome, verdict.reason, verdict.authentic) == ("indeterminate", reason, None)


def test_a_loopback_server_that_plays_the_provider_is_asked_over_http() -> None:
    with playing(healthy) as port:
        verdict = at(port)
    assert (verdict.outcome, verdict.authentic) == ("valid", True)
    assert [check.http_status for check in verdict.checks] == [200, 404]


def test_one_connection_serves_the_requests_of_a_test() -> None:
    numbers = set()

    def keep_alive(connection: socket.socket, number: int) -> None:
        while head := request_head(connection):
            numbers.add(number)
            body, status = (SUBSCRIPTION, "200 OK") if head.startswith(b"GET") else (b"{}", "204 No Content")
            whole = response(body, status=status).replace(b"connection: close\r\n", b"")
            connection.sendall(whole.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if b"204" in whole[:20] else whole)
            if not head.startswith(b"GET"):
                return

    with playing(keep_alive) as port:
        at(port)
    assert numbers == {0}


def test_a_port_where_nobody_listens_is_unreachable_and_is_retried() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    time = Time()
    verdict = at(port, time=time)
    assert learned_nothing(verdict, "unreachable")
    assert verdict.checks[0].http_status is None
    assert verdict.attempts == 3
    assert time.slept == [0.25, 0.5]


def test_a_name_that_cannot_be_resolved_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    verdict = probe("elevenlabs", base_url="https://api.nowhere.invalid")
    assert learned_nothing(verdict, "unreachable")
    assert "resolved" in verdict.detail


def test_a_server_that_never_answers_is_a_timeout_and_is_not_retried() -> None:
    def silent(connection: socket.socket, _number: int) -> None:
        request_head(connection)
        connection.recv(1)

    time = Time()
    with playing(silent) as port:
        verdict = at(port, timeout=BRIEF, time=time)
    assert learned_nothing(verdict, "timeout")
    assert verdict.attempts == 1
    assert time.slept == []


def test_a_server_that_drips_its_answer_is_a_timeout_too() -> None:
    stop = threading.Event()

    def drip(connection: socket.socket, _number: int) -> None:
        request_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n")
        while not stop.wait(BRIEF / 10):
            connection.sendall(b" ")

    with playing(drip) as port:
        verdict = at(port, timeout=BRIEF)
        stop.set()
    assert learned_nothing(verdict, "timeout")


def test_a_check_that_runs_out_of_time_makes_the_test_a_timeout() -> None:
    """The account check succeeds at the last moment; without the other checks the key must not count as valid."""
    time = Time()

    def late(connection: socket.socket, number: int) -> None:
        head = request_head(connection)
        if head.startswith(b"GET") and number == 0:
            time.now += 29.9999
            connection.sendall(response(SUBSCRIPTION))
        else:
            while connection.recv(4096):
                pass  # until the client gives up

    with playing(late) as port:
        verdict = at(port, time=time)
    assert (verdict.outcome, verdict.reason, verdict.authentic) == ("indeterminate", "timeout", True)
    assert [check.reason for check in verdict.checks] == ["ok", "timeout"]


@pytest.mark.parametrize(
    "sent", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf"]
)
def test_a_connection_that_breaks_or_does_not_speak_http_is_unreachable(sent: bytes) -> None:
    def broken(connection: socket.socket, _number: int) -> None:
        request_head(connection)
        connection.sendall(sent)

    with playing(broken) as port:
        verdict = at(port)
    assert learned_nothing(verdict, "unreachable")
    assert verdict.attempts == 3


def test_a_connection_that_is_reset_is_unreachable() -> None:
    def reset(connection: socket.socket, _number: int) -> None:
        request_head(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with playing(reset) as port:
        assert learned_nothing(at(port), "unreachable")


def test_a_request_is_repeated_after_its_connection_breaks_once() -> None:
    def broken_once(connection: socket.socket, number: int) -> None:
        if number:
            healthy(connection, number)

    with playing(broken_once) as port:
        verdict = at(port)
    assert (verdict.outcome, verdict.attempts) == ("valid", 2)


def test_a_redirect_is_not_followed() -> None:
    visited = []

    def elsewhere(connection: socket.socket, _number: int) -> None:
        visited.append(request_head(connection))

    def redirect(connection: socket.socket, _number: int) -> None:
        request_head(connection)
        location = f"location: http://127.0.0.1:{other}/v1/user/subscription\r\n"
        connection.sendall(response(b"", status="307 Temporary Redirect", headers=location))

    with playing(elsewhere) as other, playing(redirect) as port:
        verdict = at(port)
    assert learned_nothing(verdict, "redirected")
    assert visited == []
    assert f"127.0.0.1:{other}" in verdict.detail


def test_an_endless_body_is_read_up_to_64_kib() -> None:
    sent = []

    def endless(connection: socket.socket, _number: int) -> None:
        request_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        while True:
            connection.sendall(b" " * 65536)
            sent.append(65536)

    with playing(endless) as port:
        verdict = at(port, capabilities=("voices_read",))
    assert learned_nothing(verdict, "unknown")
    assert "too long" in verdict.detail


def test_a_compressed_body_is_read_up_to_the_limit() -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 65536

    def bombing(connection: socket.socket, _number: int) -> None:
        request_head(connection)
        connection.sendall(response(bomb, headers="content-encoding: gzip\r\ncontent-type: application/json\r\n"))

    with playing(bombing) as port:
        verdict = at(port)
    assert learned_nothing(verdict, "unknown")
    assert "too long" in verdict.detail


def test_a_body_that_is_compressed_without_being_asked_for_is_read() -> None:
    def compressed(connection: socket.socket, _number: int) -> None:
        head = request_head(connection)
        assert b"accept-encoding: identity" in head.lower()
        body = gzip.compress(SUBSCRIPTION if head.startswith(b"GET") else NO_VOICE)
        status = "200 OK" if head.startswith(b"GET") else "404 Not Found"
        connection.sendall(response(body, status=status, headers="content-encoding: gzip\r\n"))

    with playing(compressed) as port:
        assert at(port).outcome == "valid"


def test_tls_to_a_port_that_does_not_speak_it_is_a_tls_error() -> None:
    def plain(connection: socket.socket, _number: int) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

    time = Time()
    with playing(plain) as port:
        verdict = probe("elevenlabs", base_url=f"https://127.0.0.1:{port}", time=time)
    assert learned_nothing(verdict, "tls_error")
    assert time.slept == []


def test_an_untrusted_certificate_is_a_tls_error_and_the_key_is_not_sent(tmp_path: object) -> None:
    received = []

    def listen(connection: socket.socket, _number: int) -> None:
        received.append(connection.recv(4096))

    certificate = loopback_certificate(str(tmp_path))
    with playing(listen, tls=server_context(certificate)) as port:
        verdict = probe("elevenlabs", base_url=f"https://127.0.0.1:{port}")
    assert learned_nothing(verdict, "tls_error")
    assert "certificate" in verdict.detail
    assert received == []


def test_the_ca_file_of_the_environment_is_honoured(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = loopback_certificate(str(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    with playing(healthy, tls=server_context(certificate)) as port:
        verdict = probe("elevenlabs", base_url=f"https://127.0.0.1:{port}")
    assert verdict.outcome == "valid"


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "403 Forbidden"])
def test_a_proxy_that_refuses_is_a_network_failure_and_never_sees_the_key(
    monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    received = []

    def refuse(connection: socket.socket, _number: int) -> None:
        received.append(request_head(connection))
        connection.sendall(response(b"no", status=status))

    with playing(refuse) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        verdict = probe("elevenlabs")
    assert learned_nothing(verdict, "network_blocked")
    assert received[0].startswith(b"CONNECT api.elevenlabs.io:443")
    assert ELEVENLABS_KEY.encode() not in b"".join(received)


def test_a_proxy_never_sees_a_request_to_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a request is unencrypted: a proxy on another machine would get the key in plain text."""
    seen = []

    def proxy(connection: socket.socket, _number: int) -> None:
        seen.append(request_head(connection))

    with playing(proxy) as proxy_port, playing(healthy) as port:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy_port}")
        assert at(port).outcome == "valid"
    assert seen == []
