"""Plays a provider from its TOML file alone: chooses the answer to a request. This is enough for most providers.

Owns: the tables ``play`` and ``route`` in ``answers/*.toml``. Must not: know any provider.

``play`` has the header of the key and the word before it, the prefix and length of made-up keys (``shapes`` has other
prefixes by name), the headers that every request must have (``required``), and whether ``Authorization: Bearer`` is
accepted too (``takes_bearer``). A ``route`` is a kind of request; its name is that of its answer. ``public``: it needs
no key. ``spends``: it costs money at the real provider. ``names_model``: its path has a model's id, and only the one in
``facts`` exists. If the body has no member ``wants``, the answer is ``NAME_without_WANTS``. Every file has an answer
for each of its routes, ``invalid_key`` for an unknown key, and ``rate_limited`` for the fault ``rate_limit_all``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from kojikey.testing.sandbox.scenarios import Caller, Route, script_of
from kojikey.testing.sandbox.wire import Reply, Request


def play(provider: str, request: Request, path: str, caller: Caller, facts: Mapping[str, object]) -> Reply:
    """Return the reply of a provider to a request; ``path`` is without the sandbox's prefix."""
    script = script_of(provider)
    route, model = _route(script.routes, request.method, path)
    own = caller.scenario.facts if caller.scenario else {}
    facts = {**facts, **own}
    answer = _refusal(provider, request, caller, route)
    if not answer and route and route.names_model and model != script.facts["model"]:
        answer = "model_unavailable" if "model_unavailable" in script.answers else "no_such_path"
    if not answer and route and route.wants and not _has_member(request.body, route.wants):
        answer = f"{route.name}_without_{route.wants}"
    reply = script.say(answer or (route.name if route else "no_such_path"), facts)
    spends = bool(route and route.spends and not answer)
    return Reply(reply.status, reply.headers, reply.body, reply.reaction, spends)


def key_in(provider: str, headers: Mapping[str, str]) -> tuple[str, str | None]:
    """Return the header for the provider's key, and the key in it, None if there is none."""
    script = script_of(provider)
    if script.takes_bearer and script.header not in headers:
        return "authorization", _after("Bearer ", headers.get("authorization", ""))
    return script.header, _after(script.prefix, headers.get(script.header, ""))


def _after(prefix: str, value: str) -> str | None:
    return value.removeprefix(prefix) or None if value.startswith(prefix) else None


def _route(routes: tuple[Route, ...], method: str, path: str) -> tuple[Route | None, str]:
    for route in routes:
        match = re.fullmatch(route.path, path)
        if match and route.method == method:
            return route, match[1] if route.names_model else ""
    return None, ""


def _has_member(body: bytes, name: str) -> bool:
    try:
        document = json.loads(body)
    except ValueError:
        return False
    return isinstance(document, dict) and name in document


def _refusal(provider: str, request: Request, caller: Caller, route: Route | None) -> str | None:
    """Return the name of the answer that refuses a request, None if it is accepted."""
    script = script_of(provider)
    if route is None:
        return "no_such_path"
    if any(not request.headers.get(name) for name in script.required):
        return "unknown"
    if caller.key is None and not route.public:
        return "no_key" if "no_key" in script.answers else "invalid_key"
    if caller.scenario is None:
        return None if route.public else "invalid_key"
    return caller.scenario.answers.get(route.name) or caller.scenario.answers.get("any")
