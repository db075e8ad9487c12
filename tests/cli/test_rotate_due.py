"""``rotate --due``: what cron runs, safe to repeat; and what is copied, removed and revoked of minted keys."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kojikey.testing.sandbox.sample_keys import made_up_key
from support.minting import Mint, set_up
from support.program import Ended, Program

DUE = ("rotate", "--due", "--mint", "--no-input", "--propagation", "0s")


def later(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let days pass for the decision what is due."""

    def pass_days(days: float) -> None:
        monkeypatch.setattr("kojikey.operations.minting.due_rotations.now", lambda: later(days))

    return pass_days


def due(kojikey: Program, *more: str) -> Ended:
    return kojikey(*DUE, "--json", *more)


def test_nothing_is_done_if_nothing_is_due(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    ended = due(kojikey)
    assert (ended.code, ended.results) == (0, [])
    assert mint.names == ["by hand"]


def test_a_key_is_rotated_when_it_is_due_and_the_previous_one_retired_after_the_grace(
    kojikey: Program, clock: Any
) -> None:
    mint = set_up(kojikey, "xai")
    kojikey("remove", "xai_admin", "--yes")
    assert kojikey.add("xai_admin", "ok", "--account", "ops").code == 0
    assert kojikey("config", "set", "admin_account", "ops").code == 0
    clock(91)
    first = due(kojikey, "--yes")
    assert (first.code, [row["action"] for row in first.results]) == (0, ["rotated"]), first.said
    assert first.results[0]["revoke_after"] is not None
    clock(0.5)
    assert due(kojikey, "--yes").results == []
    clock(2)
    second = due(kojikey, "--yes")
    assert (second.code, [row["action"] for row in second.results]) == (0, ["retired"]), second.said
    assert len(mint.names) == 1
    assert due(kojikey, "--yes").results == []


def test_the_list_of_a_provider_is_requested_once_for_all_accounts(kojikey: Program, clock: Any) -> None:
    mint = set_up(kojikey, "xai")
    for account in ("acme", "beta", "gamma"):
        key = mint.managed.add(made_up_key("xai", account), name=account)
        url = kojikey.sandbox.base_url("xai")
        assert kojikey("add", "xai", "--account", account, "--base-url", url, "--stdin", stdin=key.value).code == 0
    assert kojikey("config", "set", "admin_account", "default").code == 0
    clock(91)
    kojikey.sandbox.forget()
    ended = due(kojikey, "--all-accounts")
    assert [row["action"] for row in ended.results].count("rotated") == 4, ended.said
    lists = [each for each in kojikey.sandbox.requests if each.method == "GET" and each.path.endswith("/api-keys")]
    assert len(lists) == 1


def test_without_mint_and_with_dry_run_it_only_reports(kojikey: Program, clock: Any) -> None:
    mint = set_up(kojikey, "xai")
    clock(91)
    reported = kojikey("rotate", "--due", "--json")
    assert reported.code == 3
    assert {row["provider"]: row["would"] for row in reported.results} == {"xai": "rotate", "xai_admin": "rotate"}
    planned = due(kojikey, "--dry-run")
    assert planned.code == 0
    assert [row["due"] for row in planned.results] == [True, True]
    assert mint.names == ["by hand"]


def test_a_rotation_that_an_earlier_run_left_is_finished(kojikey: Program, clock: Any) -> None:
    mint = set_up(kojikey, "xai")
    mint.managed.fail("create", "lost")
    assert mint.mint().code == 4
    ended = due(kojikey)
    assert (ended.code, [row["action"] for row in ended.results]) == (0, ["rotated"]), ended.said
    assert len(mint.names) == 2
    assert due(kojikey).code == 0


def test_keys_that_cannot_be_minted_are_reported_as_due(kojikey: Program, clock: Any) -> None:
    kojikey.added("groq")
    set_up(kojikey, "google_gemini")
    clock(91)
    ended = due(kojikey)
    assert ended.code == 3
    assert {row["provider"] for row in ended.results} == {"groq", "google_gemini"}
    assert all(row["due"] for row in ended.results)


def test_a_key_that_a_person_staged_stays_staged_and_is_reported(kojikey: Program) -> None:
    set_up(kojikey, "xai")
    kojikey.sandbox.fault("xai", "down")
    assert kojikey.rotate("xai", "ok_2", "--no-input").code == 4
    kojikey.sandbox.mend()
    ended = due(kojikey)
    assert ended.code == 6, ended.said
    assert mint_row(kojikey)["staged"] is not None


def mint_row(kojikey: Program) -> dict[str, Any]:
    return kojikey.listed("xai")


def test_no_admin_key_is_5_for_that_key_alone(kojikey: Program, clock: Any) -> None:
    set_up(kojikey, "xai", with_admin=False)
    mint = set_up(kojikey, "openrouter")
    kojikey("set", "openrouter_admin", "--rotate-after", "never")
    clock(91)
    ended = due(kojikey)
    assert ended.code == 5, ended.said
    actions = {row["provider"]: row["action"] for row in ended.results}
    assert actions == {"xai": None, "openrouter": "rotated"}
    assert len(mint.names) == 2


def test_disabled_accounts_and_keys_that_are_never_rotated_are_left_out(kojikey: Program, clock: Any) -> None:
    mint = set_up(kojikey, "xai")
    kojikey("set", "xai", "--rotate-after", "never")
    clock(91)
    assert [row["provider"] for row in due(kojikey, "--dry-run").results] == ["xai_admin"]
    kojikey("account", "disable", "default")
    assert due(kojikey, "--all-accounts", "--dry-run").results == []
    assert mint.names == ["by hand"]


def test_json_lines_are_written_as_results_arrive_and_the_summary_is_last(kojikey: Program, clock: Any) -> None:
    set_up(kojikey, "xai")
    kojikey("set", "xai_admin", "--rotate-after", "never")
    clock(91)
    ended = kojikey(*DUE, "--jsonl", "--all-accounts", "--concurrency", "2", "--rate", "50")
    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert [line.get("action") for line in lines] == ["rotated", None]
    assert lines[-1]["exit_code"] == ended.code == 0


def test_a_minted_key_with_a_short_life_is_due_in_its_last_tenth(kojikey: Program, clock: Any) -> None:
    mint = Mint(kojikey, "xai")
    key = kojikey.added("xai", "ok")
    kojikey.added("xai_admin", "ok", "--rotate-after", "never")
    made = mint.managed.add(key.key, expires_at="2026-11-11T00:00:00Z", acls=["api-key:model:*", "api-key:endpoint:*"])
    assert made.created_at == "2026-11-01T00:00:00Z"
    ended = mint.mint("--json")
    assert ended.code == 0, ended.said
    assert "expiry" in ended.result["copied"]
    expires = datetime.fromisoformat(mint.row()["expires_at"])
    assert timedelta(days=9.9) < expires - datetime.now(UTC) <= timedelta(days=10)
    clock(8)
    assert "rotate" not in {row["would"] for row in due(kojikey, "--dry-run").results}
    clock(9.5)
    assert "rotate" in {row["would"] for row in due(kojikey, "--dry-run").results}


def test_a_copied_store_mints_and_revokes_nothing_before_rotate_here(kojikey: Program, tmp_path: Path) -> None:
    mint = set_up(kojikey, "xai")
    assert mint.mint().code == 0
    other = f"sqlite://{tmp_path / 'other.db'}"
    assert kojikey("store", "init", other, "--name", "other", "--kek", "env").code == 0
    copied = kojikey("store", "copy", "--to", "other", "--json")
    assert copied.code == 0, copied.said
    before = mint.names
    for command in (("--mint",), ("--retire", "--yes")):
        assert mint.rotate(*command, "--store", "other").code == 6
    assert mint.names == before
    assert kojikey("store", "use", "other", "--rotate-here").code == 0
    retired = mint.rotate("--retire", "--yes", "--propagation", "0s", "--store", "other")
    assert retired.code == 0, retired.said
    assert kojikey("audit", "--verify", "--store", "other").code == 0


def test_an_unfinished_mint_is_left_out_of_a_copy(kojikey: Program, tmp_path: Path) -> None:
    mint = set_up(kojikey, "xai")
    mint.managed.fail("create", "lost")
    assert mint.mint().code == 4
    other = f"sqlite://{tmp_path / 'other.db'}"
    assert kojikey("store", "init", other, "--name", "other", "--kek", "env").code == 0
    copied = kojikey("store", "copy", "--to", "other")
    assert "left out" in copied.err
    assert "xai" not in {
        row["provider"] for row in kojikey("list", "--store", "other", "--json").results if row["masked"]
    } - {"xai_admin"}


def test_remove_revoke_deletes_every_version_at_the_provider(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    assert mint.mint().code == 0
    ended = kojikey("remove", "xai", "--yes", "--revoke")
    assert ended.code == 0, ended.said
    assert mint.names == []


@pytest.mark.parametrize("provider", ["deepgram", "perplexity"])
def test_a_key_that_manages_itself_is_used_to_delete_itself(kojikey: Program, provider: str) -> None:
    mint = set_up(kojikey, provider)
    assert mint.mint().code == 0
    minted = mint.names[-1]
    assert kojikey("remove", provider, "--yes", "--revoke").code == 0
    assert minted not in mint.names


def test_remove_revoke_that_fails_changes_nothing(kojikey: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kojikey.providers.management.client.RETRIES", 0)
    mint = set_up(kojikey, "xai")
    assert mint.mint().code == 0
    mint.managed.fail("delete", "failing", times=None)
    assert kojikey("remove", "xai", "--yes", "--revoke").code == 4
    assert mint_row(kojikey)["version"] == 2


def test_a_removal_that_was_killed_after_the_deletion_finishes_when_repeated(kojikey: Program) -> None:
    mint = set_up(kojikey, "deepgram")
    assert mint.mint().code == 0
    for key in mint.managed.keys:
        mint.managed.delete(key)
    ended = kojikey("remove", "deepgram", "--yes", "--revoke")
    assert ended.code == 0, ended.said


def test_a_key_that_manages_itself_and_is_dead_is_removed_and_one_that_it_cannot_delete_is_named(
    kojikey: Program,
) -> None:
    mint = set_up(kojikey, "deepgram")
    assert mint.mint().code == 0
    by_hand, minted = mint.managed.keys
    mint.managed.delete(minted)
    ended = kojikey("remove", "deepgram", "--yes", "--revoke")
    assert ended.code == 0, ended.said
    assert mint.managed.keys == (by_hand,)
    assert "version 1" in ended.out
    assert "still exists there" in ended.out
    assert "version 2" not in ended.out
    assert kojikey("history", "deepgram").code == 5


def test_plain_removal_of_a_minted_key_names_its_id_and_page(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    assert mint.mint().code == 0
    key_id = mint.managed.keys[1].key_id
    assert key_id in kojikey("history", "xai").out
    ended = kojikey("remove", "xai", "--yes")
    assert key_id in ended.out
    assert "https://console.x.ai" in ended.out
    assert "still accepts" in ended.out
    assert len(mint.names) == 2


def test_providers_shows_where_keys_can_be_created(kojikey: Program) -> None:
    rows = {row["provider"]: row for row in kojikey("providers", "--json").results}
    assert (rows["xai"]["mints"], rows["xai"]["admin_key"]) == (True, "xai_admin")
    assert (rows["groq"]["mints"], rows["groq"]["admin_key"]) == (False, None)
    assert "MINTS" in kojikey("providers").out
    assert "xai_admin" in kojikey("providers", "xai").out
    assert "do it by hand" in kojikey("providers", "groq").out


def test_a_missing_store_or_account_is_an_error_and_not_a_run_without_due_keys(kojikey: Program) -> None:
    assert due(kojikey).code == 5
    set_up(kojikey, "xai")
    ended = due(kojikey, "--account", "nobody")
    assert (ended.code, ended.error["message"]) == (5, "there is no account nobody in this store")
