"""``store init`` keeps an existing store, and reports mistakes before anything is created."""

from __future__ import annotations

import base64
import json
import sqlite3
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from kojikey.model.next_step import next_step
from kojikey.sealing.kek.registry import typed_source
from support.program import KEK, Ended, Program

OTHER_KEK = base64.urlsafe_b64encode(bytes(range(100, 132))).decode()


def init(kojikey: Program, *arguments: str, **environ: Any) -> Ended:
    return kojikey("store", "init", "--json", *arguments, **environ)


def refused(ended: Ended, code: int, *words: str) -> None:
    assert ended.code == code, ended.said
    assert all(word in ended.said for word in words), ended.said


def test_another_kek_of_the_same_source_is_a_conflict(kojikey: Program) -> None:
    init(kojikey, "--kek", "env")
    before = kojikey.snapshot()
    ended = init(kojikey, "--kek", "env", KOJIKEY_KEK=OTHER_KEK)
    refused(ended, 6, "another KEK", "kojikey store rekey --kek")
    assert kojikey.snapshot() == before


@pytest.mark.parametrize(
    ("has", "asked", "named"),
    [("env:MY_KEK", "env", "(env:MY_KEK)"), ("env", "env:MY_KEK", "(env)"), ("file", "file:/nowhere", "(file:/")],
)
def test_a_source_that_differs_in_its_argument_alone_is_named_with_it(
    kojikey: Program, tmp_path: Path, has: str, asked: str, named: str
) -> None:
    has = f"file:{tmp_path / 'kek'}" if has == "file" else has
    assert init(kojikey, "--kek", has, MY_KEK=OTHER_KEK).code == 0
    refused(init(kojikey, "--kek", asked, MY_KEK=OTHER_KEK), 6, named, f"kojikey store rekey --kek {asked}")


def test_the_way_to_another_kek_of_the_same_source_can_be_typed(kojikey: Program, tmp_path: Path) -> None:
    init(kojikey, "--kek", "env")
    hint = init(kojikey, "--kek", "env", KOJIKEY_KEK=OTHER_KEK).error["hint"]
    assert hint == "to move it to that one: kojikey store rekey --kek env:NAME, with that KEK in the variable NAME"
    assert kojikey("store", "rekey", "--kek", "env:NAME", NAME=OTHER_KEK).code == 0
    file = tmp_path / "new"
    file.touch(mode=0o600)
    file.write_text("the passphrase number two\n")
    assert kojikey("store", "rekey", "--kek", "passphrase", NAME=OTHER_KEK, KOJIKEY_PASSPHRASE_FILE=str(file)).code == 0
    other = tmp_path / "other"
    other.touch(mode=0o600)
    other.write_text("the passphrase number three\n")
    hint = init(kojikey, "--kek", "passphrase", KOJIKEY_PASSPHRASE_FILE=str(other)).error["hint"]
    assert "--kek passphrase --new-passphrase-file PATH, with the old passphrase in KOJIKEY_PASSPHRASE_FILE" in hint
    rekey = ("store", "rekey", "--kek", "passphrase", "--new-passphrase-file", str(other))
    assert kojikey(*rekey, KOJIKEY_PASSPHRASE_FILE=str(file)).code == 0


def test_a_passphrase_file_with_another_passphrase_is_one_too(kojikey: Program, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"the passphrase number {name}\n")
        (tmp_path / name).chmod(0o600)
    for name, code in (("one", 0), ("one", 0), ("two", 6)):
        assert init(kojikey, "--kek", "passphrase", KOJIKEY_PASSPHRASE_FILE=str(tmp_path / name)).code == code
    assert init(kojikey, "--kek", "passphrase").code == 0  # nobody can be asked, and nobody is


@pytest.mark.parametrize("asked", [("--kek", "env"), ()])
def test_a_missing_kek_is_not_reported_as_another_one(kojikey: Program, asked: tuple[str, ...]) -> None:
    init(kojikey, "--kek", "env")
    ended = init(kojikey, *asked, KOJIKEY_KEK=None)
    assert (ended.code, ended.result["action"]) == (0, "exists")


def test_the_default_source_is_not_reported_as_another_kek(kojikey: Program, tmp_path: Path) -> None:
    init(kojikey, "--kek", f"file:{tmp_path / 'kek'}")
    assert init(kojikey, KOJIKEY_KEK=KEK).result["action"] == "exists"


def test_a_source_that_this_version_does_not_know_is_named(kojikey: Program) -> None:
    init(kojikey, "--kek", "env")
    with sqlite3.connect(kojikey.home / "keys.db") as database:
        database.execute("UPDATE header SET document = json_set(document, '$.kek.source', 'vault')")
    database.close()
    refused(init(kojikey, "--kek", "env"), 6, "another KEK source (vault)")


@pytest.mark.parametrize("command", ["init", "rekey"])
@pytest.mark.parametrize("source", ["nowhere", "env:", "passphrase:x", "", "env:1x", "env:A B"])
def test_an_unknown_source_is_refused_even_if_the_store_exists(kojikey: Program, command: str, source: str) -> None:
    init(kojikey, "--kek", "env")
    before = kojikey.snapshot()
    ended = kojikey("store", command, "--kek", source, "--json")
    assert ended.code == 2, ended.said
    assert kojikey.snapshot() == before


