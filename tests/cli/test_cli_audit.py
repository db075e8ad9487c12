"""``audit`` lists what can be read, names what can not, and says of nothing that it is whole which is not."""

from __future__ import annotations

import sqlite3

import pytest
from program import Ended, Program


@pytest.fixture
def trail(kojikey: Program) -> Program:
    """Return the program with two accounts and their events."""
    for account in ("acme", "globex"):
        kojikey.added("elevenlabs", "ok", "--no-test", "--account", account)
    kojikey.added("google_gemini", "ok", "--no-test", "--account", "acme")
    return kojikey


def change(kojikey: Program, statement: str) -> None:
    database = sqlite3.connect(kojikey.home / "keys.db")
    with database:
        assert database.execute(statement).rowcount > 0
    database.close()


def listed(ended: Ended) -> list[tuple[str, int]]:
    return [(event["account"], event["seq"]) for event in ended.results]


def test_one_damaged_event_hides_no_other(trail: Program) -> None:
    change(trail, "UPDATE events SET document = '{' WHERE account = 'acme' AND seq = 2")
    for more in ((), ("--all-accounts",)):
        ended = trail("audit", "--json", *more)
        assert (ended.code, ended.error["code"]) == (8, "cannot_open")
        assert "event 2 of account acme can not be read" in ended.error["message"]
        assert listed(ended) == [("acme", 1), ("globex", 1)]
    shown = trail("audit")
    assert shown.code == 8
    assert "globex" in shown.out
    assert "event 2 of account acme can not be read" in shown.err
    assert trail("audit", "--account", "globex").code == 0
    assert "event 2 of account acme" in trail("audit", "--verify").err


def test_what_is_lost_is_not_called_whole(trail: Program) -> None:
    assert "the audit trail of 2 accounts is whole" in trail("audit", "--verify").out
    trail("account", "remove", "acme", "--confirm", "acme")
    shown = trail("audit", "--verify")
    assert shown.code == 0
    assert "whole" not in shown.out
    assert "3 events can not be recomputed" in shown.out


def test_nothing_is_not_called_whole_either(kojikey: Program, trail: Program) -> None:
    for more in ("--account", "nobody"), ("-a", "nobody", "--json"):
        ended = trail("audit", "--verify", *more)
        assert ended.code == 5
        assert "no account nobody" in ended.said
    empty = kojikey("audit", "--verify", KOJIKEY_HOME=str(kojikey.home / "elsewhere"))
    assert (empty.code, "whole" in empty.out) == (0, False)


def test_a_provider_that_nobody_knows_is_told(trail: Program) -> None:
    ended = trail("audit", "--provider", "nope")
    assert ended.code == 0
    assert "there is no provider nope" in ended.err
    assert "there is no provider" not in trail("audit", "--provider", "google_gemini", "--since", "1s").err
    assert trail("audit", "--provider", "nope", "--json").results == []


def test_a_key_that_was_taken_away_is_named_by_verify(trail: Program) -> None:
    change(trail, "DELETE FROM keys WHERE account = 'acme' AND provider = 'elevenlabs'")
    ended = trail("audit", "--verify", "--json")
    assert (ended.code, ended.error["code"]) == (8, "cannot_open")
    assert "event 3 of account acme is missing, or the elevenlabs key was taken away" in ended.error["message"]
