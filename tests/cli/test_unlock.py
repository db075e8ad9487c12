"""``unlock`` and ``lock``: the passphrase is asked for once, and nothing is written to disk."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from kojikey.sealing.kek import kernel_keyring, passphrase
from support.played_kernel import PlayedKernel, kernel
from support.program import COMMAND, Ended, Program, pieces_in
from support.pseudo_terminal import end, on_a_terminal, type_key

__all__ = ["kernel"]

PASSPHRASE = "correct horse battery staple"
PROMPT = "Passphrase of the store: "
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Return the path of a file with the passphrase."""
    path = tmp_path / "passphrase"
    path.touch(mode=0o600)
    path.write_text(PASSPHRASE)
    return str(path)


@pytest.fixture
def locked(kojikey: Program, file: str, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Return the program with a key in a store that opens with a passphrase, in as little time as is allowed."""
    monkeypatch.setattr(passphrase, "MEMORY_KIB", 32)
    monkeypatch.setattr(passphrase, "ITERATIONS", 1)
    del kojikey.environ["KOJIKEY_KEK"]
    assert kojikey("store", "init", "--kek", "passphrase", KOJIKEY_PASSPHRASE_FILE=file).code == 0
    key = kojikey.key()
    arguments = ("add", "elevenlabs", "--stdin", "--base-url", key.base_url)
    assert kojikey(*arguments, stdin=key.key, KOJIKEY_PASSPHRASE_FILE=file).code == 0
    return kojikey


def unlock(kojikey: Program, file: str, *more: str) -> dict[str, Any]:
    ended = kojikey("unlock", "--json", *more, KOJIKEY_PASSPHRASE_FILE=file)
    assert ended.code == 0, ended.said
    return ended.result


def refused(ended: Ended, code: int, *words: str) -> None:
    assert ended.code == code, ended.said
    assert all(word in ended.said for word in words), ended.said


def test_an_unlocked_store_opens_without_asking_until_it_is_locked(
    locked: Program, kernel: PlayedKernel, file: str
) -> None:
    refused(locked("test", "--no-input"), 8)
    told = unlock(locked, file)
    assert (told["action"], told["keyring"]) == ("unlocked", "user")
    assert re.fullmatch(STAMP, told["unlocked_until"])
    for command in (
        ["test"],
        ["get", "elevenlabs", "--reveal"],
        ["audit", "--verify"],
        ["check", "--require", "elevenlabs"],
    ):
        assert locked(*command, "--no-input").code == 0
    assert locked.rotate("elevenlabs", "ok_2", "--no-input").code == 0
    assert locked("lock").code == 0
    assert kernel.kept() == []
    refused(locked("test", "--no-input"), 8, "kojikey unlock")


def test_a_program_resolves_its_keys_from_an_unlocked_store(
    locked: Program, kernel: PlayedKernel, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kojikey

    unlock(locked, file)
    for name, value in locked.environ.items():
        monkeypatch.setenv(name, value)
    secret = kojikey.resolve("elevenlabs").secret
    assert secret is not None
    assert secret.reveal() == locked.key().key


@pytest.mark.parametrize(
    ("has_own", "words"), [(True, "this login"), (False, "this user can read it until then, also after")]
)
def test_the_output_says_which_keyring_it_is_and_who_can_read_it(
    locked: Program, kernel: PlayedKernel, file: str, has_own: bool, words: str
) -> None:
    kernel.has_own_session = has_own
    ended = locked("unlock", KOJIKEY_PASSPHRASE_FILE=file)
    refused(ended, 0, "session keyring" if has_own else "user keyring", words, "kojikey lock ends it")


def test_doctor_and_store_info_say_until_when(locked: Program, kernel: PlayedKernel, file: str) -> None:
    before = locked("store", "info", "--json").result
    assert (before["unlocked_until"], before["keyring"]) == (None, None)
    until = unlock(locked, file, "--for", "30m")["unlocked_until"]
    told = locked("store", "info", "--json").result
    assert (told["unlocked_until"], told["keyring"]) == (until, "user")
    refused(locked("store", "info"), 0, "unlocked", until, "user keyring")
    finding = next(item for item in locked("doctor", "--json").results if item["name"] == "unlocked")
    assert (finding["state"], finding["mend"]) == ("normal", "kojikey lock ends it")
    assert until in finding["detail"]
    locked("lock")
    assert "unlocked" not in locked("store", "info").out


@pytest.mark.parametrize(
    ("given", "seconds"), [(None, 8 * 3600), ("30m", 1800), ("1d", 86400), ("90s", 90), ("30d", 2592000)]
)
def test_a_store_stays_unlocked_for_the_given_time(
    locked: Program, kernel: PlayedKernel, file: str, given: str | None, seconds: int
) -> None:
    unlock(locked, file, *(["--for", given] if given else []))
    assert [key.seconds for _, key in kernel.kept()] == [seconds]


@pytest.mark.parametrize("given", ["0s", "31d", "8", "x", "-1h", "8h30m", "", "1y"])
def test_a_malformed_time_is_refused_before_the_store_is_opened(
    locked: Program, kernel: PlayedKernel, file: str, given: str
) -> None:
    refused(locked("unlock", f"--for={given}", KOJIKEY_PASSPHRASE_FILE=file), 2, "--for")
    assert kernel.kept() == []


def test_a_wrong_passphrase_keeps_nothing(locked: Program, kernel: PlayedKernel, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.touch(mode=0o600)
    wrong.write_text("another passphrase")
    refused(locked("unlock", KOJIKEY_PASSPHRASE_FILE=str(wrong)), 8, "not this store's passphrase")
    refused(locked("unlock", "--no-input"), 8, "KOJIKEY_PASSPHRASE_FILE")
    assert kernel.kept() == []


def test_unlock_asks_for_the_passphrase_even_if_the_store_is_unlocked(
    locked: Program, kernel: PlayedKernel, file: str
) -> None:
    unlock(locked, file)
    refused(locked("unlock", "--for", "20d", "--no-input"), 8)


def test_a_passphrase_file_of_the_environment_has_precedence_over_the_keyring(
    locked: Program, kernel: PlayedKernel, file: str, tmp_path: Path
) -> None:
    unlock(locked, file)
    refused(locked("test", KOJIKEY_PASSPHRASE_FILE=str(tmp_path / "none")), 8)


def test_another_kek_in_the_keyring_is_not_used(locked: Program, kernel: PlayedKernel, file: str) -> None:
    unlock(locked, file)
    ((_, key),) = kernel.kept()
    key.payload = key.payload[:-32] + bytes(32)
    refused(locked("test", "--no-input"), 8, "a passphrase is needed")
    assert locked("test", KOJIKEY_PASSPHRASE_FILE=file).code == 0


@pytest.mark.parametrize("source", ["env", "file"])
def test_a_store_without_a_passphrase_is_not_unlocked(
    kojikey: Program, kernel: PlayedKernel, tmp_path: Path, source: str
) -> None:
    kojikey("store", "init", "--kek", f"file:{tmp_path / 'kek'}" if source == "file" else "env")
    refused(kojikey("unlock"), 2, "not a passphrase", "kojikey store rekey --kek keychain")


def test_a_missing_keyring_is_reported_before_the_passphrase_is_asked_for(
    locked: Program, kernel: PlayedKernel
) -> None:
    kernel.refuses = True
    refused(locked("unlock"), 2, "no kernel keyring", "kojikey store rekey --kek keychain")
    refused(locked("unlock", "--json"), 2, '"code": "usage"')


def test_lock_without_an_unlocked_store_is_exit_0(kojikey: Program, kernel: PlayedKernel) -> None:
    refused(kojikey("lock"), 0, "no store was unlocked")
    assert kojikey("lock", "--json").result == {"action": "unchanged", "dropped": 0}
    kernel.refuses = True
    assert kojikey("lock").code == 0


def test_lock_drops_the_keks_of_all_stores(locked: Program, kernel: PlayedKernel, file: str, tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path / 'other.db'}"
    locked("store", "init", url, "--kek", "passphrase", KOJIKEY_PASSPHRASE_FILE=file)
    unlock(locked, file)
    unlock(locked, file, "--store", url)
    assert len(kernel.kept()) == 2
    assert locked("lock", "--json").result == {"action": "locked", "dropped": 2}
    assert kernel.kept() == []


def test_unlock_creates_no_store(kojikey: Program, kernel: PlayedKernel) -> None:
    refused(kojikey("unlock"), 5, "kojikey store init")
    assert not kojikey.home.exists()


def test_after_a_rekeying_the_old_kek_is_in_no_keyring(locked: Program, kernel: PlayedKernel, file: str) -> None:
    unlock(locked, file)
    assert locked("store", "rekey", "--kek", "env", KOJIKEY_KEK="A" * 43).code == 0
    assert kernel.kept() == []


def test_neither_the_passphrase_nor_the_kek_is_printed_or_written(
    locked: Program, kernel: PlayedKernel, file: str
) -> None:
    for more in ([], ["--json"]):
        for command in (["unlock"], ["store", "info"], ["doctor"], ["test"], ["lock"]):
            locked(*command, *more, KOJIKEY_PASSPHRASE_FILE=file)
    unlock(locked, file)
    kek = kernel.kept()[0][1].payload[-32:]
    kept = [path.read_bytes() for path in locked.home.rglob("*") if path.is_file()]
    for told in [ended.said for ended in locked.seen] + kept:
        assert pieces_in(PASSPHRASE, told) == []
        assert kek not in (told if isinstance(told, bytes) else told.encode())
        assert kek.hex() not in str(told)


@pytest.mark.skipif(not kernel_keyring.is_there(), reason="this kernel, or its sandbox, has no keyring to use")
def test_on_a_terminal_unlock_asks_once_and_no_command_asks_after_it(locked: Program) -> None:
    kid = None
    try:
        with on_a_terminal(locked, "unlock", "--for", "5m") as child:
            type_key(child, PROMPT, "wrong one")
            child.expect_exact("type it again")
            type_key(child, PROMPT, PASSPHRASE)
            code, text = end(child)
        assert (code, PASSPHRASE in text, "unlocked" in text) == (0, False, True)
        kid = _kid_of(locked)
        program = [*COMMAND, "run", "--", "sh", "-c", "echo with ${#ELEVENLABS_API_KEY} characters"]
        with on_a_terminal(locked, program=program) as child:
            code, text = end(child)
        assert (code, PROMPT in text) == (0, False)
        assert f"with {len(locked.key().key)} characters" in text
    finally:
        kernel_keyring.drop(kid or _kid_of(locked))


def _kid_of(kojikey: Program) -> str:
    """Return the id of a store's KEK: not with ``lock``, which would lock the stores of the user who runs this."""
    with sqlite3.connect(kojikey.home / "keys.db") as database:
        ((header,),) = database.execute("SELECT document FROM header").fetchall()
    return str(json.loads(header)["kek"]["kid"])
