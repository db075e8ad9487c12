"""``add``, as the command table promises it (no terminal): which keys are saved, and where a key is read from."""

from __future__ import annotations

import pytest

from kojikey.stores.base import Stored
from kojikey.stores.sqlite.store import SqliteStore
from support.program import Program
from support.saving import INDETERMINATE, LIMITED, REJECTED, actions


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


def test_add_reports_an_existing_key_in_a_sentence(kojikey: Program) -> None:
    kojikey.added()
    assert "account default has a key at elevenlabs already" in kojikey.add().err


def test_add_for_an_existing_key_names_rotate_and_changes_nothing(kojikey: Program) -> None:
    kojikey.added()
    before = kojikey.snapshot()
    ended = kojikey.add("elevenlabs", "ok_2", "--json")
    assert (ended.code, ended.error["code"]) == (6, "conflict")
    assert ended.error["hint"] == (
        "kojikey rotate elevenlabs replaces it; for another project or stage: kojikey add elevenlabs --account NAME"
    )
    assert kojikey.snapshot() == before


def test_add_of_another_account_is_another_key(kojikey: Program) -> None:
    kojikey.added()
    kojikey.added("elevenlabs", "ok_2", "--account", "acme")
    rows = kojikey("list", "--all-accounts", "--json").results
    assert [(row["account"], row["version"]) for row in rows] == [("acme", 1), ("default", 1)]


def test_add_prints_what_it_did_and_the_next_commands(kojikey: Program) -> None:
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
def test_add_without_questions_saves_only_what_an_option_allows(
    kojikey: Program, reason: str, override: str, code: int, wrong: str
) -> None:
    for more in ([], ["--no-input"], [wrong]):
        ended = kojikey.add("elevenlabs", reason, "--json", *more)
        assert (ended.code, ended.result["action"], ended.result["version"]) == (code, None, None)
        assert kojikey.listed()["source"] == "built_in"
    assert override in kojikey.add("elevenlabs", reason).out
    ended = kojikey.add("elevenlabs", reason, "--json", override)
    assert (ended.code, ended.result["action"], ended.result["test"]["reason"]) == (0, "added", reason)


def test_only_no_test_saves_a_rejected_key(kojikey: Program) -> None:
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


def test_add_saves_the_settings_of_its_options(kojikey: Program) -> None:
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
def test_a_rotation_is_due_after_ninety_days_unless_set_otherwise(
    kojikey: Program, given: list[str], kept: int | None
) -> None:
    kojikey.added("elevenlabs", "ok", *given)
    assert kojikey.listed()["rotate_after_days"] == kept


def test_an_expiry_in_the_past_is_saved_with_a_warning(kojikey: Program) -> None:
    ended = kojikey.add("elevenlabs", "ok", "--expires", "2024-01-31", "--json")
    assert ended.code == 0
    assert "2024-01-31T23:59:59Z has passed: the key will count as expired" in ended.err
    assert kojikey.listed()["rotation_due"] is True
    assert kojikey("check", "--require", "elevenlabs", "--json").result["reasons"] == ["expired"]


def test_a_key_that_expires_soon_is_due(kojikey: Program) -> None:
    kojikey.added("elevenlabs", "ok", "--expires", "3d")
    assert kojikey.listed()["rotation_due"] is True


@pytest.mark.parametrize(
    "options",
    [
        ["--expires", "soon"],
        ["--expires", "2026-13-45"],
        ["--expires", ""],
        ["--expires", "0027-01-31"],
        ["--expires", "9999-12-31T23:59:59-12:00"],
        ["--expires", "0001-01-01T00:00:00+14:00"],
        ["--expires", "999999w"],
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


def test_a_key_comes_from_a_file_with_a_warning_if_others_can_read_it(kojikey: Program) -> None:
    path = kojikey.home.parent / "new key"
    key = kojikey.key()
    path.write_text(key.key + "\n")
    for mode, warned in ((0o600, False), (0o644, True)):
        path.chmod(mode)
        ended = kojikey("test", "elevenlabs", "--from-file", str(path), "--base-url", key.base_url)
        assert ended.code == 0
        assert ("others can read" in ended.err) is warned


def test_without_a_terminal_and_a_source_the_options_for_a_key_are_named(kojikey: Program) -> None:
    for command in ("add", "test"):
        ended = kojikey(command, "elevenlabs", "--json") if command == "add" else kojikey("add", "--json")
        assert (ended.code, ended.error["code"]) == (2, "usage")
    ended = kojikey("add", "elevenlabs", "--json")
    assert all(option in ended.error["hint"] for option in ("--stdin", "--from-env", "--from-file"))


def test_the_store_is_opened_once(kojikey: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    kojikey.added("elevenlabs")
    opened: list[SqliteStore] = []
    open_store = SqliteStore._open

    def counted(store: SqliteStore) -> Stored:
        opened.append(store)
        return open_store(store)

    monkeypatch.setattr(SqliteStore, "_open", counted)
    kojikey.added("google_gemini")
    assert len(opened) == 1


@pytest.mark.parametrize("name", ["GEMINI_API_KEY", "KEY", "A_1"])
def test_a_variable_that_is_not_set_is_named(kojikey: Program, name: str) -> None:
    ended = kojikey("add", "elevenlabs", "--from-env", name, "--json")
    assert (ended.code, ended.error["message"]) == (2, f"the variable {name} is not set; nothing was changed")
    assert "forks and bots get no secrets" in ended.error["hint"]


@pytest.mark.parametrize("name", ["hunter2", "AKIAIOSFODNN7EXAMPLE", "Zq3f", "", "X" * 40])
def test_a_possible_key_instead_of_a_variables_name_is_not_repeated(kojikey: Program, name: str) -> None:
    ended = kojikey("add", "elevenlabs", "--from-env", name, "--json")
    assert (ended.code, not name or name not in ended.said) == (2, True)
