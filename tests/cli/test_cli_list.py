"""``kojikey list``: filters, order, totals and CSV, from the records alone."""

from __future__ import annotations

import csv
import io
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from kojikey.model.timestamps import stamp
from support.program import Program


@pytest.fixture
def varied(kojikey: Program) -> Program:
    """Return a program whose store has a key of each kind, in an account that is named for it."""
    soon = stamp(datetime.now(UTC) + timedelta(days=10))
    kinds = {
        "valid": ("ok",),
        "limited": ("missing_permission", "--allow-limited"),
        "rejected": ("invalid_key", "--no-test"),
        "untested": ("ok_2", "--no-test"),
        "expired": ("ok", "--expires", "2026-01-01"),
        "expiring": ("ok", "--expires", soon),
        "never": ("ok", "--expires", soon, "--rotate-after", "never"),
    }
    for account, (name, *more) in kinds.items():
        assert kojikey.add("elevenlabs", name, "--account", account, *more).code == 0
    assert kojikey("test", "--account", "rejected").code == 3
    kojikey.added("google_gemini", "ok", "--account", "valid")
    return kojikey


def accounts(kojikey: Program, *options: str) -> list[str]:
    ended = kojikey("list", "--all-accounts", *options, "--json", KOJIKEY_KEK=None)
    assert ended.code == 0, ended.said
    return [row["account"] for row in ended.results]


def test_failing_keys_are_those_that_were_refused_or_have_expired(varied: Program) -> None:
    assert accounts(varied, "--failing") == ["expired", "limited", "rejected"]


def test_due_keys_are_those_that_a_rotation_for_cron_would_take(varied: Program) -> None:
    assert accounts(varied, "--due") == ["expired", "expiring"]
    varied("account", "disable", "expiring")
    assert accounts(varied, "--due") == ["expired"]


def test_members_filters_totals_and_rotation_agree_on_the_keys_that_are_due(varied: Program) -> None:
    varied("account", "disable", "expired")
    due = ["expiring"]
    rows = varied("list", "--all-accounts", "--json", KOJIKEY_KEK=None)
    assert [row["account"] for row in rows.results if row["rotation_due"]] == due
    assert rows.document["summary"]["due"] == len(due)
    assert accounts(varied, "--due") == due
    cells = csv.DictReader(io.StringIO(varied("list", "--all-accounts", "--csv").out))
    assert [row["account"] for row in cells if row["rotation_due"] == "true"] == due
    table = varied("list", "--all-accounts").out.splitlines()[:-1]
    assert [line.split()[0] for line in table if "rotation due" in line] == due
    reported = varied("rotate", "--due", "--all-accounts", "--json")
    assert [row["account"] for row in reported.results] == due


def test_filters_add_up(varied: Program) -> None:
    assert accounts(varied, "--outcome", "untested") == ["untested"]
    assert accounts(varied, "--outcome", "valid", "--failing") == ["expired"]
    assert accounts(varied, "--outcome", "valid", "--due", "elevenlabs") == ["expired", "expiring"]
    assert accounts(varied, "--outcome", "rejected", "--due") == []
    one = varied("list", "--failing", "--account", "valid", "--json")
    assert (one.code, one.results) == (0, [])
    assert "no key matches these filters" in varied("list", "--failing", "--account", "valid").err


def test_rows_are_in_the_order_of_the_option(varied: Program) -> None:
    created = varied("history", "elevenlabs", "--account", "never", "--json").results[0]["created_at"]
    with sqlite3.connect(varied.home / "keys.db") as database:
        older = "UPDATE keys SET document = replace(document, ?, '2026-02-01T00:00:00Z') WHERE account = 'never'"
        database.execute(older, (created,))
    everyone = sorted(["expired", "expiring", "limited", "never", "rejected", "untested", "valid", "valid"])
    assert accounts(varied, "--sort", "account") == everyone
    assert accounts(varied, "--sort", "tested")[0] == "untested"
    providers = [row["provider"] for row in varied("list", "--all-accounts", "--sort", "provider", "--json").results]
    assert providers == ["elevenlabs"] * 7 + ["google_gemini"]
    ages = [row["age_days"] for row in varied("list", "--all-accounts", "--sort", "age", "--json").results]
    assert ages[0] > ages[1]
    assert ages == sorted(ages, reverse=True)
    assert accounts(varied, "--sort", "age")[0] == "never"


