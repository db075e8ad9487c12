"""The sandbox as tests of programs use it: its life, the handles by which it is moved, and what it keeps."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from kojikey.model.errors import UsageError
from kojikey.testing import FaultKind, Sandbox, SandboxKey, load_key
from kojikey.testing.sandbox import _PLAYS as played
from kojikey.testing.script import PROVIDERS
from kojikey.testing.wire import Reply

HEADER = {"google_gemini": "x-goog-api-key", "elevenlabs": "xi-api-key"}
PATH = {"google_gemini": "/v1beta/models", "elevenlabs": "/v1/user/subscription"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as started:
        yield started


def get(key: SandboxKey, path: str | None = None, *, timeout: float = 10) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=httpx.Timeout(10, read=timeout)) as client:
        return client.get(key.base_url + (path or PATH[key.provider]), headers={HEADER[key.provider]: key.key})


# --- its life ---


def test_importing_it_loads_nothing_but_the_standard_library() -> None:
    program = "import sys, kojikey.testing; print(*{m.partition('.')[0] for m in sys.modules})"
    loaded = set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "kojikey" in loaded
    assert loaded.isdisjoint({"pytest", "httpx", "rich", "typer", "cryptography", "platformdirs", "keyring"})


def test_stopping_leaves_no_thread_and_no_socket_whatever_is_under_way() -> None:
    before = set(threading.enumerate())
    sandbox = Sandbox()
    sandbox.start()
    idle = socket.create_connection(("127.0.0.1", sandbox.port))
    waiting = socket.create_connection(("127.0.0.1", sandbox.port))
    key = sandbox.key("google_gemini", "timeout")
    waiting.sendall(f"GET /google_gemini/v1beta/models HTTP/1.1\r\nx-goog-api-key: {key.key}\r\n\r\n".encode())
    while sandbox.request_count == 0:
        pass
    sandbox.stop()
    assert set(threading.enumerate()) == before
    for connection in (idle, waiting):
        with connection:
            connection.settimeout(10)
            with contextlib.suppress(ConnectionError):  # an end by reset is an end, too
                assert connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", sandbox.port))
    gc.collect()  # an unclosed socket is a ResourceWarning, and that an error


def test_stopping_ends_a_request_that_is_held() -> None:
    sandbox = Sandbox()
    sandbox.start()
    key = sandbox.key("elevenlabs", "ok")
    with ThreadPoolExecutor() as pool, sandbox.hold():
        answer = pool.submit(get, key)
        sandbox.wait_for_request()
        sandbox.stop()
        assert isinstance(answer.exception(timeout=10), httpx.TransportError)
    assert sandbox.requests[0].status is None


def test_stopping_while_connections_come_in_leaves_none_open(capfd: pytest.CaptureFixture[str]) -> None:
    sandbox = Sandbox()
    sandbox.start()
    head = b"GET /elevenlabs/v1/voices HTTP/1.1\r\n\r\n"
    stopped = threading.Event()

    def connect_until_stopped() -> None:
        while not stopped.is_set():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", sandbox.port)) as connection:
                connection.sendall(head)

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(connect_until_stopped) for _ in range(4)]
        while sandbox.request_count < 50:
            pass
        sandbox.stop()
        stopped.set()
        assert [client.result(timeout=10) for client in clients] == [None] * 4
    gc.collect()
    assert capfd.readouterr().err == ""


def test_it_can_be_stopped_twice_and_started_again_but_not_started_twice() -> None:
    sandbox = Sandbox()
    sandbox.stop()
    for _ in range(2):
        sandbox.start()
        with pytest.raises(UsageError, match="started already"):
            sandbox.start()
        assert get(sandbox.key("elevenlabs", "ok")).status_code == 200
        sandbox.stop()
        sandbox.stop()


def test_a_port_that_is_taken_is_a_usage_error(sandbox: Sandbox) -> None:
    for port in (sandbox.port, 70000):
        with pytest.raises(UsageError, match="can not be had"):
            Sandbox(port).start()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "localhost.example"])
def test_it_listens_on_loopback_addresses_alone(host: str) -> None:
    with pytest.raises(UsageError, match="loopback"):
        Sandbox(host=host)


def test_it_has_no_keys_before_it_is_started() -> None:
    with pytest.raises(UsageError, match="not started"):
        _ = Sandbox().keys


def test_names_that_it_does_not_know_are_usage_errors(sandbox: Sandbox) -> None:
    for wrong in (
        lambda: sandbox.key("google_gemini", "no_such_reason"),
        lambda: sandbox.key("no_such_provider", "ok"),
        lambda: sandbox.base_url("no_such_provider"),
        lambda: sandbox.add_key("elevenlabs", "some key", "restricted_app"),
        lambda: sandbox.set_reason("nobody's key", "ok"),
        lambda: sandbox.fault("elevenlabs", "no_such_fault"),
        lambda: load_key("elevenlabs", 1, "no_such_reason"),
    ):
        with pytest.raises(UsageError):
            wrong()


# --- the reasons without an answer ---


@pytest.mark.parametrize("provider", PROVIDERS)
def test_nothing_listens_where_an_unreachable_key_points(sandbox: Sandbox, provider: str) -> None:
    with pytest.raises(httpx.ConnectError) as caught:
        get(sandbox.key(provider, "unreachable"))
    assert "refused" in str(caught.value)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_connection_can_be_reset(sandbox: Sandbox, provider: str) -> None:
    key = sandbox.key(provider, "unreachable_reset")
    head = f"GET /{provider}{PATH[provider]} HTTP/1.1\r\n{HEADER[provider]}: {key.key}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", sandbox.port)) as connection:
        connection.sendall(head.encode())
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_answer_comes_where_a_timeout_is_played(sandbox: Sandbox, provider: str) -> None:
    with pytest.raises(httpx.ReadTimeout):
        get(sandbox.key(provider, "timeout"), timeout=0.05)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_no_tls_is_spoken_where_https_is_asked_for(sandbox: Sandbox, provider: str) -> None:
    with pytest.raises(httpx.ConnectError) as caught:
        get(sandbox.key(provider, "tls_error"))
    cause: BaseException | None = caught.value
    while cause and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    assert isinstance(cause, ssl.SSLError)
    assert cause.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_following_a_redirect_with_the_key_is_noted(sandbox: Sandbox, provider: str) -> None:
    key = sandbox.key(provider, "redirected")
    response = get(key)
    assert response.is_redirect
    assert sandbox.faults == ()
    httpx.get(response.headers["location"], headers={HEADER[provider]: key.key}, trust_env=False)
    assert "a redirect was followed" in sandbox.faults


# --- keys that change ---


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_revoked_key_works_no_longer(sandbox: Sandbox, provider: str) -> None:
    key = sandbox.key(provider, "ok")
    assert get(key).status_code == 200
    sandbox.revoke(key)
    assert get(key).status_code in (400, 401)
    sandbox.set_reason(key.key, "ok")
    assert get(key).status_code == 200


def test_a_key_of_ones_own_can_be_added(sandbox: Sandbox) -> None:
    key = sandbox.add_key("elevenlabs", "sk_of_a_test", missing=("user_read",))
    assert "missing the permission user_read" in get(key).text
    sandbox.set_reason(key, "invalid_key")
    assert "invalid_api_key" in get(key).text
    assert sandbox.requests[0].key_name == "ok"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_keys_for_load_tests_carry_their_reason(sandbox: Sandbox, provider: str) -> None:
    good, bad = load_key(provider, 1), load_key(provider, 1, "rate_limited")
    assert good != load_key(provider, 2)
    url, header = sandbox.base_url(provider) + PATH[provider], HEADER[provider]
    assert httpx.get(url, headers={header: good}, trust_env=False).status_code in (400, 401)
    sandbox.accept_any = True
    for key, status in ((good, 200), ("any other key", 200), (bad, 429)):
        assert httpx.get(url, headers={header: key}, trust_env=False).status_code == status
    sandbox.revoke(sandbox.key(provider, "ok"))
    assert get(sandbox.key(provider, "ok")).status_code in (400, 401)


# --- what it keeps ---


def test_no_key_is_in_what_it_shows_or_keeps(sandbox: Sandbox) -> None:
    key = sandbox.add_key("google_gemini", "canary-key-0123456789-wxyz")
    with httpx.Client(trust_env=False, headers={"x-goog-api-key": key.key, "x-copy": key.key}) as client:
        client.post(f"{key.base_url}/v1beta/models/{key.key}", params={"key": key.key}, content=key.key)
    (request,) = sandbox.requests
    shown = repr([sandbox, sandbox.keys, key, sandbox.faults, request, request.headers, request.body])
    assert key.key not in shown
    assert not [made_up for made_up in sandbox.keys if made_up.key in shown]
    assert (request.masked, request.headers["x-copy"]) == ("********wxyz", "********wxyz")


@pytest.mark.parametrize(
    ("query", "headers", "body", "fault"),
    [
        ("?key=KEY", {}, b"", "in a URL"),
        ("?anything=KEY", {"x-goog-api-key": "KEY"}, b"", "in a URL"),
        ("", {"x-goog-api-key": "KEY", "user-agent": "agent/KEY"}, b"", "in a header other than x-goog-api-key"),
        ("", {"x-goog-api-key": "KEY"}, b'{"key": "KEY"}', "in a body"),
        ("", {"x-goog-api-key": "KEY", "xi-api-key": "x"}, b"", "the key header of another provider"),
    ],
)
def test_a_key_in_the_wrong_place_is_a_fault_of_the_client(
    sandbox: Sandbox, query: str, headers: dict[str, str], body: bytes, fault: str
) -> None:
    key = sandbox.key("google_gemini", "ok").key
    url = sandbox.base_url("google_gemini") + "/v1beta/models" + query.replace("KEY", key)
    sent = {name: value.replace("KEY", key) for name, value in headers.items()}
    httpx.request("GET", url, headers=sent, content=body.replace(b"KEY", key.encode()), trust_env=False)
    assert fault in sandbox.faults[0]
    assert key not in repr(sandbox.faults)
    sandbox.forget()
    assert (sandbox.faults, sandbox.requests) == ((), ())


def test_a_request_as_it_should_be_is_recorded_without_a_fault(sandbox: Sandbox) -> None:
    key = sandbox.key("google_gemini", "restricted_ip")
    get(key, "/v1beta/models?pageSize=5")
    (request,) = sandbox.requests
    assert (request.provider, request.method, request.path, request.query) == (
        "google_gemini", "GET", "/v1beta/models", "pageSize=5",
    )  # fmt: skip
    assert (request.key_name, request.status, request.spent) == ("restricted_ip", 403, False)
    assert sandbox.faults == ()


def test_what_is_kept_is_bounded_and_what_is_counted_is_not(sandbox: Sandbox) -> None:
    key = sandbox.key("elevenlabs", "ok")
    with httpx.Client(trust_env=False, headers={"xi-api-key": key.key}) as client:
        for _ in range(1010):
            client.get(key.base_url + "/v1/models")
    assert (len(sandbox.requests), sandbox.requests[0].number, sandbox.request_count) == (1000, 11, 1010)


def test_a_sandbox_key_has_all_that_a_table_needs(sandbox: Sandbox) -> None:
    key = sandbox.key("google_gemini", "billing_prepay")
    assert (key.reason, key.outcome, key.options) == ("billing", "limited", ("--deep",))
    assert all(key.note for key in sandbox.keys)
    assert key == sandbox.key("google_gemini", "billing_prepay")


# --- holding, latency, faults ---


def test_a_held_request_is_under_way_until_it_is_let_go(sandbox: Sandbox) -> None:
    key = sandbox.key("google_gemini", "ok")
    with ThreadPoolExecutor() as pool:
        with sandbox.hold():
            answer = pool.submit(get, key)
            assert sandbox.wait_for_request().key_name == "ok"
            assert not answer.done()
        assert answer.result(timeout=10).status_code == 200
    assert sandbox.requests[0].status == 200


def test_the_first_requests_pass_a_gate_that_says_so(sandbox: Sandbox) -> None:
    key = sandbox.key("google_gemini", "ok")
    with ThreadPoolExecutor() as pool, sandbox.hold(after=1) as gate:
        assert get(key).status_code == 200
        answer = pool.submit(get, key)
        assert sandbox.wait_for_request().number == 2
        gate.open()
        assert answer.result(timeout=10).status_code == 200


def test_a_client_that_is_killed_while_held_does_no_harm(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    key = sandbox.key("elevenlabs", "ok")
    program = "import sys, urllib.request as r; r.urlopen(r.Request(sys.argv[1], headers={'xi-api-key': sys.argv[2]}))"
    with sandbox.hold():
        command = [sys.executable, "-c", program, key.base_url + "/v1/user", key.key]
        with subprocess.Popen(command) as client:
            sandbox.wait_for_request()
            client.kill()
    assert get(key).status_code == 200
    assert capfd.readouterr().err == ""


def test_waiting_for_a_request_that_never_comes_ends(sandbox: Sandbox) -> None:
    with pytest.raises(TimeoutError, match="no request"):
        sandbox.wait_for_request(0.01)


def test_sixty_four_connections_wait_at_the_same_time(sandbox: Sandbox) -> None:
    """All are held, so that none was answered before the last came: a server of fewer threads would never get there."""
    sandbox.accept_any = True
    url = sandbox.base_url("google_gemini") + "/v1beta/models"

    async def all_at_once() -> list[int]:
        limits = httpx.Limits(max_connections=64)
        async with httpx.AsyncClient(trust_env=False, timeout=30, limits=limits) as client:
            keys = [load_key("google_gemini", number) for number in range(64)]
            with sandbox.hold():
                tasks = [asyncio.create_task(client.get(url, headers={"x-goog-api-key": key})) for key in keys]
                while sandbox.request_count < 64:
                    await asyncio.sleep(0)
                assert not [task for task in tasks if task.done()]
            return [response.status_code for response in await asyncio.gather(*tasks)]

    assert asyncio.run(all_at_once()) == [200] * 64


def test_latency_delays_the_answer(sandbox: Sandbox) -> None:
    sandbox.latency = 60
    key = sandbox.key("elevenlabs", "ok")
    with pytest.raises(httpx.ReadTimeout):
        get(key, timeout=0.05)
    sandbox.latency = 0
    assert get(key).status_code == 200


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("kind", "error"),
    [("reset", httpx.ReadError), ("down", httpx.RemoteProtocolError), ("slow", httpx.TimeoutException)],
)
def test_a_fault_breaks_one_provider_until_it_is_mended(
    sandbox: Sandbox, provider: str, kind: str, error: type[Exception]
) -> None:
    key = sandbox.key(provider, "ok")
    sandbox.fault(provider, kind)
    with pytest.raises(error):
        get(key, timeout=0.05 if kind == "slow" else 10)
    (other,) = set(PROVIDERS) - {provider}
    assert get(sandbox.key(other, "ok")).status_code == 200
    sandbox.mend(provider)
    assert get(key).status_code == 200


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_rate_limit_for_all_says_when_to_come_again(sandbox: Sandbox, provider: str) -> None:
    sandbox.retry_after = 7
    sandbox.fault(provider, FaultKind.RATE_LIMIT_ALL)
    response = get(sandbox.key(provider, "ok"))
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")
    sandbox.mend()
    assert get(sandbox.key(provider, "ok")).status_code == 200


def test_garbage_and_a_portal_come_with_a_good_status(sandbox: Sandbox) -> None:
    key = sandbox.key("google_gemini", "ok")
    sandbox.fault("google_gemini", "garbage")
    with pytest.raises(ValueError, match=r"decode|Expecting|Invalid"):
        get(key).json()
    sandbox.fault("google_gemini", "portal")
    response = get(key)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html")


def test_a_mistake_of_its_own_is_told_and_answered(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(*_: object) -> Reply:
        raise KeyError("a fact that nobody knows")

    monkeypatch.setitem(played, "elevenlabs", mistaken)
    assert get(sandbox.key("elevenlabs", "ok")).status_code == 500
    assert sandbox.faults == ("the sandbox itself failed: KeyError",)


# --- HTTP ---


def exchange(sandbox: Sandbox, raw: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", sandbox.port)) as connection:
        connection.settimeout(10)
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / SMTP/1.1\r\n\r\n", b"400"),
        (b"GET http://elsewhere/ HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\ncontent-length: 9999999\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\n\r\n", b"404"),
    ],
)
def test_what_is_no_request_is_refused(sandbox: Sandbox, raw: bytes, status: bytes) -> None:
    assert exchange(sandbox, raw).startswith(b"HTTP/1.1 " + status + b" ")


def test_half_a_request_is_no_request(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    for raw in (b"", b"GET / HT", b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nabc"):
        assert exchange(sandbox, raw) == b""
    with contextlib.suppress(ConnectionError):  # too long a head is not read to its end
        assert exchange(sandbox, b"GET / " + b"x" * 200_000) == b""
    assert sandbox.request_count == 0
    assert capfd.readouterr().err == ""


def test_a_connection_serves_many_requests_until_the_client_says_close(sandbox: Sandbox) -> None:
    head = b"GET /elevenlabs/v1/voices HTTP/1.1\r\n"
    answer = exchange(sandbox, (head + b"\r\n") * 2 + head + b"Connection: close\r\n\r\n" + head + b"\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 3


def test_the_standard_library_can_talk_to_it(sandbox: Sandbox) -> None:
    key = sandbox.key("google_gemini", "invalid_key")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(key.base_url + "/v1beta/models", headers={"x-goog-api-key": key.key})
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(request, timeout=10)
    with caught.value as error:
        assert (error.code, b"API_KEY_INVALID" in error.read()) == (400, True)


def test_requests_of_many_threads_are_all_answered(sandbox: Sandbox) -> None:
    keys = [key for key in sandbox.keys if key.reason == "ok" and key.name != "ok_scoped"] * 10
    with ThreadPoolExecutor(16) as pool:
        assert {response.status_code for response in pool.map(get, keys)} == {200}
    assert sandbox.request_count == len(keys)


def test_ipv6_is_loopback_too() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:  # a machine without IPv6: the address still stands in brackets
        assert "[::1]" in repr(Sandbox(host="::1"))
        return
    with Sandbox(host="::1") as sandbox:
        assert get(sandbox.key("elevenlabs", "ok")).status_code == 200
