"""``account list``, ``disable``, ``enable`` and ``remove``, and how the other commands treat such accounts."""

from __future__ import annotations

import json
import shutil
import sys

import pexpect
import pytest

from support.program import COMMAND, SECONDS, Ended, Program

PRINTS = (sys.executable, "-c", "import os; print(os.environ.get('ELEVENLABS_API_KEY'))")
RESOLVES = """
import json, kojikey
found = kojikey.resolve("elevenlabs", account="acme")
print(json.dumps([found.source, found.secret is None, found.base_url]))
"""


@pytest.fixture
def acme(kojikey: Program) -> Program:
    """Return the program with a key of the account acme, and one of another."""
    kojikey.added("elevenlabs", "ok", "--account", "acme")
    kojikey.added("google_gemini", "ok")
    return kojikey


def run(kojikey: Program, *more: str) -> Ended:
    return kojikey.installed("run", "--account", "acme", "--provider", "elevenlabs", *more, "--", *PRINTS)


def actions(kojikey: Program) -> list[str]:
    return [event["action"] for event in kojikey("audit", "--account", "acme", "--json").results]


def source(kojikey: Program) -> str:
    return str(kojikey.listed("elevenlabs", "--account", "acme")["source"])


# list


def test_a_store_that_does_not_exist_has_no_accounts(kojikey: Program) -> None:
    ended = kojikey("account", "list", "--json")
    assert (ended.code, ended.results) == (0, [])
    assert kojikey("account", "list").code == 0
    assert not kojikey.home.exists()


def test_accounts_are_listed_with_their_keys(acme: Program) -> None:
    acme.added("google_gemini", "ok_2", "--account", "acme")
    acme("account", "disable", "acme")
    rows = acme("account", "list", "--json", KOJIKEY_KEK=None).results
    assert [(row["account"], row["keys"], row["disabled"]) for row in rows] == [
        ("acme", 2, True),
        ("default", 1, False),
    ]
    lines = acme("account", "list").out.splitlines()
    assert lines[0].split() == ["ACCOUNT", "KEYS", "SINCE", "NOTE"]
    assert "disabled" in lines[1]
    assert "disabled" not in lines[2]


# disable and enable


def test_a_disabled_account_gets_no_key_from_run(acme: Program) -> None:
    key = acme.key("elevenlabs").key
    assert run(acme).out == f"{key}\n"
    assert acme("account", "disable", "acme").code == 0
    ended = run(acme)
    assert (ended.code, ended.out) == (0, "None\n")
    assert "account acme is disabled" in ended.err
    built_in = acme.installed("run", "-a", "acme", "--quiet", "--", *PRINTS, ELEVENLABS_API_KEY="the built-in one")
    assert (built_in.out, built_in.err) == ("the built-in one\n", "")
    acme("account", "enable", "acme")
    assert run(acme).out == f"{key}\n"


def test_a_disabled_account_is_named_by_check(acme: Program) -> None:
    acme("account", "disable", "acme")
    ended = run(acme, "--require", "--json")
    assert (ended.code, ended.error["code"], ended.error["hint"]) == (5, "not_found", "kojikey account enable acme")
    assert "disabled" in ended.error["message"]


def test_programs_that_resolve_get_the_built_in_allocation(acme: Program) -> None:
    def resolved() -> list[object]:
        ended = acme.shell(f"{sys.executable} -c '{RESOLVES}'")
        assert ended.code == 0, ended.said
        found: list[object] = json.loads(ended.out)
        return found

    assert resolved() == ["byok", False, acme.key("elevenlabs").base_url]
    acme("account", "disable", "acme")
    assert resolved() == ["built_in", True, None]
    acme("account", "enable", "acme")
    assert resolved()[0] == "byok"


@pytest.mark.parametrize("more", [("--account", "acme"), ("--all-accounts",)])
def test_list_says_that_an_account_is_disabled(acme: Program, more: tuple[str, ...]) -> None:
    def row() -> dict[str, object]:
        return next(row for row in acme("list", "--json", *more).results if row["provider"] == "elevenlabs")

    def line() -> str:
        return next(line for line in acme("list", *more).out.splitlines() if "elevenlabs" in line)

    before = row()
    assert (before["source"], before["billed_to"], before["disabled"]) == ("byok", "provider", False)
    assert "disabled" not in line()
    acme("account", "disable", "acme")
    assert row() == {**before, "source": "built_in", "billed_to": "koji", "disabled": True}
    assert "built-in allocation" in line()
    assert "disabled" in line()


