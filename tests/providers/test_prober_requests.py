"""The requests of a test, their order, and the verdict from their findings."""

from __future__ import annotations

import asyncio
import json

import pytest
import respx

from kojikey.model.secret import Secret
from kojikey.providers.requests.probe import Prober, ProbeRequest
from support.played_providers import ELEVEN, GOOGLE, SUBSCRIPTION, VOICE, answer, calls
from support.probing import CATALOG, ELEVENLABS_KEY, GEMINI_KEY, Time, probe


def test_gemini_lists_models_and_counts_tokens_with_one_of_them(google: respx.MockRouter) -> None:
    verdict = probe("google_gemini")
    assert calls(google) == ["GET /v1beta/models", "POST /v1beta/models/gemini-2.5-flash-lite:countTokens"]
    assert (verdict.outcome, verdict.reason, verdict.authentic) == ("valid", "ok", True)
    assert [(check.name, check.required) for check in verdict.checks] == [("account", True), ("generate", True)]
    assert verdict.tested_at == "2026-11-23T04:47:00Z"
    assert verdict.attempts == 1


def test_gemini_deep_generates_one_token_in_place_of_counting(google: respx.MockRouter) -> None:
    verdict = probe("google_gemini", deep=True)
    assert calls(google)[1:] == ["POST /v1beta/models/gemini-2.5-flash-lite:generateContent"]
    assert json.loads(google.calls[-1].request.content)["generationConfig"] == {"maxOutputTokens": 1}
    assert [check.name for check in verdict.checks] == ["account", "generate"]


def test_gemini_asks_for_each_named_model(google: respx.MockRouter) -> None:
    verdict = probe("google_gemini", models=("models/gemini-2.5-pro", "gone"))
    assert [check.name for check in verdict.checks] == ["account", "model:gemini-2.5-pro", "model:gone", "generate"]
    assert (verdict.outcome, verdict.reason) == ("limited", "model_unavailable")
    assert "gone" in verdict.detail
    assert calls(google)[-1] == "POST /v1beta/models/gemini-2.5-pro:countTokens"


def test_a_named_model_that_does_not_generate_is_still_available(google: respx.MockRouter) -> None:
    verdict = probe("google_gemini", models=("embedding-001",))
    assert verdict.outcome == "valid"
    assert calls(google)[-1] == "POST /v1beta/models/gemini-2.5-flash-lite:countTokens"


def test_a_key_that_may_not_list_but_may_generate_is_valid(google: respx.MockRouter) -> None:
    google.get(f"{GOOGLE}/v1beta/models").mock(return_value=answer("gemini_api_blocked_for_listing"))
    verdict = probe("google_gemini")
    assert (verdict.outcome, verdict.authentic) == ("valid", True)
    assert [(check.reason, check.required) for check in verdict.checks] == [("restricted_api", False), ("ok", True)]
    assert calls(google)[-1] == "POST /v1beta/models/gemini-flash-latest:countTokens"


def test_a_key_that_may_neither_list_nor_generate_is_limited(google: respx.MockRouter) -> None:
    google.get(f"{GOOGLE}/v1beta/models").mock(return_value=answer("gemini_api_blocked_for_listing"))
    google.post(url__regex=rf"{GOOGLE}/.*:countTokens").mock(return_value=answer("gemini_api_blocked_for_generating"))
    verdict = probe("google_gemini")
    assert (verdict.outcome, verdict.reason, verdict.authentic) == ("limited", "restricted_api", True)


def test_a_model_that_kojikey_chose_blindly_does_not_limit_the_key(google: respx.MockRouter) -> None:
    google.get(f"{GOOGLE}/v1beta/models").mock(return_value=answer("gemini_api_blocked_for_listing"))
    google.post(url__regex=rf"{GOOGLE}/.*:countTokens").mock(return_value=answer("gemini_model_gone"))
    verdict = probe("google_gemini")
    assert (verdict.outcome, verdict.reason, verdict.authentic) == ("indeterminate", "unknown", True)
    assert "--model" in verdict.hint


def test_a_key_that_lists_but_may_not_generate_is_limited(google: respx.MockRouter) -> None:
    name = "gemini_project_without_quota_for_generating"
    google.post(url__regex=rf"{GOOGLE}/.*:countTokens").mock(return_value=answer(name))
    verdict = probe("google_gemini")
    assert (verdict.outcome, verdict.reason) == ("limited", "quota_exhausted")
    assert verdict.attempts == 1


def test_no_further_check_is_made_after_the_account_check_rejects(google: respx.MockRouter) -> None:
    google.get(f"{GOOGLE}/v1beta/models").mock(return_value=answer("gemini_invalid_key"))
    verdict = probe("google_gemini", models=("gemini-2.5-pro",))
    assert calls(google) == ["GET /v1beta/models"]
    assert (verdict.outcome, verdict.reason, verdict.authentic) == ("rejected", "invalid_key", False)


