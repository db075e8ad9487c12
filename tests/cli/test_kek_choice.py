"""Which KEK a command uses, and that it ends without one: from options, variables, files and the default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.program import KEK, Program


def test_the_kek_of_a_new_store_is_from_the_option_the_file_and_the_default(kojikey: Program, tmp_path: Path) -> None:
    def source(name: str, *options: str) -> str:
        ended = kojikey("store", "init", f"sqlite://{tmp_path / name}.db", "--json", *options)
        assert ended.code == 0, ended.said
        kek: str = ended.result["kek_source"]
        return kek

    assert source("default") == "env"
    assert kojikey("config", "set", "kek", f"file:{tmp_path / 'kek'}").code == 0
    assert source("file") == "file"
    assert source("option", "--kek", "env") == "env"


def test_the_kek_in_the_environment_comes_first(kojikey: Program, tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\n")
    passphrase.chmod(0o600)
    ended = kojikey("store", "init", "--json", KOJIKEY_PASSPHRASE_FILE=str(passphrase))
    assert ended.result["kek_source"] == "env"


def test_a_passphrase_file_comes_second_and_opens_what_it_sealed(kojikey: Program, tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\nonly the first line counts\n")
    passphrase.chmod(0o600)
    environ: dict[str, Any] = {"KOJIKEY_KEK": None, "KOJIKEY_PASSPHRASE_FILE": str(passphrase)}
    key = kojikey.key()
    assert kojikey("add", "elevenlabs", "--stdin", "--no-test", stdin=key.key, **environ).code == 0
    assert kojikey("store", "info", "--json", **environ).result["kek_source"] == "passphrase"
    passphrase.write_text("correct horse\r\nanother second line")
    assert kojikey("get", "elevenlabs", "--reveal", **environ).out == key.key
    passphrase.write_text("another horse\n")
    assert kojikey("get", "elevenlabs", "--reveal", **environ).code == 8
    assert kojikey("get", "elevenlabs", "--reveal", KOJIKEY_KEK=None).code in (2, 8)


@pytest.mark.external
def test_without_a_kek_source_no_store_is_created_and_the_sources_are_named(kojikey: Program) -> None:
    key = kojikey.key()
    none: dict[str, Any] = {
        "KOJIKEY_KEK": None,
        "DBUS_SESSION_BUS_ADDRESS": None,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }
    ended = kojikey("add", "elevenlabs", "--no-test", "--stdin", "--json", stdin=key.key, **none)
    assert (ended.code, ended.error["code"]) == (8, "cannot_open")
    for way in ("KOJIKEY_KEK", "KOJIKEY_PASSPHRASE_FILE", "store init --kek", "file:PATH"):
        assert way in ended.error["hint"]
    assert not (kojikey.home / "keys.db").exists()
    assert kojikey("store", "init", **none).code == 8
    assert not (kojikey.home / "keys.db").exists()


def test_init_prints_how_to_make_a_kek_where_the_variable_is_not_set(kojikey: Program) -> None:
    ended = kojikey("store", "init", "--kek", "env", "--json", KOJIKEY_KEK=None)
    assert ended.code == 8
    assert "KOJIKEY_KEK" in ended.error["message"] + ended.error["hint"]
    assert "base64" in ended.error["message"] + ended.error["hint"]


@pytest.mark.parametrize("kek", ["", "short", KEK + "AA", KEK[:-2] + "==", "ключ", " ", KEK[:20] + "\n" + KEK[20:]])
def test_a_malformed_kek_opens_nothing_and_is_not_repeated(kojikey: Program, kek: str) -> None:
    kojikey.added()
    ended = kojikey("get", "elevenlabs", "--reveal", "--json", KOJIKEY_KEK=kek)
    assert (ended.code, ended.error["code"]) == (8, "cannot_open")
    assert kek.strip() not in ended.said or len(kek) < 8


@pytest.mark.parametrize("kek", [None, "nonsense", "A" * 43], ids=["none", "malformed", "another"])
def test_test_without_the_right_kek_reports_it(kojikey: Program, kek: str | None) -> None:
    kojikey.added()
    ended = kojikey("test", "--json", KOJIKEY_KEK=kek)
    assert (ended.code, ended.error["code"]) == (8, "cannot_open")


def test_list_never_needs_the_kek(kojikey: Program) -> None:
    kojikey.added()
    for command in (["list"], ["history", "elevenlabs"], ["audit"], ["store", "info"], ["account", "list"]):
        assert kojikey(*command, KOJIKEY_KEK=None).code == 0
        assert kojikey(*command, KOJIKEY_KEK="nonsense").code == 0


def test_the_kek_is_never_written_next_to_the_store(kojikey: Program) -> None:
    kojikey.added()
    for content in kojikey.snapshot().values():
        assert KEK.encode() not in content[2]
        assert bytes(range(32)) not in content[2]
