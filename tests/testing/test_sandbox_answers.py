"""The sandbox answers like the real providers: one test for every sandbox key, and one for every kind of request."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from kojikey.model.masking import tail_of
from kojikey.model.verdict import OUTCOME_OF, Reason
from kojikey.testing import Sandbox, SandboxKey
from kojikey.testing.sandbox.scenarios import script_of

KOJIS = ("google_gemini", "elevenlabs")
HEADER = {"google_gemini": "x-goog-api-key", "elevenlabs": "xi-api-key"}
MODEL = "/v1beta/models/gemini-2.5-flash"
CONTENTS = {"contents": [{"parts": [{"text": "ping"}]}]}
NO_VOICE = "/v1/text-to-speech/KojikeyNoSuchVoice00"
STT = "/v1/speech-to-text"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as started:
        yield started


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=10) as opened:
        yield opened


def ask(client: httpx.Client, key: SandboxKey, method: str, path: str, **more: Any) -> httpx.Response:
    return client.request(method, key.base_url + path, headers={HEADER[key.provider]: key.key}, **more)


def speak(client: httpx.Client, key: SandboxKey) -> httpx.Response:
    return ask(client, key, "POST", NO_VOICE, json={"text": "a", "model_id": "eleven_flash_v2_5"})


# The request that shows the reason, the status, and the word that shows the reason.
GEMINI = {
    "ok": ("GET", "/v1beta/models", 200, "supportedGenerationMethods"),
    "ok_2": ("GET", "/v1beta/models", 200, "supportedGenerationMethods"),
    "ok_3": ("GET", "/v1beta/models", 200, "supportedGenerationMethods"),
    "missing_permission": ("GET", "/v1beta/models", 403, "IAM_PERMISSION_DENIED"),
    "restricted_ip": ("GET", "/v1beta/models", 403, "API_KEY_IP_ADDRESS_BLOCKED"),
    "restricted_referrer": ("GET", "/v1beta/models", 403, "API_KEY_HTTP_REFERRER_BLOCKED"),
    "restricted_app": ("GET", "/v1beta/models", 403, "API_KEY_ANDROID_APP_BLOCKED"),
    "restricted_app_ios": ("GET", "/v1beta/models", 403, "API_KEY_IOS_APP_BLOCKED"),
    "restricted_api": ("GET", "/v1beta/models", 403, "v1beta.ModelService.ListModels are blocked"),
    "service_disabled": ("GET", "/v1beta/models", 403, "SERVICE_DISABLED"),
    "region_unsupported": ("GET", "/v1beta/models", 400, "User location is not supported"),
    "quota_exhausted": ("GET", "/v1beta/models", 429, '"quota_limit_value":"0"'),
    "quota_exhausted_daily": ("POST", MODEL + ":generateContent", 429, "PerDay"),
    "billing": ("GET", "/v1beta/models", 403, "BILLING_DISABLED"),
    "billing_prepay": ("POST", MODEL + ":generateContent", 429, "prepayment credits are depleted"),
    "billing_spend_cap": ("POST", MODEL + ":generateContent", 429, "monthly spending cap"),
    "billing_country": ("GET", "/v1beta/models", 400, "free tier is not available"),
    "model_unavailable": ("GET", MODEL, 404, "models/gemini-2.5-flash is not found"),
    "invalid_key": ("GET", "/v1beta/models", 400, "API_KEY_INVALID"),
    "invalid_key_wrapped": ("GET", "/v1beta/models", 400, "API_KEY_INVALID"),
    "deleted_key": ("GET", "/v1beta/models", 400, "API Key not found"),
    "expired": ("GET", "/v1beta/models", 400, "API key expired"),
    "revoked": ("GET", "/v1beta/models", 403, "reported as leaked"),
    "revoked_suspended": ("GET", "/v1beta/models", 403, "CONSUMER_SUSPENDED"),
    "key_type_unsupported": ("GET", "/v1beta/models", 401, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
    "rate_limited": ("GET", "/v1beta/models", 429, "PerMinute"),
    "provider_unavailable": ("GET", "/v1beta/models", 503, "overloaded"),
    "provider_unavailable_500": ("GET", "/v1beta/models", 500, "INTERNAL"),
    "redirected": ("GET", "/v1beta/models", 302, "moved"),
    "network_blocked": ("GET", "/v1beta/models", 403, "<title>Error 403"),
    "unknown": ("GET", "/v1beta/models", 409, "ABORTED"),
}
ELEVENLABS = {
    "ok": ("GET", "/v1/user/subscription", 200, '"character_count":1234,"character_limit":100000'),
    "ok_2": ("GET", "/v1/user/subscription", 200, '"status":"active"'),
    "ok_3": ("GET", "/v1/user/subscription", 200, '"status":"active"'),
    "ok_usage": ("GET", "/v1/user/subscription", 200, '"character_count":98500'),
    "ok_scoped": ("GET", "/v1/user/subscription", 401, "missing the permission user_read"),
    "missing_permission": ("POST", NO_VOICE, 401, "missing the permission text_to_speech"),
    "missing_permission_old": ("POST", NO_VOICE, 401, "missing the permission text_to_speech"),
    "missing_permission_speech_to_text": ("POST", STT, 401, "missing the permission speech_to_text"),
    "missing_permission_voices_read": ("GET", "/v2/voices", 401, "missing the permission voices_read"),
    "missing_permission_convai_read": ("GET", "/v1/convai/agents", 401, "missing the permission convai_read"),
    "restricted_ip": ("GET", "/v1/user/subscription", 403, "IP address"),
    "quota_exhausted": ("POST", NO_VOICE, 401, "exceeds your quota of 30000"),
    "quota_exhausted_of_key": ("POST", NO_VOICE, 401, "exceeds your API key (sandbox) quota"),
    "billing": ("POST", NO_VOICE, 401, "payment_issue"),
    "plan_required": ("POST", NO_VOICE, 402, "paid_plan_required"),
    "plan_required_format": ("POST", NO_VOICE, 403, "subscription_required"),
    "model_unavailable": ("POST", NO_VOICE, 403, "model_access_denied"),
    "invalid_key": ("GET", "/v1/user/subscription", 401, '"status":"invalid_api_key","request_id"'),
    "invalid_key_old": ("GET", "/v1/user/subscription", 401, '{"status":"invalid_api_key"'),
    "deleted_key": ("GET", "/v1/user/subscription", 401, "invalid_api_key"),
    "rate_limited": ("GET", "/v1/user/subscription", 429, "concurrent_limit_exceeded"),
    "provider_unavailable": ("GET", "/v1/user/subscription", 503, "service_unavailable"),
    "provider_unavailable_busy": ("GET", "/v1/user/subscription", 429, "system_busy"),
    "provider_unavailable_html": ("GET", "/v1/user/subscription", 502, "502 Bad Gateway"),
    "redirected": ("GET", "/v1/user/subscription", 307, ""),
    "network_blocked": ("GET", "/v1/user/subscription", 403, "<h1>Access Denied</h1>"),
    "restricted_ip_vpn": ("POST", NO_VOICE, 401, "detected_unusual_activity"),
    "unknown": ("GET", "/v1/user/subscription", 409, "moon_in_wrong_phase"),
}
ANSWERED = {"google_gemini": GEMINI, "elevenlabs": ELEVENLABS}
WITHOUT_ANSWER = {"unreachable", "unreachable_reset", "timeout", "tls_error"}
CASES = [(provider, name) for provider, table in ANSWERED.items() for name in table]


@pytest.mark.parametrize(("provider", "name"), CASES)
def test_each_sandbox_key_gets_the_answer_of_its_reason(
    sandbox: Sandbox, client: httpx.Client, provider: str, name: str
) -> None:
    method, path, status, word = ANSWERED[provider][name]
    more: dict[str, Any] = {}
    if path == STT:
        more = {"files": {"model_id": (None, "scribe_v2")}}
    elif method == "POST":
        more = {"json": CONTENTS | {"text": "a"}}
    response = ask(client, sandbox.key(provider, name), method, path, **more)
    assert response.status_code == status
    assert word in response.text


@pytest.mark.parametrize("provider", KOJIS)
def test_every_key_has_a_case_here(provider: str) -> None:
    assert set(script_of(provider).scenarios) == set(ANSWERED[provider]) | WITHOUT_ANSWER


def test_every_reason_has_a_key_of_some_provider(sandbox: Sandbox) -> None:
    assert {key.reason for key in sandbox.keys} == {reason.value for reason in Reason}


def test_the_main_key_of_a_reason_is_named_after_it(sandbox: Sandbox) -> None:
    for key in sandbox.keys:
        assert sandbox.key(key.provider, key.reason).reason == key.reason
        assert key.outcome == OUTCOME_OF[Reason(key.reason)].value


def test_each_answer_names_its_source_and_holds_json_unless_it_says_html() -> None:
    for provider in KOJIS:
        for name, answer in script_of(provider).answers.items():
            assert answer.source, name
            if answer.body and "html" not in answer.body and "sound" not in answer.body:
                json.loads(re.sub(r"<<\w+>>", "1", answer.body))


def test_keys_look_real_and_differ_where_they_are_shown(sandbox: Sandbox) -> None:
    shapes = {"google_gemini": r"AQ\.[A-Za-z0-9_.-]{20,}|AIza[A-Za-z0-9_-]{35}", "elevenlabs": r"sk_[a-f0-9]{48}"}
    keys = [key.key for key in sandbox.keys]
    assert all(re.fullmatch(shapes[key.provider], key.key) for key in sandbox.keys if key.provider in shapes)
    assert len({tail_of(key) for key in keys}) == len(keys)
    assert not [(one, other) for one in keys for other in keys if one != other and one in other]
    assert sandbox.key("google_gemini", "key_type_unsupported").key.startswith("AIza")


def test_keys_share_no_eight_characters_with_any_answer(sandbox: Sandbox) -> None:
    """Otherwise scrubbing a key would remove the words of the answer that name its fault."""
    for key in sandbox.keys:
        pieces = {key.key[start : start + 8] for start in range(len(key.key) - 7)}
        bodies = [answer.body for answer in script_of(key.provider).answers.values()]
        assert not [piece for piece in pieces for body in bodies if piece in body]


def test_keys_are_the_same_in_every_run(sandbox: Sandbox) -> None:
    with Sandbox() as other:
        assert [key.key for key in other.keys] == [key.key for key in sandbox.keys]


# --- no key, an unknown key, a key in the wrong place ---


@pytest.mark.parametrize(
    ("provider", "method", "path", "status", "word"),
    [
        ("google_gemini", "GET", "/v1beta/models", 403, "unregistered callers"),
        ("elevenlabs", "GET", "/v1/user/subscription", 401, "needs_authorization"),
        ("elevenlabs", "GET", "/v2/voices", 401, "needs_authorization"),
        ("elevenlabs", "GET", "/v1/models", 404, "workspace_not_found"),
        ("elevenlabs", "GET", "/v1/voices", 200, "voices"),
    ],
)
def test_a_request_without_a_key_gets_the_real_answer(
    sandbox: Sandbox, client: httpx.Client, provider: str, method: str, path: str, status: int, word: str
) -> None:
    response = client.request(method, sandbox.base_url(provider) + path)
    assert (response.status_code, word in response.text) == (status, True)


@pytest.mark.parametrize(
    ("provider", "path", "status", "word"),
    [
        ("google_gemini", "/v1beta/models", 400, "API_KEY_INVALID"),
        ("elevenlabs", "/v1/user/subscription", 401, "invalid_api_key"),
        ("elevenlabs", "/v1/voices", 401, "invalid_api_key"),
    ],
)
def test_an_unknown_key_is_an_invalid_one(
    sandbox: Sandbox, client: httpx.Client, provider: str, path: str, status: int, word: str
) -> None:
    headers = {HEADER[provider]: "unknown-key-of-nobody"}
    response = client.get(sandbox.base_url(provider) + path, headers=headers)
    assert (response.status_code, word in response.text) == (status, True)


def test_a_key_of_one_provider_is_unknown_at_the_other(sandbox: Sandbox, client: httpx.Client) -> None:
    headers = {HEADER["google_gemini"]: sandbox.key("elevenlabs", "ok").key}
    assert client.get(sandbox.base_url("google_gemini") + "/v1beta/models", headers=headers).status_code == 400


def test_a_key_sent_as_bearer_is_refused_by_both(sandbox: Sandbox, client: httpx.Client) -> None:
    bearer = {"authorization": "Bearer something"}
    gemini = client.get(sandbox.base_url("google_gemini") + "/v1beta/models", headers=bearer)
    elevenlabs = client.get(sandbox.base_url("elevenlabs") + "/v1/user", headers=bearer)
    assert (gemini.status_code, "ACCESS_TOKEN_TYPE_UNSUPPORTED" in gemini.text) == (401, True)
    assert (elevenlabs.status_code, "invalid_authorization_header" in elevenlabs.text) == (401, True)


# --- what works ---


def test_models_come_in_pages(sandbox: Sandbox, client: httpx.Client) -> None:
    key, names, token = sandbox.key("google_gemini", "ok"), [], ""
    while token is not None:
        page = ask(client, key, "GET", "/v1beta/models", params={"pageSize": 3, "pageToken": token or "page-0"}).json()
        names += [model["name"] for model in page["models"]]
        token = page.get("nextPageToken")
    assert len(names) == len(set(names)) == 4
    assert ask(client, key, "GET", "/v1beta/models", params={"pageSize": 0}).status_code == 400


def test_the_first_model_of_the_list_does_not_generate(sandbox: Sandbox, client: httpx.Client) -> None:
    key = sandbox.key("google_gemini", "ok")
    first = ask(client, key, "GET", "/v1beta/models?pageSize=1").json()["models"][0]
    assert "generateContent" not in first["supportedGenerationMethods"]
    assert ask(client, key, "POST", f"/v1beta/{first['name']}:countTokens", json=CONTENTS).status_code == 404


def test_counting_tokens_is_free_and_generating_is_not(client: httpx.Client) -> None:
    with Sandbox() as sandbox:
        key = sandbox.key("google_gemini", "ok")
        counted = ask(client, key, "POST", MODEL + ":countTokens", json=CONTENTS)
        assert (counted.json()["totalTokens"], sandbox.spent) == (2, 0)
        generated = ask(client, key, "POST", MODEL + ":generateContent", json=CONTENTS)
        assert (generated.json()["candidates"][0]["finishReason"], sandbox.spent) == ("MAX_TOKENS", 1)
        assert ask(client, key, "POST", MODEL + ":countTokens", json={}).status_code == 400
        assert ask(client, key, "GET", "/v1beta/models/none").status_code == 404
        assert [request.spent for request in sandbox.requests] == [False, True, False, False]


def test_an_unknown_voice_costs_nothing_and_shows_the_permission(client: httpx.Client) -> None:
    with Sandbox() as sandbox:
        for name in ("ok", "ok_scoped"):
            response = speak(client, sandbox.key("elevenlabs", name))
            assert (response.status_code, response.json()["detail"]["code"]) == (404, "voice_not_found")
        assert sandbox.spent == 0


def test_speech_from_a_known_voice_would_cost_credits(client: httpx.Client) -> None:
    with Sandbox() as sandbox:
        key = sandbox.key("elevenlabs", "ok")
        voice = ask(client, key, "GET", "/v2/voices").json()["voices"][0]["voice_id"]
        response = ask(client, key, "POST", f"/v1/text-to-speech/{voice}", json={"text": "a"})
        assert (response.headers["content-type"], sandbox.spent) == ("audio/mpeg", 1)


def test_a_transcription_without_a_file_is_refused_after_the_permission(client: httpx.Client) -> None:
    with Sandbox() as sandbox:
        key = sandbox.key("elevenlabs", "ok")
        model = {"model_id": (None, "scribe_v2")}
        without = ask(client, key, "POST", STT, files=model)
        assert (without.status_code, without.json()["detail"][0]["loc"]) == (422, ["body", "file"])
        assert sandbox.spent == 0
        whole = ask(client, key, "POST", STT, files={**model, "file": ("a.wav", b"RIFF")})
        assert (whole.status_code, sandbox.spent) == (200, 1)


def test_elevenlabs_looks_at_the_body_before_the_key(sandbox: Sandbox, client: httpx.Client) -> None:
    response = client.post(sandbox.base_url("elevenlabs") + NO_VOICE, json={}, headers={"xi-api-key": "nobody"})
    assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, ["body", "text"])


@pytest.mark.parametrize("path", ["/v1/user", "/v2/voices", "/v1/voices", "/v1/models", "/v1/convai/agents"])
def test_the_other_requests_work_and_carry_a_trace_id(sandbox: Sandbox, client: httpx.Client, path: str) -> None:
    response = ask(client, sandbox.key("elevenlabs", "ok"), "GET", path)
    assert response.status_code == 200
    assert response.json()
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-trace-id"])


def test_the_trace_id_is_the_request_id_of_the_body(sandbox: Sandbox, client: httpx.Client) -> None:
    response = ask(client, sandbox.key("elevenlabs", "invalid_key"), "GET", "/v1/user")
    assert response.json()["detail"]["request_id"] == response.headers["x-trace-id"]


def test_the_answer_to_a_suspended_key_repeats_it(sandbox: Sandbox, client: httpx.Client) -> None:
    key = sandbox.key("google_gemini", "revoked_suspended")
    assert f"api_key:{key.key}" in ask(client, key, "GET", "/v1beta/models").json()["error"]["message"]


@pytest.mark.parametrize("provider", KOJIS)
def test_a_path_that_is_not_played_is_not_found(sandbox: Sandbox, client: httpx.Client, provider: str) -> None:
    assert ask(client, sandbox.key(provider, "ok"), "DELETE", "/v1/everything").status_code == 404