@pytest.mark.external
def test_without_a_kek_source_the_requested_store_is_named(kojikey: Program, tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path / 'team.db'}"
    refused(init(kojikey, url, KOJIKEY_KEK=None), 8, f"no store yet at {tmp_path / 'team.db'}")


@pytest.mark.parametrize(("name", "code"), [("local", 2), ("Not A Name", 2), ("taken", 6)])
def test_an_impossible_name_is_refused_before_anything_is_created(
    kojikey: Program, tmp_path: Path, name: str, code: int
) -> None:
    kojikey.home.mkdir(mode=0o700)
    (kojikey.home / "config.toml").write_text('[stores.taken]\nurl = "sqlite:////elsewhere.db"\n')
    (kojikey.home / "config.toml").chmod(0o600)
    before = kojikey.snapshot()
    refused(
        init(kojikey, f"sqlite://{tmp_path / 'team.db'}", "--name", name, "--kek", "env"), code, "nothing was created"
    )
    assert not (tmp_path / "team.db").exists()
    assert kojikey.snapshot() == before
    assert init(kojikey, f"sqlite://{tmp_path / 'team.db'}", "--name", "team", "--kek", "env").code == 0


@pytest.mark.parametrize(
    ("path", "spoken"),
    [
        ("/x; touch y", "'file:/x; touch y'"),
        ("/x $(id)", "'file:/x $(id)'"),
        ("/kek", "file:/kek"),
        ("/\x1b[31m", None),
    ],
)
def test_text_from_a_header_is_quoted_in_a_suggested_command(kojikey: Program, path: str, spoken: str | None) -> None:
    init(kojikey, "--kek", "env")
    spec = {"source": "file", "kid": "k", "path": path}
    with sqlite3.connect(kojikey.home / "keys.db") as database:
        database.execute("UPDATE header SET document = json_set(document, '$.next_kek', json(?))", (json.dumps(spec),))
    database.close()
    ended = kojikey("doctor")
    assert "\x1b" not in ended.said
    assert next_step("store rekey", "--kek", typed_source(spec)) == f"kojikey store rekey --kek {spoken or 'SOURCE'}"


def test_a_kms_key_is_named_with_its_region_and_endpoint() -> None:
    spec = {"source": "awskms", "key": "arn:aws:kms:eu-central-1:1:key/k", "region": "eu-central-1", "name": "alias/k"}
    typed = next_step("store rekey", "--kek", typed_source(spec))
    assert typed.endswith(" 'awskms:arn:aws:kms:eu-central-1:1:key/k?region=eu-central-1'")
    spec["endpoint"] = "http://127.0.0.1:1"
    typed = next_step("store rekey", "--kek", typed_source(spec))
    assert typed.endswith("?region=eu-central-1&endpoint=http://127.0.0.1:1'")


# what is wrong with its place


@pytest.mark.parametrize("name", ["a b.db", "a?b.db", "100%#.db"])
def test_the_suggested_command_creates_exactly_the_missing_store(kojikey: Program, tmp_path: Path, name: str) -> None:
    typed = str(tmp_path / name).replace("%", "%25").replace("?", "%3F").replace("#", "%23")
    hint = kojikey("list", "--store", f"sqlite://{typed}", "--json").error["hint"]
    assert "kojikey store init" in hint
    command = hint.replace("SOURCE", "env")
    assert kojikey.shell(command).code == 0
    assert (tmp_path / name).exists()


def test_a_local_store_that_is_a_dangling_link_is_not_created_elsewhere(kojikey: Program, tmp_path: Path) -> None:
    kojikey.home.mkdir(mode=0o700)
    (kojikey.home / "keys.db").symlink_to(tmp_path / "unmounted.db")
    for command in (["list"], ["store", "init", "--kek", "env"]):
        refused(kojikey(*command, "--json"), 7, "a symbolic link to a file that does not exist")
    assert kojikey.add().code == 7
    assert not (tmp_path / "unmounted.db").exists()


def test_a_folder_that_cannot_be_created_is_named(kojikey: Program) -> None:
    ended = init(kojikey, "sqlite:////proc/nowhere/keys.db", "--kek", "env")
    refused(ended, 7, "its folder /proc/nowhere cannot")
    assert "store init" not in (ended.error["hint"] or "")


def test_a_store_whose_name_cannot_be_kept_is_created_and_named_by_the_next_run(
    kojikey: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = ("store", "init", f"sqlite://{tmp_path}/x.db", "--name", "team", "--kek", "env")
    with monkeypatch.context() as full:
        denied = mock.Mock(side_effect=OSError(28, "No space left on device"))
        full.setattr("kojikey.config.config_edit.write_whole", denied)
        ended = kojikey(*words, "--json")
    assert ended.code == 7
    assert ended.error["hint"].startswith("the store exists, and has no name yet: ")
    assert kojikey(*words).code == 0
    assert kojikey("store", "info", "--store", "team").code == 0
