"""Who may be added to and removed from a store of several people, killed at any moment, and what is noticed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from kojikey.config.known_keks import KnownKekFiles
from kojikey.model.errors import (
    CannotOpen,
    ChangedMeanwhile,
    Conflict,
    KekChanged,
    KekMissing,
    NotFound,
    RecordChanged,
    UnsafeConfig,
    UsageError,
)
from kojikey.model.ref import HEADER, Document
from kojikey.operations.open_store import OpenStore
from kojikey.operations.store_admin import creating, recipients, rekeying
from kojikey.sealing.kek.base import KekInputs
from kojikey.stores.base import Change, Store
from kojikey.stores.sqlite.store import SqliteStore
from support.faulty import Crash, FaultyStore
from support.identities import Person, identity
from support.sample_store import ACCOUNT, NEW, OLD, Held, SampleStore

ANNA, BOB, CI, EVE = identity("anna"), identity("bob"), identity("ci"), identity("eve")
OTHER = "globex"
COMMITS = 4  # of a removal: the announcement, two accounts, the end


class Team:
    """A store of several people, each with a machine of their own that remembers the KEK."""

    def __init__(self, folder: Path, *people: Person) -> None:
        self.folder = folder
        inputs = self.inputs(people[0])._replace(recipients=tuple(person.recipient for person in people))
        creating.create(self.store(), source="recipients", inputs=inputs)
        for account in (ACCOUNT, OTHER):
            self.sample(people[0]).add(account=account, open_store=self.opened(people[0]))

    def store(self) -> SqliteStore:
        return SqliteStore(str(self.folder / "keys.db"))

    def inputs(self, person: Person) -> KekInputs:
        known = KnownKekFiles(str(self.folder / person.recipient.name), None)
        return KekInputs({"KOJIKEY_IDENTITY": person.secret}, None, actor=person.recipient.name, known=known)

    def sample(self, person: Person) -> SampleStore:
        return SampleStore(self.store, {"KOJIKEY_IDENTITY": person.secret})

    def opened(self, person: Person, store: Store | None = None) -> OpenStore:
        found = store or self.store()
        return OpenStore(found, self.store().open().document, self.inputs(person), actor=person.recipient.name)

    def held(self, person: Person, account: str = ACCOUNT) -> Held | None:
        return self.sample(person).held(account, open_store=self.opened(person))

    def add(self, by: Person, *added: Person) -> None:
        recipients.add(self.opened(by), [person.recipient for person in added], self.inputs(by))

    def remove(self, by: Person, gone: Person, store: Store | None = None) -> None:
        recipients.remove(self.opened(by, store), gone.recipient.text, self.inputs(by))

    def names(self, by: Person) -> list[str]:
        return [row.recipient.name for row in recipients.list_recipients(self.opened(by), self.inputs(by))]

    def copy(self) -> bytes:
        """Return the store as whoever can copy its file has it."""
        database = sqlite3.connect(self.folder / "keys.db")
        database.execute("pragma wal_checkpoint(truncate)")
        database.close()
        return (self.folder / "keys.db").read_bytes()

    def put_back(self, copy: bytes) -> None:
        for more in ("-wal", "-shm"):
            (self.folder / f"keys.db{more}").unlink(missing_ok=True)
        (self.folder / "keys.db").write_bytes(copy)

    def forge(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the header as somebody does who can write to the store and has no KEK."""
        stored = self.store().open()
        document = json.loads(json.dumps(stored.document))
        change(document)
        self.store().commit((Change(HEADER, document, stored.revision),))


class BusyStore(SqliteStore):
    """A store in which somebody else does something just before the first change."""

    def __init__(self, team: Team, meanwhile: Callable[[], None]) -> None:
        super().__init__(str(team.folder / "keys.db"))
        self._meanwhile: Callable[[], None] | None = meanwhile

    def _commit(self, changes: Sequence[Change], events: Sequence[Document]) -> tuple[str, ...]:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return super()._commit(changes, events)


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path, ANNA, BOB, CI)


def test_each_of_them_opens_every_key_and_nobody_else_does(team: Team) -> None:
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


def test_one_who_is_there_is_not_added_again(team: Team) -> None:
    before = team.store().open()
    with pytest.raises(Conflict, match="bob is a recipient already"):
        team.add(ANNA, BOB)
    assert team.store().open() == before


def test_somebody_who_cannot_open_it_neither_lists_nor_adds_nor_removes(team: Team) -> None:
    before = team.store().open()
    for attempt in (team.names, lambda by: team.add(by, EVE), lambda by: team.remove(by, BOB)):
        with pytest.raises(KekMissing):
            attempt(EVE)
    assert team.store().open() == before


def test_who_was_removed_opens_nothing_any_more_and_the_others_everything(team: Team) -> None:
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


def test_the_old_kek_opens_no_account_that_was_wrapped_anew(team: Team) -> None:
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


def test_nobody_removes_oneself(team: Team) -> None:
    with pytest.raises(Conflict, match="one cannot remove oneself"):
        team.remove(ANNA, ANNA)
    assert team.names(ANNA) == ["anna", "bob", "ci"]


