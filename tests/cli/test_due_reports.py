"""``rotate --due`` over keys of every kind: which are rotated, retired or only reported, and the exit code of all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest

from kojikey.model.next_step import finish_or_discard
from support.minting import Mint, set_up
from support.program import Ended, Program

DUE = ("rotate", "--due", "--mint", "--no-input", "--propagation", "0s")
LATER = 91


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let days pass for the decision what is due."""

    def pass_days(days: float) -> None:
        moment = (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        monkeypatch.setattr("kojikey.operations.minting.due_rotations.now", lambda: moment)

    return pass_days


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kojikey.providers.management.client.RETRIES", 0)


def due(kojikey: Program, *more: str) -> Ended:
    return kojikey(*DUE, "--json", *more)


def by_provider(ended: Ended) -> dict[str, str | None]:
    return {row["provider"]: row["action"] for row in ended.results}


# --- what is unfinished ---


@pytest.mark.parametrize("is_staged", [False, True])
def test_without_mint_unfinished_rotations_are_reported_too(kojikey: Program, is_staged: bool) -> None:
    mint = set_up(kojikey, "xai")
    if is_staged:
        mint.managed.unknown_for = 1000
    else:
        mint.managed.fail("create", "lost")
    assert mint.mint().code == 4
    for more, code in (((), 3), (("--dry-run",), 0), (("--mint", "--dry-run"), 0)):
        ended = kojikey("rotate", "--due", "--json", *more)
        assert (ended.code, [row["would"] for row in ended.results]) == (code, ["resume"]), ended.said
    assert len(mint.names) == 2


def test_a_mint_is_finished_with_the_admin_key_with_which_it_began(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai", with_admin=False)
    assert kojikey.add("xai_admin", "ok", "--account", "ops").code == 0
    mint.managed.fail("create", "lost")
    assert mint.mint("--admin-account", "ops").code == 4
    ended = due(kojikey)
    assert (ended.code, by_provider(ended)) == (0, {"xai": "rotated"}), ended.said


def test_a_minted_key_that_is_still_refused_stays_staged(kojikey: Program, clock: Any) -> None:
    mint = set_up(kojikey, "xai")
    kojikey("set", "xai_admin", "--rotate-after", "never")
    mint.managed.unknown_for = 1000
    clock(LATER)
    ended = due(kojikey)
    assert (ended.code, by_provider(ended)) == (4, {"xai": "staged"})
    (row,) = (row for row in ended.results if row["provider"] == "xai")
    assert row["test"]["hint"] == str(finish_or_discard("xai"))
    assert due(kojikey).code == 4
    assert str(finish_or_discard("xai")) in kojikey(*DUE).out
    mint.managed.mend()
    assert (due(kojikey).code, len(mint.names)) == (0, 2)


@pytest.mark.parametrize("more", [(), ("--all-accounts",)], ids=["one account", "all"])
def test_what_is_suggested_after_ctrl_c_or_a_mistake_is_about_the_same_accounts(
    kojikey: Program, more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    kojikey.added()
    again = " ".join(("kojikey rotate --due --mint", *more))
    mistaken = kojikey("rotate", "--due", *more, "--like", "x", "--mint")
    assert mistaken.err.splitlines()[-1] == f"  try: {again}"
    stopped = mock.AsyncMock(side_effect=KeyboardInterrupt)
    monkeypatch.setattr("kojikey.cli.commands.rotate.due._Run.run", stopped)
    ended = kojikey("rotate", "--due", "--mint", *more)
    assert (ended.code, ended.err.strip().endswith(f"to finish what was begun: {again}")) == (130, True), ended.err


@pytest.mark.parametrize(("life", "more", "is_due"), [
    ("13d", (), True), ("15d", (), False), ("15d", ("--expiring", "16d"), True), ("13d", ("--expiring", "1d"), False),
])  # fmt: skip
def test_a_key_that_expires_within_two_weeks_or_the_given_span_is_due(
    kojikey: Program, life: str, more: tuple[str, ...], is_due: bool
) -> None:
    kojikey.added("groq", "ok", "--expires", life)
    ended = kojikey("rotate", "--due", "--json", *more)
    assert (ended.code, len(ended.results)) == ((3, 1) if is_due else (0, 0)), ended.said


def test_each_key_that_is_due_comes_with_the_command_for_it(kojikey: Program) -> None:
    set_up(kojikey, "xai")
    for provider in ("xai", "groq"):
        kojikey.added(provider, "ok", "--account", "acme", "--expires", "1d")
    named = {"xai": "kojikey rotate xai --account acme --mint", "groq": "kojikey rotate groq --account acme"}
    ended = kojikey("rotate", "--due", "--account", "acme", "--json")
    assert {row["provider"]: row["hint"] for row in ended.results} == named
    everyone = kojikey("rotate", "--due", "--all-accounts").out
    assert [f"\n  {command}\n" in everyone for command in named.values()] == [True, True]


@pytest.mark.parametrize(
    "option",
    [("--resume",), ("--abort",), ("--rollback",), ("--retire",), ("--no-test",), ("--force-shape",), ("--stdin",),
     ("--batch", "-"), ("--expires", "9d"), ("--rotate-after", "9d"), ("--mint", "--like", "x"),
     ("--mint", "--parent", "x")],
    ids=lambda option: option[-1] if option[0] != "--mint" else option[1],
)  # fmt: skip
def test_an_option_that_due_would_ignore_is_refused(kojikey: Program, option: tuple[str, ...]) -> None:
    kojikey.added("groq", "ok", "--expires", "1d")
    ended = kojikey("rotate", "--due", *option, "--json")
    assert ended.code == 2, ended.said
    assert "combined with" in ended.error["message"]


def test_options_for_many_keys_name_the_commands_that_take_them(kojikey: Program) -> None:
    kojikey.added()
    ended = kojikey("rotate", "elevenlabs", "--dry-run", "--json")
    assert (ended.code, ended.error["message"]) == (2, "--dry-run is for --batch or --due; nothing was changed")


# --- previous keys ---


@pytest.mark.parametrize(("more", "code", "names"), [(("--yes",), 0, 1), ((), 3, 2)])
def test_a_previous_key_that_a_person_made_is_retired_with_yes(
    kojikey: Program, clock: Any, more: tuple[str, ...], code: int, names: int
) -> None:
    mint = set_up(kojikey, "xai")
    assert kojikey.rotate("xai", "ok_2").code == 0
    mint.managed.add(kojikey.key("xai", "ok_2").key, name="by hand, too", **mint.settings)
    assert due(kojikey, *more).results == []
    clock(1.1)
    ended = due(kojikey, *more)
    assert (ended.code, len(mint.names)) == (code, names), ended.said
    assert by_provider(ended) == {"xai": "retired" if names == 1 else None}


def test_a_previous_key_of_unknown_id_that_still_works_does_not_prevent_a_rotation(
    kojikey: Program, clock: Any
) -> None:
    mint = set_up(kojikey, "xai")
    kojikey("set", "xai_admin", "--rotate-after", "never")
    assert kojikey.rotate("xai", "ok_2").code == 0
    mint.managed.add(kojikey.key("xai", "ok_2").key, name="by hand, too", **mint.settings)
    clock(LATER)
    ended = due(kojikey)
    assert (ended.code, [row["action"] for row in ended.results]) == (3, [None, "rotated"]), ended.said
    assert len(mint.names) == 3
    again = due(kojikey)  # the one before is known by its id now: it is retired before another is made
    assert (again.code, [row["action"] for row in again.results]) == (3, [None]), again.said
    assert len(mint.names) == 3


@pytest.mark.parametrize("provider", ["groq", "xai", "elevenlabs_admin"])
def test_a_previous_key_that_was_revoked_by_a_person_is_dropped_without_an_admin_key(
    kojikey: Program, clock: Any, provider: str
) -> None:
    old = kojikey.added(provider)
    assert kojikey.rotate(provider, "ok_2").code == 0
    clock(1.1)
    working = due(kojikey)
    assert (working.code, by_provider(working)) == (3, {provider: None}), working.said
    kojikey.sandbox.revoke(old)
    ended = due(kojikey)
    assert (ended.code, by_provider(ended)) == (0, {provider: "retired"}), ended.said
    kojikey.sandbox.set_reason(old, "ok")


def test_anthropics_previous_key_is_disabled_and_the_one_in_use_reported_as_due(kojikey: Program, clock: Any) -> None:
    mint = set_up(kojikey, "anthropic")
    kojikey("set", "anthropic_admin", "--rotate-after", "never")
    mint.managed.add(kojikey.key("anthropic", "ok_2").key, name="the new one")
    assert kojikey.rotate("anthropic", "ok_2").code == 0
    clock(LATER)
    ended = due(kojikey, "--yes")
    assert [(row["action"], row.get("would")) for row in ended.results] == [("retired", None), (None, "rotate")]
    assert ended.code == 3
    assert {key.name: key.is_disabled for key in mint.managed.keys} == {"by hand": True, "the new one": False}


def test_the_previous_key_is_retired_after_the_grace(kojikey: Program, clock: Any) -> None:
    mint = set_up(kojikey, "xai")
    kojikey("set", "xai_admin", "--rotate-after", "never")
    clock(LATER)
    result = due(kojikey, "--grace", "7d").result
    after = datetime.fromisoformat(result["revoke_after"]) - datetime.now(UTC)
    assert timedelta(days=6.9) < after <= timedelta(days=7)
    assert result["revoke_after"].endswith("Z")
    clock(6.9)
    assert due(kojikey, "--grace", "7d", "--yes").results == []
    clock(7.1)
    retired = due(kojikey, "--grace", "7d", "--yes")
    assert (retired.code, retired.result["action"], retired.result["revoke_after"]) == (0, "retired", None)
    assert len(mint.names) == 1


# --- keys that only a person can make ---


def test_a_key_that_cannot_be_minted_is_reported_as_due(kojikey: Program, clock: Any) -> None:
    kojikey.added("elevenlabs")  # a user's key, which no service account has
    kojikey.added("elevenlabs_admin")
    set_up(kojikey, "google_gemini")
    for provider in ("groq", "huggingface", "anthropic"):
        kojikey.added(provider)
    clock(LATER)
    ended = due(kojikey)
    assert ended.code == 3, ended.said
    assert set(by_provider(ended)) == {
        "elevenlabs", "elevenlabs_admin", "google_gemini", "groq", "huggingface", "anthropic",
    }  # fmt: skip
    assert all((row["action"], row["due"]) == (None, True) for row in ended.results)


# --- the exit code, and one key's trouble ---


def test_exit_3_has_precedence_over_6_5_and_4(kojikey: Program, clock: Any) -> None:
    unanswered = set_up(kojikey, "openrouter")
    unanswered.managed.fail("list", "failing", times=None)
    kojikey("set", "openrouter_admin", "--rotate-after", "never")
    clock(LATER)
    assert due(kojikey).code == 4
    set_up(kojikey, "xai", with_admin=False)
    assert due(kojikey).code == 5
    kojikey.added("fireworks")
    kojikey.sandbox.fault("fireworks", "down")
    assert kojikey.rotate("fireworks", "ok_2", "--no-input").code == 4
    kojikey.sandbox.mend()
    assert due(kojikey).code == 6
    kojikey.added("groq")
    ended = due(kojikey)
    assert ended.code == ended.document["exit_code"] == 3
    assert len(ended.results) == 4


def test_a_bug_with_one_key_does_not_stop_the_others(
    kojikey: Program, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, well = set_up(kojikey, "openrouter"), set_up(kojikey, "xai")
    for admin in ("openrouter_admin", "xai_admin"):
        kojikey("set", admin, "--rotate-after", "never")

    async def broken_find(*_: object) -> None:
        raise TypeError(kojikey.key("xai_admin").key)

    monkeypatch.setattr("kojikey.providers.management.openrouter.OpenRouter.find_by_value", broken_find)
    clock(LATER)
    ended = due(kojikey)
    assert ended.code == 1
    assert by_provider(ended) == {"openrouter": None, "xai": "rotated"}
    (row,) = (row for row in ended.results if row["provider"] == "openrouter")
    assert row["error"]["code"] == "internal"
    assert "TypeError at test_due_reports.py" in row["error"]["message"]
    assert kojikey.key("xai_admin").key not in ended.said
    assert (len(broken.names), len(well.names)) == (1, 2)


def test_a_damaged_record_does_not_stop_the_others(kojikey: Program, clock: Any) -> None:
    import sqlite3

    well = set_up(kojikey, "xai")
    kojikey("set", "xai_admin", "--rotate-after", "never")
    kojikey.added("groq")
    with sqlite3.connect(kojikey.home / "keys.db") as database:
        (changed,) = database.execute(
            "SELECT count(*) FROM keys WHERE provider = 'groq' AND document LIKE '%current%'"
        ).fetchone()
        database.execute("UPDATE keys SET document = replace(document, 'current', 'curious') WHERE provider = 'groq'")
    database.close()
    assert changed == 1
    clock(LATER)
    ended = due(kojikey)
    assert ended.code == 8, ended.said
    assert by_provider(ended) == {"xai": "rotated"}
    assert ended.error["code"] == "cannot_open"
    assert len(well.names) == 2


def test_only_one_accounts_keys_are_checked_without_all_accounts(kojikey: Program, clock: Any) -> None:
    mint = Mint(kojikey, "xai")
    for account, name in (("acme", "ok"), ("beta", "ok_2")):
        key = kojikey.key("xai", name)
        mint.managed.add(key.key, **mint.settings)
        assert kojikey.add("xai", name, "--account", account).code == 0
    assert kojikey.add("xai_admin", "ok", "--account", "ops", "--rotate-after", "never").code == 0
    clock(LATER)
    assert due(kojikey, "--admin-account", "ops", "--account", "ops").results == []
    one = due(kojikey, "--admin-account", "ops", "--account", "acme")
    assert [(row["account"], row["action"]) for row in one.results] == [("acme", "rotated")]
    rest = due(kojikey, "--admin-account", "ops", "--all-accounts", "--concurrency", "1", "--rate", "200")
    assert [(row["account"], row["action"]) for row in rest.results if row["account"] == "beta"] == [
        ("beta", "rotated")
    ]
