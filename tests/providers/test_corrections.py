"""Findings corrected after the whole test: a wrong base URL, a key that arrived, an answer of another server."""

from __future__ import annotations

import httpx
import pytest
import respx

from kojikey.model.verdict import Reason
from kojikey.providers.answers.corrections import corrected, undecided
from kojikey.providers.answers.finding import Finding
from kojikey.providers.catalog import Catalog
from support.played_providers import ELEVEN, GOOGLE, answer
from support.probing import CATALOG, probe


def test_api_keys_not_supported_beside_an_accepted_request_is_the_kind_of_key(google: respx.MockRouter) -> None:
    google.post(url__regex=rf"{GOOGLE}/.*:countTokens").mock(return_value=answer("gemini_api_keys_not_supported"))
    verdict = probe("google_gemini")
    assert (verdict.outcome, verdict.reason, verdict.authentic) == ("rejected", "key_type_unsupported", True)
    assert "arrive" not in verdict.detail


@pytest.mark.parametrize("refusal", ["gemini_credentials_missing", "gemini_no_key_arrived"])
def test_a_key_with_which_another_request_was_accepted_did_arrive(google: respx.MockRouter, refusal: str) -> None:
    google.post(url__regex=rf"{GOOGLE}/.*:countTokens").mock(return_value=answer(refusal))
    verdict = probe("google_gemini")
    assert (verdict.outcome, verdict.reason, verdict.authentic) == ("indeterminate", "unknown", True)
    assert "did not arrive" not in verdict.detail
    assert "proxy" not in verdict.detail + verdict.hint


def test_a_key_with_which_no_request_was_accepted_may_not_have_arrived(google: respx.MockRouter) -> None:
    google.get(f"{GOOGLE}/v1beta/models").mock(return_value=answer("gemini_credentials_missing"))
    google.post(url__regex=rf"{GOOGLE}/.*:countTokens").mock(return_value=answer("gemini_credentials_missing"))
    assert "did not arrive" in probe("google_gemini").detail


@pytest.mark.parametrize("content", [b"<html>not here</html>", b'{"error": {"code": 404, "status": "NOT_FOUND"}}', b""])
@pytest.mark.parametrize("models", [(), ("gemini-2.5-pro",)])
def test_a_404_for_every_path_suggests_a_wrong_base_url(
    net: respx.MockRouter, content: bytes, models: tuple[str, ...]
) -> None:
    net.route(host="gateway.example").respond(404, content=content)
    verdict = probe("google_gemini", base_url="https://gateway.example/wrong", models=models)
    assert (verdict.outcome, verdict.reason, verdict.authentic) == ("indeterminate", "unknown", None)
    assert verdict.detail.startswith("the base URL https://gateway.example/wrong is likely wrong")
    assert GOOGLE in verdict.hint


def test_the_providers_own_base_url_is_suggested_where_it_has_one() -> None:
    lost = Finding(name="models", required=True, reason=Reason.UNKNOWN, authentic=None, http_status=404)
    for provider, own in (("google_gemini", f"; Google's own is {GOOGLE}"), ("azure_openai", "")):
        (found,) = corrected([lost], CATALOG.get(provider), "https://gateway.example")
        assert found.hint == f"check the base URL (--base-url{own}); the key was not judged"


@pytest.mark.parametrize(
    ("can_be_named", "hint"),
    [
        (True, "name a model that the key must reach with --model"),
        (False, "the key was not judged for this; run the same command to try again"),
    ],
)
def test_a_choice_of_kojikeys_own_that_does_not_work_judges_no_key(can_be_named: bool, hint: str) -> None:
    refused = Finding(
        name="call", required=True, reason=Reason.MODEL_UNAVAILABLE, authentic=True, about="model", detail="x", hint="y"
    )
    found = undecided(refused, ["m2", "m1", "m2"], can_be_named=can_be_named)
    assert (found.reason, found.authentic, found.hint) == (Reason.UNKNOWN, True, hint)
    assert found.detail == "none of the models that kojikey tried can be used with this key: m2, m1"


def test_a_404_that_is_not_for_every_path_says_nothing_about_the_base_url(eleven: respx.MockRouter) -> None:
    eleven.get(f"{ELEVEN}/v1/user/subscription").respond(404, json={"detail": "Not Found"})
    verdict = probe("elevenlabs")
    assert verdict.outcome == "indeterminate"
    assert "base URL" not in verdict.detail


@pytest.mark.parametrize(
    "content",
    [b'{"models": 17}', b'{"models": null}', b'{"models": {"a": 1}}', b'{"models": [], "x": "\xff"}', b'["models"]'],
)
def test_an_answer_with_a_member_of_another_type_or_without_text_is_not_the_providers(
    google: respx.MockRouter, content: bytes
) -> None:
    google.get(f"{GOOGLE}/v1beta/models").respond(200, content=content, headers={"content-type": "application/json"})
    google.post(url__regex=rf"{GOOGLE}/.*:countTokens").respond(200, json={"totalTokens": "many"})
    verdict = probe("google_gemini")
    assert (verdict.outcome, verdict.reason, verdict.authentic) == ("indeterminate", "unknown", None)
    assert "is not from Google" in verdict.detail


@pytest.mark.parametrize("content", [{"tier": 1, "character_limit": "x"}, {"tier": None}, {"character_limit": True}])
def test_a_subscription_with_members_of_other_types_is_not_elevenlabs(
    eleven: respx.MockRouter, content: dict[str, object]
) -> None:
    eleven.get(f"{ELEVEN}/v1/user/subscription").respond(200, json=content)
    account = probe("elevenlabs").checks[0]
    assert (account.outcome, account.reason) == ("indeterminate", "unknown")


def test_every_member_that_a_bundled_definition_expects_has_a_type() -> None:
    catalog: Catalog = CATALOG
    open_ones = [
        (definition.id, check.name, member)
        for definition in catalog.all()
        for check in definition.checks
        for member, kind in check.expect.items()
        if kind == "any"
    ]
    assert open_ones == []


@pytest.mark.parametrize(
    ("provider", "given", "used", "removed"),
    [
        ("google_gemini", "https://gate.example/v1beta", "https://gate.example", "/v1beta"),
        ("google_gemini", "https://gate.example/gemini/v1", "https://gate.example/gemini", "/v1"),
        ("google_gemini", "https://gate.example/v1beta/openai", "https://gate.example", "/v1beta/openai"),
        ("google_gemini", "https://gate.example/v1beta/x", "https://gate.example/v1beta/x", ""),
        ("google_gemini", "https://v1", "https://v1", ""),
        ("elevenlabs", "https://gate.example/v1", "https://gate.example", "/v1"),
        ("elevenlabs", "https://gate.example/v11", "https://gate.example/v11", ""),
    ],
)
def test_a_base_url_loses_the_providers_own_version_path(provider: str, given: str, used: str, removed: str) -> None:
    assert CATALOG.get(provider).base_url_from(given) == (used, removed)


def test_an_audio_answer_needs_no_text(eleven: respx.MockRouter) -> None:
    audio = httpx.Response(200, content=b"\xff\xfb\x90", headers={"content-type": "audio/mpeg"})
    eleven.post(url__regex=rf"{ELEVEN}/v1/text-to-speech/.*").mock(return_value=audio)
    assert probe("elevenlabs", deep=True).outcome == "valid"
