"""``add``, ``rotate``, ``remove``, ``get`` and ``history``, as the command table promises them (no terminal)."""

from __future__ import annotations

import re

import pytest
from program import Program

LIMITED, REJECTED, INDETERMINATE = "missing_permission", "invalid_key", "redirected"
MASKED = re.compile(r"\*{8}[\x21-\x7e]{4}")
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def actions(kojikey: Program) -> list[str]:
    return [event["action"] for event in kojikey("audit", "--json").results]


# add


@pytest.mark.parametrize("provider", ["google_gemini", "elevenlabs"])
def test_add_tests_the_key_and_saves_it(kojikey: Program, provider: str) -> None:
    key = kojikey.key(provider)
    ended = kojikey.add(provider, "ok", "--json")
    assert ended.code == 0
    assert (ended.result["action"], ended.result["version"]) == ("added", 1)
    assert ended.result["masked"] == "********" + key.key[-4:]
    assert (ended.result["test"]["outcome"], ended.result["test"]["reason"]) == ("valid", "ok")
    row = kojikey.listed(provider)
    assert (row["source"], row["billed_to"], row["base_url"]) == ("byok", "provider", key.base_url)
    assert row["last_test"]["outcome"] == "valid"
    assert actions(kojikey) == ["added"]


def test_add_where_a_key_is_names_rotate_and_changes_nothing(kojikey: Program) -> None:
    kojikey.added()
    before = kojikey.snapshot()
    ended = kojikey.add("elevenlabs", "ok_2", "--json")
    assert (ended.code, ended.error["code"]) == (6, "conflict")
    assert ended.error["hint"] == "kojikey rotate elevenlabs"
    assert kojikey.snapshot() == before


def test_add_of_another_account_is_another_key(kojikey: Program) -> None:
    kojikey.added()
    kojikey.added("elevenlabs", "ok_2", "--account", "acme")
    rows = kojikey("list", "--all-accounts", "--json").results
    assert [(row["account"], row["version"]) for row in rows] == [("acme", 1), ("default", 1)]


def test_add_says_what_it_did_and_what_comes_next(kojikey: Program) -> None:
    ended = kojikey.add()
    assert "valid" in ended.out
    assert "saved as version 1" in ended.out
    assert "kojikey list" in ended.out
    assert ended.err.startswith("kojikey: ")


@pytest.mark.parametrize(
    ("reason", "override", "code", "wrong"),
    [
        (LIMITED, "--allow-limited", 3, "--allow-unverified"),
        (INDETERMINATE, "--allow-unverified", 4, "--allow-limited"),
    ],
)
def test_add_without_anybody_to_ask_saves_only_what_an_option_allows(
    kojikey: Program, reason: str, override: str, code: int, wrong: str
) -> None:
    for more in ([], ["--no-input"], [wrong]):
        ended = kojikey.add("elevenlabs", reason, "--json", *more)
        assert (ended.code, ended.result["action"], ended.result["version"]) == (code, None, None)
        assert kojikey.listed()["source"] == "built_in"
    assert override in kojikey.add("elevenlabs", reason).out
    ended = kojikey.add("elevenlabs", reason, "--json", override)
    assert (ended.code, ended.result["action"], ended.result["test"]["reason"]) == (0, "added", reason)


def test_a_rejected_key_is_saved_by_nothing_but_no_test(kojikey: Program) -> None:
    for more in ([], ["--no-input"], ["--allow-limited", "--allow-unverified"]):
        ended = kojikey.add("elevenlabs", REJECTED, "--json", *more)
        assert (ended.code, ended.result["action"]) == (3, None)
    assert kojikey.listed()["source"] == "built_in"
    ended = kojikey.add("elevenlabs", REJECTED, "--json", "--no-test")
    assert (ended.code, ended.result["action"]) == (0, "added")
    assert "test" not in ended.result
    assert kojikey.listed()["last_test"] is None


def test_no_test_makes_no_request(kojikey: Program) -> None:
    before = kojikey.sandbox.request_count
    kojikey.added("elevenlabs", "ok", "--no-test")
    assert kojikey.sandbox.request_count == before


