"""A suggested command, typed as it stands, works on the same account and store."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from support.program import Ended, Program

ACME = ("--account", "acme")


@pytest.fixture
def elsewhere(kojikey: Program, tmp_path: Path) -> str:
    """Return the URL of a store that the shell has to be given in quotes."""
    url = f"sqlite://{tmp_path}/another store.db"
    assert kojikey("store", "init", url, "--kek", "env").code == 0
    return url


def test_the_hint_of_remove_names_its_account(kojikey: Program) -> None:
    kojikey.added()
    kojikey.added("elevenlabs", "ok_2", *ACME)
    hint = kojikey("remove", "elevenlabs", "-aacme", "--json").error["hint"]
    assert hint == "kojikey remove elevenlabs --account acme --yes"
    assert kojikey(*shlex.split(hint)[1:]).code == 0
    assert [row["account"] for row in kojikey("list", "--all-accounts", "--json").results] == ["default"]


def test_a_suggested_command_names_the_chosen_store(kojikey: Program, elsewhere: str) -> None:
    ended = kojikey("rotate", "elevenlabs", "--store", elsewhere, *ACME, "--json")
    assert ended.code == 5
    words = shlex.split(ended.error["hint"])
    assert words[:3] == ["kojikey", "add", "elevenlabs"]
    assert words[words.index("--store") + 1] == elsewhere
    assert words[words.index("--account") + 1] == "acme"


def test_the_default_account_and_store_are_not_named(kojikey: Program) -> None:
    assert kojikey("rotate", "google_gemini", "--json").error["hint"] == "kojikey add google_gemini"
    assert "kojikey run -- CMD" in kojikey.add().out
    assert "--account" not in kojikey("rotate", "elevenlabs", "--resume").said


def test_an_account_of_the_environment_or_the_file_is_named(kojikey: Program) -> None:
    hint = "kojikey add elevenlabs --account acme"
    assert kojikey("rotate", "elevenlabs", "--json", KOJIKEY_ACCOUNT="acme").error["hint"] == hint
    (kojikey.home).mkdir(mode=0o700)
    (kojikey.home / "config.toml").write_text('account = "acme"\n')
    assert kojikey("rotate", "elevenlabs", "--json").error["hint"] == hint
    back = kojikey("rotate", "elevenlabs", "-a", "default", "--json").error["hint"]
    assert back == "kojikey add elevenlabs --account default"


@pytest.mark.parametrize(
    ("words", "suggested"),
    [
        (["get", "elevenlabs"], "kojikey run --account acme -p elevenlabs -- CMD"),
        (["add", "google_gemini", "--no-test", "--stdin"], "not tested: kojikey test google_gemini --account acme"),
        (["add", "google_gemini", "--no-test", "--stdin"], "kojikey run --account acme -- CMD"),
        (["rotate", "elevenlabs", "--stdin", "--no-test"], "undo: kojikey rotate elevenlabs --account acme --rollback"),
        (["add", "elevenlabs", "--stdin"], "kojikey rotate elevenlabs --account acme"),
        (["check", "--require", "google_gemini"], "kojikey add google_gemini --account acme"),
        (["doctor"], "kojikey test --account acme --all"),
    ],
    ids=" ".join,
)
def test_every_suggested_command_names_the_account(kojikey: Program, words: list[str], suggested: str) -> None:
    kojikey.added("elevenlabs", "ok", *ACME)
    provider = "google_gemini" if "google_gemini" in words else "elevenlabs"
    ended = kojikey(*words, *ACME, stdin=kojikey.key(provider, "ok_2").key)
    assert suggested in ended.said


def test_the_hints_to_resume_and_to_abort_name_the_account(kojikey: Program) -> None:
    kojikey.added("elevenlabs", "ok", *ACME)
    assert kojikey.rotate("elevenlabs", "missing_permission", *ACME).code == 3
    hint = kojikey.rotate("elevenlabs", "ok_2", *ACME, "--json").error["hint"]
    again = "kojikey rotate elevenlabs --account acme"
    assert hint == f"finish it with {again} --resume, or discard it with {again} --abort"


def test_the_fixes_of_doctor_name_the_store(kojikey: Program, elsewhere: str) -> None:
    key = kojikey.key()
    assert kojikey("add", "elevenlabs", "--no-test", "--stdin", "-s", elsewhere, stdin=key.key).code == 0
    mends = [row["mend"] for row in kojikey("doctor", "-s", elsewhere, "--json").results if row["mend"]]
    (mend,) = [mend for mend in mends if mend.startswith("kojikey test")]
    assert shlex.split(mend) == ["kojikey", "test", "elevenlabs", "--store", elsewhere]


def test_a_store_that_cannot_be_used_is_not_suggested(kojikey: Program) -> None:
    url = "postgresql://koji:hunter2@db.example/koji"
    for words in (["list", "-s", url], ["store", "rekey", "-s", url], ["add", "-s", url]):
        ended = kojikey(*words, "--json")
        assert (ended.code, "hunter2" in ended.said) == (2, False)
    assert "nowhere" not in kojikey("add", "-s", "nowhere", "--json").error["hint"]


def test_commands_that_take_neither_stay_as_they_are(kojikey: Program) -> None:
    unknown = kojikey("get", "nonsense_ai", "--reveal", *ACME, "--json").error["hint"]
    assert unknown.startswith("kojikey providers lists them: ")
    assert "acme" not in unknown
    assert kojikey("rotate", *ACME, "--json").error["hint"] == "kojikey rotate PROVIDER --account acme"


@pytest.mark.parametrize(
    ("words", "store", "hint"),
    [
        ("store use team", "", "kojikey store init URL --name NAME --kek SOURCE"),
        ("list", "team", "kojikey store init URL --name NAME --kek SOURCE"),
        ("store use sqlite:///srv/x.db", "", "give it a name first: kojikey config set stores.NAME.url URL"),
        ("test --base-url https://example.org", "", "kojikey test PROVIDER --stdin --base-url URL"),
    ],
)
def test_a_store_of_the_environment_takes_no_word_from_a_hint_about_another_one(
    kojikey: Program, elsewhere: str, words: str, store: str, hint: str
) -> None:
    assert kojikey(*words.split(), "--json", KOJIKEY_STORE=store or elsewhere).error["hint"] == hint


# what a verdict suggests


def hint_of(ended: Ended) -> str:
    """Return the hint of the one verdict, which people see too."""
    found: str = (ended.result.get("test") or ended.result)["hint"]
    return found


def test_for_a_refused_key_that_is_not_saved_add_is_suggested(kojikey: Program) -> None:
    key = kojikey.key("elevenlabs", "invalid_key")
    unsaved = ("test", "elevenlabs", "--stdin", "--base-url", key.base_url)
    assert "kojikey add elevenlabs" in hint_of(kojikey.add("elevenlabs", "invalid_key", "--json"))
    assert "kojikey add elevenlabs" in kojikey.add("elevenlabs", "invalid_key").out
    assert "kojikey add elevenlabs" in hint_of(kojikey(*unsaved, "--json", stdin=key.key))
    kojikey.added()
    assert "kojikey rotate elevenlabs" in hint_of(kojikey(*unsaved, "--json", stdin=key.key))
    other = hint_of(kojikey(*unsaved, *ACME, "--json", stdin=key.key))
    assert "kojikey add elevenlabs --account acme" in other
    assert "kojikey rotate elevenlabs" in hint_of(kojikey.rotate("elevenlabs", "invalid_key", "--json"))


def test_for_a_key_that_could_not_be_judged_the_command_that_tests_it_again_is_suggested(kojikey: Program) -> None:
    key = kojikey.key("elevenlabs", "ok_2")
    kojikey.sandbox.fault("elevenlabs", "down")
    brief = ("--timeout", "1", "--json")
    assert "the same command tries again" in hint_of(kojikey.add("elevenlabs", "ok", *brief))
    unsaved = ("test", "elevenlabs", "--stdin", "--base-url", key.base_url, *brief)
    assert "the same command tries again" in hint_of(kojikey(*unsaved, stdin=key.key))
    saved = kojikey.add("elevenlabs", "ok", "--allow-unverified", *ACME, *brief)
    assert "kojikey test elevenlabs --account acme tries again" in hint_of(saved)
    staged = kojikey.rotate("elevenlabs", "ok_2", *ACME, *brief)
    assert staged.result["action"] == "staged"
    assert "kojikey rotate elevenlabs --account acme --resume tries again" in hint_of(staged)


def test_no_replacement_is_suggested_for_a_retired_key(kojikey: Program) -> None:
    key = kojikey.sandbox.add_key("elevenlabs", "sk_" + "0badcafe" * 6)
    kojikey("add", "elevenlabs", "--stdin", "--base-url", key.base_url, stdin=key.key)
    kojikey.rotate()
    kojikey.sandbox.revoke(key)
    ended = kojikey("rotate", "elevenlabs", "--retire", "--json")
    assert (ended.code, hint_of(ended)) == (0, "")
