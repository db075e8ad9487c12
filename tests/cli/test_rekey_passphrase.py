"""``store rekey`` from one passphrase to another: the new one is never taken from where the old one is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from program import Program

GET = ("get", "elevenlabs", "--reveal")


def passphrase_file(path: Path, text: str) -> str:
    path.write_text(text + "\n")
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def old(tmp_path: Path) -> str:
    return passphrase_file(tmp_path / "old", "correct horse battery staple")


@pytest.fixture
def new(tmp_path: Path) -> str:
    return passphrase_file(tmp_path / "new", "another horse, another staple")


@pytest.fixture
def sealed(kojikey: Program, old: str) -> Program:
    """Return the program with a store that opens with the old passphrase."""
    del kojikey.environ["KOJIKEY_KEK"]
    kojikey.environ["KOJIKEY_PASSPHRASE_FILE"] = old
    assert kojikey("store", "init", "--kek", "passphrase").code == 0
    kojikey.added("elevenlabs", "ok", "--no-test")
    return kojikey


def test_the_new_passphrase_is_read_from_its_own_file(sealed: Program, new: str) -> None:
    ended = sealed("store", "rekey", "--kek", "passphrase", "--new-passphrase-file", new, "--json")
    assert (ended.code, ended.result["rewrapped"]) == (0, 1)
    assert sealed(*GET).code == 8
    sealed.environ["KOJIKEY_PASSPHRASE_FILE"] = new
    assert sealed(*GET).out == sealed.key("elevenlabs").key
    assert sealed("audit", "--verify").code == 0


def test_without_a_new_passphrase_nothing_is_done(sealed: Program) -> None:
    before = sealed.snapshot()
    ended = sealed("store", "rekey", "--kek", "passphrase", "--json")
    assert (ended.code, ended.error["code"]) == (2, "usage")
    assert "--new-passphrase-file" in ended.error["hint"]
    assert sealed.snapshot() == before


@pytest.mark.parametrize("content", [None, ""])
def test_a_new_passphrase_that_is_not_there_changes_nothing(
    sealed: Program, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "nothing"
    if content is not None:
        passphrase_file(path, content)
    before = sealed.snapshot()
    ended = sealed("store", "rekey", "--kek", "passphrase", "--new-passphrase-file", str(path), "--json")
    assert (ended.code, ended.error["code"]) == (8, "cannot_open")
    assert sealed.snapshot() == before


def test_the_old_passphrase_is_needed(sealed: Program, old: str, new: str) -> None:
    before = sealed.snapshot()
    sealed.environ["KOJIKEY_PASSPHRASE_FILE"] = new
    ended = sealed("store", "rekey", "--kek", "passphrase", "--new-passphrase-file", old, "--json")
    assert (ended.code, ended.error["code"]) == (8, "cannot_open")
    assert sealed.snapshot() == before


def test_doctor_tells_a_passphrase_that_is_another_one(sealed: Program, new: str) -> None:
    sealed.environ["KOJIKEY_PASSPHRASE_FILE"] = new
    ended = sealed("doctor")
    assert ended.code == 8
    assert "not this store's passphrase" in ended.said
