"""``audit`` lists readable events, names unreadable ones, and never calls a damaged trail whole."""

from __future__ import annotations

import json
import sqlite3

import pytest

from support.program import Ended, Program


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
        assert "event 2 of account acme cannot be read" in ended.error["message"]
        assert listed(ended) == [("acme", 1), ("globex", 1)]
    shown = trail("audit")
    assert shown.code == 8
    assert "globex" in shown.out
    assert "event 2 of account acme cannot be read" in shown.err
    assert trail("audit", "--account", "globex").code == 0
    assert "event 2 of account acme" in trail("audit", "--verify").err


def test_a_trail_with_lost_events_is_not_called_whole(trail: Program) -> None:
    assert "the audit trail of 2 accounts is whole" in trail("audit", "--verify").out
    trail("account", "remove", "acme", "--confirm", "acme")
    shown = trail("audit", "--verify")
    assert shown.code == 0
    assert "whole" not in shown.out
    assert "3 events cannot be recomputed" in shown.out


def test_an_empty_store_is_not_called_whole(kojikey: Program, trail: Program) -> None:
    for more in ("--account", "nobody"), ("-a", "nobody", "--json"):
        ended = trail("audit", "--verify", *more)
        assert ended.code == 5
        assert "no account nobody" in ended.said
    empty = kojikey("audit", "--verify", KOJIKEY_HOME=str(kojikey.home / "elsewhere"))
    assert (empty.code, "whole" in empty.out) == (0, False)


def test_an_unknown_provider_is_reported(trail: Program) -> None:
    ended = trail("audit", "--provider", "nope")
    assert ended.code == 0
    assert "there is no provider nope" in ended.err
    assert "there is no provider" not in trail("audit", "--provider", "google_gemini", "--since", "1s").err
    assert trail("audit", "--provider", "nope", "--json").results == []


def test_verify_names_a_key_that_was_deleted_outside_kojikey(trail: Program) -> None:
    change(trail, "DELETE FROM keys WHERE account = 'acme' AND provider = 'elevenlabs'")
    ended = trail("audit", "--verify", "--json")
    assert (ended.code, ended.error["code"]) == (8, "cannot_open")
    assert "event 3 of account acme is missing, or the elevenlabs key was removed" in ended.error["message"]


def test_verify_goes_on_after_a_broken_account_and_names_each(trail: Program) -> None:
    trail.added("elevenlabs", "ok", "--no-test", "--account", "initech")
    change(trail, "DELETE FROM events WHERE account = 'acme' AND seq = 1")
    change(trail, "UPDATE keys SET document = replace(document, '://', '://x') WHERE account = 'globex'")
    ended = trail("audit", "--verify", "--all-accounts", "--json")
    assert (ended.code, ended.error["code"]) == (8, "cannot_open")
    assert "event 1 of account acme" in ended.error["message"]
    assert "globex/elevenlabs version 1" in ended.error["message"]
    assert [(row["account"], row["verified"]) for row in ended.results] == [
        ("initech", True), ("acme", False), ("globex", False),
    ]  # fmt: skip
    assert ended.results[0]["events"] == 1
    assert ended.document["summary"]["broken"] == 2
    shown = trail("audit", "--verify", "--all-accounts")
    assert (shown.code, "of 1 account is whole" in shown.out) == (8, True)
    assert "event 1 of account acme" in shown.err
    assert "globex/elevenlabs version 1" in shown.err
    assert trail("audit", "--verify", "--account", "initech").code == 0


def test_rollback_refuses_an_old_version_that_was_put_back(trail: Program) -> None:
    def document() -> str:
        database = sqlite3.connect(trail.home / "keys.db")
        ((text,),) = database.execute("SELECT document FROM keys WHERE account = 'acme' AND provider = 'elevenlabs'")
        database.close()
        return str(text)

    old = json.loads(document())["versions"][0]
    for _ in range(2):
        assert trail.rotate("elevenlabs", "ok_2", "--no-test", "--account", "acme").code == 0
        assert trail.rotate("elevenlabs", "ok", "--no-test", "--account", "acme").code == 0
    changed = json.loads(document())
    changed["versions"] = [{**old, "stage": "previous"}, changed["versions"][-1]]
    database = sqlite3.connect(trail.home / "keys.db")
    with database:
        database.execute(
            "UPDATE keys SET document = ? WHERE account = 'acme' AND provider = 'elevenlabs'", (json.dumps(changed),)
        )
    database.close()
    ended = trail("rotate", "elevenlabs", "--rollback", "--no-test", "--account", "acme", "--json")
    assert (ended.code, ended.error["code"]) == (8, "cannot_open")
    assert "the previous version of the elevenlabs key was changed outside kojikey" in ended.error["message"]
    assert "audit --verify" in ended.error["hint"]
    assert trail("audit", "--verify").code == 8
