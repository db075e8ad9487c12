"""Commands on a saved key (no terminal): ``remove``, ``get`` and ``history``, as the table promises."""

from __future__ import annotations

import re

import pytest

from support.program import Program
from support.saving import LIMITED, STAMP, actions

MASKED = re.compile(r"\*{8}[\x21-\x7e]{4}")


# remove


def test_remove_deletes_every_version_and_names_the_built_in_allocation(kojikey: Program) -> None:
    kojikey.added()
    kojikey.rotate()
    ended = kojikey("remove", "elevenlabs", "--yes")
    assert ended.code == 0
    assert "built-in allocation" in ended.out
    row = kojikey.listed()
    assert (row["source"], row["masked"], row["previous"]) == ("built_in", None, None)
    assert kojikey("history", "elevenlabs").code == 5


@pytest.mark.parametrize(
    ("reason", "state"),
    [("ok", "the provider still accepts the key"), ("invalid_key", "the provider rejected the key at its last test")],
)
def test_remove_says_whether_the_provider_accepts_the_key_as_its_last_test_found(
    kojikey: Program, reason: str, state: str
) -> None:
    kojikey.add("elevenlabs", reason, "--no-test")
    kojikey("test", "elevenlabs")
    ended = kojikey("remove", "elevenlabs", "--yes")
    assert (ended.code, state in ended.out) == (0, True), ended.out


def test_remove_has_a_document(kojikey: Program) -> None:
    kojikey.added()
    ended = kojikey("remove", "elevenlabs", "-y", "--json")
    assert ended.result["action"] == "removed"
    assert MASKED.fullmatch(ended.result["masked"])
    assert ended.result["version"] == 1


def test_remove_without_questions_needs_yes(kojikey: Program) -> None:
    kojikey.added()
    before = kojikey.snapshot()
    ended = kojikey("remove", "elevenlabs", "--json")
    assert (ended.code, ended.error["code"]) == (2, "usage")
    assert "--yes" in ended.error["hint"]
    assert kojikey.snapshot() == before


def test_remove_works_without_the_kek_and_says_that_its_event_is_unsigned(kojikey: Program) -> None:
    kojikey.added()
    ended = kojikey("remove", "elevenlabs", "--yes", "--json", KOJIKEY_KEK=None)
    assert (ended.code, ended.result["action"]) == (0, "removed")
    assert "unsigned" in ended.err
    verified = kojikey("audit", "--verify")
    assert verified.code == 0
    assert "unsigned" in verified.out


# get


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_get_is_refused_without_reveal(kojikey: Program, more: list[str]) -> None:
    key = kojikey.added()
    ended = kojikey("get", "elevenlabs", *more)
    assert ended.code == 2
    assert key.key not in ended.said
    assert actions(kojikey) == ["added"]


def test_get_prints_the_key_and_nothing_else_and_leaves_an_event(kojikey: Program) -> None:
    key = kojikey.added()
    ended = kojikey("get", "elevenlabs", "--reveal")
    assert (ended.code, ended.out, ended.err) == (0, key.key, "")
    assert actions(kojikey) == ["added", "revealed"]


def test_get_without_a_key_names_add(kojikey: Program) -> None:
    ended = kojikey("get", "elevenlabs", "--reveal", "--json")
    assert (ended.code, ended.error["hint"]) == (5, "kojikey add elevenlabs")


# history


def test_history_has_the_versions_newest_first_with_fingerprints_and_outcomes(kojikey: Program) -> None:
    kojikey.added()
    kojikey.rotate()
    kojikey.rotate("elevenlabs", LIMITED)
    rows = kojikey("history", "elevenlabs", "--json").results
    assert [(row["version"], row["stage"]) for row in rows] == [(3, "staged"), (2, "current"), (1, "previous")]
    assert all(re.fullmatch("[0-9a-f]{12}", row["fingerprint"]) for row in rows)
    assert len({row["fingerprint"] for row in rows}) == 3
    assert [row["last_test"]["outcome"] for row in rows] == ["limited", "valid", "valid"]
    assert all(STAMP.fullmatch(row["created_at"]) for row in rows)
    table = kojikey("history", "elevenlabs").out
    assert all(row["fingerprint"] in table for row in rows)


def test_the_same_key_has_the_same_fingerprint_again(kojikey: Program) -> None:
    kojikey.added()
    first = kojikey.listed()["fingerprint"]
    kojikey.rotate()
    kojikey.rotate("elevenlabs", "ok")
    assert kojikey.listed()["fingerprint"] == first
