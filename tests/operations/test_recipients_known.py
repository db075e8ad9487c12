"""The KEK of a store of several people is remembered on each machine: another one is noticed, wherever it came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kojikey.config.known_keks import KnownKekFiles
from kojikey.model.errors import (
    Conflict,
    KekChanged,
    RecordChanged,
    UnsafeConfig,
    UsageError,
)
from kojikey.operations.open_store import OpenStore
from kojikey.operations.store_admin import recipients, rekeying
from kojikey.stores.sqlite.store import SqliteStore
from support.sample_store import ACCOUNT, OLD, Held, SampleStore
from support.team import ANNA, BOB, CI, EVE, OTHER, Team
from support.team import team as team


def test_a_removal_signed_by_a_recipient_is_accepted_without_a_question(team: Team) -> None:
    assert team.held(CI) == Held(OLD)
    team.remove(ANNA, BOB)
    team.add(ANNA, EVE)
    team.remove(ANNA, EVE)  # two removals on, while this machine slept
    assert team.held(CI) == Held(OLD)


def test_an_old_header_restored_after_a_removal_is_noticed_by_everybody_who_knows_of_the_removal(team: Team) -> None:
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
def test_a_changed_statement_leads_to_no_kek(team: Team, member: str) -> None:
    assert team.held(CI) == Held(OLD)
    team.remove(ANNA, BOB)
    team.forge(lambda header: header["successions"][0].update({member: "x"}))
    with pytest.raises(KekChanged):
        team.held(CI)
    assert team.held(ANNA) == Held(OLD)  # who removed knows the new one already


@pytest.mark.parametrize("hostile", [None, 1, "x", [1], [None], [{}], [{"from": 1}], [{"from": []}]])
def test_hostile_statements_are_refused_without_a_bug(team: Team, hostile: object) -> None:
    assert team.held(CI) == Held(OLD)
    team.remove(ANNA, BOB)
    team.forge(lambda header: header.update(successions=hostile))
    with pytest.raises(KekChanged):
        team.held(CI)


def test_a_recipient_added_outside_kojikey_gets_no_kek_with_the_next_removal(team: Team) -> None:
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


def test_an_accepted_kek_is_remembered(team: Team) -> None:
    before = team.copy()
    team.remove(ANNA, BOB)
    team.put_back(before)
    found = recipients.found_kek(team.opened(ANNA))
    assert found.is_news
    recipients.accept(team.opened(ANNA), found)
    assert team.held(ANNA) == Held(OLD)
    assert not recipients.found_kek(team.opened(ANNA)).is_news


def test_another_store_at_the_same_place_is_noticed(team: Team, tmp_path: Path) -> None:
    assert team.held(CI) == Held(OLD)
    team.forge(lambda header: header.update(store_id="another"))
    with pytest.raises(KekChanged, match="another store"):
        team.sample(CI).add(account="hooli", open_store=team.opened(CI))


def test_a_rekeying_to_a_kek_without_recipients_is_accepted_and_the_store_is_forgotten(team: Team) -> None:
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


@pytest.mark.parametrize(
    "content", ["[" * 4000, "", "x", "[]", "{}", '{"store_id": 1, "kid": "", "verify": ""}', "\xff"]
)
def test_a_damaged_file_of_a_remembered_kek_does_not_count_as_none(team: Team, content: str) -> None:
    assert team.held(CI) == Held(OLD)
    (note,) = (team.folder / "ci" / "known-keks").iterdir()
    assert note.stat().st_mode & 0o777 == 0o600
    note.write_text(content, encoding="latin-1")
    with pytest.raises(UnsafeConfig):
        team.held(CI)


def test_a_remembered_kek_that_cannot_be_read_is_not_called_damaged(team: Team) -> None:
    assert team.held(CI) == Held(OLD)
    (note,) = (team.folder / "ci" / "known-keks").iterdir()
    note.unlink()
    note.mkdir()
    with pytest.raises(UnsafeConfig, match=r"cannot be read \(Is a directory\)") as caught:
        team.held(CI)
    assert caught.value.hint == f"let this user read {note}"


def test_a_kek_that_cannot_be_remembered_causes_a_warning_and_the_store_is_used(team: Team, tmp_path: Path) -> None:
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
