"""A model or voice that kojikey picked never limits a key; one that the user named does."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest
import respx

from kojikey.providers.definition_file import parse
from support.own_provider import ACME
from support.played_providers import ELEVEN, GOOGLE, answer, calls
from support.probing import CATALOG, probe

METHODS = ["generateContent", "countTokens"]
LISTED = (
    "gemini-2.0-flash-lite", "gemini-2.0-flash", "gemini-2.5-flash-lite", "gemini-2.5-flash", "gemini-2.5-pro",
    "gemini-3.5-pro-preview", "gemini-3.5-flash", "gemini-3-flash-preview",
)  # fmt: skip
ACTIONS = pytest.mark.parametrize(("action", "deep"), [("countTokens", False), ("generateContent", True)])


def listing(google: respx.MockRouter, *names: str) -> None:
    models = [{"name": f"models/{name}", "supportedGenerationMethods": METHODS} for name in names]
    google.get(f"{GOOGLE}/v1beta/models").respond(json={"models": models})


def refusing(google: respx.MockRouter, action: str, answers: Callable[[str], httpx.Response | None]) -> list[str]:
    """Let the function answer for each model (None: the model exists); return the list of requested models."""
    asked: list[str] = []

    def answered(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path.rpartition("/")[2].partition(":")[0])
        refusal = answers(asked[-1])
        return refusal or httpx.Response(200, json={"totalTokens": 1, "candidates": []})

    google.post(url__regex=rf"{GOOGLE}/.*:{action}").mock(side_effect=answered)
    return asked


def gone(_: str) -> httpx.Response:
    return answer("gemini_model_no_longer_available")


@ACTIONS
def test_models_are_tried_newest_generation_first(google: respx.MockRouter, action: str, deep: bool) -> None:
    listing(google, *LISTED)
    asked = refusing(google, action, lambda model: None if model == "gemini-flash-latest" else gone(model))
    verdict = probe("google_gemini", deep=deep)
    assert (verdict.outcome, verdict.reason, verdict.authentic) == ("valid", "ok", True)
    assert asked == ["gemini-3.5-flash", "gemini-3.5-pro-preview", "gemini-3-flash-preview", "gemini-flash-latest"]
    assert [check.name for check in verdict.checks] == ["account", "generate"]


@ACTIONS
@pytest.mark.parametrize(
    "refusal", ["gemini_model_no_longer_available", "gemini_model_gone", "gemini_model_not_in_tier"]
)
def test_after_a_model_that_is_gone_or_has_no_quota_the_next_is_tried(
    google: respx.MockRouter, action: str, deep: bool, refusal: str
) -> None:
    listing(google, "gemini-2.5-flash-lite", "gemini-2.5-flash")
    asked = refusing(google, action, lambda model: None if model == "gemini-2.5-flash" else answer(refusal))
    verdict = probe("google_gemini", deep=deep)
    assert verdict.outcome == "valid"
    assert asked == ["gemini-2.5-flash-lite", "gemini-2.5-flash"]


@ACTIONS
def test_after_four_undecided_models_the_key_is_not_judged(google: respx.MockRouter, action: str, deep: bool) -> None:
    listing(google, *LISTED)
    asked = refusing(google, action, gone)
    verdict = probe("google_gemini", deep=deep)
    assert (verdict.outcome, verdict.reason, verdict.authentic) == ("indeterminate", "unknown", True)
    assert len(asked) == len(set(asked)) == 4
    assert "--model" in verdict.hint
    assert "gemini-flash-latest" in verdict.detail


def test_an_answer_that_is_not_about_the_model_decides(google: respx.MockRouter) -> None:
    listing(google, *LISTED)
    blocked = answer("gemini_api_blocked_for_generating")
    asked = refusing(google, "countTokens", lambda model: gone(model) if model == "gemini-3.5-flash" else blocked)
    verdict = probe("google_gemini")
    assert (verdict.outcome, verdict.reason) == ("limited", "restricted_api")
    assert len(asked) == 2


def test_for_a_project_without_any_quota_no_other_model_is_tried(google: respx.MockRouter) -> None:
    listing(google, *LISTED)
    asked = refusing(google, "countTokens", lambda _: answer("gemini_project_without_quota_for_generating"))
    verdict = probe("google_gemini")
    assert (verdict.outcome, verdict.reason) == ("limited", "quota_exhausted")
    assert len(asked) == 1


@ACTIONS
@pytest.mark.parametrize("refusal", ["gemini_model_no_longer_available", "gemini_model_not_in_tier"])
def test_a_named_model_limits_and_no_other_is_tried(
    google: respx.MockRouter, action: str, deep: bool, refusal: str
) -> None:
    asked = refusing(google, action, lambda _: answer(refusal))
    verdict = probe("google_gemini", deep=deep, models=("gemini-2.5-pro",))
    assert verdict.outcome == "limited"
    assert asked == ["gemini-2.5-pro"]


def speaking(eleven: respx.MockRouter, *, without: tuple[str, ...]) -> list[str]:
    """Simulate an ElevenLabs without these models; return the list of requested models."""
    asked: list[str] = []

    def answered(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content)["model_id"])
        return answer("elevenlabs_model_not_found" if asked[-1] in without else "elevenlabs_no_such_voice")

    eleven.post(url__regex=rf"{ELEVEN}/v1/text-to-speech/.*").mock(side_effect=answered)
    return asked


def test_elevenlabs_speaks_with_another_model_when_the_first_is_gone(eleven: respx.MockRouter) -> None:
    asked = speaking(eleven, without=("eleven_flash_v2_5",))
    assert probe("elevenlabs").outcome == "valid"
    assert asked == ["eleven_flash_v2_5", "eleven_turbo_v2_5"]


@pytest.mark.parametrize("refusal", ["elevenlabs_model_not_found", "elevenlabs_model_denied"])
def test_elevenlabs_models_that_the_check_names_do_not_limit_the_key(eleven: respx.MockRouter, refusal: str) -> None:
    eleven.post(url__regex=rf"{ELEVEN}/v1/text-to-speech/.*").mock(return_value=answer(refusal))
    verdict = probe("elevenlabs")
    assert (verdict.outcome, verdict.reason, verdict.authentic) == ("indeterminate", "unknown", True)
    assert "--model" in verdict.hint
    assert len(calls(eleven)) == 5


def test_each_model_that_is_named_for_elevenlabs_is_tested_and_limits(eleven: respx.MockRouter) -> None:
    asked = speaking(eleven, without=("eleven_old",))
    verdict = probe("elevenlabs", models=("eleven_v3", "eleven_old"))
    assert sorted(asked) == ["eleven_old", "eleven_v3"]
    assert (verdict.outcome, verdict.reason) == ("limited", "model_unavailable")
    assert "eleven_old" in verdict.detail


def test_a_missing_transcription_model_does_not_limit_the_key(eleven: respx.MockRouter) -> None:
    answers = [answer("elevenlabs_transcriber_not_found"), answer("elevenlabs_file_missing_400")]
    route = eleven.post(f"{ELEVEN}/v1/speech-to-text").mock(side_effect=answers)
    assert probe("elevenlabs", capabilities=("speech_to_text",)).outcome == "valid"
    assert [b"scribe_v2" in call.request.content for call in route.calls] == [True, False]
    route.mock(return_value=answer("elevenlabs_transcriber_not_found"))
    verdict = probe("elevenlabs", capabilities=("speech_to_text",))
    assert (verdict.outcome, verdict.reason) == ("indeterminate", "unknown")


def test_after_a_voice_that_is_denied_the_next_is_tried(eleven: respx.MockRouter) -> None:
    asked: list[str] = []

    def spoken(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path.rpartition("/")[2])
        audio = httpx.Response(200, content=b"ID3", headers={"content-type": "audio/mpeg"})
        return answer("elevenlabs_voice_denied") if asked[-1] == "aDeniedVoice" else audio

    voices = [{"voice_id": "aDeniedVoice"}, {"voice_id": "aGoodVoice"}]
    eleven.get(f"{ELEVEN}/v2/voices").respond(json={"voices": voices})
    eleven.post(url__regex=rf"{ELEVEN}/v1/text-to-speech/.*").mock(side_effect=spoken)
    verdict = probe("elevenlabs", deep=True)
    assert asked == ["aDeniedVoice", "aGoodVoice"]
    assert (verdict.outcome, verdict.checks[-1].http_status) == ("valid", 200)


OWN = (
    ACME
    + """\