def test_a_standard_key_is_reported_as_no_longer_accepted_by_google(google: respx.MockRouter) -> None:
    google.get(f"{GOOGLE}/v1beta/models").mock(return_value=answer("gemini_invalid_key"))
    verdict = probe("google_gemini", key="AIza" + "Sy" * 17 + "x")
    assert verdict.reason == "invalid_key"
    assert "no longer accepts Standard keys" in verdict.detail


@pytest.mark.parametrize("word", ["ACCESS_TOKEN_TYPE_UNSUPPORTED", "SOMETHING_NEW"])
def test_an_auth_key_that_google_refuses_by_its_kind_is_not_called_a_wrong_kind_of_key(
    google: respx.MockRouter, word: str
) -> None:
    refused = answer("gemini_token_type_unsupported")
    content = refused.content.replace(b"ACCESS_TOKEN_TYPE_UNSUPPORTED", word.encode())
    google.post(url__regex=rf"{GOOGLE}/.*:countTokens").respond(401, headers=refused.headers, content=content)
    verdict = probe("google_gemini", key="AQ." + "Ab8" * 12)
    assert (verdict.outcome, verdict.reason) == ("rejected", "key_type_unsupported")
    assert verdict.detail.startswith(
        "the key has the form of an auth key (AQ.…), but Google does not accept it for this"
    )
    assert verdict.hint.startswith("look at the key and its project at https://aistudio.google.com/api-keys; try again")


def test_the_key_is_sent_only_in_its_header(google: respx.MockRouter, eleven: respx.MockRouter) -> None:
    probe("google_gemini", deep=True, models=("gemini-2.5-pro",))
    probe("elevenlabs", capabilities=("text_to_speech", "speech_to_text", "voices_read", "convai_read"), deep=True)
    for call in google.calls:
        request = call.request
        secret = GEMINI_KEY if request.url.host.startswith("generative") else ELEVENLABS_KEY
        header = "x-goog-api-key" if secret == GEMINI_KEY else "xi-api-key"
        assert request.headers[header] == secret
        assert [name for name, value in request.headers.items() if secret in value] == [header]
        assert secret not in str(request.url)
        assert secret.encode() not in request.content
        assert request.headers["user-agent"].startswith("kojikey/")
        assert "authorization" not in request.headers


def test_elevenlabs_speaks_nothing_without_deep(eleven: respx.MockRouter) -> None:
    verdict = probe("elevenlabs")
    assert calls(eleven) == ["GET /v1/user/subscription", "POST /v1/text-to-speech/kojikeyNoSuchVoice00"]
    assert (verdict.outcome, verdict.authentic) == ("valid", True)
    assert verdict.usage is not None
    assert verdict.usage.as_document() == {
        "unit": "credits", "used": 12, "limit": 1000, "remaining": 988, "resets_at": "2025-01-31T20:54:18Z",
        "plan": "creator", "status": "active",
    }  # fmt: skip


def test_elevenlabs_asks_once_for_each_capability(eleven: respx.MockRouter) -> None:
    verdict = probe("elevenlabs", capabilities=("convai_read", "speech_to_text", "voices_read"))
    assert verdict.outcome == "valid"
    assert [check.name for check in verdict.checks] == ["account", "speech_to_text", "voices_read", "convai_read"]
    speech = next(call.request for call in eleven.calls if call.request.url.path == "/v1/speech-to-text")
    assert speech.headers["content-type"].startswith("multipart/form-data")
    assert b"scribe_v2" in speech.content
    assert b"filename" not in speech.content


def test_elevenlabs_deep_speaks_one_character_with_a_voice_of_the_account(eleven: respx.MockRouter) -> None:
    verdict = probe("elevenlabs", deep=True)
    assert verdict.outcome == "valid"
    assert calls(eleven)[-1] == f"POST /v1/text-to-speech/{VOICE}"
    assert json.loads(eleven.calls[-1].request.content)["text"] == "a"
    assert [(check.name, check.required) for check in verdict.checks] == [
        ("account", True), ("own_voice", False), ("default_voice", False), ("text_to_speech", True),
    ]  # fmt: skip


def test_elevenlabs_deep_says_when_it_could_not_speak(eleven: respx.MockRouter) -> None:
    eleven.get(f"{ELEVEN}/v2/voices").mock(return_value=answer("elevenlabs_missing_voices_read"))
    verdict = probe("elevenlabs", deep=True)
    assert verdict.outcome == "valid"
    assert "no paid request was sent" in verdict.detail
    assert verdict.missing_permissions == ()


def test_a_key_without_user_read_is_valid(eleven: respx.MockRouter) -> None:
    eleven.get(f"{ELEVEN}/v1/user/subscription").mock(return_value=answer("elevenlabs_account_without_user_read"))
    verdict = probe("elevenlabs")
    assert (verdict.outcome, verdict.authentic, verdict.usage) == ("valid", True, None)
    assert verdict.missing_permissions == ()
    assert "user_read" in verdict.detail


