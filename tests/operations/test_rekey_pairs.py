"""Re-keying from every KEK source to every other, on every store: killed at each commit, run again, done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kojikey.model.errors import Conflict, KekMissing
from kojikey.operations.open_store import OpenStore
from kojikey.operations.store_admin import diagnosing, rekeying
from kojikey.sealing.kek.base import KekInputs
from support.copies import PLACES
from support.exhaustive import exhaustive_except
from support.rekeying import COMMITS, KINDS, LOCAL, Move, Sides
from support.sample_store import ACCOUNT, PROVIDER, SampleStore

Start = Callable[..., Move]


@pytest.fixture
def start(request: pytest.FixtureRequest, sides: Sides) -> Start:
    """Return what makes a store in a place, on its way from one kind of KEK to another."""

    def begun(old: str, new: str, place: str = "sqlite") -> Move:
        return Move(PLACES[place](request), sides(old, "old"), sides(new, "newer"))

    return begun


def pairs(kinds: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(old, new) for old in kinds for new in kinds if (old, new) != ("env", "env")]


@pytest.mark.parametrize(("old", "new"), pairs(LOCAL))
def test_a_store_moves_from_every_local_kek_source_to_every_other(start: Start, old: str, new: str) -> None:
    move = start(old, new)
    result = move.rekey()
    assert (result.rewrapped, result.already, result.resumed) == (2, 0, False)
    move.check_end()


KILLED = [("env", "env:NAME"), ("file", "passphrase"), ("passphrase", "recipients"), ("recipients", "file")]
"""The pairs that the normal run kills at every commit: each source is in one of them."""


@pytest.mark.parametrize(("old", "new"), exhaustive_except(pairs(LOCAL), KILLED))
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, COMMITS + 1))
def test_after_a_kill_at_any_commit_every_key_opens_and_running_it_again_finishes(
    start: Start, old: str, new: str, at: int, after: bool
) -> None:
    move = start(old, new)
    assert move.killed(at=at, after=after)
    move.opens()
    if at > 1 or after:
        assert move.store().open().document["next_kek"] is not None or (at, after) == (COMMITS, True)
    if (at, after) != (COMMITS, True):  # then it was done, and only not acknowledged
        move.rekey()
    move.check_end()


EVERYWHERE = [(place, *pair) for place in ("sqlite", "postgresql", "dynamodb") for pair in pairs(KINDS)]
REPRESENTATIVES = [
    ("sqlite", "env", "keychain"), ("sqlite", "awskms", "file"), ("postgresql", "env", "env:NAME"),
    ("postgresql", "passphrase", "awskms"), ("dynamodb", "file", "env"), ("dynamodb", "env:NAME", "passphrase"),
    ("postgresql", "recipients", "env"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "old", "new"), exhaustive_except(EVERYWHERE, REPRESENTATIVES))
def test_a_rekeying_killed_around_each_commit_finishes_on_every_engine(
    start: Start, place: str, old: str, new: str
) -> None:
    move = start(old, new, place)
    # Every question to a keychain is a process: there the kills before a commit are left to the test above.
    moments = (True,) if "keychain" in (old, new) else (False, True)
    for commit in range(1, COMMITS + 1):
        for after in moments:
            assert move.killed(at=1, after=after)
            move.opens()
            is_under_way = commit < COMMITS if after else commit > 1
            assert (move.store().open().document["next_kek"] is not None) == is_under_way
    move.check_end()


def test_rekeying_to_the_same_kek_does_not_change_the_accounts(start: Start) -> None:
    move = start("env", "env:NAME")
    before = list(move.store().accounts())
    result = rekeying.rekey(move.sample_store.open_store(), source="env", new_inputs=move.sample_store.inputs())
    assert (result.rewrapped, result.already) == (0, 2)
    assert list(move.store().accounts()) == before
    move.opens()


@pytest.mark.parametrize("new", ["env:NAME", "file", "passphrase"])
def test_a_rekeying_to_another_kek_is_refused_until_the_first_is_finished(
    start: Start, tmp_path: Path, new: str
) -> None:
    move = start("env", new)
    move.killed(at=2, after=True)
    with pytest.raises(Conflict) as caught:
        rekeying.rekey(
            move.sample_store.open_store(), source=f"file:{tmp_path}/third.kek", new_inputs=move.sample_store.inputs()
        )
    assert str(caught.value.hint) == f"finish it first: kojikey store rekey --kek {move.new.source}"
    assert diagnosing.RekeyUnfinished(move.new.source) in diagnosing.diagnose(move.sample_store.open_store())
    move.opens()
    move.rekey()
    move.check_end()


@pytest.mark.parametrize("gone", ["old", "new"])
def test_without_one_of_the_two_keks_a_rekeying_does_not_continue(start: Start, gone: str) -> None:
    move = start("env", "env:NAME")
    move.killed(at=2, after=True)
    before = [*move.store().accounts(), move.store().header()]
    left = KekInputs(dict(move.after if gone == "old" else move.before), None)
    open_store = OpenStore(move.store(), move.store().open().document, left, actor="somebody@somewhere")
    with pytest.raises(KekMissing):
        rekeying.rekey(open_store, source=move.new.source, new_inputs=left)
    assert [*move.store().accounts(), move.store().header()] == before
    move.opens()
    assert SampleStore(move.store, {**move.before, **move.after}).key(ACCOUNT, PROVIDER) is not None
