"""A bug of ours that the test of a key meets: the same in every command that tests a key, and not the key's fault."""

from __future__ import annotations

import pytest

from kojikey.providers.requests.probe import Prober
from support.program import Program, pieces_in


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stumble(*_: object) -> None:
        raise RuntimeError("sk_" + "0" * 48)

    monkeypatch.setattr(Prober, "test", stumble)


def command_line(program: Program, command: str) -> list[str]:
    key = program.key("elevenlabs", "ok_2")
    given = {
        "add": ["add", "elevenlabs", "--account", "other", "--stdin", "--base-url", key.base_url],
        "rotate": ["rotate", "elevenlabs", "--stdin"],
        "test": ["test", "elevenlabs"],
        "test --stdin": ["test", "elevenlabs", "--stdin", "--base-url", key.base_url],
    }
    return [*given[command], "--json"]


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("command", ["add", "rotate", "test", "test --stdin"])
def test_a_bug_is_reported_and_the_key_could_not_be_judged(kojikey: Program, command: str) -> None:
    kojikey.added("elevenlabs", "ok", "--no-test")
    new = kojikey.key("elevenlabs", "ok_2").key
    ended = kojikey(*command_line(kojikey, command), stdin=new)
    assert ended.code == 4, ended.said
    assert ended.err.count("a bug in kojikey: RuntimeError at ") == 1
    assert "please report it" in ended.err
    assert "Traceback" not in ended.said
    assert pieces_in("sk_" + "0" * 48, ended.said) == []
    verdict = ended.result.get("test") or ended.result
    assert (verdict["outcome"], verdict["reason"]) == ("indeterminate", "unknown")


@pytest.mark.usefixtures("broken")
def test_after_a_bug_a_rotation_stays_staged_and_a_new_key_is_not_saved(kojikey: Program) -> None:
    kojikey.added("elevenlabs", "ok", "--no-test")
    kojikey(*command_line(kojikey, "rotate"), stdin=kojikey.key("elevenlabs", "ok_2").key)
    kojikey(*command_line(kojikey, "add"), stdin=kojikey.key("elevenlabs", "ok_2").key)
    (row,) = kojikey("list", "--all-accounts", "--json").results
    assert (row["version"], row["staged"]["version"]) == (1, 2)
