"""A store that somebody else could write to: its text reaches no terminal, log or report unchecked.

Each value of a store's documents is replaced by a text with escapes, line ends and workflow commands, and each command
that reads a store is carried out. What is shown is quoted, or the record is named as changed outside kojikey.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from support.exhaustive import exhaustive_except
from support.program import Ended, Program
from support.pseudo_terminal import printed_on_a_terminal

HOSTILE = "e\x1b[31mx\x07\u202e\n::error::y ##[set-output name=z]w"
COMMANDS = {
    "list": ["list"],
    "list of all": ["list", "--all-accounts"],
    "list as CSV": ["list", "--all-accounts", "--csv"],
    "list of an account": ["list", "--account", "acme"],
    "account list": ["account", "list"],
    "test": ["test", "--all-accounts"],
    "test as lines": ["test", "--all-accounts", "--jsonl"],
    "audit": ["audit"],
    "audit --verify": ["audit", "--verify", "--all-accounts"],
    "doctor": ["doctor"],
    "history": ["history", "elevenlabs", "--account", "acme"],
    "check": ["check", "--require", "elevenlabs", "--account", "acme"],
    "scan": ["scan", "--any", "--all-accounts", "."],
    "run": ["run", "--dry-run", "--account", "acme"],
    "store info": ["store", "info"],
    "store copy": ["store", "copy", "--to", "other"],
    "store rekey": ["store", "rekey", "--kek", "env:OTHER_KEK"],
    "complete account": ["complete", "account"],
    "rotate": ["rotate", "elevenlabs", "--account", "acme", "--rollback"],
    "remove": ["remove", "elevenlabs", "--account", "acme", "--yes"],
    "set": ["set", "elevenlabs", "--account", "acme", "--label", "mine too"],
    "set a base URL": ["set", "elevenlabs", "--account", "acme", "--unset", "base-url", "--no-test"],
    "import": ["import", "--env", "--account", "acme", "--no-test"],
    "import and rotate": ["import", "--env", "--account", "acme", "--rotate", "--no-test", "--json"],
    "export": ["export", "--account", "acme"],
    "export to a file": ["export", "--account", "acme", "--reveal", "--output", os.devnull + "/x"],
}


def edited(document: str, change: Callable[[dict[str, Any]], None]) -> str:
    made = json.loads(document)
    change(made)
    return json.dumps(made)


def with_account(kojikey: Program, database: sqlite3.Connection, name: str) -> None:
    for table in ("accounts", "keys", "events"):
        for rowid, document in database.execute(f"SELECT rowid, document FROM {table}").fetchall():
            changed = edited(document, lambda made: made.update(account=name))
            database.execute(f"UPDATE {table} SET account = ?, document = ? WHERE rowid = ?", (name, changed, rowid))


def with_provider(database: sqlite3.Connection, name: str) -> None:
    ((rowid, document),) = database.execute("SELECT rowid, document FROM keys").fetchall()
    changed = edited(document, lambda made: made.update(provider=name))
    database.execute("UPDATE keys SET provider = ?, document = ? WHERE rowid = ?", (name, changed, rowid))


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a document that is no object or list."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for name, value in items:
        if isinstance(value, (dict, list)) and value:
            yield from places(value, (*path, name))
        else:
            yield (*path, name)


def put(document: dict[str, Any], path: tuple[Any, ...], value: object) -> None:
    inner: Any = document
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value


def replaced(database: sqlite3.Connection, table: str, number: int) -> tuple[Any, ...] | None:
    """Replace the value with that number in the first document of a table; return where it was, None past the last."""
    rowid, text = database.execute(f"SELECT rowid, document FROM {table} LIMIT 1").fetchone()
    document = json.loads(text)
    found = list(places(document))
    if number >= len(found):
        return None
    put(document, found[number], HOSTILE)
    database.execute(f"UPDATE {table} SET document = ? WHERE rowid = ?", (json.dumps(document), rowid))
    return found[number]


@pytest.fixture
def filled(kojikey: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Return the program with a key of account acme that was rotated, a second store, and a folder to scan."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "notes").write_text("nothing that looks like a key\n")
    monkeypatch.chdir(folder)
    kojikey.environ["XI_API_KEY"] = kojikey.key("elevenlabs", "ok").key
    kojikey.environ |= {"OTHER_KEK": "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="}
    kojikey.added("elevenlabs", "ok", "--account", "acme", "--label", "mine")
    assert kojikey.rotate("elevenlabs", "ok_2", "--account", "acme").code == 0
    made = kojikey("store", "init", f"sqlite:///{kojikey.home}/other.db", "--name", "other", "--kek", "env:OTHER_KEK")
    assert made.code == 0, made.said
    return kojikey


def opened(kojikey: Program) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(kojikey.home / "keys.db", isolation_level=None))


def assert_harmless(ended: Ended, what: object) -> None:
    for line in ended.said.split("\n"):
        assert line.isprintable(), (what, line)
        assert not line.lstrip().startswith("::"), (what, line)
    assert "Traceback" not in ended.said, what
    assert ended.code != 1, (what, ended.said)


@pytest.mark.parametrize("name", COMMANDS)
def test_hostile_names_reach_no_terminal(filled: Program, name: str) -> None:
    with opened(filled) as database:
        with_provider(database, HOSTILE)
        assert_harmless(filled(*COMMANDS[name]), "provider")
        with_account(filled, database, HOSTILE)
        assert_harmless(filled(*COMMANDS[name]), "account")


TABLES = ("header", "accounts", "keys", "events")
EACH = [(table, name) for table in TABLES for name in COMMANDS]
OFTEN = [("keys", name) for name in COMMANDS]
OFTEN += [(table, name) for table in ("header", "accounts", "events") for name in ("list of all", "audit", "doctor")]
"""What the normal run has: every command for the values of a key, three that read all for those of the rest."""


@pytest.mark.parametrize(("table", "name"), exhaustive_except(EACH, OFTEN))
def test_a_hostile_value_anywhere_in_a_document_reaches_no_terminal(filled: Program, table: str, name: str) -> None:
    whole = (filled.home / "keys.db").read_bytes()
    for number in range(100):
        (filled.home / "keys.db").write_bytes(whole)
        with opened(filled) as database:
            place = replaced(database, table, number)
        if place is None:
            assert number > 2
            return
        assert_harmless(filled(*COMMANDS[name]), place)
    pytest.fail("a document with a hundred values")


def test_a_value_that_fails_its_form_check_is_shown_quoted(filled: Program) -> None:
    with opened(filled) as database:
        with_provider(database, "e\x1b[31m\n::error::x")
    ended = filled("list", "--all-accounts")
    assert ended.code == 8
    assert r"key/acme/'e\x1b[31m\n::error::x'" in ended.err


def test_an_account_with_a_hostile_time_is_named_and_the_others_are_listed(filled: Program) -> None:
    filled.added("elevenlabs", "ok", "--account", "other")
    with opened(filled) as database:
        ((document,),) = database.execute("SELECT document FROM accounts WHERE account = 'acme'").fetchall()
        changed = edited(document, lambda made: made.update(created_at="2026\x1b[31m"))
        database.execute("UPDATE accounts SET document = ? WHERE account = 'acme'", (changed,))
    ended = filled("account", "list")
    assert ended.code == 8
    assert "account/acme was changed outside kojikey" in ended.err
    assert "other" in ended.out
    assert "2026\x1b" not in ended.said


def test_reports_of_a_hostile_store_are_well_formed(filled: Program, tmp_path: Any) -> None:
    with opened(filled) as database:
        with_provider(database, HOSTILE)
    junit, html, summary = tmp_path / "keys.xml", tmp_path / "keys.html", tmp_path / "summary.md"
    ended = filled(
        "test", "--all-accounts", "--junit", str(junit), "--html", str(html), "--github",
        GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary),
    )  # fmt: skip
    ElementTree.parse(junit)
    for text in (html.read_text(), summary.read_text(), junit.read_text()):
        assert "\x1b" not in text
        assert "\n::error::y" not in text
    commands = [line for line in ended.said.splitlines() if line.startswith("::")]
    assert all(line.startswith("::error title=acme/") for line in commands), commands
    assert "##[" not in ended.said


@pytest.mark.parametrize("columns", [40, 100])
def test_on_a_terminal_only_kojikeys_own_escapes_are_sent(filled: Program, columns: int) -> None:
    with opened(filled) as database:
        with_provider(database, HOSTILE)
        with_account(filled, database, HOSTILE)
    for name in ("list of all", "account list", "doctor", "test", "audit"):
        _, shown = printed_on_a_terminal(filled, *COMMANDS[name], columns=columns)
        assert "\x1b[31mx" not in shown, name
        assert "\x07" not in shown, name
        assert not any(line.startswith("::error") for line in shown.splitlines()), name