def test_add_keeps_what_its_options_say(kojikey: Program) -> None:
    options = ["--label", "night shift", "--expires", "2099-01-31", "--rotate-after", "30d"]
    options += ["--capability", "text_to_speech", "--capability", "voices_read"]
    ended = kojikey.add("elevenlabs", "ok", "--json", *options)
    assert ended.code == 0, ended.said
    row = kojikey.listed()
    assert (row["label"], row["rotate_after_days"]) == ("night shift", 30)
    assert row["expires_at"] == "2099-01-31T23:59:59Z"
    assert row["capabilities"] == ["text_to_speech", "voices_read"]
    names = {check["name"] for check in ended.result["test"]["checks"]}
    assert {"voices_read", "text_to_speech"} <= names


def test_add_tests_each_model_that_is_named(kojikey: Program) -> None:
    models = ["gemini-2.5-flash", "gemini-2.5-pro"]
    ended = kojikey.add("google_gemini", "ok", "--json", "--model", models[0], "--model", models[1])
    assert ended.code == 0, ended.said
    assert kojikey.listed("google_gemini")["models"] == models
    assert {f"model:{model}" for model in models} <= {check["name"] for check in ended.result["test"]["checks"]}


@pytest.mark.parametrize(("given", "kept"), [([], 90), (["--rotate-after", "never"], None)])
def test_a_rotation_is_due_after_ninety_days_unless_told_otherwise(
    kojikey: Program, given: list[str], kept: int | None
) -> None:
    kojikey.added("elevenlabs", "ok", *given)
    assert kojikey.listed()["rotate_after_days"] == kept


def test_a_key_that_expires_soon_is_due(kojikey: Program) -> None:
    kojikey.added("elevenlabs", "ok", "--expires", "3d")
    assert kojikey.listed()["rotation_due"] is True


@pytest.mark.parametrize(
    "options",
    [
        ["--expires", "soon"],
        ["--expires", "2026-13-45"],
        ["--expires", ""],
        ["--rotate-after", "90"],
        ["--rotate-after", "0d"],
        ["--rotate-after", "5h"],
        ["--timeout", "0"],
        ["--timeout", "-1"],
        ["--timeout", "nan"],
        ["--timeout", "inf"],
        ["--timeout", "ten"],
        ["--capability", "levitate"],
        ["--model", "../../etc/passwd"],
        ["--label", "two\nlines"],
        ["--label", "x" * 201],
        ["--base-url", "http://example.com"],
        ["--base-url", "ftp://127.0.0.1"],
        ["--base-url", "https://user:word@api.elevenlabs.io"],
        ["--base-url", "api.elevenlabs.io"],
        ["--from-env", "NOT_SET"],
        ["--from-file", "/there/is/no/such/file"],
        ["--account", "Not A Name"],
        ["--account", ""],
        ["--account", "-x"],
        ["--store", "nowhere"],
        ["--nonsense"],
        ["--label"],
        ["one", "more"],
    ],
    ids=" ".join,
)
def test_a_mistake_in_the_options_is_a_usage_error_and_sends_nothing(kojikey: Program, options: list[str]) -> None:
    before = kojikey.sandbox.request_count
    key = kojikey.key()
    source = [] if any(option.startswith("--from") for option in options) else ["--stdin"]
    base = [] if "--base-url" in options else ["--base-url", key.base_url]
    ended = kojikey("add", "elevenlabs", *source, *base, "--json", *options, stdin=key.key)
    assert (ended.code, ended.error["code"]) == (2, "usage"), ended.said
    assert kojikey.sandbox.request_count == before
    assert not kojikey.home.exists()


def test_a_key_comes_from_one_source(kojikey: Program, tmp_path: object) -> None:
    ended = kojikey("add", "elevenlabs", "--stdin", "--from-env", "X", "--json", stdin="x", X="y")
    assert (ended.code, ended.error["code"]) == (2, "usage")


def test_a_key_comes_from_a_variable(kojikey: Program) -> None:
    key = kojikey.key()
    ended = kojikey("add", "elevenlabs", "--from-env", "NEW_KEY", "--base-url", key.base_url, "--json", NEW_KEY=key.key)
    assert (ended.code, ended.result["masked"]) == (0, "********" + key.key[-4:])


