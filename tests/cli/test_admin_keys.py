"""Admin keys: tested by a question that changes nothing, sent to their own host alone, handed out where named."""

from __future__ import annotations

import pytest

from kojikey.testing.sandbox.management import GOOGLE, GOOGLE_TOKEN
from support.minting import CREATING, set_up
from support.program import Program

ADMIN_NAMES = {
    "elevenlabs_admin": "KOJIKEY_ELEVENLABS_ADMIN",
    "openai_admin": "OPENAI_ADMIN_KEY",
    "openrouter_admin": "KOJIKEY_OPENROUTER_ADMIN",
    "xai_admin": "XAI_MANAGEMENT_KEY",
    "mistral_admin": "KOJIKEY_MISTRAL_ADMIN",
    "anthropic_admin": "ANTHROPIC_ADMIN_KEY",
}
SELF_MANAGING = ("deepgram", "fireworks", "perplexity")
of_their_own = pytest.mark.parametrize("admin", ADMIN_NAMES)
managing = pytest.mark.parametrize("provider", CREATING)


@of_their_own
def test_an_admin_key_is_tested_by_requests_that_change_nothing_and_saved_like_any_key(
    kojikey: Program, admin: str
) -> None:
    added = kojikey.add(admin)
    assert (added.code, "kojikey run -- CMD" in added.said) == (0, False), "run sets admin keys only where named"
    asked = [(request.provider, request.method) for request in kojikey.sandbox.requests]
    assert set(asked) == {(admin, "GET")}
    row = kojikey.listed(admin)
    assert row["masked"] == f"********{kojikey.key(admin).key[-4:]}"
    assert row["last_test"]["outcome"] == "valid"
    assert kojikey.rotate(admin, "ok_2").code == 0


@of_their_own
def test_an_admin_key_that_the_provider_refuses_is_not_saved(kojikey: Program, admin: str) -> None:
    assert kojikey.add(admin, "invalid_key", "--no-input").code == 3
    assert kojikey("get", admin, "--reveal").code == 5


@of_their_own
def test_programs_get_an_admin_key_only_where_it_is_named_and_under_its_own_name(kojikey: Program, admin: str) -> None:
    key = kojikey.added(admin).key
    kojikey.added("elevenlabs")
    for all_keys in (("run", "--dry-run", "--json"), ("export", "--reveal", "--yes")):
        assert ADMIN_NAMES[admin] not in kojikey(*all_keys).said
    (named,) = kojikey("run", "--dry-run", "--json", "--provider", admin).results
    assert named["name"] == ADMIN_NAMES[admin]
    exported = kojikey("export", admin, "--reveal", "--format", "dotenv")
    assert exported.out == f"{ADMIN_NAMES[admin]}={key}\n"


@pytest.mark.parametrize("provider", [name for name in CREATING if name not in SELF_MANAGING])
def test_admin_keys_are_sent_to_the_management_host_and_other_keys_to_their_own(
    kojikey: Program, provider: str
) -> None:
    mint = set_up(kojikey, provider)
    host = mint.ability.admin or GOOGLE
    tail = (kojikey.key(host).key if mint.ability.admin else GOOGLE_TOKEN)[-4:]
    kojikey.sandbox.forget()
    assert mint.mint().code == 0
    with_admin = {each.provider for each in kojikey.sandbox.requests if (each.masked or "").endswith(tail)}
    without = {each.provider for each in kojikey.sandbox.requests if not (each.masked or "").endswith(tail)}
    assert (with_admin, without) == ({host}, {provider})


@managing
def test_no_key_is_put_into_a_url(kojikey: Program, provider: str) -> None:
    mint = set_up(kojikey, provider)
    assert mint.mint().code == 0
    mint.rotate("--retire", "--yes", "--propagation", "0s")
    assert kojikey.sandbox.faults == ()  # where the sandbox notes it
    assert not [each for each in kojikey.sandbox.requests if "lookupKey" in each.path or "keyString=" in each.path]


