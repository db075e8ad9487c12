"""Which keys ``kojikey test`` takes: a renamed secret or a mistyped account is never a green job."""

from __future__ import annotations

import json

import pytest

from support.many import fill_home
from support.program import KEK, Ended, Program

NOTHING_THERE = [
    ("test", "--all-accounts"),
    ("test",),
    ("test", "--all"),
    ("test", "elevenlabs"),
    ("test", "--all-accounts", "--allow-empty"),
    ("test", "--all-accounts", "--shard", "1/2"),
    ("check", "--require", "elevenlabs"),
    ("check", "--all-accounts", "--require", "elevenlabs"),
]


@pytest.fixture
def emptied(kojikey: Program) -> Program:
    """Return a program whose store has the default account, which had a key once."""
    kojikey.added("elevenlabs")
    assert kojikey("remove", "elevenlabs", "--yes").code == 0
    return kojikey


@pytest.mark.parametrize("words", NOTHING_THERE, ids=" ".join)
def test_a_missing_store_is_always_exit_5(kojikey: Program, words: tuple[str, ...]) -> None:
    """``KOJIKEY_STORE=`` as a CI service sets it where a secret was renamed."""
    ended = kojikey(*words, "--json", CI="true", KOJIKEY_STORE="", KOJIKEY_KEK="")
    assert (ended.code, ended.error["code"]) == (5, "not_found"), ended.said
    assert not kojikey.home.exists()


@pytest.mark.parametrize("more", [(), ("--allow-empty",), ("--shard", "1/2"), ("elevenlabs",)], ids=" ".join)
def test_a_missing_account_is_always_exit_5(kojikey: Program, more: tuple[str, ...]) -> None:
    kojikey.added("elevenlabs", "ok", "--account", "acme")
    ended = kojikey("test", "--account", "acmee", *more, "--json")
    assert (ended.code, ended.error["message"]) == (5, "there is no account acmee in this store")


@pytest.mark.parametrize(
    "words", [("--all-accounts",), (), ("--all",), ("elevenlabs",), ("elevenlabs", "google_gemini")], ids=" ".join
)
def test_a_run_without_any_key_is_exit_5_unless_that_is_allowed(emptied: Program, words: tuple[str, ...]) -> None:
    refused = emptied("test", *words, "--json")
    assert (refused.code, refused.error["code"]) == (5, "not_found")
    assert "kojikey add" in refused.error["hint"]
    allowed = emptied("test", *words, "--allow-empty", "--json")
    assert (allowed.code, allowed.results, allowed.document["summary"]["tested"]) == (0, [], 0)


def test_named_providers_fail_only_where_none_has_a_key(kojikey: Program) -> None:
    kojikey.added("elevenlabs")
    ended = kojikey("test", "google_gemini", "elevenlabs", "--json")
    assert (ended.code, [row["provider"] for row in ended.results]) == (0, ["elevenlabs"])
    assert "no google_gemini key for account default" in ended.err
    assert kojikey("test", "google_gemini", "--json").code == 5
    assert kojikey("test", "google_gemini", "--all-accounts", "--json").code == 5


def left_out(ended: Ended) -> int:
    assert ended.code == 0, ended.said
    return int(json.loads(ended.out).get("left_out", 0))


def test_excluded_keys_are_counted_and_are_not_a_failure(kojikey: Program) -> None:
    kojikey.sandbox.accept_any = True
    fill_home(kojikey.home, KEK, kojikey.sandbox, 2)
    lately = ("test", "--all-accounts", "--not-tested-since", "1h", "--json")
    assert kojikey("test", "google_gemini", "--all-accounts").code == 0
    some = kojikey(*lately)
    assert (len(some.results), left_out(some)) == (2, 2)
    assert "2 keys were left out by --not-tested-since" in some.err
    none = kojikey(*lately)
    assert (none.results, left_out(none)) == ([], 4)
    shards = [kojikey("test", "--all-accounts", "--shard", f"{part}/8", "--json") for part in range(1, 9)]
    kojikey.sandbox.accept_any = False
    assert sum(len(ended.results) for ended in shards) == 4
    assert [len(ended.results) + left_out(ended) for ended in shards] == [4] * 8


def test_another_model_or_capability_applies_to_one_run_and_is_not_recorded(kojikey: Program) -> None:
    kojikey.added("elevenlabs", "missing_permission", "--no-test")
    before = kojikey.contents()
    ended = kojikey("test", "elevenlabs", "--capability", "voices_read", "--json")
    assert ended.result["recorded"] is False
    assert [check["name"] for check in ended.result["checks"]] == ["account", "voices_read"]
    assert kojikey.contents() == before
    assert kojikey("test", "elevenlabs", "--json").result["recorded"] is True


def test_the_model_of_the_option_replaces_the_saved_ones(kojikey: Program) -> None:
    kojikey.added("google_gemini", "ok", "--model", "gemini-2.5-flash")
    names = [
        [check["name"] for check in kojikey("test", "google_gemini", *more, "--json").result["checks"]]
        for more in ((), ("--model", "gemini-2.5-pro"))
    ]
    assert "model:gemini-2.5-flash" in names[0]
    assert "model:gemini-2.5-pro" in names[1]
    assert "model:gemini-2.5-flash" not in names[1]


@pytest.mark.parametrize(
    "words",
    [
        ("--model", "gemini-2.5-pro"),
        ("google_gemini", "elevenlabs", "--model", "gemini-2.5-pro"),
        ("elevenlabs", "--capability", "no_such_thing"),
        ("google_gemini", "--model", "../x"),
        ("elevenlabs", "--base-url", "https://x.example"),
    ],
    ids=" ".join,
)
def test_a_malformed_model_or_capability_is_refused_before_a_request_is_sent(
    kojikey: Program, words: tuple[str, ...]
) -> None:
    kojikey.added("elevenlabs")
    kojikey.added("google_gemini")
    kojikey.sandbox.forget()
    assert kojikey("test", *words, "--json").code == 2
    assert kojikey.sandbox.requests == ()
