"""``rotate`` and its steps, as the command table promises them (no terminal): only a good key replaces another."""

from __future__ import annotations

import pytest

from support.program import Program
from support.saving import INDETERMINATE, LIMITED, REJECTED, STAMP, actions


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
def test_a_key_that_is_not_valid_stays_staged_until_it_is_resumed_or_aborted(
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


def test_resume_promotes_a_key_that_has_become_valid(kojikey: Program) -> None:
    kojikey.added()
    kojikey.sandbox.fault("elevenlabs", "down")
    assert kojikey.rotate("elevenlabs", "ok_2", "--timeout", "1").code == 4
    kojikey.sandbox.mend()
    ended = kojikey("rotate", "elevenlabs", "--resume", "--json")
    assert (ended.code, ended.result["action"], kojikey.listed()["version"]) == (0, "rotated", 2)


def test_a_previous_key_that_is_still_accepted_is_shown_as_a_failure(kojikey: Program) -> None:
    kojikey.added()
    kojikey.rotate()
    ended = kojikey("rotate", "elevenlabs", "--retire")
    first = ended.out.splitlines()[0]
    assert (ended.code, first[0]) == (3, "✗")
    assert "the provider still accepts it" in first
    assert "valid" not in ended.out
    assert "https://elevenlabs.io" in ended.out


def test_a_previous_key_that_is_no_longer_accepted_is_shown_as_a_success(kojikey: Program) -> None:
    key = kojikey.sandbox.add_key("elevenlabs", "sk_" + "0badcafe" * 6)
    kojikey("add", "elevenlabs", "--stdin", "--base-url", key.base_url, stdin=key.key)
    kojikey.rotate()
    kojikey.sandbox.revoke(key)
    ended = kojikey("rotate", "elevenlabs", "--retire")
    assert (ended.code, ended.out[0]) == (0, "✓")
    assert "rejected" not in ended.out


def test_retire_by_force_drops_a_key_that_is_still_accepted_and_says_where_to_revoke_it(kojikey: Program) -> None:
    kojikey.added()
    kojikey.rotate()
    ended = kojikey("rotate", "elevenlabs", "--retire", "--force")
    assert (ended.code, ended.out[0]) == (0, "!")
    assert "revoke it at https://elevenlabs.io" in ended.out
    assert kojikey("rotate", "elevenlabs", "--retire", "--force").code == 5
    kojikey.rotate("elevenlabs", "ok")
    kojikey.sandbox.fault("elevenlabs", "down")
    down = kojikey("rotate", "elevenlabs", "--retire", "--force", "--timeout", "1", "--json")
    assert (down.code, down.result["action"]) == (0, "retired")


@pytest.mark.parametrize("step", ["--resume", "--abort", "--rollback", "--retire"])
def test_a_step_without_its_version_is_exit_5(kojikey: Program, step: str) -> None:
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


def test_settings_with_the_same_key_are_reported_as_unchanged(kojikey: Program) -> None:
    kojikey.added("elevenlabs", "ok", "--label", "before")
    ended = kojikey.rotate("elevenlabs", "ok", "--label", "after", "--expires", "90d", "-q")
    assert (ended.code, "--label, --expires changed nothing" in ended.err) == (0, True)
    assert kojikey.listed()["label"] == "before"
    assert "changed nothing" not in kojikey.rotate("elevenlabs", "ok").said


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


def test_rollback_brings_the_expiry_of_the_key_back_and_leaves_the_label(kojikey: Program) -> None:
    kojikey.added("elevenlabs", "ok", "--label", "one", "--expires", "30d")
    before = kojikey.listed()
    assert kojikey.rotate("elevenlabs", "ok_2", "--label", "two", "--expires", "60d").code == 0
    assert kojikey("rotate", "elevenlabs", "--rollback").code == 0
    after = kojikey.listed()
    assert (after["label"], after["expires_at"]) == ("two", before["expires_at"])


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


def test_a_step_excludes_other_steps_and_a_key(kojikey: Program) -> None:
    kojikey.added()
    before = kojikey.snapshot()
    for options in (["--resume", "--abort"], ["--rollback", "--stdin"], ["--retire", "--no-test"]):
        ended = kojikey("rotate", "elevenlabs", *options, "--json")
        assert (ended.code, ended.error["code"]) == (2, "usage")
    assert kojikey.snapshot() == before


@pytest.mark.parametrize("step", ["--resume", "--abort", "--rollback", "--retire"])
@pytest.mark.parametrize(
    "setting",
    [
        ("--label", "night shift"), ("--label", ""), ("--expires", "30d"), ("--rotate-after", "never"),
        ("--capability", "voices_read"), ("--base-url", "https://api.eu.residency.elevenlabs.io"), ("--model", "m"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_step_refuses_settings_that_it_does_not_save(kojikey: Program, step: str, setting: tuple[str, str]) -> None:
    kojikey.added()
    assert kojikey.rotate().code == 0
    before = kojikey.snapshot()
    ended = kojikey("rotate", "elevenlabs", step, *setting, "--json")
    assert (ended.code, ended.error["code"]) == (2, "usage")
    assert setting[0] in ended.error["message"]
    assert kojikey.snapshot() == before
