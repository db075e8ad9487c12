"""``kojikey store recipients`` and ``--kek recipients`` as people type them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support import age_plugin
from support.identities import Person, identity, ssh_file, ssh_recipient
from support.program import Ended, Program

ANNA, BOB, EVE = identity("anna"), identity("bob"), identity("eve")


@pytest.fixture
def team(kojikey: Program, tmp_path: Path) -> Program:
    """Return the program with a store of anna and bob, as anna uses it."""
    kojikey.environ["KOJIKEY_IDENTITY"] = ANNA.secret
    people = tmp_path / "team.txt"
    people.write_text(f"# the team\n{ANNA.recipient.text} anna\n{BOB.recipient.text} bob\n")
    made = kojikey("store", "init", "--kek", "recipients", "--recipient", f"@{people}")
    assert made.code == 0, made.said
    return kojikey


def as_person(team: Program, person: Person, *arguments: str) -> Ended:
    """Carry out a command on the machine of another person, on the same store."""
    home = team.home.parent / person.recipient.name
    store = f"sqlite://{team.home}/keys.db"
    return team(*arguments, "--store", store, KOJIKEY_HOME=str(home), KOJIKEY_IDENTITY=person.secret, KOJIKEY_KEK=None)


def test_every_recipient_reads_the_key_and_a_stranger_does_not(team: Program) -> None:
    key = team.added()
    assert as_person(team, BOB, "get", "elevenlabs", "--reveal").out == key.key
    refused = as_person(team, EVE, "get", "elevenlabs", "--reveal")
    assert refused.code == 8
    assert "none of your identities (KOJIKEY_IDENTITY)" in refused.err
    assert "kojikey store recipients" in refused.err
    assert "add RECIPIENT" in refused.err


def test_to_move_an_existing_store_to_recipients_the_hint_has_their_option(kojikey: Program) -> None:
    assert kojikey("store", "init", "--kek", "env").code == 0
    ended = kojikey("store", "init", "--kek", "recipients", "--recipient", ANNA.recipient.text, "--json")
    assert (ended.code, ended.error["hint"]) == (6, "kojikey store rekey --kek recipients --recipient R")


@pytest.mark.parametrize("content", [None, b"\xff\xff\xff"], ids=["no file", "not text"])
def test_a_file_of_recipients_that_cannot_be_used_is_described(
    kojikey: Program, tmp_path: Path, content: bytes | None
) -> None:
    if content:
        (tmp_path / "team.txt").write_bytes(content)
    ended = kojikey("store", "init", "--kek", "recipients", "--recipient", f"@{tmp_path / 'team.txt'}", "--json")
    assert (ended.code, ended.error["hint"]) == (2, "name a file with one public key on each line")


def test_a_file_of_recipients_that_is_too_large_is_refused_and_not_read_in_part(team: Program, tmp_path: Path) -> None:
    people = tmp_path / "many.txt"
    people.write_text(f"{EVE.recipient.text} eve\n" + "# a comment\n" * 25_000)
    ended = team("store", "recipients", "add", f"@{people}", "--json")
    assert ended.code == 2
    assert "more than 256 KiB" in ended.error["message"]
    assert len(team("store", "recipients", "--json").results) == 2


def test_the_list_has_who_added_whom_and_when(team: Program) -> None:
    listed = team("store", "recipients", "--json")
    assert [(row["recipient"], row["comment"], row["own"]) for row in listed.results] == [
        (ANNA.recipient.text, "anna", True), (BOB.recipient.text, "bob", False),
    ]  # fmt: skip
    assert all("@" in row["added_by"] and row["added_at"].endswith("Z") for row in listed.results)
    table = team("store", "recipients")
    assert "anna (you)" in table.out
    assert BOB.recipient.text in table.out


def test_after_a_removal_the_keys_that_the_person_could_read_are_listed(team: Program) -> None:
    key = team.added()
    assert team("store", "recipients", "add", EVE.recipient.text, "eve").code == 0
    assert as_person(team, EVE, "get", "elevenlabs", "--reveal").out == key.key
    removed = team("store", "recipients", "remove", "eve", "--json")
    assert removed.code == 0, removed.said
    assert removed.result["action"] == "removed"
    (readable,) = removed.result["keys"]
    assert readable["command"] == "kojikey rotate elevenlabs --account default"
    assert readable["masked"] == "********" + key.key[-4:]
    assert key.key not in removed.said
    assert as_person(team, EVE, "get", "elevenlabs", "--reveal").code == 8
    assert as_person(team, BOB, "get", "elevenlabs", "--reveal").out == key.key
    events = team("audit", "--json").results
    assert "recipient_removed" in [event["action"] for event in events]
    assert team("audit", "--verify").code == 0


def test_a_public_key_is_read_without_quotes_and_from_a_file(team: Program, tmp_path: Path) -> None:
    typed = ssh_recipient("ed25519")
    assert team("store", "recipients", "add", *typed.text.split(), "carol@laptop").code == 0
    (tmp_path / "dora.pub").write_text(f"{ssh_recipient('rsa').text} dora@laptop\n")
    assert team("store", "recipients", "add", f"@{tmp_path / 'dora.pub'}").code == 0
    comments = [row["comment"] for row in team("store", "recipients", "--json").results]
    assert comments == ["anna", "bob", "carol@laptop", "dora@laptop"]
    path = ssh_file(tmp_path / "id", "ed25519")
    opened = team("store", "recipients", KOJIKEY_IDENTITY=None, KOJIKEY_IDENTITY_FILE=str(path))
    assert "carol@laptop (you)" in opened.out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("remove", "anna"), 6), (("remove", "nobody"), 5), (("remove",), 2), (("add",), 2), (("list", "x"), 2),
        (("accept", "x"), 2), (("add", "hello"), 2), (("add", "BOB"), 6), (("add", "@/nowhere"), 2),
        (("frobnicate",), 2),
    ],
    ids=str,
)  # fmt: skip
def test_a_refused_action_changes_nothing(team: Program, words: tuple[str, ...], code: int) -> None:
    before = team("store", "recipients", "--json").out
    typed = (BOB.recipient.text if word == "BOB" else word for word in words)
    refused = team("store", "recipients", *typed, "--json")
    assert refused.code == code
    assert "nothing was changed" in refused.error["message"]
    assert team("store", "recipients", "--json").out == before


@pytest.mark.parametrize(
    "words",
    [(), ("add", BOB.recipient.text), ("remove", "bob"), ("accept", "--yes")],
    ids=["", "add", "remove", "accept"],
)
def test_a_store_with_another_kek_has_no_recipients(kojikey: Program, words: tuple[str, ...]) -> None:
    kojikey.added()
    refused = kojikey("store", "recipients", *words)
    assert (refused.code, "has no recipients" in refused.err) == (2, True), refused.said


def test_the_last_one_cannot_be_removed(kojikey: Program) -> None:
    kojikey.environ["KOJIKEY_IDENTITY"] = ANNA.secret
    assert kojikey("store", "init", "--kek", "recipients", "--recipient", ANNA.recipient.text).code == 0
    refused = kojikey("store", "recipients", "remove", ANNA.recipient.text)
    assert refused.code == 6
    assert "the last recipient" in refused.err


@pytest.mark.parametrize("secret", [ANNA.secret, ANNA.secret.lower()], ids=["capitals", "small"])
def test_a_secret_identity_as_an_argument_is_refused_and_not_repeated(team: Program, secret: str) -> None:
    for arguments in (("store", "recipients", "add", secret), ("store", "init", "--recipient", secret)):
        refused = team(*arguments)
        assert refused.code == 2
        assert secret not in refused.said


def test_only_one_of_its_recipients_can_create_a_store(kojikey: Program) -> None:
    kojikey.environ["KOJIKEY_IDENTITY"] = ANNA.secret
    for more in ((), ("--recipient", BOB.recipient.text)):
        refused = kojikey("store", "init", "--kek", "recipients", *more)
        assert refused.code == 2
        assert "--recipient" in refused.err or "name it as well" in refused.err
    assert not (kojikey.home / "keys.db").exists()


def test_the_same_recipients_again_exist_already_and_others_are_a_conflict(team: Program, tmp_path: Path) -> None:
    again = team("store", "init", "--kek", "recipients", "--recipient", f"@{tmp_path / 'team.txt'}")
    assert again.code == 0
    assert "exists already" in again.out
    other = team("store", "init", "--kek", "recipients", "--recipient", ANNA.recipient.text)
    assert other.code == 6
    assert "store recipients" in other.err


def test_a_header_from_before_a_removal_is_exit_8_until_it_is_accepted(team: Program) -> None:
    key = team.added()
    before = (team.home / "keys.db").read_bytes()
    assert team("store", "recipients", "remove", "bob").code == 0
    assert as_person(team, BOB, "get", "elevenlabs", "--reveal").code == 8
    (team.home / "keys.db").write_bytes(before)
    refused = team("get", "elevenlabs", "--reveal", "--json")
    assert refused.code == 8
    assert "another key-encryption key" in refused.error["message"]
    assert "kojikey store recipients accept" in refused.error["hint"]
    assert team("store", "recipients", "accept").code == 2  # nobody can be asked
    accepted = team("store", "recipients", "accept", "--yes", "--json")
    assert accepted.result["action"] == "accepted"
    assert team("store", "recipients", "accept", "--yes", "--json").result["action"] == "unchanged"
    assert team("get", "elevenlabs", "--reveal").out == key.key


def test_a_store_moves_to_recipients_and_away_again(kojikey: Program) -> None:
    key = kojikey.added()
    kojikey.environ["KOJIKEY_IDENTITY"] = ANNA.secret
    moved = kojikey("store", "rekey", "--kek", "recipients", "--recipient", ANNA.recipient.text)
    assert moved.code == 0, moved.said
    assert kojikey("get", "elevenlabs", "--reveal", KOJIKEY_KEK=None).out == key.key
    assert kojikey("store", "info", "--json").result["kek_source"] == "recipients"
    assert kojikey("doctor").code == 0
    assert kojikey("store", "rekey", "--kek", "env").code == 0
    assert kojikey("get", "elevenlabs", "--reveal", KOJIKEY_IDENTITY=None).out == key.key
    assert kojikey("store", "recipients").code == 2


def test_run_passes_no_identity_on(team: Program, tmp_path: Path) -> None:
    team.added()
    path = tmp_path / "identity"
    path.write_text(ANNA.secret)
    path.chmod(0o600)
    shown = team.installed("run", "--", "env", KOJIKEY_IDENTITY_FILE=str(path))
    assert shown.code == 0, shown.said
    assert "ELEVENLABS_API_KEY=" in shown.out
    assert "KOJIKEY_IDENTITY" not in shown.out


def test_a_plugin_is_started_only_for_what_the_user_named(team: Program, tmp_path: Path) -> None:
    """A recipient that needs one and is in the store has to be named again before a new KEK is sealed to it."""
    key, log = team.added(), tmp_path / "started"
    path = f"{age_plugin.installed(tmp_path / 'bin', log)}{os.pathsep}{os.environ['PATH']}"
    plugin, words = age_plugin.recipient(), ("store", "recipients")
    assert team(*words, "add", plugin, "frank", PATH=path).code == 0
    assert log.read_text() == "--age-plugin=recipient-v1\n"
    log.unlink()
    assert team(*words, PATH=path).code == 0  # anna's own identity opens it
    refused = team(*words, "remove", "bob", PATH=path)
    assert refused.code == 2
    assert f"--recipient {plugin}" in refused.err
    assert not log.exists()
    assert [row["comment"] for row in team(*words, "--json").results] == ["anna", "bob", "frank"]
    assert team(*words, "remove", "bob", "--recipient", plugin, PATH=path).code == 0
    assert log.read_text() == "--age-plugin=recipient-v1\n"
    identity = {"KOJIKEY_IDENTITY": age_plugin.identity(), "PATH": path}
    assert team("get", "elevenlabs", "--reveal", **identity).out == key.key
    assert "--age-plugin=identity-v1" in log.read_text()


def test_a_missing_plugin_is_named(team: Program) -> None:
    refused = team("store", "recipients", "add", age_plugin.recipient())
    assert refused.code == 8
    assert "age-plugin-kojitest" in refused.err
