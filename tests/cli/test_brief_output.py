"""``kojikey test`` of many keys on a terminal: valid keys do not scroll the others away."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from support.many import fill_home
from support.program import KEK, Program
from support.pseudo_terminal import printed_on_a_terminal

ACCOUNTS = 26  # two keys each


@pytest.fixture
def crowd(kojikey: Program) -> Iterator[Program]:
    """Return a program whose store has 52 keys, those of 12 accounts unknown to the provider."""
    kojikey.sandbox.accept_any = True
    reason = lambda number: "invalid_key" if number < 12 else "ok"  # noqa: E731
    fill_home(kojikey.home, KEK, kojikey.sandbox, ACCOUNTS, reason=reason)
    yield kojikey
    kojikey.sandbox.accept_any = False


def shown(kojikey: Program, *options: str, columns: int = 80) -> list[str]:
    code, text = printed_on_a_terminal(kojikey, "test", "--all-accounts", *options, columns=columns, NO_COLOR="1")
    assert code == 3
    return re.sub(r"\x1b\[[0-9?;]*[a-zA-Z]", "", text).replace("\r", "\n").splitlines()


def marked(lines: list[str], mark: str) -> int:
    return sum(line.startswith(f"{mark} ") for line in lines)


def test_of_more_than_50_keys_a_terminal_shows_only_those_that_are_not_valid(crowd: Program) -> None:
    brief, whole = shown(crowd), shown(crowd, "--verbose")
    assert (marked(brief, "✓"), marked(brief, "✗")) == (0, 24)
    assert (marked(whole, "✓"), marked(whole, "✗")) == (28, 24)
    assert "52 tested: 28 valid, 24 rejected" in brief
    few = shown(crowd, "elevenlabs")
    assert (marked(few, "✓"), marked(few, "✗")) == (14, 12)
    assert marked(crowd("test", "--all-accounts").out.splitlines(), "✓") == 28


def test_the_summary_names_the_accounts_the_first_ten_of_a_group(crowd: Program) -> None:
    names = [f"account-{number:05}" for number in range(12)]
    text = " ".join(" ".join(shown(crowd)).split())
    summary = text.partition("52 tested")[2]
    assert "12 elevenlabs rejected: invalid_key accounts: account-" in summary
    assert summary.count(" and 2 more") == 2
    assert sum(summary.count(name) for name in names) == 20
    groups = crowd("test", "--all-accounts", "--json").document["groups"]
    assert [(group["count"], len(group["accounts"])) for group in groups] == [(12, 10), (12, 10)]
    assert all(set(group["accounts"]) <= set(names) for group in groups)


def test_a_long_line_of_a_long_run_is_wrapped_between_words(crowd: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    from kojikey.cli.output.failure import wrapped

    monkeypatch.setenv("COLUMNS", "40")
    lines = wrapped("  make a new key at https://elevenlabs.example/app/settings/api-keys, then go on").splitlines()
    assert " ".join(" ".join(lines).split()).startswith("make a new key at https://elevenlabs.example/app/settings")
    assert all(line.startswith("  ") for line in lines)
    assert max(len(line) for line in lines if len(line.split()) > 1) <= 40
