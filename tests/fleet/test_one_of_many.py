"""What goes wrong with one key of many, or around a run, is told for what it is and costs no other key its test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from many import account_name, fill_home
from program import KEK, Program

from kojikey.providers import probe
from kojikey.testing import Sandbox, load_key


@pytest.fixture
def few(kojikey: Program, sandbox: Sandbox) -> Iterator[Program]:
    """Return a program whose store has 6 keys of 3 accounts, all of them good."""
    sandbox.accept_any = True
    fill_home(kojikey.home, KEK, sandbox, 3)
    yield kojikey
    sandbox.accept_any = False


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