def test_missing_permissions_of_all_checks_are_named_together(eleven: respx.MockRouter) -> None:
    eleven.post(url__regex=rf"{ELEVEN}/v1/text-to-speech/.*").mock(
        return_value=answer("elevenlabs_missing_text_to_speech")
    )
    eleven.post(f"{ELEVEN}/v1/speech-to-text").mock(return_value=answer("elevenlabs_missing_speech_to_text"))
    verdict = probe("elevenlabs", capabilities=("text_to_speech", "speech_to_text"))
    assert (verdict.outcome, verdict.reason, verdict.authentic) == ("limited", "missing_permission", True)
    assert verdict.missing_permissions == ("text_to_speech", "speech_to_text")
    assert verdict.detail == "the key lacks the permissions text_to_speech and speech_to_text"


def test_a_schema_error_alone_does_not_make_a_key_authentic(eleven: respx.MockRouter) -> None:
    eleven.get(f"{ELEVEN}/v1/user/subscription").mock(return_value=answer("elevenlabs_schema"))
    verdict = probe("elevenlabs", capabilities=("speech_to_text",))
    assert (verdict.outcome, verdict.authentic) == ("indeterminate", None)


def test_a_past_due_subscription_limits_the_key_and_still_tells_the_usage(eleven: respx.MockRouter) -> None:
    eleven.get(f"{ELEVEN}/v1/user/subscription").mock(return_value=answer("elevenlabs_subscription_past_due"))
    verdict = probe("elevenlabs")
    assert (verdict.outcome, verdict.reason, verdict.authentic) == ("limited", "billing", True)
    assert verdict.usage is not None
    assert verdict.usage.status == "past_due"


def test_a_limited_check_outranks_an_undecided_one(eleven: respx.MockRouter) -> None:
    eleven.post(url__regex=rf"{ELEVEN}/v1/text-to-speech/.*").mock(return_value=answer("elevenlabs_quota"))
    eleven.get(f"{ELEVEN}/v2/voices").respond(418)
    verdict = probe("elevenlabs", capabilities=("text_to_speech", "voices_read"))
    assert (verdict.outcome, verdict.reason) == ("limited", "quota_exhausted")


def test_the_regional_host_and_a_prefix_are_used(net: respx.MockRouter) -> None:
    net.get("https://gateway.example.com/eleven/v1/user/subscription").respond(json=SUBSCRIPTION)
    net.post(url__regex="https://gateway.example.com/eleven/v1/text-to-speech/.*").mock(
        return_value=answer("elevenlabs_no_such_voice")
    )
    assert probe("elevenlabs", base_url="https://gateway.example.com/eleven/").outcome == "valid"


def test_a_key_that_comes_back_as_a_model_goes_into_no_url(google: respx.MockRouter) -> None:
    echoed = [f"models/{GEMINI_KEY}", f"models/x-{GEMINI_KEY[4:16]}", f"models/{GEMINI_KEY.upper()}"]
    models = [{"name": name, "supportedGenerationMethods": ["generateContent", "countTokens"]} for name in echoed]
    google.get(f"{GOOGLE}/v1beta/models").respond(json={"models": models})
    google.post(url__regex=rf"{GOOGLE}/.*:countTokens").mock(return_value=answer("gemini_model_gone"))
    verdict = probe("google_gemini")
    assert calls(google)[-1] == "POST /v1beta/models/gemini-flash-latest:countTokens"
    assert GEMINI_KEY[4:16].lower() not in (str(calls(google)) + repr(verdict)).lower()


def test_a_key_that_comes_back_as_a_voice_goes_into_no_url(eleven: respx.MockRouter) -> None:
    eleven.get(f"{ELEVEN}/v2/voices").respond(json={"voices": [{"voice_id": ELEVENLABS_KEY}]})
    verdict = probe("elevenlabs", deep=True)
    assert calls(eleven)[-1] == "POST /v1/text-to-speech/kojikeyNoSuchVoice00"
    assert ELEVENLABS_KEY[4:16] not in str(calls(eleven)) + repr(verdict)


def test_reused_requests_hold_no_key_and_are_not_mixed_up(google: respx.MockRouter) -> None:
    keys = ["AQ." + letter * 40 for letter in "ab"]
    models = ("gemini-2.5-pro", "gemini-2.5-flash-lite")

    async def tested() -> str:
        async with Prober(surroundings=Time().surroundings()) as prober:
            for key in keys:
                for model in models:
                    await prober.test(ProbeRequest(CATALOG.get("google_gemini"), Secret(key), models=(model,)))
            return repr(prober._exchange.__dict__ if prober._exchange else None)

    kept = asyncio.run(tested())
    assert "countTokens" in kept
    assert not any(key in kept for key in keys)
    sent = [(call.request.headers["x-goog-api-key"], call.request.url.path) for call in google.calls]
    of_first, of_second = ([path for sender, path in sent if sender == key] for key in keys)
    assert of_first == of_second
    assert [path for path in of_first if ":" in path] == [f"/v1beta/models/{model}:countTokens" for model in models]
