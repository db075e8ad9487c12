"""The sandbox as a server: it starts and stops cleanly, and reads and refuses HTTP correctly."""

from __future__ import annotations

import contextlib
import gc
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from kojikey.model.errors import UsageError
from kojikey.testing import Sandbox, load_key
from support.sandbox_request import HEADER, get, sandbox

__all__ = ["sandbox"]


# --- its life ---


def test_importing_the_sandbox_loads_only_the_standard_library() -> None:
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


def test_the_sandbox_can_be_stopped_twice_and_restarted_but_not_started_twice() -> None:
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
        with pytest.raises(UsageError, match="is not available"):
            Sandbox(port).start()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "localhost.example"])
def test_the_sandbox_listens_only_on_loopback_addresses(host: str) -> None:
    with pytest.raises(UsageError, match="loopback"):
        Sandbox(host=host)


def test_the_sandbox_has_no_keys_before_it_is_started() -> None:
    with pytest.raises(UsageError, match="not started"):
        _ = Sandbox().keys


def test_unknown_names_are_usage_errors(sandbox: Sandbox) -> None:
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


# --- HTTP ---


def exchange(sandbox: Sandbox, raw: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", sandbox.port)) as connection:
        connection.settimeout(10)
        answer = b""
        # A server that has heard enough may hang up while we are still talking; what it said before counts.
        with contextlib.suppress(OSError):
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
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
def test_text_that_is_no_request_is_refused(sandbox: Sandbox, raw: bytes, status: bytes) -> None:
    assert exchange(sandbox, raw).startswith(b"HTTP/1.1 " + status + b" ")


def test_an_incomplete_request_gets_no_answer(sandbox: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
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
    keys = [
        key for key in sandbox.keys if key.provider in HEADER and key.reason == "ok" and key.name != "ok_scoped"
    ] * 10
    with ThreadPoolExecutor(16) as pool:
        assert {response.status_code for response in pool.map(get, keys)} == {200}
    assert sandbox.request_count == len(keys)


def test_the_sandbox_can_listen_on_ipv6_loopback() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:  # a machine without IPv6: the address still stands in brackets
        assert "[::1]" in repr(Sandbox(host="::1"))
        return
    with Sandbox(host="::1") as sandbox:
        assert get(sandbox.key("elevenlabs", "ok")).status_code == 200