def test_one_who_is_not_there_cannot_be_removed(team: Team) -> None:
    with pytest.raises(NotFound):
        team.remove(ANNA, EVE)


def test_a_comment_names_a_recipient_where_one_alone_has_it(team: Team) -> None:
    gone, _ = recipients.remove(team.opened(ANNA), "bob", team.inputs(ANNA))
    assert gone == BOB.recipient


def test_the_keys_that_one_who_left_could_have_read_are_all_named(team: Team) -> None:
    team.remove(ANNA, BOB)
    keys = [(key.account, key.provider, key.tail) for key in recipients.readable_keys(team.opened(ANNA))]
    assert keys == [(ACCOUNT, "elevenlabs", OLD[-4:]), (OTHER, "elevenlabs", OLD[-4:])]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, COMMITS + 1))
def test_killed_at_any_commit_every_key_opens_and_the_same_again_finishes(team: Team, at: int, after: bool) -> None:
    with pytest.raises(Crash):
        team.remove(ANNA, BOB, FaultyStore(team.store(), Crash(), at=at, after=after))
    for person in (ANNA, CI):
        for account in (ACCOUNT, OTHER):
            assert team.held(person, account) == Held(OLD)
    if (at, after) != (COMMITS, True):  # then it was done, and only nobody was told
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


def test_another_removal_has_to_wait_for_the_one_that_was_killed(team: Team) -> None:
    with pytest.raises(Crash):
        team.remove(ANNA, BOB, FaultyStore(team.store(), Crash(), at=2, after=True))
    for attempt, other in ((team.remove, CI), (team.add, EVE)):
        with pytest.raises(Conflict, match="was not finished") as caught:
            attempt(ANNA, other)
        assert caught.value.hint == "finish it first: kojikey store rekey --kek recipients"


def test_of_two_removals_at_once_one_wins_and_nobody_is_locked_out(team: Team) -> None:
    late = BusyStore(team, lambda: team.remove(CI, BOB))
    with pytest.raises(ChangedMeanwhile):
        team.remove(ANNA, CI, late)
    assert team.names(ANNA) == ["anna", "ci"]
    assert team.held(CI) == Held(OLD)


def test_of_two_additions_at_once_both_are_made(team: Team) -> None:
    late = BusyStore(team, lambda: team.add(CI, EVE))
    more = identity("frank")
    recipients.add(team.opened(ANNA, late), [more.recipient], team.inputs(ANNA))
    assert team.names(BOB) == ["anna", "bob", "ci", "eve", "frank"]


def test_one_who_is_added_during_a_removal_is_not_lost(team: Team) -> None:
    with pytest.raises(ChangedMeanwhile):
        team.remove(ANNA, BOB, BusyStore(team, lambda: team.add(CI, EVE)))
    team.remove(ANNA, BOB)
    assert team.names(EVE) == ["anna", "ci", "eve"]


# what is remembered


def test_a_removal_that_a_recipient_signed_is_followed_without_a_question(team: Team) -> None:
    assert team.held(CI) == Held(OLD)
    team.remove(ANNA, BOB)
    team.add(ANNA, EVE)
    team.remove(ANNA, EVE)  # two removals on, while this machine slept
    assert team.held(CI) == Held(OLD)


def test_a_header_from_before_a_removal_is_noticed_by_who_removed_and_by_who_knew_of_it(team: Team) -> None:
    before = team.copy()
    team.remove(ANNA, BOB)
    assert team.held(CI) == Held(OLD)
    team.put_back(before)
    for person in (ANNA, CI):
        with pytest.raises(KekChanged) as caught:
            team.held(person)
        assert "kojikey store recipients accept" in str(caught.value.hint)


def test_a_kek_that_somebody_else_sealed_to_everybody_is_refused(team: Team, tmp_path: Path) -> None:
    known = team.opened(ANNA).kek().kid
    mallory = team.inputs(EVE)._replace(recipients=(EVE.recipient, ANNA.recipient), known=None)
    from kojikey.sealing.kek.registry import make

    spec, kek = make("recipients", store_id=team.opened(ANNA).store_id, inputs=mallory)
    team.forge(lambda header: header.update(kek=spec))
    with pytest.raises(KekChanged, match=f"{kek.kid}.*{known}"):
        team.sample(ANNA).add(account="hooli", open_store=team.opened(ANNA))
    assert [stored.ref.account for stored in team.store().accounts()] == [ACCOUNT, OTHER]


def test_a_kek_that_somebody_else_announced_wraps_nothing(team: Team) -> None:
    from kojikey.sealing.kek.registry import make

    team.opened(ANNA).kek()
    mallory = team.inputs(EVE)._replace(recipients=(EVE.recipient, ANNA.recipient), known=None)
    spec, _ = make("recipients", store_id=team.opened(ANNA).store_id, inputs=mallory)
    team.forge(lambda header: header.update(next_kek=spec))
    with pytest.raises(KekChanged):
        team.sample(ANNA).add(account="hooli", open_store=team.opened(ANNA))
    with pytest.raises(Conflict):
        team.remove(ANNA, BOB)
    assert team.held(ANNA) == Held(OLD)


