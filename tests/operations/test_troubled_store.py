"""The installed program on a store in trouble: exit 7, one clear message with what to do, and nothing lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest

from kojikey.stores.sqlite.store import SqliteStore
from support.program import Ended, Program

COMMANDS: dict[str, Callable[[Program], Ended]] = {
    "add": lambda k: k.add("google_gemini", "ok", "--no-test"),
    "rotate": lambda k: k.rotate("elevenlabs", "ok_2", "--no-test"),
    "remove": lambda k: k("remove", "elevenlabs", "--yes"),
    "get": lambda k: k("get", "elevenlabs", "--reveal"),
    "rekey": lambda k: k("store", "rekey", "--kek", "env"),
}


def refused(ended: Ended, *words: str) -> None:
    assert ended.code == 7, ended.said
    assert any(word in ended.err for word in words), ended.err
    assert "Traceback" not in ended.said
    assert "a bug" not in ended.said
    assert ended.out == ""


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("damage", [b"", b"not a database at all", b"\0" * 4096])
def test_a_damaged_file_is_reported_and_left_alone(kojikey: Program, command: str, damage: bytes) -> None:
    kojikey.added()
    database = kojikey.home / "keys.db"
    database.write_bytes(damage)
    refused(COMMANDS[command](kojikey), "damaged", "empty file", "not a store")
    assert database.read_bytes() == damage


def test_a_full_disk_changes_nothing(kojikey: Program) -> None:
    key, new = kojikey.added(), kojikey.key("elevenlabs", "ok_2")
    before = kojikey.contents()
    for command in ("rotate elevenlabs --no-test --from-env NEW", "remove elevenlabs --yes", "get elevenlabs --reveal"):
        refused(kojikey.shell(f"ulimit -f 1; kojikey {command}", NEW=new.key), "was not made")
    assert kojikey.contents() == before
    assert kojikey("get", "elevenlabs", "--reveal").out == key.key


def test_a_full_disk_creates_no_store(kojikey: Program) -> None:
    key = kojikey.key()
    command = f"ulimit -f 1; kojikey add elevenlabs --no-test --from-env NEW --base-url {key.base_url}"
    refused(kojikey.shell(command, NEW=key.key), "was not made")
    assert kojikey("list").code == 0
    assert kojikey.add().code == 0


def test_a_locked_store_is_reported_and_unchanged(kojikey: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SqliteStore.__init__, "__kwdefaults__", {"busy_timeout": 0.1})
    kojikey.added()
    before = kojikey.contents()
    connection = sqlite3.connect(kojikey.home / "keys.db", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        refused(kojikey.rotate("elevenlabs", "ok_2", "--no-test"), "locked")
    finally:
        connection.close()
    assert kojikey.contents() == before
    assert kojikey.rotate().code == 0


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_store_that_others_can_read_is_refused_with_the_command_that_fixes_it(kojikey: Program, mode: int) -> None:
    kojikey.added()
    database = kojikey.home / "keys.db"
    database.chmod(mode)
    ended = COMMANDS["get"](kojikey)
    refused(ended, "by others")
    assert f"chmod 600 {database}" in ended.err
