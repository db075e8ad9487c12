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

from kojikey.model.secret import Secret
from kojikey.model.verdict import Reason, Verdict
from kojikey.providers.requests import worker_pool
from kojikey.providers.requests.probe import Prober, ProbeRequest
from kojikey.providers.requests.traffic import FAILURES, REST_S, Traffic
from kojikey.providers.requests.worker_messages import encoded
from kojikey.providers.requests.worker_pool import WorkerPool, worker_environment
from kojikey.testing import Sandbox, SandboxKey
from support.probing import CATALOG

T = TypeVar("T")
SECONDS = 60.0


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
