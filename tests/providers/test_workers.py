"""Worker processes: they give the verdicts of one process, share its limits, and lose no key if one of them dies."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from msgspec.structs import replace

from kojikey.model.bugs import BugElsewhere
from kojikey.model.errors import BadNetworkSettings, Effect, MalformedKey, UsageError
from kojikey.model.next_step import Hint, commands_of, next_step
from kojikey.model.secret import Secret
from kojikey.model.verdict import CheckResult, Reason, Usage, Verdict
from kojikey.providers.answers.evidence import Answer
from kojikey.providers.answers.finding import Fault
from kojikey.providers.requests import worker_pool
from kojikey.providers.requests.channel import Channel
from kojikey.providers.requests.probe import Prober, ProbeRequest
from kojikey.providers.requests.traffic import FAILURES, REST_S, Traffic, Trouble
from kojikey.providers.requests.worker import SharedThrottle
from kojikey.providers.requests.worker_messages import (
    Message,
    circuit_message,
    decoded,
    encoded,
    failure_message,
    request_message,
    saw_message,
    seen_of,
    trouble_of,
    verdict_message,
    verdict_of,
)
from kojikey.providers.requests.worker_pool import WorkerPool, worker_environment
from kojikey.testing import Sandbox, SandboxKey
from support.each import each
from support.probing import CATALOG

T = TypeVar("T")
SECONDS = 60.0
EVERYTHING = Verdict(
    reason=Reason.MISSING_PERMISSION,
    authentic=True,
    detail="the key lacks the permission text_to_speech – é",
    hint=Hint(
        "allow it, or ", next_step("rotate", "elevenlabs", account="acme"), "; ", next_step("test", "elevenlabs")
    ),
    manage_url="https://elevenlabs.io",
    missing_permissions=("text_to_speech",),
    checks=(
        CheckResult("account", True, Reason.OK, 200, 81),
        CheckResult("text_to_speech", True, Reason.MISSING_PERMISSION, 401, None, "no", ("text_to_speech",)),
    ),
    latency_ms=171,
    attempts=2,
    tested_at="2026-11-23T04:47:00Z",
    usage=Usage("credits", 12.5, 100, 87.5, "2026-12-01T00:00:00Z", "creator", "active"),
    permissions=("user_read",),
    expires_at="2027-01-01T00:00:00Z",
)


def sent(message: Message) -> Message:
    """Return a message after encoding and decoding."""
    return decoded(encoded(message).rstrip(b"\n"))


def request_for(key: SandboxKey) -> ProbeRequest:
    definition = CATALOG.get(key.provider)
    return ProbeRequest(definition, Secret(key.key), key.base_url, definition.default_capabilities)


def without_times(verdict: Verdict) -> Verdict:
    checks = tuple(replace(check, latency_ms=None) for check in verdict.checks)
    return replace(verdict, checks=checks, latency_ms=0, tested_at="")


def with_pool(
    work: Callable[[WorkerPool], Awaitable[T]], *, jobs: int = 2, traffic: Traffic | None = None, timeout: float = 10.0
) -> T:
    """Do some work with a pool, within a time limit. ``timeout`` is that of a request."""
    said: list[str] = []

    async def run() -> T:
        pool = WorkerPool(
            jobs,
            timeout=timeout,
            traffic=traffic or Traffic(),
            folder="/nonexistent",
            warn=said.append,
            environ=os.environ,
        )
        async with asyncio.timeout(SECONDS), pool:
            pool.said = said  # type: ignore[attr-defined]
            return await work(pool)

    return asyncio.run(run())


def pids_of(pool: WorkerPool) -> list[int]:
    return [worker.process.pid for worker in pool._workers if not worker.is_ended]


async def until_one_waits(sandbox: Sandbox) -> None:
    await asyncio.to_thread(sandbox.wait_for_request)


# --- what they write to each other ---


@pytest.mark.parametrize(
    "verdict",
    [EVERYTHING, Verdict(Reason.UNREACHABLE, None, attempts=0), replace(EVERYTHING, permissions=(), hint="a text")],
)
def test_a_verdict_arrives_as_it_was(verdict: Verdict) -> None:
    arrived = verdict_of(sent(verdict_message(7, verdict)))
    assert arrived == verdict
    assert commands_of(arrived.hint) == commands_of(verdict.hint)


@pytest.mark.parametrize(
    "error",
    [
        MalformedKey("the key contains characters that no request can carry", effect=Effect.NOTHING_SENT),
        BadNetworkSettings("HTTPS_PROXY is wrong", hint=Hint("mend it, then ", next_step("doctor"))),
    ],
)
def test_a_usage_error_of_a_worker_arrives_as_a_usage_error(error: UsageError) -> None:
    with pytest.raises(UsageError) as caught:
        verdict_of(sent(failure_message(7, error)))
    assert str(caught.value) == str(error)
    assert caught.value.hint == error.hint
    assert isinstance(caught.value, BadNetworkSettings) == isinstance(error, BadNetworkSettings)


def test_only_the_type_and_place_of_a_bug_arrive() -> None:
    try:
        raise RuntimeError("sk_" + "0" * 48)
    except RuntimeError as error:
        message = sent(failure_message(7, error))
    assert "sk_" not in str(message)
    with pytest.raises(BugElsewhere, match=r"^RuntimeError at test_workers\.py:"):
        verdict_of(message)


@pytest.mark.parametrize("got", [Fault(Reason.TIMEOUT), Answer(429, {"retry-after": "7"}, b""), Answer(200, {}, b"")])
def test_an_answer_or_a_fault_of_a_worker_arrives_unchanged(got: Answer | Fault) -> None:
    assert seen_of(sent(saw_message("elevenlabs", "https://e.example", got))) == got


@pytest.mark.parametrize("trouble", [None, Trouble(None), Trouble(Reason.RATE_LIMITED)])
def test_the_state_of_an_endpoint_arrives(trouble: Trouble | None) -> None:
    assert trouble_of(sent(circuit_message("elevenlabs", "https://e.example", trouble))) == trouble


MALFORMED_VERDICTS: list[Message] = [
    {},
    {"verdict": None},
    {"verdict": {}},
    {"verdict": {"reason": "no such reason", "authentic": None, "hint": "", "usage": None}},
    {"verdict": {"reason": "ok", "authentic": "yes", "hint": "", "usage": None}},
    {"verdict": {"reason": "ok", "authentic": True, "hint": 7, "usage": None}},
    {"verdict": {"reason": "ok", "authentic": True, "hint": [7], "usage": None}},
    {"verdict": {"reason": "ok", "authentic": True, "hint": [[]], "usage": None}},
    {"verdict": {"reason": "ok", "authentic": True, "hint": [["test", "x", None, 1]], "usage": None}},
    {"verdict": {"reason": "ok", "authentic": True, "hint": "", "usage": {"unit": 7}}},
    {"verdict": {"reason": "ok", "authentic": True, "hint": "", "usage": {"unit": "credits", "used": "7"}}},
    {"verdict": {"reason": "ok", "authentic": True, "hint": "", "usage": {"unit": "credits", "more": 1}}},
    {"error": None},
    {"error": {"is_network": False, "message": 7, "hint": None, "effect": None}},
    {"error": {"is_network": False, "message": "", "hint": None, "effect": 7}},
]


@each("message", MALFORMED_VERDICTS)
def test_a_verdict_of_another_form_is_refused(message: Message) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        verdict_of(message)


@each("message", [{}, {"status": "200", "headers": {}}, {"status": 429, "headers": 7}, {"fault": []},
                  {"status": 429, "headers": {"retry-after": 7}}])  # fmt: skip
def test_an_answer_of_another_form_is_refused(message: Message) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        seen_of(message)


@each("line", [b"", b"x", b"[]", b"7", b"\xff", b"[" * 100_000])
def test_a_line_that_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several causes
        decoded(line)


# --- what a worker knows of the run ---


class Listened(Channel):
    def __init__(self) -> None:
        super().__init__(lambda _: None)
        self.sent: list[Message] = []

    def send(self, message: Message) -> None:
        self.sent.append(sent(message))


PLACE = ("elevenlabs", "https://e.example")


def test_a_good_answer_is_reported_only_while_its_endpoint_is_in_trouble() -> None:
    channel = Listened()
    throttle = SharedThrottle(channel, None)
    throttle.observe(*PLACE, Answer(200, {}, b""))
    assert channel.sent == []
    throttle.observe(*PLACE, Answer(429, {}, b""))
    throttle.observe(*PLACE, Fault(Reason.TIMEOUT))
    throttle.take(circuit_message(*PLACE, Trouble(None)))
    throttle.observe(*PLACE, Answer(200, {}, b""))
    throttle.observe(*PLACE, Answer(200, {}, b""))
    assert [message.get("status") or message["fault"] for message in channel.sent] == [429, "timeout", 200]


def test_while_a_circuit_is_open_only_a_trial_is_sent() -> None:
    throttle = SharedThrottle(Listened(), None)
    throttle.take(circuit_message(*PLACE, Trouble(Reason.UNREACHABLE)))
    skipped = throttle.skipped(*PLACE)
    assert skipped is not None
    assert (skipped.reason, skipped.retry) == (Reason.UNREACHABLE, False)
    request = ProbeRequest(CATALOG.get("elevenlabs"), Secret("x"), PLACE[1])
    throttle.begin(sent(request_message(1, request, is_trial=True)))
    assert throttle.skipped(*PLACE) is None
    assert throttle.skipped(*PLACE) is not None
    throttle.observe(*PLACE, Answer(200, {}, b""))
    assert throttle.skipped(*PLACE) is None


# --- processes ---

processes = pytest.mark.external


@processes
def test_the_verdicts_of_workers_are_those_of_one_process(sandbox: Sandbox) -> None:
    slow = ("timeout", "rate_limited", "provider_unavailable", "unreachable")
    keys = [key for key in sandbox.keys if key.provider in ("elevenlabs", "google_gemini", "openrouter")]
    requests = [request_for(key) for key in keys if key.reason not in slow]

    async def here() -> list[Verdict]:
        async with Prober(timeout=10.0) as prober:
            return [await prober.test(request) for request in requests]

    async def there(pool: WorkerPool) -> list[Verdict]:
        return await asyncio.gather(*map(pool.test, requests))

    expected, found = asyncio.run(here()), with_pool(there)
    assert list(map(without_times, found)) == list(map(without_times, expected))
    assert len({verdict.reason for verdict in found}) > 5


@processes
def test_tests_are_divided_evenly(sandbox: Sandbox) -> None:
    request = request_for(sandbox.key("elevenlabs", "ok"))

    async def busy(pool: WorkerPool) -> list[int]:
        with sandbox.hold():
            tests = [asyncio.ensure_future(pool.test(request)) for _ in range(8)]
            await until_one_waits(sandbox)
            counts = [len(worker.tests) for worker in pool._workers]
        await asyncio.gather(*tests)
        return counts

    assert with_pool(busy, jobs=4, timeout=SECONDS) == [2, 2, 2, 2]


@processes
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_keys_of_a_worker_that_dies_are_tested_by_another(sandbox: Sandbox, how: signal.Signals) -> None:
    request = request_for(sandbox.key("elevenlabs", "ok"))

    async def killed(pool: WorkerPool) -> tuple[list[Verdict], list[int], list[int]]:
        with sandbox.hold():
            tests = [asyncio.ensure_future(pool.test(request)) for _ in range(6)]
            await until_one_waits(sandbox)
            before = pids_of(pool)
            os.kill(before[0], how)
            await pool._workers[0].process.wait()
        return await asyncio.gather(*tests), before, pids_of(pool)

    verdicts, before, after = with_pool(killed, timeout=SECONDS)
    assert [verdict.reason for verdict in verdicts] == [Reason.OK] * 6
    assert before[0] not in after
    assert len(after) == 2, "no other worker took its place"


@processes
def test_a_worker_that_hangs_is_ended_and_its_keys_are_tested_by_another(sandbox: Sandbox) -> None:
    request = request_for(sandbox.key("elevenlabs", "ok"))

    async def stopped(pool: WorkerPool) -> list[Verdict]:
        await pool.test(request)
        os.kill(pids_of(pool)[0], signal.SIGSTOP)
        for _ in range(worker_pool._MOST_SILENT):
            pool._check_workers()
        tests = [asyncio.ensure_future(pool.test(request)) for _ in range(4)]
        await asyncio.sleep(0)
        pool._workers[0].silent_ticks = worker_pool._MOST_SILENT
        pool._check_workers()
        return await asyncio.gather(*tests)

    assert [verdict.reason for verdict in with_pool(stopped, jobs=1)] == [Reason.OK] * 4


@processes
def test_a_key_that_ends_two_workers_is_not_judged(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of these workers reports that it is ready, reads its settings and one test, and ends."""
    dying = "print('{\"pong\": 0}', flush=True); input(); input()"
    monkeypatch.setattr(worker_pool, "PROGRAM", ("-c", dying))
    request = request_for(sandbox.key("elevenlabs", "ok"))
    verdict = with_pool(lambda pool: pool.test(request), jobs=1)
    assert (verdict.reason, verdict.attempts, verdict.authentic) == (Reason.UNKNOWN, 0, None)
    assert "a second one" in verdict.detail


