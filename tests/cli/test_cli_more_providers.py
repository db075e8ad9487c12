"""The providers beside Koji's own: no built-in allocation; usage, permissions and expiry are shown and saved."""

from __future__ import annotations

import pytest

from kojikey.model.allocation import BUILT_IN
from kojikey.providers.catalog import load_catalog
from support.program import Program

OTHERS = [provider for provider in load_catalog().ids() if provider not in BUILT_IN]


@pytest.mark.parametrize("provider", OTHERS)
def test_a_key_is_added_tested_rotated_and_removed(kojikey: Program, provider: str) -> None:
    kojikey.added(provider)
    tested = kojikey("test", provider, "--deep", "--json")
    assert [result["outcome"] for result in tested.results] == ["valid"]
    rotated = kojikey.rotate(provider, "ok_2")
    assert rotated.code == 0
    is_admin = bool(load_catalog().get(provider).admin_of)
    assert bool(kojikey("run", "--dry-run", "--json").results) is not is_admin  # handed on only where it is named
    names = {row["name"] for row in kojikey("run", "--dry-run", "--json", "--provider", provider).results}
    assert set(load_catalog().get(provider).env) <= names
    removed = kojikey("remove", provider, "--yes", "--json")
    assert (removed.code, removed.results[0]["source"]) == (0, "none")


def test_a_missing_key_has_a_row_only_where_it_is_named(kojikey: Program) -> None:
    kojikey.added("groq")
    listed = {row["provider"]: row["source"] for row in kojikey("list", "--json").results}
    assert listed == {"elevenlabs": "built_in", "google_gemini": "built_in", "groq": "byok"}
    (named,) = kojikey("list", "openai", "--json").results
    assert (named["source"], named["billed_to"], named["masked"]) == ("none", None, None)
    assert "no key" in kojikey("list", "openai").out


def test_nothing_says_koji_at_another_companys_provider(kojikey: Program) -> None:
    added = kojikey.add("mistral", "ok")
    removed = kojikey("remove", "mistral", "--yes")
    assert "Koji" not in added.said + removed.said
    assert "allocation" not in added.said + removed.said


def test_each_check_of_a_provider_is_named_once(kojikey: Program) -> None:
    for row in kojikey("providers", "--json").results:
        assert len(row["checks"]) == len(set(row["checks"])), row
        assert f"a test checks   {', '.join(row['checks'])}\n" in kojikey("providers", row["provider"]).out


def test_a_provider_without_a_common_base_url_needs_one(kojikey: Program) -> None:
    key = kojikey.key("azure_openai").key
    for command in ("add", "test"):
        ended = kojikey(command, "azure_openai", "--stdin", "--json", stdin=key)
        assert ended.code == 2
        assert "--base-url https://{resource}.openai.azure.com" in ended.error["hint"]


def test_the_expiry_that_a_provider_reports_is_saved_unless_an_option_sets_one(kojikey: Program) -> None:
    told = "2027-12-31T23:59:59Z"
    added = kojikey.add("openrouter", "ok", "--json")
    assert added.results[0]["test"]["expires_at"] == told
    assert kojikey("list", "openrouter", "--json").results[0]["expires_at"] == told
    kojikey("remove", "openrouter", "--yes")
    kojikey.add("openrouter", "ok", "--expires", "2027-06-30")
    assert kojikey("list", "openrouter", "--json").results[0]["expires_at"] == "2027-06-30T23:59:59Z"


def test_the_permissions_and_the_usage_of_a_key_are_shown(kojikey: Program) -> None:
    deepseek = kojikey.add("deepseek", "ok", "--json").results[0]["test"]["usage"]
    assert (deepseek["unit"], deepseek["remaining"], deepseek["limit"]) == ("USD", 8.76, None)
    openrouter = kojikey.add("openrouter", "ok", "--json").results[0]["test"]["usage"]
    assert (openrouter["used"], openrouter["limit"], openrouter["remaining"]) == (25.5, 100, 74.5)
    xai = kojikey.add("xai", "ok", "--json").results[0]["test"]
    assert xai["permissions"] == ["api-key:model:*", "api-key:endpoint:*"]
    shown = kojikey("test", "--all").said
    assert "8.76 USD left" in shown
    assert "25.5 of 100 USD used" in shown


@pytest.mark.parametrize(("provider", "what"), [("openai", "an admin key of OpenAI"), ("cartesia", "an admin key of")])
def test_an_admin_key_is_refused_and_named_before_anything_is_sent(kojikey: Program, provider: str, what: str) -> None:
    key = kojikey.key(provider, "key_type_unsupported")
    ended = kojikey("add", provider, "--stdin", "--base-url", key.base_url, stdin=key.key)
    assert (ended.code, what in ended.err) == (2, True)
    assert kojikey.sandbox.requests == ()
