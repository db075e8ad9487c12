"""``store copy --to``, as the contract promises it: the documents, the exit codes, and that the source is untouched."""

from __future__ import annotations

import base64
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.program import KEK, SECONDS, Ended, Program, pieces_in

TEAM_KEK = base64.urlsafe_b64encode(bytes(range(100, 132))).decode()


@dataclass
class Stores:
    """A local store with keys, and another store with a KEK of its own that is named in the configuration."""

    kojikey: Program
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "team.db"

    def copy(self, *more: str, to: str = "team") -> Ended:
        return self.kojikey("store", "copy", "--to", to, "--json", *more)

    def there(self, *arguments: str) -> Ended:
        """Carry out a command on the other store."""
        return self.kojikey(*arguments, "--store", "team")

    def source(self) -> bytes:
        return (self.kojikey.home / "keys.db").read_bytes()


@pytest.fixture
def stores(kojikey: Program) -> Stores:
    kojikey.environ["TEAM_KEK"] = TEAM_KEK
    kojikey.added("elevenlabs", "ok", "--account", "acme", "--label", "night shift")
    assert kojikey.rotate("elevenlabs", "missing_permission", "--account", "acme").code == 3  # stays staged
    kojikey.added("google_gemini", "ok")
    kojikey.added("elevenlabs", "ok_2")
    found = Stores(kojikey, kojikey.home.parent)
    made = kojikey("store", "init", f"sqlite://{found.file}", "--name", "team", "--kek", "env:TEAM_KEK")
    assert made.code == 0, made.said
    return found


def actions(ended: Ended) -> dict[tuple[str, str], str]:
    return {(row["account"], row["provider"]): row["action"] for row in ended.results}


ALL = {("acme", "elevenlabs"), ("default", "elevenlabs"), ("default", "google_gemini")}


def test_keys_are_copied_with_their_events_and_the_source_is_unchanged(stores: Stores) -> None:
    kojikey, before = stores.kojikey, stores.source()
    ended = stores.copy()
    assert ended.code == 0, ended.said
    assert actions(ended) == dict.fromkeys(ALL, "copied")
    assert ended.document["summary"] == {"copied": 3, "would_copy": 0, "already": 0, "conflict": 0}
    assert all(set(row) == {"account", "provider", "masked", "action"} for row in ended.results)
    assert stores.source() == before

    def listed(ended: Ended) -> list[dict[str, object]]:
        rows = [{**row, "fingerprint": None} for row in ended.results]
        return [{**row, "staged": row["staged"] and {**row["staged"], "fingerprint": None}} for row in rows]

    assert listed(stores.there("list", "--all-accounts", "--json")) == listed(
        kojikey("list", "--all-accounts", "--json")
    )
    for store in ("local", "team"):
        assert kojikey("audit", "--verify", "--store", store).code == 0
        assert kojikey("doctor", "--store", store).code == 0
    told = [event["action"] for event in stores.there("audit", "--account", "acme", "--json").results]
    here = [event["action"] for event in kojikey("audit", "--account", "acme", "--json").results]
    assert told == [*here, "copied"]
    key = kojikey.key("elevenlabs").key
    assert stores.there("get", "elevenlabs", "-a", "acme", "--reveal").out == key
    assert kojikey("run", "-a", "acme", "--store", "team", "--", "nothing-here").code == 127


def test_the_copy_opens_only_with_the_other_kek(stores: Stores) -> None:
    stores.copy()
    get = ("get", "elevenlabs", "--reveal", "--store", "team")
    assert stores.kojikey(*get, KOJIKEY_KEK=None).code == 0
    assert stores.kojikey(*get, TEAM_KEK=None).code == 8


def test_no_key_is_in_the_files_or_on_the_screen(stores: Stores) -> None:
    ended = stores.copy()
    shown = stores.kojikey("store", "copy", "--to", "team")
    for provider, name in (("elevenlabs", "ok"), ("elevenlabs", "ok_2"), ("google_gemini", "ok")):
        key = stores.kojikey.key(provider, name).key
        assert pieces_in(key, ended.said + shown.said) == []
        assert pieces_in(key, stores.file.read_bytes() + stores.source()) == []


def test_a_dry_run_writes_nothing(stores: Stores) -> None:
    before = stores.file.read_bytes(), stores.source()
    ended = stores.copy("--dry-run")
    assert (ended.code, actions(ended)) == (0, dict.fromkeys(ALL, "would_copy"))
    assert (stores.file.read_bytes(), stores.source()) == before
    assert "3 would copy" in stores.kojikey("store", "copy", "--to", "team", "--dry-run").out


def test_a_repeated_copy_and_a_copy_back_change_nothing(stores: Stores) -> None:
    stores.copy()
    before = stores.file.read_bytes()
    assert actions(stores.copy()) == dict.fromkeys(ALL, "already")
    assert stores.file.read_bytes() == before
    listed = stores.kojikey("list", "--all-accounts", "--json").results
    ended = stores.copy("--store", "team", to="local")
    assert actions(ended) == dict.fromkeys(ALL, "already")
    assert stores.kojikey("list", "--all-accounts", "--json").results == listed
    assert stores.kojikey("audit", "--verify").code == 0


