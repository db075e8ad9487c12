"""``kojikey doctor`` says how to fix each problem, and marks only what a person should look at."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from support.program import Program

OTHER_KEK = base64.urlsafe_b64encode(b"\x07" * 32).decode()


def test_before_the_first_key_nothing_is_marked_for_a_person_to_look_at(kojikey: Program) -> None:
    ended = kojikey("doctor")
    *lines, last, _ = ended.out.splitlines()
    assert (ended.code, last) == (0, "all is well: 3 in order, 3 for information")
    assert {line[0] for line in lines if not line.startswith(" ")} == {"✓", "·"}


def test_the_providers_are_counted_and_only_ones_own_are_named(kojikey: Program) -> None:
    (row,) = [row for row in kojikey("doctor", "--json").results if row["name"] == "providers"]
    bundled = kojikey("providers", "--json").results
    assert row["detail"] == f"{len(bundled)} come with kojikey"
    kojikey("providers", "new", "acme_speech")
    (row,) = [row for row in kojikey("doctor", "--json").results if row["name"] == "providers"]
    assert row["detail"] == f"{len(bundled)} come with kojikey, acme_speech is your own"


def test_the_last_line_counts_the_findings_and_the_exit_code_follows_from_them(kojikey: Program) -> None:
    kojikey.added("elevenlabs", "ok", "--no-test")
    noted = kojikey("doctor")
    assert noted.code == 0
    assert "nothing to fix: 1 to look at, " in noted.out
    kojikey.home.chmod(0o755)
    wrong = kojikey("doctor")
    kojikey.home.chmod(0o700)
    assert wrong.code == 7
    assert "\n2 to fix, 1 to look at, " in wrong.out  # the folder is that of the configuration and of the data


def mend_of(kojikey: Program, name: str, **environ: str | None) -> str:
    ended = kojikey("doctor", "--json", stdin=b"", encoding="utf-8", **environ)
    (found,) = [row for row in ended.results if row["name"] == name and row["state"] == "wrong"]
    assert ended.code == found["code"] != 0
    assert "kojikey doctor" not in json.dumps(ended.document)
    return str(found["mend"])


def test_for_another_kek_or_passphrase_the_hint_is_to_give_the_right_one(kojikey: Program, tmp_path: Path) -> None:
    kojikey.added("elevenlabs")
    assert "cannot be recovered" in mend_of(kojikey, "KEK", KOJIKEY_KEK=OTHER_KEK)
    passphrases = [tmp_path / name for name in ("right", "wrong")]
    for path in passphrases:
        path.write_text(f"the {path.name} horse battery staple\n")
        path.chmod(0o600)
    home: dict[str, Any] = {"KOJIKEY_HOME": str(tmp_path / "other"), "KOJIKEY_KEK": None}
    made = kojikey("store", "init", "--kek", "passphrase", KOJIKEY_PASSPHRASE_FILE=str(passphrases[0]), **home)
    assert made.code == 0, made.said
    assert "cannot be recovered" in mend_of(kojikey, "KEK", KOJIKEY_PASSPHRASE_FILE=str(passphrases[1]), **home)


@pytest.mark.parametrize("source", ["env", "passphrase", "file", "env:MISSING"])
def test_before_the_first_store_a_kek_that_cannot_be_used_is_wrong(
    kojikey: Program, tmp_path: Path, source: str
) -> None:
    bad = tmp_path / "bad"
    bad.write_text("no KEK")
    bad.chmod(0o644)
    environ: dict[str, Any] = {"KOJIKEY_KEK": "short" if source == "env" else None}
    if source == "passphrase":
        environ["KOJIKEY_PASSPHRASE_FILE"] = str(tmp_path / "missing")
    if source in ("file", "env:MISSING"):
        assert kojikey("config", "set", "kek", f"file:{bad}" if source == "file" else source, **environ).code == 0
    before = kojikey.snapshot()
    assert mend_of(kojikey, "KEK", **environ)
    assert kojikey.snapshot() == before


def test_a_kek_source_that_does_not_exist_is_wrong_and_not_repeated(kojikey: Program) -> None:
    kojikey.home.mkdir(mode=0o700)
    (kojikey.home / "config.toml").write_text(f'kek = "{OTHER_KEK}"\n')  # a KEK in place of its source
    ended = kojikey("doctor")
    assert ended.code == 2
    assert "there is no such KEK source" in ended.said
    assert OTHER_KEK not in ended.said


def test_a_home_that_is_no_folder_is_not_taken_for_one_that_is_created_later(kojikey: Program, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    ended = kojikey("doctor", "--json", KOJIKEY_HOME=str(file))
    rows = {row["name"]: (row["state"], row["mend"]) for row in ended.results}
    assert (ended.code, rows["data folder"]) == (7, ("wrong", "set KOJIKEY_HOME to a folder"))
    assert "restore" not in ended.said
    for words in (["list"], ["store", "init", "--kek", "env"]):
        ended = kojikey(*words, "--json", KOJIKEY_HOME=str(file))
        assert (ended.code, "KOJIKEY_HOME" in ended.error["hint"]) == (7, True)


@pytest.mark.parametrize("name", ["", "keys.db"], ids=["the folder", "the store"])
def test_a_store_or_folder_that_cannot_be_written_is_marked_for_a_person(
    kojikey: Program, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    kojikey.added()
    path = kojikey.home / name
    able = os.access
    monkeypatch.setattr(os, "access", lambda each, mode: Path(each) != path and able(each, mode))
    ended = kojikey("doctor", "--json")
    row = next(row for row in ended.results if row["name"] == "read-only")
    assert (ended.code, row["state"], row["detail"]) == (0, "note", f"{path} cannot be written by this user")
    assert row["mend"].startswith(f"chmod u+w {path}, or ")


def test_a_data_folder_that_cannot_be_created_is_wrong_where_the_store_would_be_in_it(
    kojikey: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = f"sqlite://{tmp_path}/elsewhere.db"
    assert kojikey("store", "init", elsewhere, "--kek", "env").code == 0
    home, able = tmp_path / "read-only" / "deep" / "home", os.access
    (tmp_path / "read-only").mkdir()
    monkeypatch.setattr(os, "access", lambda each, mode: Path(each).name != "read-only" and able(each, mode))
    for more, code, states in (((), 7, ["note", "wrong"]), (("--store", elsewhere), 0, ["note", "note"])):
        ended = kojikey("doctor", "--json", *more, KOJIKEY_HOME=str(home))
        rows = [row for row in ended.results if row["name"].endswith(" folder")]
        assert (ended.code, [row["state"] for row in rows]) == (code, states), ended.said
        assert rows[1]["detail"].endswith(f"{tmp_path}/read-only cannot be written by this user")


def test_a_key_that_failed_its_last_test_is_marked_for_a_person(kojikey: Program) -> None:
    kojikey.added("elevenlabs", "invalid_key", "--no-test")
    assert kojikey("test").code == 3
    ended = kojikey("doctor")
    assert ended.code == 0
    assert "! default/elevenlabs  was rejected by its last test (invalid_key)\n" in ended.out
    assert "    kojikey rotate elevenlabs\n" in ended.out
    kojikey.added("elevenlabs", "invalid_key", "--no-test", "--account", "acme")
    assert "    kojikey test elevenlabs --account acme\n" in kojikey("doctor", KOJIKEY_ACCOUNT="acme").out


@pytest.mark.parametrize("is_sealed_text", [True, False])
def test_for_a_damaged_record_the_hint_is_to_restore_it_or_replace_the_key(
    kojikey: Program, is_sealed_text: bool
) -> None:
    kojikey.added("elevenlabs")
    kojikey.added("google_gemini")
    with sqlite3.connect(kojikey.home / "keys.db") as database:
        read = "SELECT document FROM keys WHERE provider = 'elevenlabs'"
        document = json.loads(database.execute(read).fetchone()[0])
        sealed = document["versions"][0]["sealed"]
        document["versions"][0]["sealed"] = sealed[:-8] + "AAAAAAAA"
        text = json.dumps(document) if is_sealed_text else "{}"
        database.execute("UPDATE keys SET document = ? WHERE provider = 'elevenlabs'", (text,))
    mend = mend_of(kojikey, "default/elevenlabs")
    assert mend.startswith("restore a copy of the store")
    assert "kojikey remove elevenlabs --account default, then kojikey add elevenlabs --account default" in mend


def test_for_a_damaged_store_the_hint_is_to_restore_it(kojikey: Program) -> None:
    kojikey.added("elevenlabs")
    database = kojikey.home / "keys.db"
    database.write_bytes(b"no database" * 100)
    assert mend_of(kojikey, "store").startswith("restore the file from a backup")


def test_doctor_names_what_is_wrong_and_how_to_fix_it(kojikey: Program) -> None:
    kojikey.added()
    assert kojikey("doctor").code == 0
    assert kojikey("doctor", KOJIKEY_KEK=None).code == 8
    (kojikey.home / "keys.db").chmod(0o644)
    ended = kojikey("doctor", "--json")
    assert ended.code == 7
    wrong = [row for row in ended.results if row["state"] == "wrong"]
    assert any("chmod" in (row["mend"] or "") for row in wrong)
