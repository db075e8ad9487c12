"""``kojikey set`` changes the settings of a key, and not the key."""

from __future__ import annotations

import pytest

from kojikey.testing import Sandbox
from support.program import Program
from support.pseudo_terminal import printed_on_a_terminal
from support.saving import actions


def test_settings_change_and_the_event_has_their_names(kojikey: Program) -> None:
    kojikey.added()
    ended = kojikey(
        "set", "elevenlabs", "--label", "production", "--expires", "2031-05-06", "--rotate-after", "never", "--json"
    )
    assert (ended.code, ended.result["action"]) == (0, "changed")
    assert ended.result["settings"] == ["label", "expires", "rotate-after"]
    row = kojikey.listed()
    assert (row["label"], row["expires_at"][:10], row["rotate_after_days"]) == ("production", "2031-05-06", None)
    event = kojikey("audit", "--json").results[-1]
    assert (event["action"], event["settings"]) == ("changed", ["label", "expires", "rotate-after"])
    assert "production" not in str(event)


def test_setting_the_same_values_is_unchanged(kojikey: Program) -> None:
    kojikey.added()
    kojikey("set", "elevenlabs", "--label", "production")
    ended = kojikey("set", "elevenlabs", "--label", "production", "--json")
    assert (ended.code, ended.result["action"]) == (0, "unchanged")
    assert actions(kojikey) == ["added", "changed"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--unset", "colour"],
        ["--label", "a", "--unset", "label"],
        ["--label", "a", "--no-test"],
        ["--capability", "fly"],
        ["--base-url", "http://api.example.com"],
        ["--rotate-after", "12m"],
    ],
    ids=" ".join,
)
def test_malformed_options_are_refused(kojikey: Program, arguments: list[str]) -> None:
    kojikey.added()
    before = kojikey.snapshot()
    ended = kojikey("set", "elevenlabs", *arguments, "--json")
    assert (ended.code, ended.error["code"]) == (2, "usage")
    assert ended.error["hint"]
    assert kojikey.snapshot() == before


def test_the_next_rotation_is_counted_from_when_the_key_was_saved(
    kojikey: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as then:
        then.setattr("kojikey.operations.key_records.now", lambda: "2026-01-01T00:00:00Z")
        kojikey.added()
    ended = kojikey("set", "elevenlabs", "--rotate-after", "30d")
    assert "the next rotation is due on 2026-01-31" in ended.err
    assert kojikey.listed()["rotation_due"] is True


def test_without_a_key_add_is_suggested(kojikey: Program) -> None:
    ended = kojikey("set", "elevenlabs", "--label", "a", "--json")
    assert (ended.code, ended.error["hint"]) == (5, "kojikey add elevenlabs")


def test_other_settings_work_without_the_kek_and_ask_nobody(kojikey: Program) -> None:
    kojikey.added()
    requests = len(kojikey.sandbox.requests)
    ended = kojikey("set", "elevenlabs", "--label", "production", "--json", KOJIKEY_KEK=None)
    assert (ended.code, ended.result["action"], ended.result["audit_signed"]) == (0, "changed", False)
    assert len(kojikey.sandbox.requests) == requests
    assert kojikey("audit", "--verify").code == 0


def test_nobody_is_asked_for_the_passphrase_for_a_label(kojikey: Program) -> None:
    kojikey.added()
    code, text = printed_on_a_terminal(kojikey, "set", "elevenlabs", "--label", "production", KOJIKEY_KEK=None)
    assert code == 0
    assert "Passphrase" not in text
    assert "changed: label" in text


# another base URL


def test_a_key_that_is_rejected_at_the_new_base_url_is_not_moved(kojikey: Program) -> None:
    kojikey.added()
    before = kojikey.listed()
    with Sandbox() as elsewhere:
        ended = kojikey("set", "elevenlabs", "--base-url", f"{elsewhere.base_url('elevenlabs')}/x", "--json")
        moved = kojikey("set", "elevenlabs", "--base-url", elsewhere.base_url("elevenlabs"), "--json")
        assert (moved.code, moved.result["settings"]) == (0, ["base-url"])
        assert kojikey.listed()["base_url"] == elsewhere.base_url("elevenlabs")
        kojikey.sandbox.set_reason(kojikey.key(), "invalid_key")
        back = kojikey("set", "elevenlabs", "--base-url", before["base_url"], "--json")
        assert (back.code, back.result["action"], back.result["test"]["outcome"]) == (3, None, "rejected")
        assert kojikey.listed()["base_url"] == elsewhere.base_url("elevenlabs")
    assert ended.code in (3, 4)
    kojikey.sandbox.set_reason(kojikey.key(), "ok")


def test_a_limited_or_indeterminate_key_is_moved_only_with_an_option(kojikey: Program) -> None:
    kojikey.added()
    with Sandbox() as elsewhere:
        place = elsewhere.base_url("elevenlabs")
        for reason, code, option in (
            ("missing_permission", 3, "--allow-limited"),
            ("unknown", 4, "--allow-unverified"),
        ):
            elsewhere.set_reason(elsewhere.key("elevenlabs", "ok"), reason)
            refused = kojikey("set", "elevenlabs", "--base-url", place, "--json")
            assert (refused.code, refused.result["action"]) == (code, None)
            assert kojikey("set", "elevenlabs", "--base-url", place, option).code == 0
            assert kojikey("set", "elevenlabs", "--unset", "base-url", "--no-test").code == 0


def test_a_key_that_was_not_moved_is_tried_again_by_the_same_command_and_not_by_a_test_where_it_is(
    kojikey: Program,
) -> None:
    kojikey.added()
    with Sandbox() as elsewhere:
        place = elsewhere.base_url("elevenlabs")
        elsewhere.set_reason(elsewhere.key("elevenlabs", "ok"), "rate_limited")
        move = ("set", "elevenlabs", "--base-url", place, "--json")
        stayed, moved = kojikey(*move), kojikey(*move, "--allow-unverified")
    assert (stayed.code, stayed.result["test"]["hint"]) == (4, "the same command tries again")
    assert (moved.code, moved.result["test"]["hint"]) == (0, "kojikey test elevenlabs tries again")


def test_unset_base_url_is_the_providers_own(kojikey: Program) -> None:
    kojikey.added()
    assert kojikey("set", "elevenlabs", "--unset", "base-url", "--no-test").code == 0
    assert kojikey.listed()["base_url"] == "https://api.elevenlabs.io"
    assert kojikey("get", "elevenlabs", "--reveal").out == kojikey.key().key
    assert kojikey("audit", "--verify").code == 0


def test_while_a_key_is_staged_the_base_url_is_a_conflict(kojikey: Program) -> None:
    kojikey.added()
    kojikey.rotate("elevenlabs", "missing_permission")
    ended = kojikey("set", "elevenlabs", "--unset", "base-url", "--no-test", "--json")
    assert ended.code == 6
    assert "--resume" in ended.error["hint"]
    assert kojikey("set", "elevenlabs", "--label", "meanwhile").code == 0


def test_azure_has_no_default_base_url_to_return_to(kojikey: Program) -> None:
    key = kojikey.key("azure_openai")
    kojikey("add", "azure_openai", "--stdin", "--no-test", "--base-url", key.base_url, stdin=key.key)
    ended = kojikey("set", "azure_openai", "--unset", "base-url", "--json")
    assert ended.code == 2
    assert "--base-url" in ended.error["hint"]
