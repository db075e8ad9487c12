"""Who may be added to and removed from a store of several people, killed at any moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from kojikey.model.errors import (
    CannotOpen,
    ChangedMeanwhile,
    Conflict,
    KekMissing,
    NotFound,
)
from kojikey.operations.store_admin import recipients, rekeying
from support.faulty import Crash, FaultyStore
from support.identities import identity
from support.sample_store import ACCOUNT, NEW, OLD, Held
from support.team import ANNA, BOB, CI, COMMITS, EVE, OTHER, BusyStore, Team
from support.team import team as team


def test_every_recipient_opens_every_key_and_nobody_else_does(team: Team) -> None:
    for person in (ANNA, BOB, CI):
        assert team.held(person) == Held(OLD)
    with pytest.raises(KekMissing):
        team.held(EVE)


def test_the_list_says_who_added_whom_and_when(team: Team) -> None:
    team.add(BOB, EVE)
    rows = recipients.list_recipients(team.opened(CI), team.inputs(CI))
    assert [(row.recipient.name, row.added_by, row.is_own) for row in rows] == [
        ("anna", "anna", False), ("bob", "anna", False), ("ci", "anna", True), ("eve", "bob", False),
    ]  # fmt: skip
    assert all(row.added_at.endswith("Z") for row in rows)
    assert team.held(EVE) == Held(OLD)


def test_a_recipient_is_not_added_again(team: Team) -> None:
    before = team.store().open()
    with pytest.raises(Conflict, match="bob is a recipient already"):
        team.add(ANNA, BOB)
    assert team.store().open() == before


def test_a_person_who_is_no_recipient_can_neither_list_add_nor_remove(team: Team) -> None:
    before = team.store().open()
    for attempt in (team.names, lambda by: team.add(by, EVE), lambda by: team.remove(by, BOB)):
        with pytest.raises(KekMissing):
            attempt(EVE)
    assert team.store().open() == before


def test_a_removed_recipient_opens_nothing_and_the_others_open_everything(team: Team) -> None:
    sealed = [stored.document for stored in team.store().scan()]
    team.remove(ANNA, BOB)
    assert team.names(CI) == ["anna", "ci"]
    with pytest.raises(KekMissing):
        team.held(BOB)
    for person in (ANNA, CI):
        for account in (ACCOUNT, OTHER):
            assert team.held(person, account) == Held(OLD)
    assert [stored.document for stored in team.store().scan()] == sealed


def test_a_removal_is_an_event_of_each_account_and_the_trail_stays_whole(team: Team) -> None:
    team.remove(ANNA, BOB)
    sample = team.sample(ANNA)
    for account in (ACCOUNT, OTHER):
        event = sample.events(account)[-1]
        assert (event["action"], event["recipient"], event["actor"]) == ("recipient_removed", "bob", "anna")
    sample.verify()


def test_the_old_kek_opens_no_account_that_was_wrapped_again(team: Team) -> None:
    old = team.opened(BOB)
    old.kek()
    team.remove(ANNA, BOB)
    with pytest.raises(CannotOpen):
        team.sample(BOB).held(open_store=old)


def test_the_last_recipient_cannot_be_removed(tmp_path: Path) -> None:
    team = Team(tmp_path, ANNA)
    with pytest.raises(Conflict, match="the last recipient"):
        team.remove(ANNA, ANNA)
    assert team.held(ANNA) == Held(OLD)


def test_recipients_cannot_remove_themselves(team: Team) -> None:
    with pytest.raises(Conflict, match="nobody can remove themselves"):
        team.remove(ANNA, ANNA)
    assert team.names(ANNA) == ["anna", "bob", "ci"]


def test_a_person_who_is_no_recipient_cannot_be_removed(team: Team) -> None:
    with pytest.raises(NotFound):
        team.remove(ANNA, EVE)


def test_a_comment_names_a_recipient_if_only_one_has_it(team: Team) -> None:
    gone, _ = recipients.remove(team.opened(ANNA), "bob", team.inputs(ANNA))
    assert gone == BOB.recipient


def test_all_keys_that_a_removed_recipient_could_have_read_are_named(team: Team) -> None:
    team.remove(ANNA, BOB)
    keys = [(key.account, key.provider, key.tail) for key in recipients.readable_keys(team.opened(ANNA))]
    assert keys == [(ACCOUNT, "elevenlabs", OLD[-4:]), (OTHER, "elevenlabs", OLD[-4:])]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, COMMITS + 1))
def test_after_a_kill_at_any_commit_every_key_opens_and_running_it_again_finishes(
    team: Team, at: int, after: bool
) -> None:
    with pytest.raises(Crash):
        team.remove(ANNA, BOB, FaultyStore(team.store(), Crash(), at=at, after=after))
    for person in (ANNA, CI):
        for account in (ACCOUNT, OTHER):
            assert team.held(person, account) == Held(OLD)
    if (at, after) != (COMMITS, True):  # then it was done, and only the answer was lost
        team.remove(CI, BOB)  # another one can finish it
    assert team.names(ANNA) == team.names(CI) == ["anna", "ci"]
    assert team.store().open().document["next_kek"] is None
    assert team.sample(ANNA).actions().count("recipient_removed") == 1
    with pytest.raises(KekMissing):
        team.held(BOB)
    assert team.sample(CI).rotate(open_store=team.opened(CI)).action == "rotated"
    assert team.held(ANNA) == Held(NEW, previous=OLD)


def test_a_re_keying_finishes_a_removal_that_was_killed(team: Team) -> None:
    with pytest.raises(Crash):
        team.remove(ANNA, BOB, FaultyStore(team.store(), Crash(), at=2, after=True))
    assert rekeying.rekey(team.opened(CI), source="recipients", new_inputs=team.inputs(CI)).resumed
    assert team.names(ANNA) == ["anna", "ci"]


def test_another_removal_is_refused_until_a_killed_one_is_finished(team: Team) -> None:
    with pytest.raises(Crash):
        team.remove(ANNA, BOB, FaultyStore(team.store(), Crash(), at=2, after=True))
    for attempt, other in ((team.remove, CI), (team.add, EVE)):
        with pytest.raises(Conflict, match="was not finished") as caught:
            attempt(ANNA, other)
        assert caught.value.hint == "finish it first: kojikey store rekey --kek recipients"


def test_of_two_concurrent_removals_one_wins_and_nobody_is_locked_out(team: Team) -> None:
    late = BusyStore(team, lambda: team.remove(CI, BOB))
    with pytest.raises(ChangedMeanwhile):
        team.remove(ANNA, CI, late)
    assert team.names(ANNA) == ["anna", "ci"]
    assert team.held(CI) == Held(OLD)


def test_two_concurrent_additions_are_both_made(team: Team) -> None:
    late = BusyStore(team, lambda: team.add(CI, EVE))
    more = identity("frank")
    recipients.add(team.opened(ANNA, late), [more.recipient], team.inputs(ANNA))
    assert team.names(BOB) == ["anna", "bob", "ci", "eve", "frank"]


def test_a_recipient_added_during_a_removal_is_not_lost(team: Team) -> None:
    with pytest.raises(ChangedMeanwhile):
        team.remove(ANNA, BOB, BusyStore(team, lambda: team.add(CI, EVE)))
    team.remove(ANNA, BOB)
    assert team.names(EVE) == ["anna", "ci", "eve"]
