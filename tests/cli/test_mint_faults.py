"""What goes wrong at a provider, at a store or with a clock while a key is being made: through the program."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kojikey.testing.sandbox.management import ManagedKey
from support.minting import Mint, set_up
from support.program import Program


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try nothing again: what is tried again, and when, is held by the conformance suite."""
    monkeypatch.setattr("kojikey.providers.management.client.RETRIES", 0)


# --- 429 and 5xx where keys are only looked at ---

LOOKED_AT = [
    ("xai", "parents"),
    ("xai", "list"),
    ("elevenlabs", "parents"),
    ("elevenlabs", "list"),
    ("openrouter", "list"),
    ("openrouter", "get"),
    ("mistral", "list"),
    ("openai", "list"),
    ("deepgram", "get"),
    ("deepgram", "parents"),
    ("fireworks", "list"),
    ("google_gemini", "get"),
]
UNKNOWN = "; the key in use is unchanged, and a new one may exist at the provider"
TROUBLES = ("rate_limited", "failing", "dropped")


@pytest.mark.parametrize(
    ("provider", "verb", "trouble"),
    [(*looked_at, TROUBLES[number % len(TROUBLES)]) for number, looked_at in enumerate(LOOKED_AT)],
)
def test_a_provider_that_does_not_list_its_keys_is_exit_4_and_nothing_is_created(
    kojikey: Program, provider: str, verb: Any, trouble: Any
) -> None:
    mint = set_up(kojikey, provider)
    mint.managed.fail(verb, trouble, times=None)
    before = kojikey.contents()
    ended = mint.mint("--json")
    assert ended.code == 4, ended.said
    assert "run the same command again" in ended.error["hint"]
    assert ended.error["message"].endswith("; nothing was created")
    assert (kojikey.contents(), mint.names) == (before, ["by hand"])
    mint.managed.mend()
    assert mint.mint().code == 0
    assert len(mint.names) == 2


@pytest.mark.parametrize("step", ["--resume", "--abort"])
@pytest.mark.parametrize(
    ("provider", "trouble"),
    [("xai", "rate_limited"), ("elevenlabs", "failing"), ("google_gemini", "dropped"), ("openai", "admin_key")],
)
def test_a_lost_key_is_remembered_while_the_provider_does_not_list_its_keys(
    kojikey: Program, provider: str, step: str, trouble: Any
) -> None:
    mint = set_up(kojikey, provider)
    mint.managed.fail("create", "lost")
    begun = mint.mint("--json")
    assert begun.code == 4
    assert begun.error["message"].endswith(UNKNOWN)
    before, names = kojikey.contents(), mint.names
    mint.managed.fail("list", trouble, times=None)
    ended = mint.rotate(step, "--json")
    assert ended.code == (3 if trouble == "admin_key" else 4), ended.said
    assert ended.error["message"].endswith(UNKNOWN if step == "--resume" else "; the store was not changed")
    assert (kojikey.contents(), mint.names) == (before, names)
    mint.managed.mend()
    assert mint.rotate(step, *(("--propagation", "0s") if step == "--resume" else ())).code == 0
    current = kojikey("get", provider, "--reveal").out
    assert {key.value for key in mint.managed.keys} == {mint.managed.keys[0].value, current}


@pytest.mark.parametrize("trouble", ["rate_limited", "failing", "dropped", "lost"])
def test_a_deletion_that_gets_no_answer_drops_nothing_and_is_repeated(kojikey: Program, trouble: Any) -> None:
    mint = set_up(kojikey, "xai")
    assert mint.mint().code == 0
    mint.managed.fail("delete", trouble, times=None)
    assert mint.rotate("--retire", "--yes", "--propagation", "0s").code == 4
    assert mint.row()["previous"]["version"] == 1
    mint.managed.mend()
    assert mint.rotate("--retire", "--yes", "--propagation", "0s").code == 0
    assert len(mint.names) == 1


