"""A re-keying that was announced can be replaced by another while no account has its KEK; no account is lost."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from kojikey.model.errors import Conflict, Effect, KekMissing, StoreFull
from kojikey.operations.results import RekeyResult
from kojikey.operations.store_admin import rekeying
from kojikey.sealing.kek.base import KekInputs
from support.faulty import Crash, FaultyStore
from support.sample_store import ACCOUNT, KEKS, OLD, Held, SampleStore

OTHER = "globex"
THIRD_KEK = {"THIRD_KEK": base64.urlsafe_b64encode(b"\x03" * 32).decode()}
ALL = {**KEKS, **THIRD_KEK}


@pytest.fixture
def announced(sample_store: SampleStore) -> SampleStore:
    """Return a vault with an account, whose re-keying to NEW_KEK died when it had been announced."""
    sample_store.environ = dict(ALL)
    sample_store.add()
    killed(sample_store, at=1)
    assert sample_store.opener().open().document["next_kek"] is not None
    return sample_store


def killed(sample_store: SampleStore, *, at: int) -> None:
    with pytest.raises(Crash):
        rekey(sample_store, "env:NEW_KEK", FaultyStore(sample_store.opener(), Crash(), at=at, after=True))


def rekey(sample_store: SampleStore, source: str, store: FaultyStore | None = None) -> RekeyResult:
    return rekeying.rekey(sample_store.open_store(store), source=source, new_inputs=sample_store.inputs())


def check_end(sample_store: SampleStore) -> None:
    header = sample_store.opener().open().document
    assert (header["next_kek"], "given_up" in header, header["kek"]["name"]) == (None, False, "THIRD_KEK")
    for stored in sample_store.opener().accounts():
        assert sample_store.held(stored.ref.account, open_store=sample_store.open_store(environ=THIRD_KEK)) == Held(OLD)
    sample_store.verify()


def test_another_kek_replaces_an_announced_one_that_no_account_uses(announced: SampleStore) -> None:
    del announced.environ["NEW_KEK"]  # lost, say: the reason to give it up
    result = rekey(announced, "env:THIRD_KEK")
    assert (result.rewrapped, result.resumed) == (1, False)
    check_end(announced)


def test_a_rekeying_whose_kek_an_account_uses_has_to_be_finished_first(announced: SampleStore) -> None:
    announced.add(account=OTHER)
    before = announced.opener().open().document
    with pytest.raises(Conflict) as caught:
        rekey(announced, "env:THIRD_KEK")
    assert caught.value.hint == "finish it first: kojikey store rekey --kek env:NEW_KEK"
    del announced.environ["NEW_KEK"]
    with pytest.raises(KekMissing):
        rekey(announced, "env:NEW_KEK")
    assert announced.opener().open().document == before


def test_a_new_kek_from_the_same_source_replaces_a_lost_one(sample_store: SampleStore, tmp_path: Path) -> None:
    sample_store.add()
    file = tmp_path / "kek"
    with pytest.raises(Crash):
        rekey(sample_store, f"file:{file}", FaultyStore(sample_store.opener(), Crash(), at=1, after=True))
    file.unlink()
    assert rekey(sample_store, f"file:{file}").rewrapped == 1
    assert sample_store.held(open_store=sample_store.open_store(environ={})) == Held(OLD)


class Before(FaultyStore):
    """Lets something happen right before a commit of some number."""

    def __init__(self, sample_store: SampleStore, draft: Callable[[], object], *, at: int) -> None:
        super().__init__(sample_store.opener(), Crash())
        self._happening, self._left = draft, at

    def _commit(self, changes: object, events: object) -> tuple[str, ...]:
        self._left -= 1
        if self._left == 0:
            self._happening()
        return super()._commit(changes, events)  # type: ignore[arg-type]


def test_an_account_created_with_the_given_up_kek_at_the_last_moment_is_not_lost(announced: SampleStore) -> None:
    store = Before(announced, lambda: announced.add(account=OTHER), at=1)
    assert rekey(announced, "env:THIRD_KEK", store).rewrapped == 2
    check_end(announced)


def test_a_process_that_continues_a_given_up_rekeying_is_stopped(announced: SampleStore) -> None:
    given_up: list[RekeyResult] = []
    store = Before(announced, lambda: given_up.append(rekey(announced, "env:THIRD_KEK")), at=1)
    with pytest.raises(Conflict, match="another re-keying replaced this one"):
        rekey(announced, "env:NEW_KEK", store)
    assert [result.rewrapped for result in given_up] == [1]
    check_end(announced)


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("after", [False, True])
def test_giving_up_a_rekeying_is_safe_to_kill_at_any_commit(announced: SampleStore, at: int, after: bool) -> None:
    with pytest.raises(Crash):
        rekey(announced, "env:THIRD_KEK", FaultyStore(announced.opener(), Crash(), at=at, after=after))
    assert announced.held() == Held(OLD)
    if (at, after) != (3, True):
        rekey(announced, "env:THIRD_KEK")
    check_end(announced)


def test_several_rekeyings_can_be_given_up_one_after_the_other(announced: SampleStore) -> None:
    announced.environ["FOURTH_KEK"] = base64.urlsafe_b64encode(b"\x04" * 32).decode()
    with pytest.raises(Crash):
        rekey(announced, "env:FOURTH_KEK", FaultyStore(announced.opener(), Crash(), at=1, after=True))
    rekey(announced, "env:THIRD_KEK")
    check_end(announced)


def test_giving_up_a_rekeying_needs_the_old_kek(announced: SampleStore) -> None:
    environ = {name: value for name, value in ALL.items() if name != "KOJIKEY_KEK"}
    with pytest.raises(KekMissing):
        rekeying.rekey(
            announced.open_store(environ=environ), source="env:THIRD_KEK", new_inputs=KekInputs(environ, None)
        )
    assert announced.held(ACCOUNT) == Held(OLD)


@pytest.mark.parametrize("at", [2, 3], ids=["at an account", "at the end"])
def test_a_rekeying_that_the_store_stops_says_that_the_same_command_finishes_it(
    sample_store: SampleStore, at: int
) -> None:
    sample_store.environ = dict(ALL)
    sample_store.add()
    full = StoreFull("here", "has no room left", hint="free some space", effect=Effect.CHANGE_NOT_MADE)
    with pytest.raises(StoreFull, match="the store names both KEKs, and every key still opens") as raised:
        rekey(sample_store, "env:NEW_KEK", FaultyStore(sample_store.opener(), full, at=at))
    assert raised.value.hint == "free some space; then run the same command again: it finishes the re-keying"
    assert sample_store.held() == Held(OLD)
    assert rekey(sample_store, "env:NEW_KEK").resumed