def test_only_named_accounts_are_copied(stores: Stores) -> None:
    stores.kojikey.added("elevenlabs", "ok", "--account", "globex")
    ended = stores.copy("--account", "acme", "-a", "globex", "--account", "acme")
    assert actions(ended) == {("acme", "elevenlabs"): "copied", ("globex", "elevenlabs"): "copied"}
    assert [row["account"] for row in stores.there("account", "list", "--json").results] == ["acme", "globex"]


def test_the_account_of_the_environment_does_not_limit_a_copy(stores: Stores) -> None:
    stores.kojikey.environ["KOJIKEY_ACCOUNT"] = "acme"
    ended = stores.copy("--dry-run")
    assert set(actions(ended)) == ALL
    assert ended.document["accounts"] == "all"
    told = stores.kojikey("store", "copy", "--to", "team", "--dry-run").out
    assert "of all accounts: KOJIKEY_ACCOUNT does not limit a copy" in told
    assert "of the account acme only" in stores.kojikey("store", "copy", "--to", "team", "-a", "acme").out


def test_a_copy_of_an_unknown_account_is_exit_5_and_suggests_no_repetition(stores: Stores) -> None:
    ended = stores.kojikey("store", "copy", "--to", "team", "--account", "nobody")
    assert (ended.code, "goes on" in ended.said) == (5, False)


def test_a_disabled_account_is_disabled_in_the_copy(stores: Stores) -> None:
    stores.kojikey("account", "disable", "acme")
    stores.copy()
    row = stores.there("list", "elevenlabs", "-a", "acme", "--json").result
    assert (row["source"], row["disabled"]) == ("built_in", True)


def test_a_different_key_in_the_target_is_reported_and_not_changed(stores: Stores) -> None:
    stores.kojikey.added("elevenlabs", "missing_permission", "--store", "team", "--allow-limited")
    before = stores.there("list", "elevenlabs", "--json").result
    for more in ("--dry-run",), ():
        ended = stores.copy(*more)
        assert (ended.code, ended.document["exit_code"]) == (6, 6)
        assert actions(ended)["default", "elevenlabs"] == "conflict"
        assert "conflict" not in (actions(ended)[place] for place in ALL - {("default", "elevenlabs")})
    assert stores.there("list", "elevenlabs", "--json").result == before
    ended = stores.kojikey("store", "copy", "--to", "team")
    assert "1 conflict" in ended.out
    assert "they were not changed: kojikey remove PROVIDER --account NAME --store team makes room" in ended.err


def test_an_empty_store_is_copied_too(stores: Stores) -> None:
    url = f"sqlite://{stores.folder / 'empty.db'}"
    stores.kojikey("store", "init", url, "--kek", "env:TEAM_KEK")
    ended = stores.copy("--store", url)
    assert (ended.code, ended.results) == (0, [])
    assert "no keys" in stores.kojikey("store", "copy", "--to", "team", "--store", url).out


# what is refused


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], 2),
        (["--to", "local"], 2),
        (["--to", "team", "--store", "team"], 2),
        (["--to", "nowhere"], 5),
        (["--to", "redis://here"], 2),
        (["--to", "team", "--account", "Not A Name"], 2),
        (["--to", "team", "--account", "initech"], 5),
        (["--to", "team", "--account", "acme", "--account", "initech"], 5),
        (["--to", "sqlite:////nowhere/keys.db"], 5),
        (["--to", "team", "--store", "sqlite:////nowhere/keys.db"], 5),
    ],
)
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_copy_that_cannot_be_made_is_refused_before_anything_is_written(
    stores: Stores, arguments: list[str], code: int, more: list[str]
) -> None:
    before = stores.file.read_bytes(), stores.source()
    ended = stores.kojikey("store", "copy", *arguments, *more, "--json")
    assert ended.code == code
    assert ended.error["code"] == {2: "usage", 5: "not_found"}[code]
    assert (stores.file.read_bytes(), stores.source()) == before


def test_the_same_store_under_another_path_is_recognised(stores: Stores) -> None:
    (stores.folder / "elsewhere").symlink_to(stores.kojikey.home)
    ended = stores.copy(to=f"sqlite://{stores.folder / 'elsewhere' / 'keys.db'}")
    assert (ended.code, ended.error["code"]) == (2, "usage")


def test_a_missing_local_store_is_not_created(stores: Stores) -> None:
    elsewhere = stores.folder / "home"
    for arguments in (["--to", f"sqlite://{stores.file}"], ["--store", f"sqlite://{stores.file}", "--to", "local"]):
        ended = stores.kojikey("store", "copy", *arguments, "--json", KOJIKEY_HOME=str(elsewhere))
        assert (ended.code, ended.error["code"]) == (5, "not_found")
    assert not elsewhere.exists()


