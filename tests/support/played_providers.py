"""Google and ElevenLabs simulated by respx: each route answers as for a valid key; tests replace single routes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx
from respx.mocks import HTTPCoreMocker

# respx knows the httpcore that httpx uses; the prober uses its successor, whose connections have the same interface.
HTTPCoreMocker.add_targets("httpcore2._async.connection.AsyncHTTPConnection")

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
    path = os.path.join(os.path.dirname(os.path.dirname(__file__)), "providers", "bodies", f"{name}.json")
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
