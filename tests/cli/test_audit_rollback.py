"""``audit --verify`` finds an account, or a whole store, that was put back to before what was verified here."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.program import Ended, Program
from support.pseudo_terminal import end, on_a_terminal
from support.rows import Rows, put_back, rows_of

EVENTS = 3  # of acme, when it is verified


@pytest.fixture
def store(kojikey: Program) -> Path:
    """Return the file of a store with two accounts."""
    for account in ("acme", "globex"):
        kojikey.added("elevenlabs", "ok", "--no-test", "--account", account)
    return kojikey.home / "keys.db"


@pytest.fixture
def before(kojikey: Program, store: Path) -> Rows:
    """Return the rows of acme from before its key was rotated, which was verified since then."""
    rows = rows_of(store, "acme")
    rotated(kojikey)
    assert verified(kojikey) == {"acme": EVENTS, "globex": 1}
    return rows


def rotated(kojikey: Program, account: str = "acme", name: str = "ok_2") -> None:
    assert kojikey.rotate("elevenlabs", name, "--no-test", "--account", account).code == 0


def verified(kojikey: Program, *more: str) -> dict[str, int]:
    """Return the number of the last event of each account, where all is whole."""
    ended = kojikey("audit", "--verify", "--json", *more)
    assert ended.code == 0, ended.said
    assert all(row["verified"] for row in ended.results)
    return {row["account"]: row["events"] for row in ended.results}


def rolled_back(ended: Ended) -> list[str | None]:
    """Return the accounts that were found rolled back."""
    assert (ended.code, ended.error["code"]) == (8, "cannot_open"), ended.said
    assert all(row["verified"] or row["rolled_back"] for row in ended.results)
    names = [row["account"] for row in ended.results if not row["verified"]]
    assert ended.document["summary"]["broken"] == len(names)
    return names


# what is found


def test_one_account_whose_rows_were_put_back_is_named_and_the_others_are_verified(
    kojikey: Program, store: Path, before: Rows
) -> None:
    last = kojikey("audit", "--account", "acme", "--json").results[-1]
    put_back(store, "acme", before)
    for more in ((), ("--all-accounts",)):
        ended = kojikey("audit", "--verify", "--json", *more)
        assert rolled_back(ended) == ["acme"]
        assert f"event {EVENTS} of account acme ({last['time']}) is missing" in ended.error["message"]
        assert "rolled back to an earlier state" in ended.error["message"]
        assert "kojikey audit --verify --accept --account acme" in ended.error["hint"]
        assert [row["account"] for row in ended.results if row["verified"]] == ["globex"]
    shown = kojikey("audit", "--verify")
    assert (shown.code, "of 1 account is whole" in shown.out) == (8, True)
    assert f"event {EVENTS} of account acme" in shown.err
    assert "--accept" in shown.err
    assert kojikey("audit", "--verify", "--account", "acme").code == 8
    assert verified(kojikey, "--account", "globex") == {"globex": 1}


def test_a_rollback_is_found_after_any_number_of_later_changes(kojikey: Program, store: Path, before: Rows) -> None:
    put_back(store, "acme", before)
    assert kojikey("set", "elevenlabs", "--label", "night", "--account", "acme").code == 0
    for name in ("ok_2", "ok"):  # somebody who does not know goes on: there are more events than before
        rotated(kojikey, name=name)
    assert len(kojikey("audit", "--account", "acme", "--json").results) > EVENTS
    assert rolled_back(kojikey("audit", "--verify", "--json")) == ["acme"]


def test_a_whole_file_that_was_put_back_is_found_for_each_account(kojikey: Program, store: Path) -> None:
    content = store.read_bytes()
    rotated(kojikey)
    kojikey("account", "disable", "globex")
    kojikey.added("elevenlabs", "ok", "--no-test", "--account", "initech")
    verified(kojikey)
    store.write_bytes(content)
    ended = kojikey("audit", "--verify", "--json")
    assert rolled_back(ended) == ["acme", "globex", "initech"]  # the last was not there yet
    assert "event 1 of account initech" in ended.error["message"]
    assert "kojikey audit --verify --accept;" in ended.error["hint"]  # all of them


def test_a_missing_account_is_reported_also_if_only_it_is_verified(kojikey: Program, store: Path, before: Rows) -> None:
    put_back(store, "acme", {})
    for more in ((), ("--account", "acme")):
        assert rolled_back(kojikey("audit", "--verify", "--json", *more)) == ["acme"]
    assert kojikey("audit", "--verify", "--account", "nobody").code == 5


def test_an_unsigned_removal_that_was_deleted_from_the_trail_is_found(
    kojikey: Program, store: Path, before: Rows
) -> None:
    rows = rows_of(store, "acme")
    assert kojikey("remove", "elevenlabs", "--yes", "--account", "acme", KOJIKEY_KEK=None).code == 0
    assert verified(kojikey)["acme"] == EVENTS + 1
    put_back(store, "acme", rows)
    assert rolled_back(kojikey("audit", "--verify", "--json")) == ["acme"]


def test_a_removed_account_that_is_restored_is_found(kojikey: Program, store: Path, before: Rows) -> None:
    rows = rows_of(store, "acme")
    assert kojikey("account", "remove", "acme", "--confirm", "acme").code == 0
    assert verified(kojikey)["acme"] == EVENTS + 1
    put_back(store, "acme", rows)
    assert rolled_back(kojikey("audit", "--verify", "--json")) == ["acme"]


def test_other_damage_is_named_beside_a_rollback_and_cannot_be_accepted(
    kojikey: Program, store: Path, before: Rows
) -> None:
    put_back(store, "acme", {**before, "keys": []})
    ended = kojikey("audit", "--verify", "--accept", "--yes", "--json")
    assert ended.code == 8
    (row,) = [row for row in ended.results if not row["verified"]]
    assert row["rolled_back"]
    assert len(row["problems"]) == 2
    assert "elevenlabs key was removed outside kojikey" in row["problems"][1]
    assert "restore what was changed" in ended.error["hint"]
    put_back(store, "acme", before)
    assert rolled_back(kojikey("audit", "--verify", "--json")) == ["acme"]


def test_one_account_can_be_accepted_while_another_cannot(kojikey: Program, store: Path) -> None:
    content, rows = store.read_bytes(), rows_of(store, "globex")
    for account in ("acme", "globex"):
        rotated(kojikey, account)
    verified(kojikey)
    store.write_bytes(content)
    put_back(store, "globex", {**rows, "keys": []})
    ended = kojikey("audit", "--verify", "--accept", "--yes", "--json")
    assert ended.code == 8
    assert [(row["account"], row["verified"], row.get("rolled_back")) for row in ended.results] == [
        ("acme", True, None), ("globex", False, True),
    ]  # fmt: skip
    assert "account acme" not in ended.error["message"]


# what is no rollback


def test_no_change_by_kojikey_itself_counts_as_a_rollback(kojikey: Program, store: Path, before: Rows) -> None:
    other = str(kojikey.home / "other.db")
    for command in (
        ("rotate", "elevenlabs", "--rollback", "--no-test", "--account", "acme"),
        ("remove", "elevenlabs", "--yes", "--account", "acme"),
        ("account", "disable", "globex"),
        ("account", "remove", "acme", "--confirm", "acme"),
        ("store", "rekey", "--kek", f"file:{kojikey.home / 'kek'}"),
        ("store", "init", f"sqlite://{other}", "--name", "other", "--kek", f"file:{kojikey.home / 'kek2'}"),
        ("store", "copy", "--to", "other"),
    ):
        assert kojikey(*command).code == 0, command
        assert "globex" in verified(kojikey)
    kojikey.added("elevenlabs", "ok", "--no-test", "--account", "acme")  # begins anew
    assert verified(kojikey)["acme"] > EVENTS
    assert kojikey("store", "copy", "--to", "other").code == 0
    assert set(verified(kojikey, "--store", "other")) == {"acme", "globex"}


def test_a_machine_that_never_verified_the_store_finds_nothing(
    kojikey: Program, store: Path, before: Rows, tmp_path: Path
) -> None:
    put_back(store, "acme", before)
    elsewhere = kojikey(
        "audit", "--verify", "--store", f"sqlite://{store}", KOJIKEY_HOME=str(tmp_path / "another machine")
    )
    assert elsewhere.code == 0


def test_another_store_in_the_same_place_is_not_compared_with_the_one_before(
    kojikey: Program, store: Path, before: Rows
) -> None:
    store.unlink()
    kojikey.added("elevenlabs", "ok", "--no-test", "--account", "acme")
    assert verified(kojikey) == {"acme": 1}


# accepting


def test_a_restored_backup_is_accepted_once_and_is_the_known_state_from_then_on(
    kojikey: Program, store: Path, before: Rows
) -> None:
    put_back(store, "acme", before)
    accepted = kojikey("audit", "--verify", "--accept", "--yes", "--json")
    assert accepted.code == 0, accepted.said
    assert accepted.results == [
        {"account": "acme", "verified": True, "events": 1, "accepted": True},
        {"account": "globex", "verified": True, "events": 1},
    ]
    assert accepted.document["summary"]["broken"] == 0
    assert verified(kojikey) == {"acme": 1, "globex": 1}
    rotated(kojikey)
    verified(kojikey)
    put_back(store, "acme", before)
    assert rolled_back(kojikey("audit", "--verify", "--json")) == ["acme"]


def test_accepting_needs_an_answer_and_names_the_account(kojikey: Program, store: Path, before: Rows) -> None:
    put_back(store, "acme", before)
    refused = kojikey("audit", "--verify", "--accept", "--json", "--store", f"sqlite://{store}")
    assert refused.code == 2
    assert "the present state of acme" in refused.error["message"]
    assert "--store sqlite://" in refused.error["hint"]
    assert refused.error["hint"].endswith("--verify --accept --yes")
    assert f"event {EVENTS} of account acme" in refused.err
    assert rolled_back(kojikey("audit", "--verify", "--json")) == ["acme"]


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 2), ("", 2)])
def test_a_person_is_asked_on_a_terminal(kojikey: Program, store: Path, before: Rows, answer: str, code: int) -> None:
    put_back(store, "acme", before)
    with on_a_terminal(kojikey, "audit", "--verify", "--accept") as child:
        child.expect_exact("Accept the present state of acme? [y/N]")
        child.sendline(answer)
        ended, shown = end(child)
    assert ended == code
    assert ("accepted as the known state on this machine: acme" in shown) == (code == 0)
    assert kojikey("audit", "--verify").code == (0 if code == 0 else 8)


def test_one_of_two_rollbacks_is_accepted_by_its_account(kojikey: Program, store: Path) -> None:
    content = store.read_bytes()
    for account in ("acme", "globex"):
        rotated(kojikey, account)
    verified(kojikey)
    store.write_bytes(content)
    assert kojikey("audit", "--verify", "--accept", "--yes", "--account", "acme").code == 0
    assert rolled_back(kojikey("audit", "--verify", "--json")) == ["globex"]


def test_an_account_that_is_gone_is_forgotten_when_that_is_accepted(
    kojikey: Program, store: Path, before: Rows
) -> None:
    put_back(store, "acme", {})
    accepted = kojikey("audit", "--verify", "--accept", "--yes", "--json")
    assert accepted.code == 0
    assert {"account": "acme", "verified": True, "events": 0, "accepted": True} in accepted.results
    assert verified(kojikey) == {"globex": 1}


def test_after_accepting_the_events_that_cannot_be_recomputed_are_reported(kojikey: Program, store: Path) -> None:
    assert kojikey("account", "remove", "acme", "--confirm", "acme").code == 0
    rows = rows_of(store, "acme")
    kojikey.added("elevenlabs", "ok", "--no-test", "--account", "acme")
    verified(kojikey)
    put_back(store, "acme", rows)
    accepted = kojikey("audit", "--verify", "--accept", "--yes")
    assert accepted.code == 0
    assert "2 events cannot be recomputed" in accepted.out
    assert "whole" not in accepted.out


def test_where_nothing_was_rolled_back_accepting_asks_nothing(kojikey: Program, store: Path, before: Rows) -> None:
    assert verified(kojikey, "--accept") == {"acme": EVENTS, "globex": 1}


@pytest.mark.parametrize("options", [("--accept",), ("--verify", "--yes"), ("--accept", "--yes", "--since", "1d")])
def test_options_that_exclude_each_other_are_refused(kojikey: Program, options: tuple[str, ...]) -> None:
    refused = kojikey("audit", *options)
    assert refused.code == 2
    assert "kojikey audit --verify --accept" in refused.err


# the memory


def memory(kojikey: Program) -> Path:
    """Return the file in which the store's trails are remembered."""
    (path,) = (kojikey.home / "known-trails").glob("*.db")
    return path


