"""Plays the Gemini API: chooses the answer to a request.

Owns: the paths, and the order of the checks: the key before the body. Must not: contain an answer
(``answers/google_gemini.toml`` does).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from kojikey.testing.sandbox.scenarios import Caller, script_of
from kojikey.testing.sandbox.wire import Reply, Request

KEY_HEADER = "x-goog-api-key"
_SCRIPT = "google_gemini"
_PACKAGE = "google.ai.generativelanguage.v1beta."
_ROUTES = (
    ("GET", re.compile(r"/v1beta/models"), "list_models", "ModelService.ListModels"),
    ("GET", re.compile(r"/v1beta/models/([\w.-]+)"), "get_model", "ModelService.GetModel"),
    ("POST", re.compile(r"/v1beta/models/([\w.-]+):countTokens"), "count_tokens", "GenerativeService.CountTokens"),
    ("POST", re.compile(r"/v1beta/models/([\w.-]+):generateContent"), "generate", "GenerativeService.GenerateContent"),
)
_ACTIONS = {"get_model": "generateContent", "count_tokens": "countTokens", "generate": "generateContent"}
_PAGE_SIZE, _LARGEST_PAGE = 50, 1000


def play(request: Request, path: str, caller: Caller, facts: Mapping[str, object]) -> Reply:
    """Return the reply of the Gemini API to a request; ``path`` is without the sandbox's prefix."""
    script = script_of(_SCRIPT)
    endpoint, method, model = _route(request.method, path)
    facts = {**facts, "method": _PACKAGE + method, "model": model, "action": _ACTIONS.get(endpoint, "")}
    refusal = _refusal(request, caller, endpoint)
    if refusal:
        return script.say(refusal, {**facts, **(caller.scenario.facts if caller.scenario else {})})
    if endpoint == "list_models":
        return _list_models(request, facts)
    known = _model(model)
    if known is None or (endpoint != "get_model" and _ACTIONS[endpoint] not in known["supportedGenerationMethods"]):
        return script.say("model_unavailable", facts)
    if endpoint == "get_model":
        return _json(known)
    if problem := _problem(request.body):
        return script.say("rejected_request", {**facts, "problem": problem})
    reply = script.say(endpoint, facts)
    return Reply(reply.status, reply.headers, reply.body, spends=endpoint == "generate")


def _route(http_method: str, path: str) -> tuple[str, str, str]:
    for wanted, pattern, endpoint, method in _ROUTES:
        match = pattern.fullmatch(path)
        if match and wanted == http_method:
            return endpoint, method, match[1] if pattern.groups else ""
    return "", "", ""


def _refusal(request: Request, caller: Caller, endpoint: str) -> str | None:
    """Return the name of the answer that refuses a request, None if it is accepted."""
    bearer = "authorization" in request.headers
    if not endpoint:
        return "no_such_path"
    if caller.key is None:
        return "key_type_unsupported" if bearer else "no_key"
    if bearer:
        return "two_credentials"
    if caller.scenario is None:
        return "invalid_key"
    if caller.missing:
        return "missing_permission"
    return caller.scenario.answers.get(endpoint) or caller.scenario.answers.get("any")


def _list_models(request: Request, facts: Mapping[str, object]) -> Reply:
    try:
        size = int(request.query.get("pageSize") or _PAGE_SIZE)
        start = int(request.query.get("pageToken", "page-0").removeprefix("page-"))
    except ValueError:
        size = start = -1
    if size < 1 or start < 0:
        return script_of(_SCRIPT).say("rejected_request", {**facts, "problem": "Page size or token is invalid."})
    models = script_of(_SCRIPT).models
    end = start + min(size, _LARGEST_PAGE)
    page: dict[str, Any] = {"models": models[start:end]}
    return _json({**page, "nextPageToken": f"page-{end}"} if end < len(models) else page)


def _model(name: str) -> Mapping[str, Any] | None:
    return next((model for model in script_of(_SCRIPT).models if model["name"] == f"models/{name}"), None)


def _problem(body: bytes) -> str | None:
    try:
        document = json.loads(body)
    except ValueError:
        return "Invalid JSON payload received."
    if not isinstance(document, dict) or not document.get("contents"):
        return "* GenerateContentRequest.contents: contents is not specified\n"
    return None


def _json(document: object) -> Reply:
    return Reply(200, {"content-type": "application/json; charset=UTF-8"}, json.dumps(document).encode())
