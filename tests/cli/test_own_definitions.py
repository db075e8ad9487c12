"""Provider definitions of the user's own: a mistake stops only that provider, and a missing one is reported."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

import pytest

from support.own_provider import ACME
from support.program import SECONDS, Program

DEFINITION = (
    ACME
    + """\
base_url = "ACME_BASE_URL"
base_url_path = "/v1"
[auth]
header = "Authorization"
[base_urls]
default = "https://api.acme.example"
[[checks]]
name = "account"
path = "/v1/me"
expect = { id = "text" }
"""
)
ACME_KEY = "acme-key-of-some-length-1"
SHOW = ("--", "sh", "-c", 'printf "%s %s" "$ACME_API_KEY" "$ACME_BASE_URL"')
OTHERS = [["list"], ["test", "elevenlabs"], ["test"], ["providers"], ["run", "-p", "elevenlabs", "--", "true"]]


@pytest.fixture
def folder(kojikey: Program) -> Path:
    folder = kojikey.home / "providers"
    folder.mkdir(parents=True, mode=0o700)
    kojikey.home.chmod(0o700)
    return folder


def acme_added(kojikey: Program, folder: Path) -> None:
    (folder / "acme.toml").write_text(DEFINITION)
    options = ("--stdin", "--no-test", "--base-url", "http://127.0.0.1:9/acme")
    ended = kojikey("add", "acme_speech", *options, stdin=ACME_KEY)
    assert ended.code == 0, ended.said


@pytest.mark.parametrize("command", OTHERS, ids=" ".join)
def test_a_mistake_in_one_file_stops_only_that_provider(kojikey: Program, folder: Path, command: list[str]) -> None:
    kojikey.added("elevenlabs")
    (folder / "acme.toml").write_text('id = "acme"\nname = 3\ncolour = "red"\n')
    (folder / "good.toml").write_text(DEFINITION)
    ended = kojikey.installed(*command) if command[0] == "run" else kojikey(*command)
    assert ended.code == 0, ended.said
    assert ended.err.count("kojikey: warning: the provider definition") == 1
    lines = ended.err.splitlines()
    assert [line for line in lines if line.startswith("  name ")] == ["  name must be text"]
    assert [line for line in lines if line.startswith("  colour ")] == ["  colour is not a key of a definition"]
    assert "acme_speech" in kojikey("providers").out


@pytest.mark.parametrize(
    "command", [["add", "acme", "--stdin"], ["test", "acme"], ["run", "-p", "acme", "--", "true"],
                ["run", "--env", "X=acme", "--", "true"], ["list", "acme"], ["providers", "acme"]], ids=" ".join,
)  # fmt: skip
def test_the_provider_itself_is_refused_with_each_mistake_on_a_line(
    kojikey: Program, folder: Path, command: list[str]
) -> None:
    (folder / "acme.toml").write_text('id = "acme"\nname = 3\ncolour = "red"\n')
    ended = kojikey.installed(*command, stdin=ACME_KEY)
    assert ended.code == 2
    assert ended.err.count("has mistakes") == 1
    assert "\n  name must be text\n" in ended.err
    assert "fix or remove" in ended.err


def test_a_warning_lists_few_mistakes_and_says_where_the_others_are(kojikey: Program, folder: Path) -> None:
    unknown = "".join(f"surprise_{letter} = 1\n" for letter in "abcdefghijklmnopqrst")
    (folder / "acme.toml").write_text(f'id = "acme"\n{unknown}')
    ended = kojikey("list")
    assert ended.err.count("\n  ") == 22
    assert "more: kojikey providers acme lists them all" in ended.err
    assert kojikey("providers", "acme").err.count("is not a key of a definition") == 20


def test_check_names_a_bundled_id_beside_every_other_mistake(kojikey: Program, folder: Path) -> None:
    path = folder / "openai.toml"
    path.write_text('surprise = 1\nid = "openai"\n')
    ended = kojikey("providers", "check", str(path), "--json")
    problems = {(row["line"], row["problem"]) for row in ended.results}
    assert ended.code == 2
    assert {
        (1, "surprise is not a key of a definition"),
        (2, "id openai comes with kojikey and cannot be replaced"),
    } < problems


def test_a_file_with_a_bundled_id_is_ignored_with_one_warning(kojikey: Program, folder: Path) -> None:
    kojikey.added("elevenlabs")
    (folder / "elevenlabs.toml").write_text(DEFINITION.replace("acme_speech", "elevenlabs"))
    for command in (["test", "elevenlabs"], ["list"]):
        ended = kojikey(*command)
        assert ended.code == 0, ended.said
        assert ended.err.count("comes with kojikey") == 1


@pytest.mark.parametrize(("path", "mode"), [("", 0o777), ("acme.toml", 0o666)])
def test_a_definition_that_others_can_write_is_not_used_and_the_fixing_command_is_named(
    kojikey: Program, folder: Path, path: str, mode: int
) -> None:
    (folder / "acme.toml").write_text(DEFINITION)
    (folder / path).chmod(mode)
    kojikey.added("elevenlabs")
    ended = kojikey("test", "elevenlabs")
    assert (ended.code, "chmod go-w" in ended.err) == (0, True)
    refused = kojikey("add", "acme_speech" if not path else "acme", "--stdin", "--json", stdin=ACME_KEY)
    assert (refused.code, refused.error["code"]) == (7, "store_unavailable")


def test_the_base_url_is_passed_on_in_the_sdks_form(kojikey: Program, folder: Path) -> None:
    acme_added(kojikey, folder)
    ended = kojikey.installed("run", "-q", *SHOW)
    assert (ended.code, ended.out) == (0, f"{ACME_KEY} http://127.0.0.1:9/acme/v1")


def test_a_key_whose_definition_is_gone_is_named_by_run_and_doctor(kojikey: Program, folder: Path) -> None:
    acme_added(kojikey, folder)
    kojikey.added("elevenlabs")
    kojikey.added("google_gemini")
    (folder / "acme.toml").unlink()
    ended = kojikey.installed("run", "--", "true")
    assert (ended.code, ended.err) == (
        0,
        "kojikey: the definition of acme_speech is gone, so its key is not passed on\n",
    )
    required = kojikey.installed("run", "--require", "--json", "--", "true")
    assert (required.code, required.error["code"]) == (5, "not_found")
    assert kojikey.installed("run", "--require", "-p", "elevenlabs", "--", "true").code == 0
    doctor = kojikey("doctor", "--json")
    (wrong,) = [row for row in doctor.results if row["state"] == "wrong"]
    assert (doctor.code, wrong["name"]) == (5, "default/acme_speech")
    assert "kojikey remove acme_speech --account default" in wrong["mend"]
    assert "kojikey test acme_speech" not in doctor.out, "a command that does not work without the definition"


@pytest.mark.parametrize(
    "command", [["run", "-p", "acme_speech", "--", "true"], ["test", "acme_speech"], ["get", "acme_speech", "--reveal"]]
)
def test_a_command_for_a_key_whose_definition_is_gone_reports_it(
    kojikey: Program, folder: Path, command: list[str]
) -> None:
    acme_added(kojikey, folder)
    (folder / "acme.toml").unlink()
    ended = kojikey.installed(*command)
    assert (ended.code, "its definition is missing" in ended.err) == (2, True)


def test_doctor_counts_a_definition_with_mistakes_as_wrong(kojikey: Program, folder: Path) -> None:
    kojikey.added("elevenlabs")
    (folder / "acme.toml").write_text('id = "acme"\n')
    doctor = kojikey("doctor", "--json")
    assert doctor.code == 2
    (wrong,) = [row for row in doctor.results if row["state"] == "wrong"]
    assert wrong["name"] == "provider file acme.toml"
    assert "\n  name is missing\n" in wrong["detail"]
    assert "\n      name is missing\n" in kojikey("doctor").out


def test_a_program_that_resolves_a_key_gets_no_warning_about_another_definition(kojikey: Program, folder: Path) -> None:
    key = kojikey.added("elevenlabs")
    (folder / "acme.toml").write_text('id = "acme"\n')
    code = """if True:
        import kojikey
        from kojikey.model.errors import BadDefinition
        print(kojikey.resolve("elevenlabs").secret.reveal())
        try:
            kojikey.resolve("acme")
        except BadDefinition as error:
            print(error.provider)"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=kojikey.environ, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert (done.stdout, done.stderr) == (f"{key.key}\nacme\n", "")


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PATH", "BASH_ENV", "PYTHONPATH", "NODE_OPTIONS", "KOJIKEY_KEK"])
def test_run_puts_no_key_under_a_name_that_changes_how_programs_run(kojikey: Program, name: str) -> None:
    kojikey.added("elevenlabs")
    ended = kojikey("run", "--env", f"{name}=elevenlabs", "--", "true")
    assert ended.code == 2
    assert "changes how programs run" in ended.err