def test_the_file_of_known_trails_is_private_and_has_no_key_and_no_fingerprint(
    kojikey: Program, store: Path, before: Rows
) -> None:
    path = memory(kojikey)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    listed = kojikey("list", "--account", "acme", "--json").results[0]
    for secret in (listed["fingerprint"], listed["masked"][-4:], kojikey.environ["KOJIKEY_KEK"]):
        assert secret.encode() not in path.read_bytes()


def test_a_trail_that_cannot_be_remembered_is_reported_once_and_the_store_is_verified(
    kojikey: Program, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kojikey.config.known_trails._AT_ONCE", 1)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "known-trails").write_text("no folder")
    ended = kojikey("audit", "--verify", "--store", f"sqlite://{store}", KOJIKEY_HOME=str(tmp_path / "home"))
    assert (ended.code, "of 2 accounts is whole" in ended.out) == (0, True)
    assert ended.err.count("warning") == 1
    assert "cannot be remembered" in ended.err


def test_an_accepted_state_that_cannot_be_written_is_not_called_accepted(
    kojikey: Program, store: Path, before: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_back(store, "acme", before)
    path = memory(kojikey)
    monkeypatch.setattr("kojikey.config.known_trails._MOVE_ON", "SELECT")
    monkeypatch.setattr("kojikey.config.known_trails._REPLACE", "nonsense")
    refused = kojikey("audit", "--verify", "--accept", "--yes", "--json")
    assert refused.code == 7
    assert str(path) in refused.error["message"]
    monkeypatch.undo()
    assert rolled_back(kojikey("audit", "--verify", "--json")) == ["acme"]


@pytest.mark.parametrize(
    "damage",
    ["no database at all, but long enough to be read as one " * 100, "PRAGMA user_version = 1; CREATE TABLE x (y)",
     "UPDATE trails SET seq = 'x'", "UPDATE trails SET seq = 0", "UPDATE trails SET seq = -1",
     "UPDATE trails SET link = 'abc'", "UPDATE trails SET time = 'soon'", "UPDATE trails SET link = x'ff'",
     "UPDATE trails SET account = char(27) || '[31m' || account WHERE account = 'globex'",
     "CREATE TRIGGER t AFTER INSERT ON trails BEGIN DELETE FROM trails; END"],
)  # fmt: skip
def test_a_damaged_file_of_known_trails_is_named_and_not_treated_as_missing(
    kojikey: Program, store: Path, before: Rows, damage: str
) -> None:
    path = memory(kojikey)
    if damage.startswith("no database"):
        path.write_text(damage)
    else:
        connection = sqlite3.connect(path)
        connection.executescript(damage)
        connection.close()
    ended = kojikey("audit", "--verify", "--json")
    assert (ended.code, ended.error["code"]) == (7, "store_unavailable"), ended.said
    assert str(path) in ended.error["message"]
    assert "nothing was done" in ended.error["message"]
    assert "remove it" in ended.error["hint"]
    assert "\x1b" not in ended.said
    path.unlink()
    assert verified(kojikey) == {"acme": EVENTS, "globex": 1}


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_known_trails_that_are_not_a_file_are_named(
    kojikey: Program, store: Path, before: Rows, make: Callable[[Path], None]
) -> None:
    path = memory(kojikey)
    path.unlink()
    make(path)
    ended = kojikey("audit", "--verify", "--json")
    assert ended.code == 7
    assert f"{path} cannot be read" in ended.error["message"]
    assert "that is not a file" in ended.error["message"]


def test_a_file_of_known_trails_that_others_can_write_is_refused(kojikey: Program, store: Path, before: Rows) -> None:
    for path in (memory(kojikey), memory(kojikey).parent):
        mode = path.stat().st_mode & 0o777
        path.chmod(mode | 0o022)
        ended = kojikey("audit", "--verify", "--json")
        assert ended.code == 7
        assert "chmod go-w" in ended.error["hint"]
        path.chmod(mode)
    verified(kojikey)


def test_several_processes_may_verify_at_once(kojikey: Program, store: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda _: kojikey.installed("audit", "--verify"), range(4)))
    assert [(one.code, one.err) for one in ended] == [(0, "")] * 4
    rows = rows_of(store, "acme")
    rotated(kojikey)
    verified(kojikey)
    put_back(store, "acme", rows)
    assert rolled_back(kojikey("audit", "--verify", "--json")) == ["acme"]
