"""Requests that the prober refuses to send, its retries, and text that it keeps out of verdicts and logs."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import Any

import httpcore2
import httpx
import pytest
import respx

from kojikey.model.errors import MalformedKey, UsageError
from kojikey.model.secret import Secret
from kojikey.providers.requests.probe import Prober, ProbeRequest
from support.played_providers import ELEVEN, GOOGLE, MODELS, SUBSCRIPTION, answer, calls
from support.probing import CATALOG, ELEVENLABS_KEY, GEMINI_KEY, Time, probe


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
        ("elevenlabs", {"models": ("eleven flash",)}),
        ("google_gemini", {"models": ("../../x",)}),
        ("google_gemini", {"models": ("..",)}),
        ("google_gemini", {"base_url": "http://api.example.com"}),
    ],
)
def test_an_invalid_choice_is_refused_before_anything_is_sent(
    net: respx.MockRouter, provider: str, choices: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        probe(provider, **choices)
    assert not net.calls


def test_a_rate_limited_request_is_retried_twice_with_backoff(google: respx.MockRouter) -> None:
    google.get(f"{GOOGLE}/v1beta/models").mock(return_value=answer("gemini_ambiguous_429"))
    time = Time()
    verdict = probe("google_gemini", time=time)
    assert calls(google) == ["GET /v1beta/models"] * 3
    assert time.slept == [0.25, 0.5]
    assert (verdict.reason, verdict.attempts, verdict.authentic) == ("rate_limited", 3, True)


def test_a_request_is_retried_until_the_provider_recovers(google: respx.MockRouter) -> None:
    google.get(f"{GOOGLE}/v1beta/models").side_effect = [
        answer("gemini_unavailable"), httpcore2.ConnectError("x"), httpx.Response(200, json=MODELS),
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
def test_the_wait_that_a_server_asks_for_is_observed_within_the_time_limit(
    eleven: respx.MockRouter, headers: dict[str, str], waits: list[float]
) -> None:
    eleven.get(f"{ELEVEN}/v1/user/subscription").respond(503, headers=headers)
    time = Time()
    assert probe("elevenlabs", time=time).reason == "provider_unavailable"
    assert time.slept == waits


def test_the_wait_of_googles_retry_info_is_observed(google: respx.MockRouter) -> None:
    google.post(url__regex=rf"{GOOGLE}/.*:countTokens").mock(return_value=answer("gemini_per_minute"))
    time = Time()
    verdict = probe("google_gemini", time=time, timeout=50)
    assert time.slept == [40.0, 40.0]
    assert verdict.reason == "rate_limited"


def test_no_request_begins_after_the_time_of_the_whole_test(eleven: respx.MockRouter) -> None:
    time = Time()

    def late(_: httpx.Request) -> httpx.Response:
        time.now += 30.0
        return httpx.Response(200, json=SUBSCRIPTION)

    eleven.get(f"{ELEVEN}/v1/user/subscription").mock(side_effect=late)
    verdict = probe("elevenlabs", time=time)
    assert calls(eleven) == ["GET /v1/user/subscription"]
    assert (verdict.outcome, verdict.reason, verdict.attempts) == ("indeterminate", "timeout", 1)
    assert [(check.reason, check.http_status) for check in verdict.checks] == [("ok", 200), ("timeout", None)]


def test_a_retry_that_the_time_of_the_test_ends_leaves_the_answer_before_it(eleven: respx.MockRouter) -> None:
    time = Time()
    count = iter(range(2))

    def busy_then_silent(_: httpx.Request) -> httpx.Response:
        if next(count) == 0:
            return httpx.Response(503)
        time.now += 30.0
        raise httpcore2.ReadTimeout

    eleven.get(f"{ELEVEN}/v1/user/subscription").mock(side_effect=busy_then_silent)
    verdict = probe("elevenlabs", time=time)
    assert next(count, None) is None
    assert (verdict.reason, verdict.attempts) == ("provider_unavailable", 2)


@pytest.mark.parametrize(
    "name",
    ["elevenlabs_invalid_key", "elevenlabs_no_key_arrived", "elevenlabs_unauthorized_alone", "elevenlabs_schema"],
)
def test_an_answer_about_the_key_is_not_retried(eleven: respx.MockRouter, name: str) -> None:
    route = eleven.get(f"{ELEVEN}/v1/user/subscription").mock(return_value=answer(name))
    time = Time()
    probe("elevenlabs", time=time)
    assert route.call_count == 1
    assert time.slept == []


def test_a_key_that_a_provider_echoes_is_in_no_part_of_the_verdict(google: respx.MockRouter) -> None:
    echo = {"error": {"code": 418, "message": f"\x1b[31mbad key {GEMINI_KEY}\u202e!", "status": GEMINI_KEY}}
    google.get(f"{GOOGLE}/v1beta/models").respond(418, json=echo)
    google.post(url__regex=".*").respond(418, json=echo)
    verdict = probe("google_gemini")
    assert GEMINI_KEY[:8] not in repr(verdict)
    assert "bad key [key]!" in verdict.detail
    assert "\x1b" not in verdict.detail


def test_a_suspended_key_that_google_echoes_is_scrubbed(google: respx.MockRouter) -> None:
    name = "gemini_suspended_with_the_key_in_its_message"
    google.get(f"{GOOGLE}/v1beta/models").mock(return_value=answer(name))
    verdict = probe("google_gemini")
    assert verdict.reason == "revoked"
    assert GEMINI_KEY[:8] not in repr(verdict)


def test_no_log_at_any_level_has_the_key(google: respx.MockRouter, caplog: pytest.LogCaptureFixture) -> None:
    async def tested() -> None:
        async with Prober() as prober:
            logging.getLogger("httpcore2").setLevel(logging.DEBUG)
            await prober.test(ProbeRequest(CATALOG.get("google_gemini"), Secret(GEMINI_KEY)))

    with caplog.at_level(logging.DEBUG):
        asyncio.run(tested())
    assert caplog.records
    assert GEMINI_KEY not in caplog.text


def test_the_loggers_of_the_http_library_are_disabled(
    google: respx.MockRouter, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        probe("google_gemini")
    assert [record for record in caplog.records if record.name.startswith(("httpx", "httpcore"))] == []


def test_a_cookie_of_one_answer_is_not_sent_with_the_next_key(eleven: respx.MockRouter) -> None:
    eleven.get(f"{ELEVEN}/v1/user/subscription").respond(json=SUBSCRIPTION, headers={"set-cookie": "who=first; Path=/"})
    probe("elevenlabs")
    assert all("cookie" not in call.request.headers for call in eleven.calls)


def test_an_unknown_failure_of_the_http_library_is_a_verdict_without_its_text(net: respx.MockRouter) -> None:
    net.get(url__regex=".*").mock(side_effect=ValueError(f"Illegal header value {ELEVENLABS_KEY}"))
    verdict = probe("elevenlabs")
    assert (verdict.outcome, verdict.reason) == ("indeterminate", "unknown")
    assert ELEVENLABS_KEY[:8] not in repr(verdict)


def test_a_prober_used_outside_its_context_raises_an_error_that_says_how_to_use_it() -> None:
    request = ProbeRequest(CATALOG.get("elevenlabs"), Secret(ELEVENLABS_KEY))
    with pytest.raises(RuntimeError, match="async with"):
        asyncio.run(Prober().test(request))


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_setting_that_cannot_be_used_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "nonsense://user:pass-word@proxy")
    with pytest.raises(UsageError) as caught:
        probe("elevenlabs")
    assert "pass-word" not in str(caught.value)
    assert name in str(caught.value)


def test_a_certificate_file_that_is_not_there_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", os.path.join(os.path.dirname(__file__), "nothing.pem"))
    with pytest.raises(UsageError, match="SSL_CERT_FILE"):
        probe("elevenlabs")
