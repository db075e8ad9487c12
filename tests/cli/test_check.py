"""``kojikey check``: from the store alone, with the reason for each provider."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from kojikey.model.errors import AccountNotFound
from kojikey.model.secret import Secret
from kojikey.model.timestamps import parsed, stamp
from kojikey.model.verdict import Reason
from kojikey.operations.adding import NewKey
from kojikey.operations.checking import Limits, Problem, Wanted, check
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.probing import Target
from support.program import Program
from support.rotation import add
from support.sample_store import MOMENTS, FakeTester, SampleStore

NOW = parsed(MOMENTS[0]) + timedelta(days=10)


@pytest.fixture
def sample_store() -> SampleStore:
    return SampleStore.in_memory()


def lacks(
    sample_store: SampleStore, reason: Reason | None, limits: Limits, *, now: datetime = NOW, **settings: str
) -> list[Problem]:
    test = FakeTester(reason) if reason else None
    new = NewKey("acme", Target("elevenlabs", "https://x.example"), Secret("sk_" + "0" * 48), KeySettings(**settings))  # type: ignore[arg-type]
    add(sample_store.open_store(), new, test=test, approve=lambda _: True)
    (found,) = check(sample_store.open_store(), Wanted(["elevenlabs"], limits, now), account="acme")
    assert found.is_met is (not found.problems)
    return list(found.problems)


def test_a_missing_key_is_reported(sample_store: SampleStore) -> None:
    assert lacks(sample_store, None, Limits()) == []
    (found,) = check(sample_store.open_store(), Wanted(["google_gemini"], Limits(), NOW), account="acme")
    assert (found.problems, found.key) == ((Problem.NO_KEY,), None)


def test_an_account_that_does_not_exist_differs_from_one_without_a_key(sample_store: SampleStore) -> None:
    with pytest.raises(AccountNotFound):
        check(sample_store.open_store(), Wanted(["elevenlabs"], Limits(), NOW), account="acmee")


def test_all_accounts_are_checked_for_each_required_key(kojikey: Program) -> None:
    kojikey.added("elevenlabs", "ok", "--account", "acme")
    kojikey.added("google_gemini", "ok", "--account", "acme")
    kojikey.added("elevenlabs")
    required = ("check", "--all-accounts", "--require", "elevenlabs,google_gemini", "--max-age", "90d")
    ended = kojikey(*required, "--tested-within", "7d", "--json", KOJIKEY_KEK=None)
    assert ended.code == 3
    assert [(row["account"], row["provider"], row["met"]) for row in ended.results] == [
        ("acme", "elevenlabs", True),
        ("acme", "google_gemini", True),
        ("default", "elevenlabs", True),
        ("default", "google_gemini", False),
    ]
    assert ended.results[3]["next"] == "kojikey add google_gemini"
    assert ended.document["summary"] == {"required": 4, "met": 3}
    told = kojikey(*required).out.splitlines()
    assert told == [
        "google_gemini: no key for account default; kojikey add google_gemini",
        "3 of 4 required keys are available",
    ]
    assert kojikey(*required, "--account", "acme").code == 2


def test_checking_all_accounts_of_an_empty_store_is_exit_5(kojikey: Program) -> None:
    kojikey("store", "init", "--kek", "env")
    ended = kojikey("check", "--all-accounts", "--require", "elevenlabs", "--json")
    assert (ended.code, ended.error["message"]) == (5, "there is no account in this store")


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (None, []),
        (Reason.OK, []),
        (Reason.MISSING_PERMISSION, [Problem.LIMITED]),
        (Reason.TIMEOUT, []),
    ],
)
def test_the_outcome_of_the_last_test_counts(
    sample_store: SampleStore, reason: Reason | None, expected: list[Problem]
) -> None:
    assert lacks(sample_store, reason, Limits()) == expected


@pytest.mark.parametrize(
    ("reason", "within", "expected"),
    [
        (Reason.OK, 11, []),
        (Reason.OK, 9, [Problem.TESTED_TOO_LONG_AGO]),
        (None, 11, [Problem.NEVER_TESTED]),
        (Reason.TIMEOUT, 11, [Problem.NEVER_TESTED]),
    ],
)
def test_an_indeterminate_test_does_not_count(
    sample_store: SampleStore, reason: Reason | None, within: int, expected: list[Problem]
) -> None:
    assert lacks(sample_store, reason, Limits(tested_within=timedelta(days=within))) == expected


def test_an_old_key_and_an_expired_one_are_reported(sample_store: SampleStore) -> None:
    later = datetime.now(UTC) + timedelta(days=91)
    demands = Limits(max_age=timedelta(days=90))
    assert lacks(sample_store, Reason.OK, demands, now=later, expires_at="2026-11-24T00:00:00Z") == [
        Problem.EXPIRED,
        Problem.TOO_OLD,
    ]


def test_at_the_very_limit_a_key_is_expired_but_not_too_old(sample_store: SampleStore) -> None:
    assert lacks(sample_store, Reason.OK, Limits(), expires_at=stamp(NOW)) == [Problem.EXPIRED]
    key = sample_store.key("acme", "elevenlabs")
    assert key is not None
    limit = parsed(key.created_at) + timedelta(days=90)
    for later, expected in ((timedelta(0), []), (timedelta(seconds=1), [Problem.TOO_OLD])):
        limits = Limits(max_age=timedelta(days=90))
        open_store = sample_store.open_store()
        (found,) = check(open_store, Wanted(["elevenlabs"], limits, limit + later), account="acme")
        assert [lack for lack in found.problems if lack is not Problem.EXPIRED] == expected


def test_missing_keys_are_reported_without_a_request_or_a_kek(kojikey: Program) -> None:
    kojikey.added("elevenlabs")
    requests = kojikey.sandbox.request_count
    ended = kojikey("check", "--require", "elevenlabs,google_gemini", "--json", KOJIKEY_KEK=None)
    assert ended.code == 3
    assert [(r["provider"], r["met"], r["reasons"]) for r in ended.results] == [
        ("elevenlabs", True, []),
        ("google_gemini", False, ["no_key"]),
    ]
    assert ended.results[1]["next"] == "kojikey add google_gemini"
    assert kojikey.sandbox.request_count == requests


def test_a_job_with_all_required_keys_is_exit_0(kojikey: Program) -> None:
    kojikey.added("elevenlabs")
    ended = kojikey("check", "--require", "elevenlabs", "--max-age", "90d", "--tested-within", "7d")
    assert ended.code == 0
    assert ended.out.startswith("elevenlabs: ")


def test_a_rejected_key_fails_the_job_with_a_sentence(kojikey: Program) -> None:
    kojikey.add("google_gemini", "invalid_key", "--no-test")
    assert kojikey("check", "--require", "google_gemini").code == 0
    kojikey("test", "google_gemini")
    ended = kojikey("check", "--require", "google_gemini")
    assert ended.code == 3
    assert "rejected" in ended.out
    assert "kojikey rotate google_gemini" in ended.out


@pytest.mark.parametrize("options", [(), ("--require", ""), ("--require", "nobody"), ("--require", "elevenlabs,")])
def test_a_malformed_requirement_is_refused(kojikey: Program, options: tuple[str, ...]) -> None:
    assert kojikey("check", *options).code == 2


def test_accounts_are_sorted_by_name_and_a_damaged_record_does_not_count_as_a_missing_key(
    kojikey: Program,
) -> None:
    for account in ("d", "a", "c", "e", "b"):
        kojikey.added("google_gemini" if account in "ce" else "elevenlabs", "ok", "--account", account)
    kojikey.added("elevenlabs", "ok", "--account", "f")
    with sqlite3.connect(kojikey.home / "keys.db") as database:
        database.execute("UPDATE keys SET document = '{}' WHERE account = 'd'")
        database.execute("DELETE FROM accounts WHERE account = 'f'")
    kojikey("account", "disable", "b")
    ended = kojikey("check", "--all-accounts", "--require", "elevenlabs", "--json", KOJIKEY_KEK=None)
    assert [(row["account"], row["reasons"]) for row in ended.results] == [
        ("a", []), ("b", ["disabled"]), ("c", ["no_key"]), ("e", ["no_key"]), ("f", []),
    ]  # fmt: skip
    assert ended.document["summary"] == {"required": 5, "met": 2}
    assert "d/elevenlabs" in ended.error["message"]
    assert ended.code == 3
