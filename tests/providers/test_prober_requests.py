"""What a test sends, in which order, and how its findings become one verdict; the providers are played by respx."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx
from probing import CATALOG, ELEVENLABS_KEY, GEMINI_KEY, Time, probe

from kojikey.model.errors import MalformedKey, UsageError
from kojikey.model.secret import Secret
from kojikey.providers.probe import Prober, ProbeRequest

GOOGLE = "https://generativelanguage.googleapis.com"
ELEVEN = "https://api.elevenlabs.io"
MODELS = {
    "models": [
        {"name": "models/embedding-001", "supportedGenerationMethods": ["embedContent"]},
        {"name": "models/gemini-2.5-pro", "supportedGenerationMethods": ["generateContent", "countTokens"]},
        {"name": "models/gemini-2.5-flash-lite", "supportedGenerationMethods": ["generateContent", "countTokens"]},
    ]
}
VOICE = "aVoiceThatIsThere001"
SUBSCRIPTION = {
    "tier": "creator", "character_count": 12, "character_limit": 1000, "status": "active",
    "next_character_count_reset_unix": 1738356858,
}  # fmt: skip


def body(name: str) -> tuple[int, Any]:
    path = os.path.join(os.path.dirname(__file__), "bodies", f"{name}.json")
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    return document["status"], document["body"]


def answer(name: str) -> httpx.Response:
    status, content = body(name)
    return httpx.Response(status, json=content)


@pytest.fixture
def net() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        yield router


def calls(net: respx.MockRouter) -> list[str]:
    return [f"{call.request.method} {call.request.url.path}" for call in net.calls]


@pytest.fixture
def google(net: respx.MockRouter) -> respx.MockRouter:
    net.get(f"{GOOGLE}/v1beta/models").respond(json=MODELS)
    net.get(url__regex=rf"{GOOGLE}/v1beta/models/.+").mock(side_effect=_model)
    net.post(url__regex=rf"{GOOGLE}/.*:countTokens").respond(json={"totalTokens": 1})
    net.post(url__regex=rf"{GOOGLE}/.*:generateContent").respond(json={"candidates": [], "usageMetadata": {}})
    return net


def _model(request: httpx.Request) -> httpx.Response:
    name = request.url.path.removeprefix("/v1beta/")
    if name == "models/gone":
        return answer("gemini_model_no_longer_available")
    methods = ["embedContent"] if "embedding" in name else ["generateContent", "countTokens"]
    return httpx.Response(200, json={"name": name, "supportedGenerationMethods": methods})


def _speech(request: httpx.Request) -> httpx.Response:
    if request.url.path.endswith(VOICE):
        return httpx.Response(200, content=b"ID3", headers={"content-type": "audio/mpeg"})
    return answer("elevenlabs_no_such_voice")


@pytest.fixture
def eleven(net: respx.MockRouter) -> respx.MockRouter:
    net.get(f"{ELEVEN}/v1/user/subscription").respond(json=SUBSCRIPTION)
    net.post(url__regex=rf"{ELEVEN}/v1/text-to-speech/.*").mock(side_effect=_speech)
    net.post(f"{ELEVEN}/v1/speech-to-text").mock(return_value=answer("elevenlabs_file_missing_400"))
    net.get(f"{ELEVEN}/v2/voices").respond(json={"voices": [{"voice_id": VOICE}]})
    net.get(f"{ELEVEN}/v1/convai/agents").respond(json={"agents": []})
    return net


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


def test_nothing_more_is_asked_once_the_account_check_rejects(google: respx.MockRouter) -> None:
    google.get(f"{GOOGLE}/v1beta/models").mock(return_value=answer("gemini_invalid_key"))
    verdict = probe("google_gemini", models=("gemini-2.5-pro",))
    assert calls(google) == ["GET /v1beta/models"]
    assert (verdict.outcome, verdict.reason, verdict.authentic) == ("rejected", "invalid_key", False)


def test_a_standard_key_is_told_that_google_takes_none_any_more(google: respx.MockRouter) -> None:
    google.get(f"{GOOGLE}/v1beta/models").mock(return_value=answer("gemini_invalid_key"))
    verdict = probe("google_gemini", key="AIza" + "Sy" * 17 + "x")
    assert verdict.reason == "invalid_key"
    assert "no longer accepts Standard keys" in verdict.detail


def test_the_key_travels_in_its_header_alone(google: respx.MockRouter, eleven: respx.MockRouter) -> None:
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
        "unit": "credits", "used": 12, "limit": 1000, "resets_at": "2025-01-31T20:54:18Z", "plan": "creator",
        "status": "active",
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
    assert "no paid request was made" in verdict.detail
    assert verdict.missing_permissions == ()


def test_a_key_without_user_read_is_a_fine_key(eleven: respx.MockRouter) -> None:
    eleven.get(f"{ELEVEN}/v1/user/subscription").mock(return_value=answer("elevenlabs_account_without_user_read"))
    verdict = probe("elevenlabs")
    assert (verdict.outcome, verdict.authentic, verdict.usage) == ("valid", True, None)
    assert verdict.missing_permissions == ()
    assert "user_read" in verdict.detail


def test_a_model_that_elevenlabs_denies_limits_the_key(eleven: respx.MockRouter) -> None:
    eleven.post(url__regex=rf"{ELEVEN}/v1/text-to-speech/.*").mock(return_value=answer("elevenlabs_model_denied"))
    verdict = probe("elevenlabs")
    assert (verdict.outcome, verdict.reason) == ("limited", "model_unavailable")


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


def test_a_limited_check_weighs_more_than_one_that_learned_nothing(eleven: respx.MockRouter) -> None:
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


@pytest.mark.parametrize("key", ["with space", "line\nend", "tab\t", "é" * 20, "", "zero\u200bwidth"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_repeated(net: respx.MockRouter, key: str) -> None:
    with pytest.raises(MalformedKey) as caught:
        probe("elevenlabs", key=key)
    assert not key or key not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert not net.calls


@pytest.mark.parametrize(
    ("provider", "choices"),
    [
        ("elevenlabs", {"capabilities": ("fly",)}),
        ("elevenlabs", {"models": ("eleven_flash_v2_5",)}),
        ("google_gemini", {"models": ("../../x",)}),
        ("google_gemini", {"models": ("..",)}),
        ("google_gemini", {"base_url": "http://api.example.com"}),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused_before_anything_is_sent(
    net: respx.MockRouter, provider: str, choices: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        probe(provider, **choices)
    assert not net.calls


def test_a_rate_limit_is_tried_again_twice_with_backoff(google: respx.MockRouter) -> None:
    google.get(f"{GOOGLE}/v1beta/models").mock(return_value=answer("gemini_ambiguous_429"))
    time = Time()
    verdict = probe("google_gemini", time=time)
    assert calls(google) == ["GET /v1beta/models"] * 3
    assert time.slept == [0.25, 0.5]
    assert (verdict.reason, verdict.attempts, verdict.authentic) == ("rate_limited", 3, True)


def test_a_provider_that_recovers_is_asked_again(google: respx.MockRouter) -> None:
    google.get(f"{GOOGLE}/v1beta/models").side_effect = [
        answer("gemini_unavailable"), httpx.ConnectError("x"), httpx.Response(200, json=MODELS),
    ]  # fmt: skip
    verdict = probe("google_gemini")
    assert (verdict.outcome, verdict.attempts) == ("valid", 3)


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"retry-after": "7"}, [7.0, 7.0]),
        ({"retry-after-ms": "1500", "retry-after": "7"}, [1.5, 1.5]),
        ({"retry-after": "Mon, 23 Nov 2026 04:47:05 GMT", "date": "Mon, 23 Nov 2026 04:47:00 GMT"}, [5.0, 5.0]),
        ({"retry-after": "soon"}, [0.25, 0.5]),
        ({"retry-after": "20"}, [20.0]),  # a second wait would go over the 30 s of the whole test
        ({"retry-after": "31"}, []),
        ({"retry-after": "99999999999999999999"}, []),
    ],
)
def test_the_wait_that_a_server_asks_for_is_kept_up_to_the_limit_of_the_test(
    eleven: respx.MockRouter, headers: dict[str, str], waits: list[float]
) -> None:
    eleven.get(f"{ELEVEN}/v1/user/subscription").respond(503, headers=headers)
    time = Time()
    assert probe("elevenlabs", time=time).reason == "provider_unavailable"
    assert time.slept == waits


def test_the_wait_of_googles_retry_info_is_kept(google: respx.MockRouter) -> None:
    google.post(url__regex=rf"{GOOGLE}/.*:countTokens").mock(return_value=answer("gemini_per_minute"))
    time = Time()
    verdict = probe("google_gemini", time=time, timeout=50)
    assert time.slept == [40.0, 40.0]
    assert verdict.reason == "rate_limited"


@pytest.mark.parametrize(
    "name",
    ["elevenlabs_invalid_key", "elevenlabs_no_key_arrived", "elevenlabs_unauthorized_alone", "elevenlabs_schema"],
)
def test_a_verdict_about_the_key_is_never_asked_for_twice(eleven: respx.MockRouter, name: str) -> None:
    route = eleven.get(f"{ELEVEN}/v1/user/subscription").mock(return_value=answer(name))
    time = Time()
    probe("elevenlabs", time=time)
    assert route.call_count == 1
    assert time.slept == []


def test_what_a_provider_echoes_is_in_no_part_of_the_verdict(google: respx.MockRouter) -> None:
    echo = {"error": {"code": 418, "message": f"\x1b[31mbad key {GEMINI_KEY}\u202e!", "status": GEMINI_KEY}}
    google.get(f"{GOOGLE}/v1beta/models").respond(418, json=echo)
    google.post(url__regex=".*").respond(418, json=echo)
    verdict = probe("google_gemini")
    assert GEMINI_KEY[:8] not in repr(verdict)
    assert "bad key [key]!" in verdict.detail
    assert "\x1b" not in verdict.detail


def test_a_suspended_key_that_google_repeats_is_scrubbed(google: respx.MockRouter) -> None:
    name = "gemini_suspended_with_the_key_in_its_message"
    google.get(f"{GOOGLE}/v1beta/models").mock(return_value=answer(name))
    verdict = probe("google_gemini")
    assert verdict.reason == "revoked"
    assert GEMINI_KEY[:8] not in repr(verdict)


def test_no_log_at_any_level_has_the_key(google: respx.MockRouter, caplog: pytest.LogCaptureFixture) -> None:
    async def tested() -> None:
        async with Prober() as prober:
            logging.getLogger("httpx").setLevel(logging.DEBUG)
            logging.getLogger("httpcore").setLevel(logging.DEBUG)
            await prober.test(ProbeRequest(CATALOG.get("google_gemini"), Secret(GEMINI_KEY)))

    with caplog.at_level(logging.DEBUG):
        asyncio.run(tested())
    assert caplog.records
    assert GEMINI_KEY not in caplog.text


def test_the_http_librarys_loggers_are_quiet_by_themselves(
    google: respx.MockRouter, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        probe("google_gemini")
    assert [record for record in caplog.records if record.name.startswith(("httpx", "httpcore"))] == []


def test_a_cookie_of_one_answer_does_not_travel_with_the_next_key(eleven: respx.MockRouter) -> None:
    eleven.get(f"{ELEVEN}/v1/user/subscription").respond(json=SUBSCRIPTION, headers={"set-cookie": "who=first; Path=/"})
    probe("elevenlabs")
    assert all("cookie" not in call.request.headers for call in eleven.calls)


def test_an_unknown_failure_of_the_http_library_is_a_verdict_without_its_text(net: respx.MockRouter) -> None:
    net.get(url__regex=".*").mock(side_effect=ValueError(f"Illegal header value {ELEVENLABS_KEY}"))
    verdict = probe("elevenlabs")
    assert (verdict.outcome, verdict.reason) == ("indeterminate", "unknown")
    assert ELEVENLABS_KEY[:8] not in repr(verdict)


def test_a_prober_outside_its_context_says_so() -> None:
    request = ProbeRequest(CATALOG.get("elevenlabs"), Secret(ELEVENLABS_KEY))
    with pytest.raises(RuntimeError, match="async with"):
        asyncio.run(Prober().test(request))


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_setting_that_can_not_be_used_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "nonsense://user:pass-word@proxy")
    with pytest.raises(UsageError) as caught:
        probe("elevenlabs")
    assert "pass-word" not in str(caught.value)


def test_a_certificate_file_that_is_not_there_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", os.path.join(os.path.dirname(__file__), "nothing.pem"))
    with pytest.raises(UsageError, match="certificate settings"):
        probe("elevenlabs")