@processes
@pytest.mark.parametrize("answer", ['"verdict":{}', '"verdict":7', '"error":[]', '"x":1'])
def test_a_malformed_verdict_ends_its_worker_and_a_second_one_leaves_the_key_unjudged(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    """Each of these workers gives that answer to its first test, and then waits."""
    writing = (
        "import json; print('{\"pong\": 0}', flush=True); input(); number = json.loads(input())['test']; "
        f"print('{{\"test\":' + str(number) + ',{answer}}}', flush=True); input()"
    )
    monkeypatch.setattr(worker_pool, "PROGRAM", ("-c", writing))
    request = request_for(sandbox.key("elevenlabs", "ok"))
    verdict = with_pool(lambda pool: pool.test(request), jobs=1)
    assert (verdict.reason, verdict.attempts, verdict.authentic) == (Reason.UNKNOWN, 0, None)


@processes
def test_a_malformed_report_of_a_worker_ends_it_and_another_tests_the_key(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_for(sandbox.key("elevenlabs", "ok"))

    async def reported(pool: WorkerPool) -> tuple[Verdict, bool]:
        await pool.test(request)
        worker = pool._workers[0]
        assert worker.process.stdout is not None
        line = {"saw": ["elevenlabs", request.base_url], "status": 429, "headers": {"retry-after": 7}}
        (listening,) = pool._listening
        worker.process.stdout.feed_data(encoded(line))
        await listening
        return await pool.test(request), worker.is_ended

    verdict, is_ended = with_pool(reported, jobs=1)
    assert (verdict.reason, is_ended) == (Reason.OK, True)


@processes
@pytest.mark.parametrize(
    "program",
    [("-c", "raise SystemExit(1)"), ("-c", "print('no message'); input()"), ("-c", "print('[]'); input()")],
    ids=["ends", "writes text", "writes another form"],
)
def test_when_no_worker_starts_this_process_tests_and_warns_once(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, program: tuple[str, ...]
) -> None:
    monkeypatch.setattr(worker_pool, "PROGRAM", program)
    request = request_for(sandbox.key("elevenlabs", "ok"))

    async def tested(pool: WorkerPool) -> tuple[list[Verdict], list[str]]:
        verdicts = [await pool.test(request) for _ in range(5)]
        return verdicts, pool.said  # type: ignore[attr-defined]

    verdicts, said = with_pool(tested)
    assert [verdict.reason for verdict in verdicts] == [Reason.OK] * 5
    assert said == ["the worker processes of --jobs cannot be started; the keys are tested in one process"]


@processes
def test_without_a_python_to_start_this_process_tests(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", None)
    request = request_for(sandbox.key("elevenlabs", "ok"))
    assert with_pool(lambda pool: pool.test(request)).reason is Reason.OK


@processes
@pytest.mark.parametrize("error", [BlockingIOError(11, "Resource temporarily unavailable"), RuntimeError("no thread")])
def test_when_the_system_starts_no_more_processes_this_process_tests(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def refused(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refused)
    request = request_for(sandbox.key("elevenlabs", "ok"))
    assert with_pool(lambda pool: pool.test(request)).reason is Reason.OK


@processes
def test_a_pause_that_one_worker_is_asked_for_holds_for_all(sandbox: Sandbox) -> None:
    key = sandbox.key("elevenlabs", "ok")
    traffic = Traffic(clock=lambda: 100.0)
    sandbox.fault("elevenlabs", "rate_limit_all")
    sandbox.retry_after = 50
    try:
        verdict = with_pool(lambda pool: pool.test(request_for(key)), traffic=traffic)
    finally:
        sandbox.retry_after = 1
    assert verdict.reason is Reason.RATE_LIMITED
    assert traffic.reserve("elevenlabs", key.base_url) == 50


@processes
def test_a_circuit_that_one_worker_opens_is_open_for_all_until_one_tries_again(sandbox: Sandbox) -> None:
    key, now = sandbox.key("elevenlabs", "ok"), 100.0
    traffic = Traffic(clock=lambda: now)

    async def asked(pool: WorkerPool) -> tuple[list[Verdict], Verdict, list[Verdict]]:
        nonlocal now
        sandbox.fault("elevenlabs", "reset")
        await asyncio.gather(*(pool.test(request_for(key)) for _ in range(FAILURES)))
        open_for_all = await asyncio.gather(*(pool.test(request_for(key)) for _ in range(4)))
        sandbox.mend()
        now += REST_S
        trial = await pool.test(request_for(key))
        return open_for_all, trial, await asyncio.gather(*(pool.test(request_for(key)) for _ in range(4)))

    open_for_all, trial, after = with_pool(asked, traffic=traffic)
    assert [(verdict.reason, verdict.attempts) for verdict in open_for_all] == [(Reason.UNREACHABLE, 0)] * 4
    assert trial.reason is Reason.OK
    assert [verdict.reason for verdict in after] == [Reason.OK] * 4


@processes
def test_the_rate_is_that_of_all_workers_together(sandbox: Sandbox) -> None:
    """Each test makes two requests; the caller reserves the slot of the first."""
    key, rate = sandbox.key("elevenlabs", "ok"), 1000.0
    traffic = Traffic(rate=rate, clock=lambda: 0.0)
    with_pool(lambda pool: asyncio.gather(*(pool.test(request_for(key)) for _ in range(10))), traffic=traffic)
    assert traffic._next_slots["elevenlabs"] == pytest.approx(10 * 1.02 / rate)


def test_a_worker_gets_no_credentials_of_stores_and_programs() -> None:
    needed = {
        "PATH": "/bin", "HTTPS_PROXY": "http://u:p@proxy:1", "no_proxy": "x", "SSL_CERT_FILE": "ca.pem", "LC_ALL": "C",
        "PYTHONPATH": "x", "SystemRoot": "C:\\Windows",
    }  # fmt: skip
    secret = {
        "KOJIKEY_KEK": "x", "KOJIKEY_IDENTITY": "x", "KOJIKEY_PASSPHRASE_FILE": "x", "KOJIKEY_STORE": "x",
        "PGPASSWORD": "x", "AWS_SECRET_ACCESS_KEY": "x", "GEMINI_API_KEY": "x", "SSH_AUTH_SOCK": "x",
    }  # fmt: skip
    assert worker_environment({**needed, **secret}) == needed
