"""Plays the ElevenLabs API: chooses the answer to a request.

Owns: the paths, and the order of the checks: the form of the body before the key, the key's permission before the
resource. Must not: contain an answer (``answers/elevenlabs.toml`` does).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from kojikey.testing.sandbox.scenarios import Caller, script_of
from kojikey.testing.sandbox.wire import Reply, Request

KEY_HEADER = "xi-api-key"
_SCRIPT = "elevenlabs"
_VOICE = "SandboxVoice00000001"
_ROUTES = (
    ("GET", re.compile(r"/v1/user/subscription"), "subscription", "user_read"),
    ("GET", re.compile(r"/v1/user"), "user", "user_read"),
    ("POST", re.compile(r"/v1/text-to-speech/(\w+)"), "text_to_speech", "text_to_speech"),
    ("POST", re.compile(r"/v1/speech-to-text"), "speech_to_text", "speech_to_text"),
    ("GET", re.compile(r"/v2/voices"), "voices", "voices_read"),
    ("GET", re.compile(r"/v1/voices"), "voices_v1", "voices_read"),
    ("GET", re.compile(r"/v1/models"), "models", "models_read"),
    ("GET", re.compile(r"/v1/convai/agents"), "agents", "convai_read"),
)
_WITHOUT_KEY = {"models": "no_key_models", "voices_v1": "voices_v1"}


def play(request: Request, path: str, caller: Caller, facts: Mapping[str, object]) -> Reply:
    """Return the reply of the ElevenLabs API to a request; ``path`` is without the sandbox's prefix."""
    endpoint, permission, voice = _route(request.method, path)
    field = _missing_field(endpoint, request.body)
    answer = _refusal(request, caller, endpoint, field) or _permitted(caller, endpoint, permission)
    if not answer and endpoint == "speech_to_text" and not _has_part(request.body, "file"):
        answer, field = "missing_field", "file"
    if not answer and endpoint == "text_to_speech" and voice != _VOICE:
        answer = "voice_not_found"
    own = caller.scenario.facts if caller.scenario else {}
    facts = {**facts, **own, "permission": permission, "voice": voice, "field": field}
    reply = script_of(_SCRIPT).say(answer or endpoint, facts)
    spends = not answer and endpoint in ("text_to_speech", "speech_to_text")
    headers = {**reply.headers, "x-trace-id": str(facts["request_id"]), "x-region": "us-central1"}
    return Reply(reply.status, headers, reply.body, reply.reaction, spends)


def _route(http_method: str, path: str) -> tuple[str, str, str]:
    for wanted, pattern, endpoint, permission in _ROUTES:
        match = pattern.fullmatch(path)
        if match and wanted == http_method:
            return endpoint, permission, match[1] if pattern.groups else ""
    return "", "", ""


def _refusal(request: Request, caller: Caller, endpoint: str, missing_field: str) -> str | None:
    """Return the name of the answer that refuses a request, None if its key is accepted."""
    if not endpoint:
        return "no_such_path"
    if missing_field:
        return "missing_field"
    if caller.key is None:
        return "bearer" if "authorization" in request.headers else _WITHOUT_KEY.get(endpoint, "no_key")
    if caller.scenario is None:
        return "invalid_key"
    return caller.scenario.answers.get("any")


def _permitted(caller: Caller, endpoint: str, permission: str) -> str | None:
    if permission in caller.missing:
        return "missing_permission"
    return caller.scenario.answers.get(endpoint) if caller.scenario else None


def _missing_field(endpoint: str, body: bytes) -> str:
    """Return the field that is reported as missing before the key is checked, ``""`` if there is none."""
    if endpoint == "text_to_speech":
        try:
            document = json.loads(body)
        except ValueError:
            return "text"
        return "" if isinstance(document, dict) and isinstance(document.get("text"), str) else "text"
    if endpoint == "speech_to_text":
        return "" if _has_part(body, "model_id") else "model_id"
    return ""


def _has_part(body: bytes, name: str) -> bool:
    """Return whether a multipart body has a part of that name."""
    return re.search(rb'name="?%b"?[\s;]' % name.encode(), body) is not None