@pytest.mark.parametrize("missing", ["KOJIKEY_KEK", "TEAM_KEK"])
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_both_keks_are_needed(stores: Stores, missing: str, more: list[str]) -> None:
    before = stores.file.read_bytes()
    del stores.kojikey.environ[missing]
    ended = stores.copy(*more)
    assert (ended.code, ended.error["code"]) == (8, "cannot_open")
    where = stores.file if missing == "TEAM_KEK" else stores.kojikey.home / "keys.db"
    assert ended.error["message"].startswith(f"in {where}: {missing} is not set")
    assert stores.file.read_bytes() == before


def test_a_wrong_kek_is_reported(stores: Stores) -> None:
    stores.kojikey.environ["TEAM_KEK"] = KEK
    ended = stores.copy()
    assert (ended.code, ended.error["message"].startswith(f"in {stores.file}: ")) == (8, True)


CHANGES = {
    "event": "UPDATE events SET document = replace(document, 'added', 'copied') WHERE account = 'default' AND seq = 1",
    "key": "UPDATE keys SET document = replace(document, '127.0.0.1', '127.0.0.2') WHERE account = 'default'",
}


@pytest.mark.parametrize("change", sorted(CHANGES))
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_key_that_was_changed_outside_kojikey_is_not_copied(stores: Stores, change: str, more: list[str]) -> None:
    with sqlite3.connect(stores.kojikey.home / "keys.db") as database:
        assert database.execute(CHANGES[change]).rowcount > 0
    database.close()
    before = stores.source()
    ended = stores.copy(*more)
    assert (ended.code, ended.error["code"]) == (8, "cannot_open")
    assert stores.source() == before
    accounts = [row["account"] for row in stores.there("account", "list", "--json").results]
    assert accounts == ([] if more else ["acme"])


def test_an_account_that_is_damaged_is_named_and_the_others_are_copied(stores: Stores) -> None:
    with sqlite3.connect(stores.kojikey.home / "keys.db") as database:
        database.execute(CHANGES["key"])
    database.close()
    ended = stores.kojikey("store", "copy", "--to", "team", "--dry-run")
    assert (ended.code, "1 would copy" in ended.out) == (8, True)
    ended = stores.copy()
    assert (ended.code, actions(ended)) == (8, {("acme", "elevenlabs"): "copied"})
    assert "default/elevenlabs version 1" in ended.error["message"]
    assert "kojikey audit --verify" in ended.error["hint"]
    ended = stores.kojikey("store", "copy", "--to", "team")
    assert (ended.code, "1 already" in ended.out) == (8, True)
    assert "default/elevenlabs version 1" in ended.err
    named = stores.copy("-a", "default")
    assert (named.code, "results" in named.document) == (8, False)


def test_rotate_here_names_a_damaged_key_and_goes_on_with_the_others(stores: Stores) -> None:
    assert stores.copy().code == 0
    with sqlite3.connect(stores.file) as database:
        database.execute("UPDATE keys SET document = '{}' WHERE account = 'acme'")
    database.close()
    use = ("store", "use", "team", "--rotate-here")
    ended = stores.kojikey(*use)
    assert ended.code == 8
    assert "acme/elevenlabs" in ended.err
    assert "2 keys of this store" in ended.err
    assert "store is team now" in ended.out
    again = stores.kojikey(*use, "--json")
    assert (again.code, again.results[0]["action"], again.error["code"]) == (8, "unchanged", "cannot_open")
    assert "kojikey doctor --store team" in again.error["hint"]
    changed = [row["account"] for row in stores.there("audit", "--json").results if row["action"] == "changed"]
    assert changed == ["default", "default"]


# killed

DYING = """
import os, signal, sys
from kojikey.__main__ import run
from kojikey.stores.sqlite.store import SqliteStore
commit = SqliteStore._commit
def dying(*arguments):
    commit(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
SqliteStore._commit = dying
sys.exit(run(sys.argv[1:]))
"""


def test_a_copy_that_is_killed_after_any_commit_is_finished_by_another_run(stores: Stores) -> None:
    before, died = stores.source(), 0
    command = [sys.executable, "-c", DYING, "store", "copy", "--to", "team", "--json"]
    while True:
        environ = stores.kojikey.with_environ({})
        ended = subprocess.run(command, env=environ, capture_output=True, timeout=SECONDS, check=False)
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
        died += 1
        assert stores.there("audit", "--verify").code == 0
    assert died == 5  # the events of two accounts, and three keys
    assert actions(Ended(0, ended.stdout.decode(), "")) == dict.fromkeys(ALL, "already")
    assert stores.source() == before
    for provider, name in (("elevenlabs", "ok_2"), ("google_gemini", "ok")):
        assert stores.there("get", provider, "--reveal").out == stores.kojikey.key(provider, name).key
    told = [(e["action"], e["provider"]) for e in stores.there("audit", "-a", "default", "--json").results]
    here = [(e["action"], e["provider"]) for e in stores.kojikey("audit", "-a", "default", "--json").results]
    assert told[: len(here) + 2] == [*here, ("copied", "elevenlabs"), ("copied", "google_gemini")]