def test_the_other_accounts_are_unchanged(acme: Program) -> None:
    before = acme.listed("google_gemini")
    acme("account", "disable", "acme")
    assert acme.listed("google_gemini") == before


def test_disabling_and_enabling_have_documents_and_events(acme: Program) -> None:
    for command, action in (
        ("enable", "unchanged"), ("disable", "disabled"), ("disable", "unchanged"),
        ("enable", "enabled"), ("enable", "unchanged"),
    ):  # fmt: skip
        ended = acme("account", command, "acme", "--json")
        assert (ended.code, ended.result) == (0, {"account": "acme", "action": action, "audit_recorded": True})
        assert ended.document["command"] == f"account {command}"
    assert actions(acme) == ["added", "disabled", "enabled"]
    assert "nothing was changed" in acme("account", "enable", "acme").out
    assert acme("audit", "--verify").code == 0


def test_an_account_stays_disabled_through_add_and_rotate(acme: Program) -> None:
    acme("account", "disable", "acme")
    acme.added("google_gemini", "ok_2", "--account", "acme")
    assert acme.rotate("elevenlabs", "ok_2", "--account", "acme").code == 0
    row = acme.listed("elevenlabs", "--account", "acme")
    assert (row["source"], row["version"], row["disabled"]) == ("built_in", 2, True)
    assert run(acme).out == "None\n"
    acme("account", "enable", "acme")
    assert run(acme).out == acme.key("elevenlabs", "ok_2").key + "\n"


@pytest.mark.parametrize("command", ["disable", "enable"])
def test_without_the_kek_no_account_is_disabled_or_enabled(acme: Program, command: str) -> None:
    acme("account", "enable" if command == "disable" else "disable", "acme")
    before = acme.snapshot()
    ended = acme("account", command, "acme", "--json", KOJIKEY_KEK=None)
    assert (ended.code, ended.error["code"]) == (8, "cannot_open")
    assert acme.snapshot() == before


@pytest.mark.parametrize("command", [["disable"], ["enable"], ["remove", "--confirm", "initech"]])
def test_an_account_that_does_not_exist_is_exit_5(acme: Program, command: list[str]) -> None:
    before = acme.snapshot()
    ended = acme("account", command[0], "initech", *command[1:], "--json")
    assert (ended.code, ended.error["code"]) == (5, "not_found")
    assert acme.snapshot() == before


@pytest.mark.parametrize("command", ["disable", "enable", "remove"])
def test_no_account_is_created_in_a_store_that_does_not_exist(kojikey: Program, command: str) -> None:
    assert kojikey("account", command, "acme", "--json").code == 5
    assert not kojikey.home.exists()


@pytest.mark.parametrize("command", ["disable", "enable", "remove"])
def test_a_malformed_account_name_is_refused_and_a_key_is_not_repeated(acme: Program, command: str) -> None:
    before = acme.snapshot()
    assert acme("account", command).code == 2
    assert acme("account", command, "Not A Name").code == 2
    key = acme.key("elevenlabs").key
    ended = acme("account", command, key)
    assert ended.code == 2
    assert key not in ended.said
    assert acme.snapshot() == before


# remove


def test_a_removal_needs_the_name_as_confirmation(acme: Program) -> None:
    before = acme.snapshot()
    for more in ([], ["--no-input"], ["--confirm", "acne"], ["--confirm", ""], ["--confirm", "ACME"]):
        ended = acme("account", "remove", "acme", "--json", *more)
        assert (ended.code, ended.error["code"]) == (2, "usage")
        assert "nothing was removed" in ended.error["message"]
    assert "--confirm acme" in acme("account", "remove", "acme").err
    assert acme.snapshot() == before


