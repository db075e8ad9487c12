"""A failure of one key of many, or around a run, is reported as such, and every other key is still tested."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kojikey.cli.commands.test import key_run
from kojikey.model.atomic_file import write_whole
from kojikey.providers.requests import probe
from kojikey.stores.base import Change, Query
from kojikey.stores.sqlite.store import SqliteStore
from kojikey.testing import Sandbox, load_key
from support.many import account_name, fill_home
from support.program import COMMAND, KEK, PATIENT, SECONDS, Program


@pytest.fixture
def accepting(sandbox: Sandbox) -> Iterator[Sandbox]:
    """Return a sandbox that knows every key that it could have made."""
    sandbox.accept_any = True
    yield sandbox
    sandbox.accept_any = False


@pytest.fixture
def few(kojikey: Program, accepting: Sandbox) -> Program:
    """Return a program whose store has 6 keys of 3 accounts, all of them good."""
    fill_home(kojikey.home, KEK, accepting, 3)
    return kojikey


def spoil(program: Program, *accounts: int) -> None:
    """Change the records of these accounts' keys at ElevenLabs from outside."""
    store = SqliteStore(str(program.home / "keys.db"))
    for stored in list(store.scan(Query(providers=("elevenlabs",)))):
        if stored.ref.account in map(account_name, accounts):
            versions = [{**version, "sealed": "a.b.c.d.e"} for version in stored.document["versions"]]
            store.commit((Change(stored.ref, {**stored.document, "versions": versions}, stored.revision),))