def test_totals_are_a_line_for_people_and_a_summary_for_programs(varied: Program) -> None:
    ended = varied("list", "--all-accounts")
    total = "8 keys of 7 accounts: 5 valid, 1 limited, 1 rejected, 1 untested, 2 due for rotation"
    assert ended.out.splitlines()[-1] == total
    assert varied("list", "--all-accounts", "--json").document["summary"] == {
        "keys": 8, "accounts": 7, "valid": 5, "limited": 1, "rejected": 1, "indeterminate": 0, "untested": 1, "due": 2,
    }  # fmt: skip
    assert varied("list", "--account", "valid").out.splitlines()[-1] == "2 keys: 2 valid"
    assert varied("list", "--account", "nobody").out.splitlines()[-1] == "0 keys"


def test_for_an_account_without_a_key_the_command_that_adds_one_is_suggested(varied: Program) -> None:
    assert "kojikey add PROVIDER --account nobody adds one" in varied("list", "--account", "nobody").err
    assert varied("list", "--account", "nobody", "--quiet").err == varied("list", "--account", "valid").err == ""


def test_a_date_of_expiry_that_has_passed_is_in_the_past(varied: Program) -> None:
    assert "expired 2026-01-01" in varied("list", "--account", "expired").out
    assert " expires 20" in varied("list", "--account", "expiring").out


def test_csv_has_one_header_line_and_the_fields_of_json(varied: Program) -> None:
    varied.rotate("elevenlabs", "ok_2", "--account", "valid")
    ended = varied("list", "--all-accounts", "--csv", KOJIKEY_KEK=None)
    rows = list(csv.DictReader(io.StringIO(ended.out)))
    documents = varied("list", "--all-accounts", "--json").results
    assert (ended.code, len(rows)) == (0, len(documents))
    for row, document in zip(rows, documents, strict=True):
        assert row["masked"] == document["masked"]
        assert row["last_test_outcome"] == ((document["last_test"] or {}).get("outcome") or "")
        assert row["previous_version"] == str((document["previous"] or {}).get("version", ""))
        assert row["rotation_due"] == str(document["rotation_due"]).lower()
    only_header = varied("list", "--all-accounts", "--outcome", "indeterminate", "--csv")
    assert only_header.out == ended.out.splitlines()[0] + "\n"


@pytest.mark.parametrize("label", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("https://x.example","a, b")'])
def test_a_cell_that_a_spreadsheet_would_run_gets_a_leading_quote(kojikey: Program, label: str) -> None:
    kojikey.added("elevenlabs", "ok", f"--label={label}")
    (row,) = csv.DictReader(io.StringIO(kojikey("list", "elevenlabs", "--csv").out))
    assert row["label"] == f"'{label}"


@pytest.mark.parametrize("options", ["--csv --json", "--outcome good", "--sort size"])
def test_an_unknown_value_of_an_option_is_refused(kojikey: Program, options: str) -> None:
    kojikey.added()
    ended = kojikey("list", *options.split())
    assert ended.code == 2
    assert "kojikey list" in ended.err


def test_a_record_that_was_changed_from_outside_is_named_and_the_others_are_listed(kojikey: Program) -> None:
    kojikey.added("elevenlabs")
    kojikey.added("google_gemini")
    with sqlite3.connect(kojikey.home / "keys.db") as database:
        database.execute("UPDATE keys SET document = '{}' WHERE provider = 'elevenlabs'")
    ended = kojikey("list", "--json")
    assert (ended.code, [row["provider"] for row in ended.results]) == (8, ["google_gemini"])
    assert "elevenlabs" in ended.error["message"]
    assert kojikey("list", "--csv").code == 8
