"""How often a rotation reads a key, and what it does where somebody else was faster between reading and writing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

from kojikey.model.errors import AlreadyStaged, ChangedMeanwhile
from kojikey.model.ref import Document, Ref, account_ref, key_ref
from kojikey.model.verdict import Reason
from kojikey.operations import rotating
from kojikey.operations.compare_and_swap import retry_on_conflict
from kojikey.operations.record_checks import chain_head
from kojikey.sealing.envelope import Sealer
from kojikey.stores.base import Change, Store, Stored
from support.faulty import FaultyStore
from support.vault import ACCOUNT, ADAPTERS, NEW, OLD, PROVIDER, THIRD, FakeTester, Held, Vault, no

KEY = key_ref(ACCOUNT, PROVIDER)


class CountingStore(FaultyStore):
    """Counts reads by document, and does something once before a commit."""

    def __init__(self, inner: Store, meanwhile: Callable[[], object] | None = None) -> None:
        super().__init__(inner, RuntimeError())
        self.reads: Counter[Ref] = Counter()
        self._meanwhile = meanwhile

    def _read(self, ref: Ref) -> Stored | None:
        self.reads[ref] += 1
        return super()._read(ref)

    def _commit(self, changes: Sequence[Change], events: Sequence[Document]) -> tuple[str, ...]:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return super()._commit(changes, events)


@pytest.fixture
def vault() -> Vault:
    """Return a vault with a key that has a previous version."""
    import pathlib

    vault = Vault.made(ADAPTERS["memory"](pathlib.Path()))
    vault.add()
    vault.rotate()
    return vault


def named(
    step: Callable[..., object], vault: Vault, store: Store, reason: Reason = Reason.OK, **more: object
) -> object:
    return step(vault.custody(store), account=ACCOUNT, provider=PROVIDER, test=FakeTester(reason), **more)


@dataclass(frozen=True)
class Way:
    """A step of a rotation, with what has to be there before."""

    act: Callable[[Vault, Store], object]
    staged: bool = False


WAYS: dict[str, Way] = {
    "rotate": Way(lambda v, s: v.rotate(THIRD, test=FakeTester(), custody=v.custody(s))),
    "rotate, rejected": Way(lambda v, s: v.rotate(THIRD, test=FakeTester(Reason.INVALID_KEY), custody=v.custody(s))),
    "rotate, left staged": Way(lambda v, s: v.rotate(THIRD, test=FakeTester(Reason.TIMEOUT), custody=v.custody(s))),
    "resume": Way(lambda v, s: named(rotating.resume, v, s, approve=no), staged=True),
    "abort": Way(
        lambda v, s: rotating.abort(v.custody(s), account=ACCOUNT, provider=PROVIDER), staged=True
    ),
    "rollback": Way(lambda v, s: named(rotating.rollback, v, s, approve=no)),
    "retire": Way(lambda v, s: named(rotating.retire, v, s, Reason.REVOKED)),
    "retire, still accepted": Way(lambda v, s: named(rotating.retire, v, s)),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(WAYS))
def test_a_step_reads_the_key_once(vault: Vault, name: str) -> None:
    if WAYS[name].staged:
        vault.stage(THIRD)
    store = CountingStore(vault.opener())
    WAYS[name].act(vault, store)
    assert store.reads[KEY] == 1
    vault.verify()


def test_a_step_that_lost_to_a_recorded_test_reads_once_more_and_is_made(vault: Vault) -> None:
    store = CountingStore(vault.opener(), lambda: named(rotating.retire, vault, vault.opener()))
    vault.rotate(THIRD, custody=vault.custody(store))
    assert store.reads[KEY] == 2
    assert vault.held() == Held(THIRD, previous=NEW)
    vault.verify()


def test_of_two_that_stage_at_once_one_is_told(vault: Vault) -> None:
    store = CountingStore(vault.opener(), lambda: vault.stage(THIRD))
    with pytest.raises(AlreadyStaged):
        vault.rotate("sk_fourth_key_0123456789", custody=vault.custody(store))
    assert vault.held() == Held(NEW, THIRD, OLD)


def test_a_key_that_was_rotated_before_the_new_value_was_staged_is_left_alone(vault: Vault) -> None:
    store = CountingStore(vault.opener(), lambda: vault.rotate(THIRD))
    with pytest.raises(ChangedMeanwhile):
        vault.rotate("sk_fourth_key_0123456789", custody=vault.custody(store))
    assert vault.held() == Held(THIRD, previous=NEW)


def test_nothing_is_staged_over_what_is_staged(vault: Vault) -> None:
    vault.stage(THIRD)
    store = CountingStore(vault.opener())
    with pytest.raises(AlreadyStaged):
        vault.rotate("sk_fourth_key_0123456789", custody=vault.custody(store))
    assert store.steps == 0
    assert vault.held() == Held(NEW, THIRD, OLD)


@pytest.mark.parametrize("step", [rotating.retire, rotating.rollback])
def test_a_version_that_went_during_its_test_has_no_outcome(vault: Vault, step: Callable[..., object]) -> None:
    tester = FakeTester(Reason.TIMEOUT, meanwhile=lambda: named(rotating.retire, vault, vault.opener(), Reason.REVOKED))
    more = {"approve": no} if step is rotating.rollback else {}
    with pytest.raises(ChangedMeanwhile):
        step(vault.custody(), account=ACCOUNT, provider=PROVIDER, test=tester, **more)
    assert vault.held() == Held(NEW)
    assert "tested" not in vault.actions()


# the loop


def test_a_change_is_tried_again_only_after_the_conflicts_that_were_named() -> None:
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


def test_a_change_that_loses_for_ever_ends_with_the_conflict() -> None:
    reads: list[None] = []

    def attempt(_: None) -> None:
        raise ChangedMeanwhile(KEY)

    with pytest.raises(ChangedMeanwhile) as raised:
        retry_on_conflict(attempt, None, lambda: reads.append(None), refs=(KEY,))
    assert raised.value.ref == KEY
    assert len(reads) == 24


def test_the_end_of_a_trail_binds_where_the_present_data_key_began_to_sign() -> None:
    sealer = Sealer(bytes(32), store="s", account=ACCOUNT)
    assert chain_head(sealer, 3, "m", {"from": 0}) == chain_head(sealer, 3, "m", {}) == sealer.head(3, "m")
    assert chain_head(sealer, 3, "m", {"from": 2}) == sealer.head(3, "m from 2")
