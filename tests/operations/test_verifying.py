"""A run over saved keys: printed results were saved, nothing is recorded wrongly, and no provider delays another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from kojikey.model.errors import KekMissing, StoreUnreachable
from kojikey.model.key import Stage
from kojikey.model.secret import Secret
from kojikey.model.verdict import Reason, Verdict
from kojikey.operations import removing
from kojikey.operations.adding import NewKey
from kojikey.operations.audit import audit_verification
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Target
from kojikey.operations.results import TestResult
from kojikey.operations.rotating import Replacement
from kojikey.operations.testing_keys import Unopened, run_tests
from kojikey.stores.base import Query, Stored
from kojikey.testing import load_key
from support import rotation
from support.faulty import FaultyStore
from support.many import account_name, fill
from support.rotation import add
from support.sample_store import ADAPTERS, SampleStore, verdict

Item = TestResult | Unopened


@pytest.fixture(params=sorted(ADAPTERS))
def sample_store(request: pytest.FixtureRequest, tmp_path: object) -> SampleStore:
    return SampleStore.made(ADAPTERS[request.param](tmp_path))  # type: ignore[arg-type]


async def good(secret: Secret, target: Target) -> Verdict:
    await asyncio.sleep(0)
    return verdict()


def lanes_of(open_store: OpenStore) -> list[Iterator[Stored]]:
    counts = open_store.store.counts()
    return [open_store.store.scan(Query(providers=(provider,))) for provider in counts]


def keys_tested_in(sample_store: SampleStore) -> set[tuple[str, str]]:
    store = sample_store.opener()
    return {stored.ref[1:] for stored in store.scan() if stored.document["tested_at"] is not None}


def results_of(items: list[Item]) -> list[TestResult]:
    return [item for item in items if isinstance(item, TestResult)]


def test_every_key_is_tested_recorded_and_reported_once(sample_store: SampleStore) -> None:
    open_store = sample_store.open_store()
    fill(open_store, 50)
    items: list[Item] = []
    asyncio.run(run_tests(open_store, *lanes_of(open_store), probe=good, emit=items.append, concurrency=7))
    told = [(item.account, item.provider) for item in items]
    assert len(told) == len(set(told)) == 100
    assert all(item.recorded for item in results_of(items))
    assert keys_tested_in(sample_store) == set(told)
    assert audit_verification.verify(sample_store.open_store(), account=None).verified == tuple(
        account_name(n) for n in range(50)
    )


def test_an_outcome_equal_to_the_last_one_records_no_event(sample_store: SampleStore) -> None:
    open_store = sample_store.open_store()
    fill(open_store, 20)
    for _ in range(2):
        asyncio.run(run_tests(open_store, *lanes_of(open_store), probe=good, emit=lambda _: None, concurrency=5))
    actions = [event["action"] for event in sample_store.opener().events(account_name(3))]
    assert actions == ["added", "added", "tested", "tested"]


def test_no_more_requests_are_under_way_than_allowed(sample_store: SampleStore) -> None:
    open_store = sample_store.open_store()
    fill(open_store, 30)
    running, most = 0, 0

    async def counted(secret: Secret, target: Target) -> Verdict:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(3):
            await asyncio.sleep(0)
        running -= 1
        return verdict()

    asyncio.run(run_tests(open_store, *lanes_of(open_store), probe=counted, emit=lambda _: None, concurrency=6))
    assert most == 6


def test_keys_are_not_read_ahead_without_bounds(sample_store: SampleStore) -> None:
    open_store = sample_store.open_store()
    fill(open_store, 300)
    read = finished = furthest = 0

    def counted(keys: Iterator[Stored]) -> Iterator[Stored]:
        nonlocal read
        for stored in keys:
            read += 1
            yield stored

    def emit(_: Item) -> None:
        nonlocal finished, furthest
        finished += 1
        furthest = max(furthest, read - finished)

    asyncio.run(run_tests(open_store, counted(open_store.store.scan()), probe=good, emit=emit, concurrency=4))
    assert finished == 600
    assert furthest < 400


def test_a_provider_that_hangs_delays_no_other(sample_store: SampleStore) -> None:
    open_store = sample_store.open_store()
    fill(open_store, 40)
    items: list[Item] = []

    async def half_hung(secret: Secret, target: Target) -> Verdict:
        if target.provider == "elevenlabs":
            await asyncio.Event().wait()
        return verdict()

    async def run() -> None:
        everything = run_tests(open_store, *lanes_of(open_store), probe=half_hung, emit=items.append, concurrency=8)
        running = asyncio.ensure_future(everything)
        while len(items) < 40:
            await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(run())
    assert {item.provider for item in items} == {"google_gemini"}


def test_a_provider_that_asks_for_a_pause_delays_only_its_own_keys(sample_store: SampleStore) -> None:
    open_store = sample_store.open_store()
    fill(open_store, 5)
    order: list[str] = []

    def reserve(provider: str, base_url: str) -> float:
        return 0.001 if provider == "elevenlabs" and len(order) < 2 else 0.0

    async def noted(secret: Secret, target: Target) -> Verdict:
        order.append(target.provider)
        return verdict()

    run = run_tests(open_store, *lanes_of(open_store), probe=noted, emit=lambda _: None, concurrency=1, reserve=reserve)
    asyncio.run(run)
    assert sorted(order) == ["elevenlabs"] * 5 + ["google_gemini"] * 5
    assert order[:2] == ["google_gemini"] * 2


def test_an_endpoint_that_asks_for_a_pause_delays_no_key_of_another_endpoint(sample_store: SampleStore) -> None:
    """However many keys of the paused one come first: those behind them are read ahead and tested."""
    open_store = sample_store.open_store()
    paused, others = 60, 3
    for number in range(paused + others):
        target = Target("elevenlabs", "https://paused.example" if number < paused else "https://fine.example")
        secret = Secret(load_key("elevenlabs", number))
        add(open_store, NewKey(account_name(number), target, secret, KeySettings()), test=None, approve=lambda _: True)
    order: list[str] = []

    def reserve(_provider: str, base_url: str) -> float:
        return 0.001 if base_url == "https://paused.example" and len(order) < others else 0.0

    async def noted(secret: Secret, target: Target) -> Verdict:
        order.append(target.base_url)
        return verdict()

    asyncio.run(
        run_tests(
            open_store,
            open_store.store.scan(Query()),
            probe=noted,
            emit=lambda _: None,
            concurrency=2,
            reserve=reserve,
        )
    )
    assert order[:others] == ["https://fine.example"] * others
    assert order[others:] == ["https://paused.example"] * paused


def test_finished_tests_are_recorded_and_reported_when_the_run_is_cancelled(sample_store: SampleStore) -> None:
    open_store = sample_store.open_store()
    fill(open_store, 20)
    items: list[Item] = []
    begun = 0

    async def some(secret: Secret, target: Target) -> Verdict:
        nonlocal begun
        begun += 1
        if begun > 10:
            await asyncio.Event().wait()
        return verdict()

    async def run() -> None:
        running = asyncio.ensure_future(
            run_tests(open_store, *lanes_of(open_store), probe=some, emit=items.append, concurrency=4)
        )
        while begun < 14:
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()

    asyncio.run(run())
    assert len(items) == 10
    assert all(item.recorded for item in results_of(items))
    assert keys_tested_in(sample_store) == {(item.account, item.provider) for item in items}


@pytest.mark.parametrize("is_after", [False, True])
def test_a_store_that_goes_away_leaves_nothing_recorded_wrongly(sample_store: SampleStore, is_after: bool) -> None:
    fill(sample_store.open_store(), 60)
    store = FaultyStore(sample_store.opener(), StoreUnreachable("somewhere", "is gone"), at=2, after=is_after)
    open_store = sample_store.open_store(store)
    items: list[Item] = []
    with pytest.raises(StoreUnreachable):
        asyncio.run(run_tests(open_store, *lanes_of(open_store), probe=good, emit=items.append, concurrency=8))
    recorded = {(item.account, item.provider) for item in results_of(items) if item.recorded}
    told = {(item.account, item.provider) for item in items}
    assert recorded
    assert recorded <= keys_tested_in(sample_store)
    assert keys_tested_in(sample_store) <= told
    assert {item.unkept for item in results_of(items) if not item.recorded} == {"the store somewhere is gone"}
    assert not any(item.unkept for item in results_of(items) if item.recorded)
    assert audit_verification.verify(sample_store.open_store(), account=None).verified
    again: list[Item] = []
    rest = sample_store.open_store()
    asyncio.run(run_tests(rest, *lanes_of(rest), probe=good, emit=again.append, concurrency=8))
    assert len(keys_tested_in(sample_store)) == len(again) == 120


def test_the_outcome_of_a_key_rotated_meanwhile_is_not_saved_on_the_new_version(
    sample_store: SampleStore,
) -> None:
    open_store = sample_store.open_store()
    fill(open_store, 3)
    replaced = account_name(1)

    async def rotated_meanwhile(secret: Secret, target: Target) -> Verdict:
        key = sample_store.key(replaced, "elevenlabs")
        if target.provider == "elevenlabs" and key is not None and key.current.number == 1:
            new = Replacement(replaced, "elevenlabs", Secret("sk_" + "0" * 48), KeySettings())
            rotation.rotate(sample_store.open_store(), new, test=None, approve=lambda _: True)
        return verdict(Reason.INVALID_KEY)

    items: list[Item] = []
    asyncio.run(run_tests(open_store, *lanes_of(open_store), probe=rotated_meanwhile, emit=items.append, concurrency=2))
    key = sample_store.key(replaced, "elevenlabs")
    assert key is not None
    assert key.current.number == 2
    assert key.current.last_test is None
    previous = key.version(Stage.PREVIOUS)
    assert previous is not None
    assert previous.last_test is not None


def test_the_outcome_of_a_key_removed_and_added_again_meanwhile_is_not_saved(sample_store: SampleStore) -> None:
    open_store = sample_store.open_store()
    fill(open_store, 3)
    name = account_name(2)
    is_done = False

    async def replaced_meanwhile(secret: Secret, target: Target) -> Verdict:
        nonlocal is_done
        if not is_done:
            is_done = True
            other = sample_store.open_store()
            removing.remove(other, account=name, provider="elevenlabs")
            target = Target("elevenlabs", "https://api.elevenlabs.io")
            new = NewKey(name, target, Secret("sk_" + "1" * 48), KeySettings())
            add(other, new, test=None, approve=lambda _: True)
        return verdict(Reason.INVALID_KEY)

    items: list[Item] = []
    asyncio.run(
        run_tests(open_store, *lanes_of(open_store), probe=replaced_meanwhile, emit=items.append, concurrency=9)
    )
    lost = [item for item in results_of(items) if not item.recorded]
    assert [item.unkept for item in lost] == [""]
    assert [(item.account, item.provider) for item in lost] == [(name, "elevenlabs")]
    key = sample_store.key(name, "elevenlabs")
    assert key is not None
    assert key.current.last_test is None


def test_a_key_removed_meanwhile_does_not_stop_the_others(sample_store: SampleStore) -> None:
    open_store = sample_store.open_store()
    fill(open_store, 10)
    gone = iter([account_name(4)])

    async def removed_meanwhile(secret: Secret, target: Target) -> Verdict:
        for name in gone:
            removing.remove(sample_store.open_store(), account=name, provider="elevenlabs")
        return verdict()

    items: list[Item] = []
    asyncio.run(
        run_tests(open_store, *lanes_of(open_store), probe=removed_meanwhile, emit=items.append, concurrency=20)
    )
    assert len(items) == 20
    assert [item.account for item in results_of(items) if not item.recorded] == [account_name(4)]


def test_two_concurrent_runs_save_all_their_outcomes(sample_store: SampleStore) -> None:
    fill(sample_store.open_store(), 40)
    found: list[list[Item]] = [[], []]
    problems: list[BaseException] = []

    def run(items: list[Item]) -> None:
        open_store = sample_store.open_store()
        try:
            asyncio.run(run_tests(open_store, *lanes_of(open_store), probe=good, emit=items.append, concurrency=8))
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(items,)) for items in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert [len(items) for items in found] == [80, 80]
    assert len(keys_tested_in(sample_store)) == 80
    assert len(audit_verification.verify(sample_store.open_store(), account=None).verified) == 40


def test_a_record_that_does_not_open_does_not_stop_the_others(sample_store: SampleStore) -> None:
    open_store = sample_store.open_store()
    fill(open_store, 3)
    store = sample_store.opener()
    stored = next(s for s in store.scan() if s.ref.account == account_name(1))
    broken = {**stored.document, "versions": [{**v, "sealed": "a.b.c.d.e"} for v in stored.document["versions"]]}
    from kojikey.stores.base import Change

    store.commit((Change(stored.ref, broken, stored.revision),))
    items: list[Item] = []
    asyncio.run(run_tests(open_store, *lanes_of(open_store), probe=good, emit=items.append, concurrency=2))
    assert [item.account for item in items if isinstance(item, Unopened)] == [account_name(1)]
    assert len(results_of(items)) == 5


def test_without_the_kek_the_run_ends_at_once(sample_store: SampleStore) -> None:
    fill(sample_store.open_store(), 3)
    open_store = sample_store.open_store(environ={})
    items: list[Item] = []
    with pytest.raises(KekMissing):
        asyncio.run(run_tests(open_store, *lanes_of(open_store), probe=good, emit=items.append, concurrency=2))
    assert items == []


def test_a_key_without_a_request_still_counts_as_not_tested(sample_store: SampleStore) -> None:
    open_store = sample_store.open_store()
    fill(open_store, 2)

    async def skipped(secret: Secret, target: Target) -> Verdict:
        return Verdict(Reason.UNREACHABLE, None, attempts=0, tested_at="2026-11-23T04:47:00Z")

    items: list[Item] = []
    asyncio.run(run_tests(open_store, *lanes_of(open_store), probe=skipped, emit=items.append, concurrency=2))
    assert [item.recorded for item in results_of(items)] == [False] * 4
    assert keys_tested_in(sample_store) == set()
