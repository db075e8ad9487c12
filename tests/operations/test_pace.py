"""``--rate`` over a whole run: no second has more requests than it allows, and none is left unused."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable

import httpcore2
import pytest

from kojikey.model.secret import Secret
from kojikey.model.verdict import Verdict
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.probing import Probe, Target
from kojikey.operations.results import TestResult
from kojikey.operations.rotating import Replacement
from kojikey.operations.rotating_many import DoneLine, Line, LineResult, RunSettings, rotate_all
from kojikey.operations.testing_keys import Unopened, run_tests
from kojikey.providers.catalog import load_catalog
from kojikey.providers.requests.probe import Prober, ProbeRequest, Surroundings
from kojikey.providers.requests.traffic import Traffic
from kojikey.stores.base import Query
from kojikey.testing import load_key
from support.many import account_name, fill
from support.played_connection import opener_of
from support.sample_store import SampleStore
from support.simulated_time import run_in_simulated_time

RATE, LATENCY, TIMEOUT = 20.0, 0.05, 1.0
CATALOG = load_catalog()


class Played:
    """Both providers, which answer after a while and remember when they were asked."""

    def __init__(self) -> None:
        self.asked: dict[str, list[float]] = defaultdict(list)

    async def answer(self, request: httpcore2.Request) -> httpcore2.Response:
        self.asked[request.url.host.decode()].append(asyncio.get_running_loop().time())
        await asyncio.sleep(LATENCY)
        if b"text-to-speech" in request.url.target:
            return _json(404, {"detail": {"status": "voice_not_found"}})
        return _json(200, {"models": [], "totalTokens": 1, "tier": "creator"})

    def most_in_a_second(self) -> int:
        return max(sum(0 <= b - a < 1 - 1e-6 for b in times) for times in self.asked.values() for a in times)


def _json(status: int, document: object) -> httpcore2.Response:
    headers = [(b"content-type", b"application/json")]
    return httpcore2.Response(status, headers=headers, content=json.dumps(document).encode())


@pytest.fixture
def sample_store() -> SampleStore:
    return SampleStore.in_memory()


def hurried(played: Played, work: Callable[[Probe, Traffic], Awaitable[None]]) -> None:
    """Run some work with a prober whose time is the loop's."""

    async def run() -> None:
        clock = asyncio.get_running_loop().time
        traffic = Traffic(rate=RATE, clock=clock)
        surroundings = Surroundings(clock=clock)
        opener = opener_of(played.answer)
        async with Prober(timeout=TIMEOUT, opener=opener, surroundings=surroundings, traffic=traffic) as prober:

            async def probe(secret: Secret, target: Target) -> Verdict:
                return await prober.test(ProbeRequest(CATALOG.get(target.provider), secret, target.base_url))

            await work(probe, traffic)

    run_in_simulated_time(run())


def test_a_run_over_saved_keys_keeps_and_reaches_the_rate(sample_store: SampleStore) -> None:
    open_store, played = sample_store.open_store(), Played()
    found: list[TestResult | Unopened] = []
    fill(open_store, 60)
    lanes = [open_store.store.scan(Query(providers=(provider,))) for provider in ("elevenlabs", "google_gemini")]
    hurried(
        played,
        lambda probe, traffic: run_tests(
            open_store, *lanes, probe=probe, emit=found.append, concurrency=32, reserve=traffic.reserve
        ),
    )
    assert [item.verdict.reason for item in found if isinstance(item, TestResult)] == ["ok"] * 120
    assert {len(times) for times in played.asked.values()} == {120}
    assert played.most_in_a_second() <= RATE
    assert all(times[-1] - times[0] < 1.25 * 120 / RATE for times in played.asked.values())


def test_a_batch_keeps_the_rate(sample_store: SampleStore) -> None:
    open_store, played = sample_store.open_store(), Played()
    fill(open_store, 40)
    found: list[LineResult] = []
    lines = iter([
        Line(n, Replacement(account_name(n), "elevenlabs", Secret(load_key("elevenlabs", 1000 + n)), KeySettings()))
        for n in range(40)
    ])  # fmt: skip
    hurried(
        played,
        lambda probe, traffic: rotate_all(
            open_store, lines, RunSettings(probe, lambda _: True, 32, traffic.reserve), found.append
        ),
    )
    assert [item.result.action for item in found if isinstance(item, DoneLine)] == ["rotated"] * 40
    assert sum(map(len, played.asked.values())) == 80
    assert played.most_in_a_second() <= RATE


def test_the_wait_for_the_rate_limit_does_not_count_as_latency(sample_store: SampleStore) -> None:
    """With many answers at once, the second requests stand in a queue that is longer than a test may take."""
    played = Played()
    verdicts: list[Verdict] = []

    async def all_at_once(probe: Probe, traffic: Traffic) -> None:
        tests = [
            probe(Secret(load_key("elevenlabs", n)), Target("elevenlabs", "https://e.example")) for n in range(200)
        ]
        verdicts.extend(await asyncio.gather(*tests))

    hurried(played, all_at_once)
    assert {verdict.reason for verdict in verdicts} == {"ok"}
    assert played.asked["e.example"][-1] > 3 * TIMEOUT
    assert max(verdict.latency_ms for verdict in verdicts) < 3 * TIMEOUT * 1000


def test_requests_cancelled_by_ctrl_c_do_not_count_as_unanswered() -> None:
    said: list[str] = []

    async def hanging(request: httpcore2.Request) -> httpcore2.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def run() -> None:
        clock = asyncio.get_running_loop().time
        traffic = Traffic(warn=said.append, clock=clock)
        opener, surroundings = opener_of(hanging), Surroundings(clock=clock)
        async with Prober(timeout=TIMEOUT, opener=opener, surroundings=surroundings, traffic=traffic) as prober:
            request = ProbeRequest(CATALOG.get("elevenlabs"), Secret(load_key("elevenlabs", 1)))
            tests = [asyncio.ensure_future(prober.test(request)) for _ in range(20)]
            await asyncio.sleep(TIMEOUT / 2)
            for test in tests:
                test.cancel()
            await asyncio.wait(tests)
            assert said == []
            await asyncio.gather(*(prober.test(request) for _ in range(20)))  # these do run into the time limit
            assert len(said) == 1

    run_in_simulated_time(run())