[auth]
header = "Authorization"
[base_urls]
default = "https://api.acme.example"
[[checks]]
name = "account"
path = "/me"
expect = ["id"]
[[checks]]
name = "model:{model}"
when = "model_named"
path = "/models/{model}"
expect = ["id"]
"""
)


@pytest.mark.parametrize("models", [(), ("large",), ("large", "small")])
def test_a_check_of_named_models_is_made_only_for_named_models(net: respx.MockRouter, models: tuple[str, ...]) -> None:
    net.route(host="api.acme.example").respond(200, json={"id": "x"})
    verdict = probe(parse(OWN, "acme.toml"), key="acme-key-0123456789", models=models)
    assert calls(net) == ["GET /me", *(f"GET /models/{model}" for model in models)]
    assert verdict.outcome == "valid"


def test_a_missing_model_in_a_query_does_not_limit_the_key(net: respx.MockRouter) -> None:
    asked: list[str] = []

    def heard(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["model"])
        gone_message = {"err_code": "Bad Request", "err_msg": "No such model/language/tier combination found."}
        no_audio = {"err_code": "Bad Request", "err_msg": "corrupt or unsupported data"}
        return httpx.Response(400, json=gone_message if asked[-1] == "nova-3" else no_audio)

    net.get("https://api.deepgram.com/v1/projects").respond(json={"projects": []})
    net.get("https://api.deepgram.com/v1/auth/token").respond(json={"scopes": [], "api_key_id": "x"})
    net.post("https://api.deepgram.com/v1/listen").mock(side_effect=heard)
    verdict = probe(CATALOG.get("deepgram"), key="0a" * 20, capabilities=("speech_to_text",))
    assert (verdict.outcome, asked) == ("valid", ["nova-3", "nova-2"])
    named = probe(CATALOG.get("deepgram"), key="0a" * 20, capabilities=("speech_to_text",), models=("nova-3",))
    assert (named.outcome, named.reason) == ("limited", "model_unavailable")