@pytest.fixture
def stumbling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let judging an answer of ElevenLabs meet a bug."""
    from kojikey.providers.answers.judge import judge

    def stumble(definition: Any, *more: Any, **named: Any) -> Any:
        if definition.id == "elevenlabs":
            raise RecursionError("a value that may be the key")
        return judge(definition, *more, **named)

    monkeypatch.setattr(probe, "judge", stumble)


def test_a_bug_with_one_key_does_not_end_the_run(few: Program, stumbling: None) -> None:
    ended = few("test", "--all-accounts", "--json")
    assert ended.code == 4
    reasons = {(result["provider"], result["reason"], result["recorded"]) for result in ended.results}
    assert reasons == {("elevenlabs", "unknown", False), ("google_gemini", "ok", True)}
    assert ended.document["summary"]["tested"] == 6
    (told,) = [line for line in ended.err.splitlines() if "a bug in kojikey" in line]
    assert "RecursionError at test_one_of_many.py:" in told
    assert "/issues" in told
    assert "may be the key" not in ended.said


def test_a_bug_with_one_line_does_not_end_the_batch(few: Program, stumbling: None) -> None:
    lines = [
        json.dumps({"account": account_name(n), "provider": provider, "key": load_key(provider, 1000 + n)})
        for n in range(3)
        for provider in ("elevenlabs", "google_gemini")
    ]
    ended = few("rotate", "--batch", "-", stdin="\n".join(lines))
    assert [json.loads(text)["action"] for text in ended.out.splitlines()] == ["staged", "rotated"] * 3
    assert ended.code == 4
    assert ended.err.count("a bug in kojikey") == 1


@pytest.mark.parametrize("form", [(), ("--json",), ("--jsonl",)], ids=["", "json", "jsonl"])
@pytest.mark.parametrize(("reason", "code"), [("ok", 8), ("invalid_key", 3), ("missing_permission", 3)])
def test_the_exit_code_of_a_failed_key_has_precedence_over_one_that_does_not_open(
    kojikey: Program, accepting: Sandbox, reason: str, code: int, form: tuple[str, ...]
) -> None:
    fill_home(kojikey.home, KEK, accepting, 3, reason=lambda _: reason)
    spoil(kojikey, 1)
    ended = kojikey("test", "--all-accounts", *form)
    assert ended.code == code
    assert f"{account_name(1)}/elevenlabs was not tested: " in ended.err


def test_the_keys_that_do_not_open_are_listed(few: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(few, 0, 2)
    document = few("test", "--all-accounts", "--json").document
    assert len(document["results"]) == 4
    assert document["unopened"] == 2
    listed = [(key["account"], key["provider"], key["error"]["code"]) for key in document["unopened_keys"]]
    assert listed == [(account_name(n), "elevenlabs", "cannot_open") for n in (0, 2)]
    assert all(key["error"]["message"] for key in document["unopened_keys"])
    monkeypatch.setattr(key_run, "UNOPENED_NAMED", 1)
    ended = few("test", "--all-accounts")
    assert ended.err.count("was not tested") == 1
    assert "1 more were not tested, because their records do not open" in ended.err
    assert "4 tested: 4 valid, 2 did not open" in ended.out
    first = f"kojikey remove elevenlabs --account {account_name(0)}, then kojikey add elevenlabs"
    assert "  2 keys did not open\n    next: restore a copy of the store from before the change, or " in ended.out
    assert first in ended.out


def test_one_key_that_does_not_open_has_its_next_step_too(kojikey: Program) -> None:
    kojikey.added()
    ended = kojikey("test", "elevenlabs", KOJIKEY_KEK="A" * 43)
    assert (ended.code, ended.out) == (
        8, "  1 key did not open\n    next: give the KEK or passphrase of this store (since a re-keying the new one); "
        "a lost one cannot be recovered\n",
    )  # fmt: skip


def test_a_run_whose_output_is_closed_stops_and_fails(few: Program) -> None:
    """The tests are made one after another, so that the first requests are those of the first key."""
    few.sandbox.forget()
    with few.sandbox.hold(after=4):
        running = subprocess.Popen(
            [*COMMAND, "test", "--all-accounts", "--jsonl", "--concurrency", "1", "--rate", "4", *PATIENT],
            env=few.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert running.stdout
        assert running.stderr
        assert json.loads(running.stdout.readline())["outcome"] == "valid"
        running.stdout.close()
    err = running.stderr.read()
    running.stderr.close()
    assert running.wait(SECONDS) == 7, err
    (told,) = re.findall("the output was closed: ([0-9]) of 6 keys done, ([0-9]) outcomes recorded", err)
    assert told[0] == told[1]
    hint = err.partition("the same command with ")[2].split()
    rest = few("test", "--all-accounts", "--jsonl", *hint)
    assert len(rest.out.splitlines()) - 1 == 6 - int(told[0]) > 0


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("test", "--all-accounts"), 3), (("test", "--all-accounts", "--json"), 3), (("list", "--all-accounts"), 0),
        (("audit", "--all-accounts"), 0), (("list", "--all-accounts", "--json"), 0),
    ],
)  # fmt: skip
def test_a_closed_pipe_does_not_change_the_outcome_of_a_finished_run(
    kojikey: Program, accepting: Sandbox, command: tuple[str, ...], code: int
) -> None:
    fill_home(kojikey.home, KEK, accepting, 3, reason=lambda _: "invalid_key")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [*COMMAND, *command], env=kojikey.environ, stdout=writer, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writer)
    assert ended.returncode == code
    assert b"Traceback" not in ended.stderr


def test_a_full_temporary_folder_prevents_only_the_reports(
    few: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def small(*arguments: Any, **named: Any) -> sqlite3.Connection:
        database: sqlite3.Connection = connect(*arguments, **named)
        if arguments == ("",):
            database.execute("PRAGMA max_page_count = 3")
        return database

    monkeypatch.setattr("kojikey.cli.reports.spool.sqlite3.connect", small)
    old = tmp_path / "keys.xml"
    old.write_text("old")
    ended = few("test", "--all-accounts", "--json", "--junit", str(old), "--html", str(tmp_path / "keys.html"))
    assert (ended.code, ended.document["exit_code"], len(ended.results)) == (7, 7, 6)
    for name in ("keys.xml", "keys.html"):
        assert f"the report {tmp_path / name} could not be written (the temporary folder has no room" in ended.err
    assert [path.name for path in tmp_path.glob("keys.*")] == ["keys.xml"]
    assert old.read_text() == "old"


def test_a_report_that_fails_does_not_prevent_the_others(
    few: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def full(path: str, pieces: Any) -> None:
        if path.endswith(".xml"):
            raise OSError(28, "No space left on device", f"{path}.part")
        write_whole(path, pieces)

    monkeypatch.setattr("kojikey.cli.reports.report_file.write_whole", full)
    summary, page, xml = tmp_path / "summary.md", tmp_path / "keys.html", tmp_path / "keys.xml"
    few.environ |= {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    ended = few("test", "--all-accounts", "--junit", str(xml), "--html", str(page))
    assert ended.code == 7
    assert "| 6 | 6 | 0 | 0 | 0 |" in summary.read_text()
    assert "</html>" in page.read_text()
    assert (
        f"the report {xml} could not be written (No space left on device); the existing file was not changed"
        in ended.err
    )


def test_a_summary_that_cannot_be_written_is_named(few: Program, tmp_path: Path) -> None:
    few.environ |= {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path)}
    ended = few("test", "--all-accounts", "--html", str(tmp_path / "keys.html"))
    assert ended.code == 7
    assert "the summary of the step could not be written (Is a directory)" in ended.err
    assert "</html>" in (tmp_path / "keys.html").read_text()


def test_annotations_that_cannot_be_written_are_named_and_no_file_is_mentioned(
    few: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kojikey.cli.output.stdout.Stdout.annotations", full)
    ended = few("test", "--all-accounts", "--github")
    assert ended.code == 7
    assert "the annotations could not be written (No space left on device)" in ended.err
    assert "file" not in ended.err


@pytest.mark.parametrize("form", ["", "--json", "--jsonl"])
def test_a_full_disk_under_the_output_is_reported(few: Program, form: str) -> None:
    ended = few.shell(f"kojikey test --all-accounts {form} >/dev/full")
    assert ended.code == 7
    assert "No space left on device" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("form", ["", "--json", "--jsonl"])
@pytest.mark.parametrize("unbuffered", ["1", None])
def test_output_that_is_lost_at_the_end_is_reported_once(kojikey: Program, form: str, unbuffered: str | None) -> None:
    kojikey.added()
    for to in (">/dev/full", ">&-"):
        ended = kojikey.shell(f"kojikey test elevenlabs {form} {to}", PYTHONUNBUFFERED=unbuffered)
        assert (ended.code, ended.err.count("cannot be written")) == (7, 1), ended.err


def hints_in(text: str) -> list[str]:
    return re.findall(r"kojikey (?:rotate|test) (?:elevenlabs|google_gemini)(?: --[a-z-]+(?: account-[0-9]+)?)?", text)


@pytest.mark.parametrize("reason", ["invalid_key", "unknown", "service_disabled"])
def test_every_suggested_command_names_the_account_of_its_key(
    kojikey: Program, accepting: Sandbox, tmp_path: Path, reason: str
) -> None:
    fill_home(kojikey.home, KEK, accepting, 1, reason=lambda _: reason)
    xml, page, summary = tmp_path / "keys.xml", tmp_path / "keys.html", tmp_path / "summary.md"
    said = kojikey("test", "--all-accounts", "--junit", str(xml), "--html", str(page)).out
    said += kojikey("test", "-a", account_name(0), "--json").out
    said += kojikey("test", "--all-accounts", "--jsonl").out
    said += kojikey("test", "--all-accounts", GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary)).out
    hints = hints_in(said + xml.read_text() + re.sub(r"<[^>]+>", "", page.read_text()))
    assert hints
    assert [hint for hint in hints if not hint.endswith(f"--account {account_name(0)}")] == []


def test_the_command_that_is_suggested_for_many_accounts_names_none(kojikey: Program, accepting: Sandbox) -> None:
    fill_home(kojikey.home, KEK, accepting, 3, reason=lambda _: "service_disabled")
    groups = kojikey("test", "google_gemini", "--all-accounts", "--json").document["groups"]
    assert hints_in(groups[0]["next"]) == ["kojikey test google_gemini --all-accounts"]