def test_a_key_comes_from_a_file_and_one_that_others_can_read_is_warned_of(kojikey: Program) -> None:
    path = kojikey.home.parent / "new key"
    key = kojikey.key()
    path.write_text(key.key + "\n")
    for mode, warned in ((0o600, False), (0o644, True)):
        path.chmod(mode)
        ended = kojikey("test", "elevenlabs", "--from-file", str(path), "--base-url", key.base_url)
        assert ended.code == 0
        assert ("others can read" in ended.err) is warned


def test_without_a_terminal_and_a_source_the_ways_out_are_named(kojikey: Program) -> None:
    for command in ("add", "test"):
        ended = kojikey(command, "elevenlabs", "--json") if command == "add" else kojikey("add", "--json")
        assert (ended.code, ended.error["code"]) == (2, "usage")
    ended = kojikey("add", "elevenlabs", "--json")
    assert all(option in ended.error["hint"] for option in ("--stdin", "--from-env", "--from-file"))


# rotate


def test_rotate_stages_tests_and_promotes(kojikey: Program) -> None:
    first = kojikey.added()
    second = kojikey.key("elevenlabs", "ok_2")
    ended = kojikey.rotate("elevenlabs", "ok_2", "--json")
    assert ended.code == 0
    assert (ended.result["action"], ended.result["version"]) == ("rotated", 2)
    assert ended.result["test"]["outcome"] == "valid"
    row = kojikey.listed()
    assert (row["masked"][-4:], row["previous"]["masked"][-4:]) == (second.key[-4:], first.key[-4:])
    assert STAMP.fullmatch(row["rotated_at"])
    assert actions(kojikey) == ["added", "staged", "promoted"]


def test_rotate_without_a_key_names_add(kojikey: Program) -> None:
    ended = kojikey.rotate("elevenlabs", "ok_2", "--json")
    assert (ended.code, ended.error["code"], ended.error["hint"]) == (5, "not_found", "kojikey add elevenlabs")
    assert kojikey.sandbox.requests == ()


def test_a_rejected_key_is_discarded_and_the_one_in_use_stays(kojikey: Program) -> None:
    kojikey.added()
    for more in ([], ["--allow-limited", "--allow-unverified"]):
        ended = kojikey.rotate("elevenlabs", REJECTED, "--json", *more)
        assert (ended.code, ended.result["action"]) == (3, "aborted")
        row = kojikey.listed()
        assert (row["version"], row["staged"]) == (1, None)
    ended = kojikey.rotate("elevenlabs", REJECTED, "--json", "--no-test")
    assert (ended.code, ended.result["action"]) == (0, "rotated")


@pytest.mark.parametrize(
    ("reason", "override", "code"), [(LIMITED, "--allow-limited", 3), (INDETERMINATE, "--allow-unverified", 4)]
)
def test_what_is_not_plainly_valid_stays_staged_until_it_is_resumed_or_aborted(
    kojikey: Program, reason: str, override: str, code: int
) -> None:
    kojikey.added()
    ended = kojikey.rotate("elevenlabs", reason, "--json")
    assert (ended.code, ended.result["action"], ended.result["version"]) == (code, "staged", 2)
    row = kojikey.listed()
    assert (row["version"], row["staged"]["version"]) == (1, 2)

    again = kojikey.rotate("elevenlabs", "ok_2", "--json")
    assert (again.code, again.error["code"]) == (6, "conflict")
    assert "--resume" in again.error["hint"]
    assert "--abort" in again.error["hint"]

    assert kojikey("rotate", "elevenlabs", "--resume", "--json").code == code
    aborted = kojikey("rotate", "elevenlabs", "--abort", "--json")
    assert (aborted.code, aborted.result["action"]) == (0, "aborted")
    assert kojikey.listed()["staged"] is None

    allowed = kojikey.rotate("elevenlabs", reason, "--json", override)
    assert (allowed.code, allowed.result["action"]) == (0, "rotated")


def test_resume_promotes_what_has_become_valid(kojikey: Program) -> None:
    kojikey.added()
    kojikey.sandbox.fault("elevenlabs", "down")
    assert kojikey.rotate("elevenlabs", "ok_2", "--timeout", "1").code == 4
    kojikey.sandbox.mend()
    ended = kojikey("rotate", "elevenlabs", "--resume", "--json")
    assert (ended.code, ended.result["action"], kojikey.listed()["version"]) == (0, "rotated", 2)