@pytest.mark.parametrize("member", ["to", "verify", "by", "removed", "signature"])
def test_a_statement_that_was_changed_leads_nowhere(team: Team, member: str) -> None:
    assert team.held(CI) == Held(OLD)
    team.remove(ANNA, BOB)
    team.forge(lambda header: header["successions"][0].update({member: "x"}))
    with pytest.raises(KekChanged):
        team.held(CI)
    assert team.held(ANNA) == Held(OLD)  # who removed knows the new one already


@pytest.mark.parametrize("hostile", [None, 1, "x", [1], [None], [{}], [{"from": 1}], [{"from": []}]])
def test_hostile_statements_are_no_bug(team: Team, hostile: object) -> None:
    assert team.held(CI) == Held(OLD)
    team.remove(ANNA, BOB)
    team.forge(lambda header: header.update(successions=hostile))
    with pytest.raises(KekChanged):
        team.held(CI)


def test_somebody_put_into_the_list_from_outside_gets_no_kek_with_the_next_removal(team: Team) -> None:
    def forged(header: dict[str, Any]) -> None:
        entry = header["kek"]["recipients"][0]
        header["kek"]["recipients"].append({**entry, "recipient": EVE.recipient.text})

    opened = team.opened(ANNA)
    opened.kek()
    team.forge(forged)
    for attempt in (
        lambda: recipients.remove(opened, "bob", team.inputs(ANNA)),
        lambda: recipients.add(opened, [EVE.recipient], team.inputs(ANNA)),
        lambda: team.names(ANNA),
    ):
        with pytest.raises(RecordChanged):
            attempt()


def test_a_new_kek_is_accepted_and_then_known(team: Team) -> None:
    before = team.copy()
    team.remove(ANNA, BOB)
    team.put_back(before)
    found = recipients.found_kek(team.opened(ANNA))
    assert found.is_news
    recipients.accept(team.opened(ANNA), found)
    assert team.held(ANNA) == Held(OLD)
    assert not recipients.found_kek(team.opened(ANNA)).is_news


def test_another_store_in_the_same_place_is_noticed(team: Team, tmp_path: Path) -> None:
    assert team.held(CI) == Held(OLD)
    team.forge(lambda header: header.update(store_id="another"))
    with pytest.raises(KekChanged, match="another store"):
        team.sample(CI).add(account="hooli", open_store=team.opened(CI))


def test_a_move_to_a_kek_of_another_kind_is_followed_and_the_store_forgotten(team: Team) -> None:
    assert team.held(CI) == Held(OLD)
    place, shared = team.store().place, {"KOJIKEY_KEK": "A" * 43}
    inputs = team.inputs(ANNA)._replace(environ={**team.inputs(ANNA).environ, **shared})
    rekeying.rekey(team.opened(ANNA), source="env", new_inputs=inputs)
    known = team.inputs(CI).known
    assert known is not None
    assert known.recall(place) is not None
    opened = OpenStore(team.store(), team.store().open().document, team.inputs(CI)._replace(environ=shared), actor="ci")
    assert team.sample(CI).held(open_store=opened) == Held(OLD)
    assert known.recall(place) is None


def test_a_store_without_recipients_leaves_nothing_in_the_data_folder(tmp_path: Path) -> None:
    sample = SampleStore.made(lambda: SqliteStore(str(tmp_path / "keys.db")))
    sample.add()
    known = KnownKekFiles(str(tmp_path / "data"), None)
    inputs = sample.inputs()._replace(known=known)
    OpenStore(sample.opener(), sample.opener().open().document, inputs, actor="").sealer(ACCOUNT)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("content", ["", "x", "[]", "{}", '{"store_id": 1, "kid": "", "verify": ""}', "\xff"])
def test_a_damaged_note_is_not_taken_for_none(team: Team, content: str) -> None:
    assert team.held(CI) == Held(OLD)
    (note,) = (team.folder / "ci" / "known-keks").iterdir()
    assert note.stat().st_mode & 0o777 == 0o600
    note.write_text(content, encoding="latin-1")
    with pytest.raises(UnsafeConfig):
        team.held(CI)


def test_what_cannot_be_remembered_is_said_and_the_store_is_used(team: Team, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said: list[str] = []
    inputs = team.inputs(CI)._replace(known=KnownKekFiles(str(tmp_path / "file"), said.append))
    opened = OpenStore(team.store(), team.store().open().document, inputs, actor="ci")
    assert team.sample(CI).held(open_store=opened) == Held(OLD)
    assert len(said) == 1


def test_a_store_of_another_kind_has_no_recipients(tmp_path: Path) -> None:
    sample = SampleStore.made(lambda: SqliteStore(str(tmp_path / "keys.db")))
    for attempt in (recipients.list_recipients, lambda opened, inputs: recipients.remove(opened, "bob", inputs)):
        with pytest.raises(UsageError, match="has no recipients") as caught:
            attempt(sample.open_store(), sample.inputs())
        assert "store rekey --kek recipients" in str(caught.value.hint)
