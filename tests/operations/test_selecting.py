"""Which keys a run takes, and how often the store is scanned for them: each key is read once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from kojikey.model.errors import NotFound
from kojikey.model.secret import Secret
from kojikey.model.verdict import Verdict
from kojikey.operations.probing import Target
from kojikey.operations.selecting import Selection, select
from kojikey.operations.testing_keys import Unopened, run_tests
from kojikey.stores.base import Query, Store, Stored
from kojikey.stores.memory import MemoryStore
from support.many import PROVIDERS, fill
from support.sample_store import SampleStore, verdict

AHEAD = 7


class Scanned(MemoryStore):
    """Remembers the scans that it made, each with how many keys were read of it; ``partitioned`` where told to."""

    def __init__(self, of: MemoryStore, *, partitioned: bool) -> None:
        super().__init__()
        self.__dict__.update(of.__dict__)
        self.partitioned = partitioned  # type: ignore[misc]
        self.reads: list[int] = []

    def _scan(self, query: Query) -> Iterator[Stored]:
        self.reads.append(0)
        place = len(self.reads) - 1
        for stored in super()._scan(query):
            self.reads[place] += 1
            yield stored


@pytest.fixture
def sample_store() -> SampleStore:
    return SampleStore.in_memory()


def scanned(sample_store: SampleStore, accounts: int, *, partitioned: bool) -> Scanned:
    fill(sample_store.open_store(), accounts)
    store = sample_store.opener()
    assert isinstance(store, MemoryStore)
    return Scanned(store, partitioned=partitioned)


def run_over(sample_store: SampleStore, store: Store, selection: Selection) -> list[tuple[str, str]]:
    async def good(secret: Secret, target: Target) -> Verdict:
        return verdict()

    found: list[tuple[str, str]] = []
    open_store = sample_store.open_store(store)
    work = run_tests(
        open_store,
        *selection.sources,
        probe=good,
        emit=lambda item: found.append((item.account, item.provider)),
        concurrency=4,
    )
    asyncio.run(work)
    return found


def test_an_engine_that_charges_for_scans_is_scanned_once(sample_store: SampleStore) -> None:
    store = scanned(sample_store, 20, partitioned=True)
    selection = select(store, Query(), ahead=AHEAD)
    assert (selection.total, selection.is_counted, store.reads) == (AHEAD, False, [AHEAD])
    found = run_over(sample_store, store, selection)
    assert len(found) == len(set(found)) == 40
    assert store.reads == [40]


def test_keys_that_were_all_read_ahead_are_counted(sample_store: SampleStore) -> None:
    store = scanned(sample_store, 3, partitioned=True)
    selection = select(store, Query(), ahead=AHEAD)
    assert (selection.total, selection.is_counted) == (6, True)
    assert len(run_over(sample_store, store, selection)) == 6
    assert store.reads == [6]


def test_an_engine_that_counts_reads_each_key_once(sample_store: SampleStore) -> None:
    """It is asked for a scan a provider, so that one that hangs is not read past."""
    store = scanned(sample_store, 20, partitioned=False)
    store.counts = lambda _=None: dict.fromkeys(PROVIDERS, 20)  # type: ignore[assignment, method-assign]
    selection = select(store, Query(), ahead=AHEAD)
    assert (selection.total, selection.is_counted, store.reads) == (40, True, [])
    assert len(run_over(sample_store, store, selection)) == 40
    assert store.reads == [20, 20]


@pytest.mark.parametrize("partitioned", [False, True])
def test_no_key_at_all_is_an_error_and_an_empty_shard_is_not(sample_store: SampleStore, partitioned: bool) -> None:
    store = scanned(sample_store, 1, partitioned=partitioned)
    with pytest.raises(NotFound, match="no openai key in this store"):
        select(store, Query(providers=("openai",)), ahead=AHEAD)
    assert select(store, Query(providers=("openai",)), ahead=AHEAD, allow_empty=True).total == 0
    shards = [select(store, Query(shard=(part, 50)), ahead=AHEAD) for part in range(1, 51)]
    assert sum(selection.total for selection in shards) == 2
    assert {selection.left_out for selection in shards if not selection.total} == {2}


def test_a_provider_that_hangs_delays_no_other_of_the_same_scan(sample_store: SampleStore) -> None:
    open_store = sample_store.open_store()
    fill(open_store, 40)
    items: list[str] = []
    begun = {"elevenlabs": 0, "google_gemini": 0}
    most = 0

    def emit(item: object) -> None:
        assert not isinstance(item, Unopened)
        items.append(item.provider)  # type: ignore[attr-defined]

    async def half_hung(secret: Secret, target: Target) -> Verdict:
        nonlocal most
        begun[target.provider] += 1
        if begun["google_gemini"] < 40:
            most = max(most, begun["elevenlabs"])
        if target.provider == "elevenlabs":
            await asyncio.Event().wait()
        return verdict()

    async def run() -> None:
        work = run_tests(open_store, open_store.store.scan(), probe=half_hung, emit=emit, concurrency=8)
        run = asyncio.ensure_future(work)
        while len(items) < 40:
            await asyncio.sleep(0)
        run.cancel()
        await asyncio.wait([run])

    asyncio.run(run())
    assert set(items) == {"google_gemini"}
    assert most == 4, "the one that hangs has more than its share"


def test_a_provider_gets_all_requests_if_no_other_has_keys(sample_store: SampleStore) -> None:
    open_store = sample_store.open_store()
    fill(open_store, 20)
    running = most = 0

    async def counted(secret: Secret, target: Target) -> Verdict:
        nonlocal running, most
        running += target.provider == "elevenlabs"
        most = max(most, running)
        await asyncio.sleep(0)
        running -= target.provider == "elevenlabs"
        return verdict()

    keys = [*open_store.store.scan(Query(providers=("google_gemini",)))][:3]
    keys += [*open_store.store.scan(Query(providers=("elevenlabs",)))]
    asyncio.run(run_tests(open_store, iter(keys), probe=counted, emit=lambda _: None, concurrency=6))
    assert most == 6