def test_config_names_the_account_of_the_admin_key_and_the_option_overrides_it(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai", with_admin=False)
    assert kojikey.add("xai_admin", "ok", "--account", "ops").code == 0
    assert kojikey("config", "set", "admin_account", "ops").code == 0
    assert mint.mint("--admin-account", "nobody").code == 5
    assert mint.mint().code == 0
    assert mint.rotate("--retire", "--yes", "--propagation", "0s").code == 0
    assert kojikey("remove", "xai", "--yes", "--revoke").code == 0
    assert mint.names == []


def test_a_malformed_admin_account_is_not_repeated(kojikey: Program) -> None:
    mint = set_up(kojikey, "xai")
    ended = mint.mint("--admin-account", "SK-Not-An-Account")
    assert ended.code == 2
    assert "SK-Not-An-Account" not in ended.said


def test_an_admin_key_is_distinguished_from_a_key_for_models(kojikey: Program) -> None:
    by_shape = kojikey("add", "xai_admin", "--stdin", stdin=kojikey.key("xai").key)
    assert by_shape.code == 2
    assert "cannot manage keys" in by_shape.err
    assert "kojikey add xai takes it" in by_shape.err
    inference = kojikey.key("openrouter_admin", "key_type_unsupported")
    by_answer = kojikey("add", "openrouter_admin", "--stdin", "--base-url", inference.base_url, stdin=inference.key)
    assert by_answer.code == 3
    assert "cannot manage keys" in by_answer.said


# --- Google's identity ---


@pytest.mark.parametrize(
    "url", ["http://apikeys.example.com", "http://192.0.2.1", "ftp://127.0.0.1", "apikeys.googleapis.com", "https://"]
)
def test_googles_management_host_needs_https_except_on_loopback(kojikey: Program, url: str) -> None:
    mint = set_up(kojikey, "google_gemini")
    kojikey.sandbox.forget()
    kojikey.environ["KOJIKEY_GOOGLE_APIKEYS_URL"] = url
    ended = mint.mint("--json")
    assert ended.code == 2, ended.said
    assert ended.error["message"].startswith("KOJIKEY_GOOGLE_APIKEYS_URL is not a base URL: ")
    assert "unset KOJIKEY_GOOGLE_APIKEYS_URL" in ended.error["hint"]
    assert not kojikey.sandbox.requests
    assert mint.names == ["by hand"]


def test_without_a_google_identity_no_request_is_sent(kojikey: Program) -> None:
    mint = set_up(kojikey, "google_gemini", with_admin=False)
    kojikey.sandbox.forget()
    ended = mint.mint("--json")
    assert ended.code == 5, ended.said
    assert "GOOGLE_OAUTH_ACCESS_TOKEN" in ended.error["hint"]
    assert not kojikey.sandbox.requests


@pytest.mark.parametrize(
    ("token", "code"), [("ya29.expired-0123456789", 3), ("two\nlines", 2), ("with space", 2), ("größe", 2), ("  ", 5)]
)
def test_a_google_token_that_cannot_be_used_is_reported_and_not_repeated(
    kojikey: Program, token: str, code: int
) -> None:
    mint = set_up(kojikey, "google_gemini")
    kojikey.environ["GOOGLE_OAUTH_ACCESS_TOKEN"] = token
    ended = mint.mint("--json")
    assert ended.code == code, ended.said
    assert not token.strip() or token not in ended.said
    assert "a bug" not in ended.said
    assert mint.names == ["by hand"]


def test_the_provider_of_an_admin_key_is_known(kojikey: Program) -> None:
    rows = {row["provider"]: row for row in kojikey("providers", "--json").results}
    managed = {name: row["admin_key"] for name, row in rows.items() if row.get("admin_key")}
    assert {name: admin for name, admin in managed.items() if admin != name} == {
        admin.removesuffix("_admin"): admin for admin in ADMIN_NAMES
    }
    assert {name for name, admin in managed.items() if admin == name} == set(SELF_MANAGING)
    assert rows["google_gemini"]["mints"]
