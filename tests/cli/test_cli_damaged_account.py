"""An account with a damaged record, at the command line: it is named, and the message says how to recover."""

from __future__ import annotations

import sqlite3

import pytest

from support.program import Program

NEW_KEK = "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM"


@pytest.fixture
def damaged(kojikey: Program) -> Program:
    """Return the program with two accounts; the record of ``acme``, which has two keys, is no JSON any more."""
    for account, provider in (("acme", "elevenlabs"), ("acme", "google_gemini"), ("globex", "elevenlabs")):
        kojikey.added(provider, "ok", "--no-test", "--account", account)
    with sqlite3.connect(kojikey.home / "keys.db") as database:
        database.execute("UPDATE accounts SET document = '{' WHERE account = 'acme'")
    database.close()
    return kojikey


def test_store_info_counts_the_intact_records_of_a_damaged_account(damaged: Program) -> None:
    told = damaged("store", "info", "--json").result
    assert told["counts"] == {"accounts": 1, "keys": 3, "events": 1}
    assert told["damaged_accounts"] == 1
    assert "accounts 1: kojikey doctor" in damaged("store", "info").out


def test_rekeying_names_a_damaged_account_and_finishes_after_its_removal(damaged: Program) -> None:
    damaged.environ["NEW_KEK"] = NEW_KEK
    rekey = ("store", "rekey", "--kek", "env:NEW_KEK", "--json")
    ended = damaged(*rekey)
    assert (ended.code, ended.error["code"]) == (8, "cannot_open")
    assert "acme" in ended.error["message"]
    assert "kojikey account remove" in ended.error["hint"]
    removed = damaged("account", "remove", "acme", "--confirm", "acme", "--json", KOJIKEY_KEK=None, NEW_KEK=None)
    assert (removed.code, removed.result["keys"], removed.result["audit_signed"]) == (0, 2, False)
    assert damaged(*rekey).result["already"] == 1
    assert damaged("get", "elevenlabs", "--account", "globex", "--reveal", KOJIKEY_KEK=None).code == 0
    assert damaged("audit", "--verify").code == 0


def test_a_key_of_a_damaged_account_can_be_removed_and_no_event_is_claimed(damaged: Program) -> None:
    ended = damaged("remove", "elevenlabs", "--account", "acme", "--yes", "--json")
    assert (ended.code, ended.result["action"], ended.result["audit_signed"]) == (0, "removed", False)
    assert "no audit event could be added" in ended.err
    assert damaged("remove", "elevenlabs", "--account", "acme", "--yes").code == 5