def test_only_the_events_of_a_removed_account_are_left(acme: Program) -> None:
    ended = acme("account", "remove", "acme", "--confirm", "acme", "--json")
    assert ended.code == 0
    assert ended.result == {
        "account": "acme",
        "action": "removed",
        "keys": 1,
        "audit_signed": True,
        "left_at_provider": [],
    }
    assert [row["account"] for row in acme("account", "list", "--json").results] == ["default"]
    assert source(acme) == "built_in"
    assert run(acme).out == "None\n"
    assert actions(acme) == ["added", "removed"]
    assert acme("account", "remove", "acme", "--confirm", "acme").code == 5
    assert acme("get", "elevenlabs", "--account", "acme", "--reveal").code == 5
    assert acme.listed("google_gemini")["source"] == "byok"


def test_a_removal_prints_what_is_left_to_do(acme: Program) -> None:
    ended = acme("account", "remove", "acme", "--confirm", "acme")
    assert "1 key and its data key" in ended.out
    assert "revoke them there" in ended.out


def test_removing_works_without_the_kek_and_says_that_its_event_is_unsigned(acme: Program) -> None:
    ended = acme("account", "remove", "acme", "--confirm", "acme", "--json", KOJIKEY_KEK=None)
    assert (ended.code, ended.result["audit_signed"]) == (0, False)
    assert "unsigned" in ended.err
    verified = acme("audit", "--verify", "--json")
    assert (verified.code, verified.document["summary"]) == (0, {"accounts": 2, "broken": 0, "unsigned": 1, "lost": 2})
    assert "1 event is unsigned" in acme("audit", "--verify").out


def test_a_removed_account_cannot_be_verified_but_is_not_broken(acme: Program) -> None:
    acme("account", "remove", "acme", "--confirm", "acme")
    verified = acme("audit", "--verify", "--json")
    assert (verified.code, verified.document["summary"]) == (0, {"accounts": 2, "broken": 0, "unsigned": 0, "lost": 2})
    told = acme("audit", "--verify").out
    assert "2 events cannot be recomputed: an account and its data key were removed" in told
    assert acme("doctor").code == 0
    assert acme("store", "info", "--json").result["counts"] == {"accounts": 1, "keys": 1, "events": 3}


def test_a_removed_account_can_be_created_again(acme: Program) -> None:
    acme("account", "remove", "acme", "--confirm", "acme")
    acme.added("elevenlabs", "ok_2", "--account", "acme")
    assert run(acme).out == acme.key("elevenlabs", "ok_2").key + "\n"
    assert actions(acme) == ["added", "removed", "added"]
    verified = acme("audit", "--verify", "--json")
    assert (verified.code, verified.document["summary"]["lost"]) == (0, 2)
    assert acme("store", "rekey", "--kek", f"file:{acme.home}/kek", "--json").result["rewrapped"] == 2
    assert run(acme).out == acme.key("elevenlabs", "ok_2").key + "\n"


def test_a_backup_of_the_whole_store_opens_until_its_kek_is_destroyed(acme: Program) -> None:
    # As the help of the command says: such a backup has the data key's record, too.
    backup = acme.home.parent / "backup.db"
    shutil.copy2(acme.home / "keys.db", backup)
    reveal = ("get", "elevenlabs", "-a", "acme", "--reveal", "--store", f"sqlite://{backup}")
    acme("account", "remove", "acme", "--confirm", "acme")
    assert acme(*reveal).out == acme.key("elevenlabs").key
    assert acme("store", "rekey", "--kek", f"file:{acme.home}/kek").code == 0
    assert acme(*reveal, KOJIKEY_KEK=None).code == 8
    assert "store rekey" in acme("account", "remove", "--help").out


@pytest.mark.parametrize(("typed", "code"), [("acme", 0), ("acne", 2), ("", 2), ("y", 2)])
def test_on_a_terminal_the_name_is_typed(acme: Program, typed: str, code: int) -> None:
    environ = acme.with_environ({"TERM": "xterm", "NO_COLOR": "1"})
    command = [*COMMAND[1:], "account", "remove", "acme"]
    child = pexpect.spawn(COMMAND[0], command, env=environ, encoding="utf-8", timeout=SECONDS)
    child.expect_exact("Type the account's name to remove it: ")
    child.sendline(typed)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == code
    assert source(acme) == ("built_in" if code == 0 else "byok")