def test_the_version_path_at_the_end_of_a_base_url_is_removed_with_a_message(kojikey: Program) -> None:
    key = kojikey.key("google_gemini")
    ended = kojikey("add", "google_gemini", "--stdin", "--base-url", f"{key.base_url}/v1beta", stdin=key.key)
    assert ended.code == 0, ended.said
    assert "/v1beta was removed from the end of the base URL" in ended.err
    assert kojikey.listed("google_gemini")["base_url"] == key.base_url


def test_the_hint_about_a_file_that_cannot_be_read_does_not_suggest_removing_it(
    kojikey: Program, tmp_path: Path
) -> None:
    for path in (tmp_path, tmp_path / "nowhere.toml"):
        ended = kojikey("providers", "check", str(path), "--json")
        assert (ended.code, "remove" in ended.said) == (2, False), ended.said
        assert ended.error["hint"].startswith("kojikey providers new ID")


def test_a_folder_of_definitions_that_cannot_be_read_causes_a_warning(
    kojikey: Program, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(name: str, which: Callable[[str], object]) -> object:
        if Path(name) == folder:
            raise PermissionError(13, "Permission denied")
        return which(name)

    for call in ("scandir", "listdir"):
        monkeypatch.setattr(os, call, partial(denied, which=getattr(os, call)))
    ended = kojikey("list")
    assert (ended.code, "the folder cannot be read (Permission denied)" in ended.err) == (0, True), ended.said


def test_a_definition_that_cannot_be_written_is_named_with_what_to_do(
    kojikey: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = mock.Mock(side_effect=OSError(28, "No space left on device"))
    monkeypatch.setattr("kojikey.cli.commands.providers_own.write_whole", full)
    ended = kojikey("providers", "new", "mine", "--json")
    path = kojikey.home / "providers" / "mine.toml"
    assert ended.code == 7
    assert ended.error["message"] == f"{path} cannot be written (No space left on device); nothing was written"
    assert "KOJIKEY_HOME" in ended.error["hint"]


def test_mistakes_in_a_definition_are_named_all_at_once(kojikey: Program) -> None:
    folder = kojikey.home / "providers"
    folder.mkdir(parents=True, mode=0o700)
    kojikey.home.chmod(0o700)
    (folder / "acme.toml").write_text('id = "acme"\nname = 3\ncolour = "red"\n[auth]\nheader = "bad header"\n')
    for command in (["providers", "acme"], ["list", "acme"], ["add", "acme"]):
        ended = kojikey(*command, "--json")
        assert (ended.code, ended.error["code"]) == (2, "usage")
        assert "acme.toml" in ended.error["message"]
    assert all(words in ended.error["message"] for words in ("name", "colour", "company"))
