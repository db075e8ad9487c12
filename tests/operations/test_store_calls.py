"""How often a rotation reads a key, and what it does where somebody else was faster between reading and writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from kojikey.model.errors import AlreadyStaged, ChangedMeanwhile
from kojikey.model.ref import Document, Ref, account_ref, key_ref
from kojikey.model.verdict import Reason
from kojikey.operations import removing
from kojikey.operations.compare_and_swap import retry_on_conflict
from kojikey.operations.record_checks import chain_head
from kojikey.sealing.envelope import Sealer
from kojikey.stores.base import Change, Store, Stored
from support import rotation
from support.faulty import FaultyStore, Once
from support.sample_store import ACCOUNT, NEW, OLD, PROVIDER, THIRD, FakeTester, Held, SampleStore, no

KEY = key_ref(ACCOUNT, PROVIDER)


class CountingStore(FaultyStore):
    """Counts reads by document, and does something once before a commit."""

    def __init__(self, inner: Store, meanwhile: Callable[[], object] | None = None) -> None:
        super().__init__(inner, RuntimeError())
        self.reads: Counter[Ref] = Counter()
        self._meanwhile = Once(meanwhile)

    def _read(self, ref: Ref) -> Stored | None:
        self.reads[ref] += 1
        return super()._read(ref)

    def _commit(self, changes: Sequence[Change], events: Sequence[Document]) -> tuple[str, ...]:
        self._meanwhile()
        return super()._commit(changes, events)


@pytest.fixture
def sample_store() -> SampleStore:
    """Return a vault with a key that has a previous version."""

    return SampleStore.rotated()


def named(
    step: Callable[..., object], sample_store: SampleStore, store: Store, reason: Reason = Reason.OK, **more: object
) -> object:
    return step(sample_store.open_store(store), account=ACCOUNT, provider=PROVIDER, test=FakeTester(reason), **more)


@dataclass(frozen=True)
class Way:
    """A step of a rotation, with what has to be there before."""

    act: Callable[[SampleStore, Store], object]
    staged: bool = False


WAYS: dict[str, Way] = {
    "rotate": Way(lambda v, s: v.rotate(THIRD, test=FakeTester(), open_store=v.open_store(s))),
    "rotate, rejected": Way(
        lambda v, s: v.rotate(THIRD, test=FakeTester(Reason.INVALID_KEY), open_store=v.open_store(s)),
    ),
    "rotate, left staged": Way(
        lambda v, s: v.rotate(THIRD, test=FakeTester(Reason.TIMEOUT), open_store=v.open_store(s)),
    ),
    "resume": Way(lambda v, s: named(rotation.resume, v, s, approve=no), staged=True),
    "abort": Way(
        lambda v, s: rotation.abort(v.open_store(s), account=ACCOUNT, provider=PROVIDER), staged=True
    ),
    "rollback": Way(lambda v, s: named(rotation.rollback, v, s, approve=no)),
    "retire": Way(lambda v, s: named(rotation.retire, v, s, Reason.REVOKED)),
    "retire, still accepted": Way(lambda v, s: named(rotation.retire, v, s)),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(WAYS))
def test_a_step_reads_the_key_once(sample_store: SampleStore, name: str) -> None:
    if WAYS[name].staged:
        sample_store.stage(THIRD)
    store = CountingStore(sample_store.opener())
    WAYS[name].act(sample_store, store)
    assert store.reads[KEY] == 1
    sample_store.verify()


def test_a_step_that_lost_the_race_to_a_recorded_test_is_repeated(sample_store: SampleStore) -> None:
    store = CountingStore(sample_store.opener(), lambda: named(rotation.retire, sample_store, sample_store.opener()))
    sample_store.rotate(THIRD, open_store=sample_store.open_store(store))
    assert store.reads[KEY] == 2
    assert sample_store.held() == Held(THIRD, previous=NEW)
    sample_store.verify()


def test_an_outcome_that_was_saved_just_before_the_commit_stays_with_the_version(sample_store: SampleStore) -> None:
    store = CountingStore(sample_store.opener(), lambda: named(rotation.retire, sample_store, sample_store.opener()))
    rotation.rollback(sample_store.open_store(store), account=ACCOUNT, provider=PROVIDER, test=None, approve=no)
    assert sample_store.held() == Held(OLD, previous=NEW)
    key = sample_store.key()
    assert key is not None
    assert key.current.last_test is not None
    assert key.current.last_test.reason == "ok"


def test_of_two_concurrent_stagings_one_is_a_conflict(sample_store: SampleStore) -> None:
    store = CountingStore(sample_store.opener(), lambda: sample_store.stage(THIRD))
    with pytest.raises(AlreadyStaged):
        sample_store.rotate("sk_fourth_key_0123456789", open_store=sample_store.open_store(store))
    assert sample_store.held() == Held(NEW, THIRD, OLD)


def test_a_key_rotated_before_the_staging_is_unchanged(sample_store: SampleStore) -> None:
    store = CountingStore(sample_store.opener(), lambda: sample_store.rotate(THIRD))
    with pytest.raises(ChangedMeanwhile):
        sample_store.rotate("sk_fourth_key_0123456789", open_store=sample_store.open_store(store))
    assert sample_store.held() == Held(THIRD, previous=NEW)


def test_a_staged_version_is_not_replaced(sample_store: SampleStore) -> None:
    sample_store.stage(THIRD)
    store = CountingStore(sample_store.opener())
    with pytest.raises(AlreadyStaged):
        sample_store.rotate("sk_fourth_key_0123456789", open_store=sample_store.open_store(store))
    assert store.steps == 0
    assert sample_store.held() == Held(NEW, THIRD, OLD)


@pytest.mark.parametrize("step", [rotation.retire, rotation.rollback])
def test_a_version_removed_during_its_test_gets_no_outcome(
    sample_store: SampleStore, step: Callable[..., object]
) -> None:
    tester = FakeTester(
        Reason.TIMEOUT, meanwhile=lambda: named(rotation.retire, sample_store, sample_store.opener(), Reason.REVOKED)
    )
    more = {"approve": no} if step is rotation.rollback else {}
    with pytest.raises(ChangedMeanwhile) as caught:
        step(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER, test=tester, **more)
    assert caught.value.ref == KEY
    assert sample_store.held() == Held(NEW)
    assert "tested" not in sample_store.actions()


class OvertakenStore(CountingStore):
    """Does something once, when an account is read after its key: an operation reads the audit trail then."""

    def __init__(self, inner: Store, meanwhile: Callable[[], object]) -> None:
        super().__init__(inner)
        self._once = Once(meanwhile)

    def _read(self, ref: Ref) -> Stored | None:
        if ref == account_ref(ACCOUNT) and self.reads[KEY]:
            self._once()
        return super()._read(ref)


OVERTAKING: dict[str, Callable[[SampleStore], object]] = {
    "abort": lambda v: rotation.abort(v.open_store(), account=ACCOUNT, provider=PROVIDER),
    "remove": lambda v: removing.remove(v.open_store(), account=ACCOUNT, provider=PROVIDER),
    "resume": lambda v: v.rotate_staged(),
}


@pytest.mark.parametrize("way", OVERTAKING)
def test_a_version_that_is_gone_while_the_trail_is_read_is_a_conflict_and_no_broken_trail(
    sample_store: SampleStore, way: str
) -> None:
    sample_store.stage(THIRD)
    store = OvertakenStore(sample_store.opener(), lambda: OVERTAKING[way](sample_store))
    with pytest.raises(ChangedMeanwhile) as caught:
        named(rotation.resume, sample_store, store, approve=no)
    assert caught.value.ref == KEY
    assert sample_store.held() == {"abort": Held(NEW, previous=OLD), "resume": Held(THIRD, previous=NEW)}.get(way)


# the loop


def test_a_change_is_repeated_only_after_conflicts_about_the_given_refs() -> None:
    tried: list[int] = []

    def lost(ref: Ref) -> Callable[[int], int]:
        def attempt(state: int) -> int:
            tried.append(state)
            if len(tried) < 3:
                raise ChangedMeanwhile(ref)
            return state

        return attempt

    assert retry_on_conflict(lost(KEY), 0, lambda: 7, refs=(KEY,)) == 7
    assert tried == [0, 7, 7]
    tried.clear()
    with pytest.raises(ChangedMeanwhile):
        retry_on_conflict(lost(account_ref(ACCOUNT)), 0, lambda: 7, refs=(KEY,))
    assert tried == [0]


def test_a_change_that_always_loses_the_race_ends_with_the_conflict() -> None:
    reads: list[None] = []

    def attempt(_: None) -> None:
        raise ChangedMeanwhile(KEY)

    with pytest.raises(ChangedMeanwhile) as raised:
        retry_on_conflict(attempt, None, lambda: reads.append(None), refs=(KEY,))
    assert raised.value.ref == KEY
    assert len(reads) == 24


def test_the_bound_end_of_a_trail_includes_where_the_present_data_key_began_to_sign() -> None:
    sealer = Sealer(bytes(32), store="s", account=ACCOUNT)
    assert chain_head(sealer, 3, "m", {"from": 0}) == chain_head(sealer, 3, "m", {}) == sealer.head(3, "m")
    assert chain_head(sealer, 3, "m", {"from": 2}) == sealer.head(3, "m from 2")