def test_a_deletion_that_was_answered_and_not_done_drops_nothing(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    assert mint.mint().code == 0
    mint.managed.fail("delete", "ignored", times=None)
    ended = mint.rotate("--retire", "--yes", "--propagation", "0s", "--json")
    assert (ended.code, ended.result["action"]) == (3, None), ended.said
    assert mint.row()["previous"]["version"] == 1


# --- the admin key, and the number of keys ---


@pytest.mark.parametrize("verb", ["parents", "list", "create"])
def test_an_admin_key_that_is_revoked_before_the_creation_leaves_nothing_unfinished(
    kojikey: Program, verb: Any
) -> None:
    mint = set_up(kojikey, "xai")
    mint.managed.fail(verb, "admin_key", times=None)
    ended = mint.mint("--json")
    assert ended.code == 3, ended.said
    assert ended.error["hint"] == "kojikey test xai_admin"
    mint.managed.mend()
    assert mint.row()["staged"] is None
    assert mint.mint().code == 0


@pytest.mark.parametrize("end", ["--resume", "--abort"])
def test_an_admin_key_that_is_revoked_after_the_creation_can_be_replaced(kojikey: Program, end: str) -> None:
    mint = set_up(kojikey, "xai")
    mint.managed.fail("create", "lost")
    assert mint.mint().code == 4
    kojikey.sandbox.revoke(kojikey.key("xai_admin"))
    assert mint.rotate(end).code == 3
    assert kojikey.rotate("xai_admin", "ok_2", "--no-test").code == 0
    ended = mint.rotate(end, *(("--propagation", "0s") if end == "--resume" else ()))
    assert ended.code == 0, ended.said
    assert len(mint.names) == (2 if end == "--resume" else 1)


@pytest.mark.parametrize("provider", ["xai", "openai", "google_gemini", "deepgram", "perplexity"])
def test_if_the_key_limit_is_reached_the_page_is_named(kojikey: Program, provider: str) -> None:
    mint = set_up(kojikey, provider)
    mint.managed.fail("create", "limit")
    ended = mint.mint("--json")
    assert ended.code == 3, ended.said
    assert "limit on their number" in ended.error["message"]
    assert kojikey("providers", provider, "--json").result["keys_page"] in ended.error["hint"]
    assert mint.names == ["by hand"]
    assert mint.mint().code == 0


# --- clocks ---


@pytest.mark.parametrize("year", ["2019", "2031"])
@pytest.mark.parametrize("provider", ["openrouter", "xai", "deepgram", "fireworks", "mistral"])
def test_the_length_of_life_is_copied_though_the_providers_clock_is_wrong(
    kojikey: Program, provider: str, year: str
) -> None:
    mint = set_up(kojikey, provider)
    old = mint.managed.keys[0]
    old.created_at, old.expires_at = f"{year}-01-01T00:00:00Z", f"{year}-03-02T00:00:00Z"
    ended = mint.mint("--json")
    assert ended.code == 0, ended.said
    assert "expiry" in ended.result["copied"]
    life = datetime.fromisoformat(mint.row()["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=58) < life < timedelta(days=62)
    assert mint.row()["rotation_due"] is False


def test_a_life_that_the_provider_shortened_is_what_is_saved(kojikey: Program) -> None:
    mint = set_up(kojikey, "mistral")
    mint.managed.keys[0].expires_at = "2027-11-01T00:00:00Z"
    mint.managed.latest_expiry = "2027-01-31T23:59:59Z"
    assert mint.mint().code == 0
    assert mint.row()["expires_at"] == "2027-01-31T23:59:59Z"


# --- the store ---


class Away:
    """A SQLite store that is unreadable from the moment at which a key is made at the provider."""

    def __init__(self, kojikey: Program, mint: Mint, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.content = kojikey.home / "keys.db", b""
        create = mint.managed.create

        def created(*arguments: Any, **settings: Any) -> ManagedKey:
            if not self.content:
                self.content = self.path.read_bytes()
                self.path.write_bytes(b"\0" * len(self.content))
            return create(*arguments, **settings)

        monkeypatch.setattr(mint.managed, "create", created)

    def back(self) -> None:
        """Restore the store."""
        self.path.write_bytes(self.content)


def test_if_the_store_fails_after_the_creation_the_id_is_printed_and_the_next_run_finds_the_key(
    kojikey: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    mint = set_up(kojikey, "xai")
    away = Away(kojikey, mint, monkeypatch)
    ended = kojikey.installed("rotate", "xai", "--mint", "--no-input", "--propagation", "0s")
    away.back()
    assert ended.code == 7, ended.said
    orphan = mint.managed.keys[1]
    assert orphan.key_id in ended.err
    assert "kojikey rotate xai --resume" in ended.err
    resumed = mint.rotate("--resume", "--propagation", "0s")
    assert resumed.code == 0, resumed.said
    current = kojikey("get", "xai", "--reveal").out
    assert {key.value for key in mint.managed.keys} == {mint.managed.keys[0].value, current}
    assert orphan.value != current


def test_under_due_the_id_of_each_key_that_could_not_be_saved_is_printed(
    kojikey: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = ("acme", "beta", "gamma")
    key = kojikey.key("xai")
    kojikey.added("xai_admin", "ok", "--rotate-after", "never")
    mint = Mint(kojikey, "xai")
    for number, account in enumerate(accounts):
        value = f"{key.key[:-4]}{number:04d}"
        mint.managed.add(value, **mint.settings)
        added = kojikey(
            "add", "xai", "--stdin", "--base-url", key.base_url, "--account", account, "--expires", "3d", stdin=value
        )
        assert added.code == 0, added.said
    due = ("rotate", "--due", "--mint", "--all-accounts", "--admin-account", "default", "--propagation", "0s")
    away = Away(kojikey, mint, monkeypatch)
    ended = kojikey.installed(*due, "--no-input", "--jsonl")
    away.back()
    assert ended.code == 7, ended.said
    made = [each for each in mint.managed.keys if each.name.startswith("kojikey")]
    assert made
    assert all(each.key_id in ended.err for each in made), ended.err
    assert json.loads(ended.out.splitlines()[-1])["exit_code"] == 7
    again = kojikey(*due, "--no-input", "--json")
    assert again.code == 0, again.said
    assert {row["action"] for row in again.results} == {"rotated"}
    values = {kojikey("get", "xai", "--reveal", "--account", account).out for account in accounts}
    assert {each.value for each in mint.managed.keys if each.name.startswith("kojikey")} == values


# --- another process ---


@pytest.mark.parametrize("is_deletable", [True, False])
def test_a_key_that_another_process_discarded_meanwhile_is_deleted_or_its_id_is_printed(
    kojikey: Program, monkeypatch: pytest.MonkeyPatch, is_deletable: bool
) -> None:
    mint = set_up(kojikey, "xai")
    create = mint.managed.create

    def created(*arguments: Any, **settings: Any) -> ManagedKey:
        assert kojikey.installed("rotate", "xai", "--abort", "--no-revoke", "--no-input").code == 0
        return create(*arguments, **settings)

    monkeypatch.setattr(mint.managed, "create", created)
    if not is_deletable:
        mint.managed.fail("delete", "permission", times=None)
    ended = kojikey.installed("rotate", "xai", "--mint", "--no-input", "--propagation", "0s")
    assert ended.code == 6, ended.said
    if is_deletable:
        assert mint.names == ["by hand"]
    else:
        assert mint.managed.keys[1].key_id in ended.err
    assert (mint.row()["version"], mint.row()["staged"]) == (1, None)
