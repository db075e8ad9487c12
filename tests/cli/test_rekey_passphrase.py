"""``store rekey`` from one passphrase to another: the new one is never taken from where the old one is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from kojikey.operations.open_store import OpenStore
from kojikey.operations.store_admin import rekeying
from kojikey.sealing.kek.base import KekInputs
from kojikey.stores.sqlite.store import SqliteStore
from support.faulty import Crash, FaultyStore
from support.program import Program
from support.pseudo_terminal import end, on_a_terminal, type_key

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


def test_a_new_passphrase_for_another_source_is_refused_and_not_ignored(sealed: Program, new: str) -> None:
    before = sealed.snapshot()
    ended = sealed("store", "rekey", "--kek", "env:OTHER", "--new-passphrase-file", new, "--json", OTHER="A" * 43)
    assert (ended.code, ended.error["hint"]) == (2, "kojikey store rekey --kek passphrase --new-passphrase-file PATH")
    assert sealed.snapshot() == before


def test_without_a_new_passphrase_nothing_is_done(sealed: Program) -> None:
    before = sealed.snapshot()
    ended = sealed("store", "rekey", "--kek", "passphrase", "--json")
    assert (ended.code, ended.error["code"]) == (2, "usage")
    assert "--new-passphrase-file" in ended.error["hint"]
    assert sealed.snapshot() == before


@pytest.mark.parametrize("content", [None, ""])
def test_a_missing_file_for_the_new_passphrase_changes_nothing(
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


def test_doctor_reports_a_wrong_passphrase(sealed: Program, new: str) -> None:
    sealed.environ["KOJIKEY_PASSPHRASE_FILE"] = new
    ended = sealed("doctor")
    assert ended.code == 8
    assert "not this store's passphrase" in ended.said


# under way


@pytest.fixture
def half(sealed: Program, old: str, new: str) -> Program:
    """Return the program with a store whose re-keying died when one of two accounts was done: ``acme``."""
    sealed.added("elevenlabs", "ok_2", "--no-test", "--account", "acme")
    store = FaultyStore(SqliteStore(str(sealed.home / "keys.db")), Crash(), at=2, after=True)
    one, other = (KekInputs({"KOJIKEY_PASSPHRASE_FILE": path}, None) for path in (old, new))
    open_store = OpenStore(store, store.open().document, one, actor="somebody@somewhere")
    with pytest.raises(Crash):
        rekeying.rekey(open_store, source="passphrase", new_inputs=other)
    return sealed


def test_each_passphrase_opens_what_it_can_and_the_other_one_is_asked_for_by_name(
    half: Program, old: str, new: str
) -> None:
    for path, opens, does_not, wanted in ((old, "default", "acme", "new"), (new, "acme", "default", "old")):
        half.environ["KOJIKEY_PASSPHRASE_FILE"] = path
        assert half(*GET, "--account", opens).code == 0
        ended = half(*GET, "--account", does_not, "--json")
        assert (ended.code, ended.error["code"]) == (8, "cannot_open")
        assert f"a re-keying is under way, and the {wanted} one is needed here" in ended.error["message"]
    half.environ["KOJIKEY_PASSPHRASE_FILE"] = old
    assert "a re-keying is under way, and the new one is needed here" in half("doctor").said


def test_without_questions_the_missing_passphrase_is_named(half: Program) -> None:
    before = half.snapshot()
    ended = half("store", "rekey", "--kek", "passphrase", "--json")
    assert ended.code == 2
    assert "new passphrase (of the re-keying under way)" in ended.error["message"]
    for account, which in (("default", "old"), ("acme", "new")):
        ended = half(*GET, "--account", account, "--json", KOJIKEY_PASSPHRASE_FILE=None)
        assert f"the {which} passphrase of a re-keying under way is needed" in ended.error["message"]
    assert half.snapshot() == before


def test_a_rekeying_is_finished_on_a_terminal_with_prompts_that_name_the_passphrase(half: Program, new: str) -> None:
    rekey = ("store", "rekey", "--kek", "passphrase")
    with on_a_terminal(half, *rekey, KOJIKEY_PASSPHRASE_FILE=None) as child:
        type_key(child, "The new passphrase of the store: ", "another horse, another staple")
        type_key(child, "The old passphrase of the store: ", "correct horse battery staple")
        code, text = end(child)
    assert code == 0, text
    half.environ["KOJIKEY_PASSPHRASE_FILE"] = new
    assert half(*GET).code == half(*GET, "--account", "acme").code == 0


def test_a_rekeying_is_finished_with_two_passphrase_files(half: Program, old: str, new: str) -> None:
    ended = half("store", "rekey", "--kek", "passphrase", "--new-passphrase-file", new, "--json")
    assert (ended.code, ended.result["rewrapped"], ended.result["resumed"]) == (0, 1, True)
    again = half("store", "rekey", "--kek", "passphrase", "--new-passphrase-file", old, "--json")
    assert again.code == 8  # and it is the old one that is missing now