@pytest.mark.parametrize("step", ["--resume", "--abort", "--rollback", "--retire"])
def test_a_step_without_what_it_is_about_is_not_found(kojikey: Program, step: str) -> None:
    ended = kojikey("rotate", "elevenlabs", step, "--json")
    assert (ended.code, ended.error["code"]) == (5, "not_found")
    kojikey.added()
    before = kojikey.snapshot()
    ended = kojikey("rotate", "elevenlabs", step, "--json")
    assert (ended.code, ended.error["code"]) == (5, "not_found")
    assert kojikey.snapshot() == before


def test_the_same_key_is_unchanged_and_makes_no_version(kojikey: Program) -> None:
    kojikey.added()
    before, events = kojikey.listed(), actions(kojikey)
    ended = kojikey.rotate("elevenlabs", "ok", "--json")
    assert (ended.code, ended.result["action"], ended.result["version"]) == (0, "unchanged", 1)
    assert (kojikey.listed(), actions(kojikey)) == (before, events)
    assert "unchanged" in kojikey.rotate("elevenlabs", "ok").out


def test_rollback_makes_the_previous_version_current_after_testing_it(kojikey: Program) -> None:
    first = kojikey.added()
    kojikey.rotate()
    kojikey.sandbox.forget()
    ended = kojikey("rotate", "elevenlabs", "--rollback", "--json")
    assert (ended.code, ended.result["action"], ended.result["version"]) == (0, "rolled_back", 1)
    assert kojikey.sandbox.requests
    row = kojikey.listed()
    assert (row["masked"][-4:], row["previous"]["version"]) == (first.key[-4:], 2)
    assert actions(kojikey)[-1] == "rolled_back"


def test_rollback_to_a_key_that_is_refused_changes_nothing(kojikey: Program) -> None:
    key = kojikey.sandbox.add_key("elevenlabs", "sk_" + "0badc0de" * 6)
    kojikey("add", "elevenlabs", "--stdin", "--base-url", key.base_url, stdin=key.key)
    kojikey.rotate()
    kojikey.sandbox.revoke(key)
    ended = kojikey("rotate", "elevenlabs", "--rollback", "--json")
    assert (ended.code, ended.result["action"], kojikey.listed()["version"]) == (3, None, 2)


def test_retire_drops_the_previous_version_once_the_provider_refuses_it(kojikey: Program) -> None:
    key = kojikey.sandbox.add_key("elevenlabs", "sk_" + "0badcafe" * 6)
    kojikey("add", "elevenlabs", "--stdin", "--base-url", key.base_url, stdin=key.key)
    kojikey.rotate()

    ended = kojikey("rotate", "elevenlabs", "--retire", "--json")
    assert (ended.code, ended.result["action"]) == (3, None)
    assert ended.result["test"]["outcome"] == "valid"
    assert "https://elevenlabs.io" in kojikey("rotate", "elevenlabs", "--retire").out
    assert kojikey.listed()["previous"] is not None

    kojikey.sandbox.fault("elevenlabs", "down")
    ended = kojikey("rotate", "elevenlabs", "--retire", "--json", "--timeout", "1")
    assert (ended.code, ended.result["action"]) == (4, None)
    assert kojikey.listed()["previous"] is not None

    kojikey.sandbox.mend()
    kojikey.sandbox.revoke(key)
    ended = kojikey("rotate", "elevenlabs", "--retire", "--json")
    assert (ended.code, ended.result["action"]) == (0, "retired")
    assert kojikey.listed()["previous"] is None
    assert actions(kojikey)[-1] == "retired"


def test_one_step_at_a_time_and_no_key_with_it(kojikey: Program) -> None:
    kojikey.added()
    before = kojikey.snapshot()
    for options in (["--resume", "--abort"], ["--rollback", "--stdin"], ["--retire", "--no-test"]):
        ended = kojikey("rotate", "elevenlabs", *options, "--json")
        assert (ended.code, ended.error["code"]) == (2, "usage")
    assert kojikey.snapshot() == before


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


def test_remove_has_a_document(kojikey: Program) -> None:
    kojikey.added()
    ended = kojikey("remove", "elevenlabs", "-y", "--json")
    assert ended.result["action"] == "removed"
    assert MASKED.fullmatch(ended.result["masked"])
    assert ended.result["version"] == 1


def test_remove_without_anybody_to_ask_needs_yes(kojikey: Program) -> None:
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
