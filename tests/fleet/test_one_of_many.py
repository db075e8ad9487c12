"""What goes wrong with one key of many, or around a run, is told for what it is and costs no other key its test."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from many import account_name, fill_home
from program import COMMAND, KEK, SECONDS, Program

from kojikey.cli import fleet
from kojikey.providers import probe
from kojikey.stores.base import Change, Query
from kojikey.stores.sqlite import SqliteStore
from kojikey.testing import Sandbox, load_key


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
    from kojikey.providers.judge import judge

    def stumble(definition: Any, *more: Any, **named: Any) -> Any:
        if definition.id == "elevenlabs":
            raise RecursionError("a value that may be the key")
        return judge(definition, *more, **named)

    monkeypatch.setattr(probe, "judge", stumble)


def test_a_bug_that_one_key_meets_ends_no_run(few: Program, stumbling: None) -> None:
    ended = few("test", "--all-accounts", "--json")
    assert ended.code == 4
    reasons = {(result["provider"], result["reason"], result["recorded"]) for result in ended.results}
    assert reasons == {("elevenlabs", "unknown", False), ("google_gemini", "ok", True)}
    assert ended.document["summary"]["tested"] == 6
    (told,) = [line for line in ended.err.splitlines() if "a bug in kojikey" in line]
    assert "RecursionError at test_one_of_many.py:" in told
    assert "/issues" in told
    assert "may be the key" not in ended.said


def test_a_bug_that_one_line_of_a_batch_meets_ends_no_batch(few: Program, stumbling: None) -> None:
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
def test_a_key_that_was_refused_comes_before_one_that_does_not_open(
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
    monkeypatch.setattr(fleet, "UNOPENED_TOLD", 1)
    ended = few("test", "--all-accounts")
    assert ended.err.count("was not tested") == 1
    assert "1 more were not tested, because their records do not open" in ended.err
    assert "4 tested: 4 valid, 2 did not open" in ended.out


def test_a_run_whose_output_nobody_reads_any_more_stops_and_fails(few: Program) -> None:
    few.sandbox.forget()
    with few.sandbox.hold(after=4):
        running = subprocess.Popen(
            [*COMMAND, "test", "--all-accounts", "--jsonl", "--rate", "4"],
            env=few.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert running.stdout
        assert running.stderr
        assert json.loads(running.stdout.readline())["outcome"] == "valid"
        running.stdout.close()
    err = running.stderr.read()
    running.stderr.close()
    assert running.wait(SECONDS) == 7, err
    (told,) = re.findall("nobody reads the output any more: ([0-9]) of 6 keys done, ([0-9]) outcomes recorded", err)
    assert told[0] == told[1]
    hint = err.partition("the same command with ")[2].split()
    rest = few("test", "--all-accounts", "--jsonl", *hint)
    assert len(rest.out.splitlines()) - 1 == 6 - int(told[0]) > 0


def test_a_reader_that_goes_away_at_the_end_does_not_hide_what_was_found(kojikey: Program, accepting: Sandbox) -> None:
    fill_home(kojikey.home, KEK, accepting, 3, reason=lambda _: "invalid_key")
    ended = kojikey.shell("set -o pipefail; kojikey test --all-accounts | head -1")
    assert (ended.code, ended.err.count("nobody reads")) == (3, 0)
