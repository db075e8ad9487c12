"""The sandbox for tests of programs: its methods, and its records."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from kojikey.testing import FaultKind, Sandbox, load_key
from kojikey.testing.sandbox.sample_keys import made_up_key
from kojikey.testing.sandbox.sandbox import _PLAYS
from kojikey.testing.sandbox.wire import Reply
from support.sandbox_request import HEADER, PATH, get, sandbox

__all__ = ["sandbox"]

KOJIS = ("google_gemini", "elevenlabs")


# --- the reasons without an answer ---


@pytest.mark.parametrize("provider", KOJIS)
def test_nothing_listens_where_an_unreachable_key_points(sandbox: Sandbox, provider: str) -> None:
    with pytest.raises(httpx.ConnectError) as caught:
        get(sandbox.key(provider, "unreachable"))
    assert "refused" in str(caught.value)


@pytest.mark.parametrize("provider", KOJIS)
def test_a_connection_can_be_reset(sandbox: Sandbox, provider: str) -> None:
    key = sandbox.key(provider, "unreachable_reset")
    head = f"GET /{provider}{PATH[provider]} HTTP/1.1\r\n{HEADER[provider]}: {key.key}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", sandbox.port)) as connection:
        connection.sendall(head.encode())
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


@pytest.mark.parametrize("provider", KOJIS)
def test_no_answer_comes_where_a_timeout_is_played(sandbox: Sandbox, provider: str) -> None:
    with pytest.raises(httpx.ReadTimeout):
        get(sandbox.key(provider, "timeout"), timeout=0.05)


@pytest.mark.parametrize("provider", KOJIS)
def test_no_tls_is_spoken_where_https_is_asked_for(sandbox: Sandbox, provider: str) -> None:
    with pytest.raises(httpx.ConnectError) as caught:
        get(sandbox.key(provider, "tls_error"))
    cause: BaseException | None = caught.value
    while cause and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    assert isinstance(cause, ssl.SSLError)
    assert cause.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")


@pytest.mark.parametrize("provider", KOJIS)
def test_a_redirect_followed_with_the_key_is_recorded(sandbox: Sandbox, provider: str) -> None:
    key = sandbox.key(provider, "redirected")
    response = get(key)
    assert response.is_redirect
    assert sandbox.faults == ()
    httpx.get(response.headers["location"], headers={HEADER[provider]: key.key}, trust_env=False)
    assert "a redirect was followed" in sandbox.faults


# --- keys that change ---


@pytest.mark.parametrize("provider", KOJIS)
def test_a_revoked_key_is_rejected(sandbox: Sandbox, provider: str) -> None:
    key = sandbox.key(provider, "ok")
    assert get(key).status_code == 200
    sandbox.revoke(key)
    assert get(key).status_code in (400, 401)
    sandbox.set_reason(key.key, "ok")
    assert get(key).status_code == 200


def test_a_deleted_key_is_refused_by_the_management_api_of_its_provider(sandbox: Sandbox) -> None:
    managed, url = sandbox.managed("deepgram"), f"{sandbox.base_url('deepgram')}/v1/projects/project-1/keys/key-0001"
    key = managed.add(made_up_key("deepgram", "another one"))
    headers = {"Authorization": f"Token {key.value}"}
    assert httpx.get(url, headers=headers, trust_env=False).status_code == 200
    managed.delete(key)
    assert httpx.get(url, headers=headers, trust_env=False).status_code == 401


def test_a_key_of_the_caller_can_be_added(sandbox: Sandbox) -> None:
    key = sandbox.add_key("elevenlabs", "sk_of_a_test", missing=("user_read",))
    assert "missing the permission user_read" in get(key).text
    sandbox.set_reason(key, "invalid_key")
    assert "invalid_api_key" in get(key).text
    assert sandbox.requests[0].key_name == "ok"


@pytest.mark.parametrize("provider", KOJIS)
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


def test_no_key_is_in_the_sandboxs_repr_or_records(sandbox: Sandbox) -> None:
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


def test_records_are_bounded_and_counts_are_not(sandbox: Sandbox) -> None:
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


def test_a_held_request_is_under_way_until_it_is_released(sandbox: Sandbox) -> None:
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
    """All requests are held until the last one arrives, which a server with fewer threads would never receive."""
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


@pytest.mark.parametrize("provider", KOJIS)
@pytest.mark.parametrize(
    ("kind", "error"),
    [("reset", httpx.ReadError), ("down", httpx.RemoteProtocolError), ("slow", httpx.TimeoutException)],
)
def test_a_fault_applies_to_one_provider_until_it_is_removed(
    sandbox: Sandbox, provider: str, kind: str, error: type[Exception]
) -> None:
    key = sandbox.key(provider, "ok")
    sandbox.fault(provider, kind)
    with pytest.raises(error):
        get(key, timeout=0.05 if kind == "slow" else 10)
    (other,) = set(KOJIS) - {provider}
    assert get(sandbox.key(other, "ok")).status_code == 200
    sandbox.mend(provider)
    assert get(key).status_code == 200


@pytest.mark.parametrize("provider", KOJIS)
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


def test_a_bug_of_the_sandbox_is_reported_and_answered(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(*_: object) -> Reply:
        raise KeyError("a fact that nobody knows")

    monkeypatch.setitem(_PLAYS, "elevenlabs", mistaken)
    assert get(sandbox.key("elevenlabs", "ok")).status_code == 500
    assert sandbox.faults == ("the sandbox itself failed: KeyError",)
