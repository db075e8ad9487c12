"""The files and annotations of ``kojikey scan``: SARIF 2.1.0 and GitHub's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kojikey.cli.commands.scan.sarif import uri_of
from kojikey.model.plain_text import printable
from support.program import Program, pieces_in

SCHEMA = json.loads((Path(__file__).parent / "sarif_schema.json").read_text())


@pytest.fixture
def key(kojikey: Program) -> str:
    return kojikey.added("elevenlabs").key


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tree"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def sarif(kojikey: Program, tree: Path, *arguments: str, ends: int = 3) -> dict[str, Any]:
    path = tree.parent / "found.sarif"
    ended = kojikey("scan", "--sarif", str(path), *arguments)
    assert ended.code == ends, ended.said
    text = path.read_text()
    for secret in (kojikey.key("elevenlabs", "ok").key,):
        assert pieces_in(secret[24:], text + ended.said) == []
    document: dict[str, Any] = json.loads(text)
    jsonschema.validate(document, SCHEMA, format_checker=jsonschema.FormatChecker())
    return document


def test_the_report_is_sarif_with_the_place_of_each_match(kojikey: Program, key: str, tree: Path) -> None:
    (tree / "a b#?%\n.py").write_text(f"\n  {key}")
    (run,) = sarif(kojikey, tree, "--any")["runs"]
    assert run["tool"]["driver"]["name"] == "kojikey"
    (result,) = run["results"]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "kojikey/key-in-store"
    assert result["level"] == "error"
    assert result["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "a%20b%23%3F%25%0A.py"},
        "region": {"startLine": 2, "startColumn": 3},
    }
    assert f"********{key[-4:]}" in result["message"]["text"]
    assert "kojikey rotate elevenlabs" in result["message"]["text"]


def test_a_key_that_is_not_in_the_store_is_a_warning_under_another_rule(kojikey: Program, key: str, tree: Path) -> None:
    (tree / "env").write_text("sk_" + "0123456789abcdef" * 3)
    (result,) = sarif(kojikey, tree, "--any")["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("kojikey/key-shape", "warning")


def test_a_run_without_a_match_writes_a_report_too(kojikey: Program, key: str, tree: Path) -> None:
    (run,) = sarif(kojikey, tree, ends=0)["runs"]
    assert (run["results"], run["invocations"][0]["executionSuccessful"]) == ([], True)


def test_unreadable_files_are_in_the_report(
    kojikey: Program, key: str, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    (tree / "env").write_text(key)
    monkeypatch.setattr("kojikey.scanning.files._plainly", lambda _: refuse)
    (invocation,) = sarif(kojikey, tree, ends=4)["runs"][0]["invocations"]
    assert not invocation["executionSuccessful"]
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "env was not read: permission denied"


def test_a_report_that_cannot_be_written_is_named_and_the_old_file_stays(
    kojikey: Program, key: str, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = tree.parent / "found.sarif"
    path.write_text("before")
    monkeypatch.setattr("kojikey.cli.reports.report_file.os.fsync", fail)
    ended = kojikey("scan", "--sarif", str(path))
    assert (ended.code, path.read_text()) == (7, "before")
    assert "could not be written (No space left on device)" in ended.err
    (tree / "env").write_text(key)
    assert kojikey("scan", "--sarif", str(path)).code == 3


def test_a_file_s_uri_is_absolute_where_its_path_is() -> None:
    assert uri_of("/a b/\u00e9") == "file:///a%20b/%C3%A9"
    assert uri_of("a/b") == "a/b"


def test_github_gets_an_annotation_at_the_place(kojikey: Program, key: str, tree: Path) -> None:
    (tree / "a,b:c").write_text(f"\n{key}")
    ended = kojikey("scan", GITHUB_ACTIONS="true")
    (line,) = [line for line in ended.out.splitlines() if line.startswith("::")]
    assert line.startswith("::error file=a%2Cb%3Ac,line=2,col=1,title=a provider key in plain text::default/elevenlabs")
    assert f"********{key[-4:]}" in line
    assert key not in ended.said
    with_json = kojikey("scan", "--json", GITHUB_ACTIONS="true")
    assert with_json.result["file"] == "a,b:c"
    assert "::error file=" in with_json.err


def test_github_gets_no_more_annotations_than_it_shows(kojikey: Program, key: str, tree: Path) -> None:
    (tree / "env").write_text(f"{key}\n" * 30)
    ended = kojikey("scan", GITHUB_ACTIONS="true")
    assert sum(line.startswith("::error") for line in ended.out.splitlines()) == 10


def test_hostile_text_is_shown_on_one_line() -> None:
    assert printable("a\n\x1b[2J\u202e\u2028\udcff") == "a\\n\\x1b[2J\\u202e\\u2028\\udcff"


def test_a_dash_is_standard_output_and_takes_the_place_of_the_table(kojikey: Program, key: str, tree: Path) -> None:
    (tree / "a.txt").write_text(key)
    ended = kojikey("scan", "--sarif", "-")
    assert ended.code == 3
    assert json.loads(ended.out)["version"] == "2.1.0"
    assert not (tree / "-").exists()
    assert kojikey("scan", "--sarif", "-", "--json").code == 2
