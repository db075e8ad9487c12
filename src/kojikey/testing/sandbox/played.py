"""Plays a provider from its data alone: which answer a request gets. Most providers need no more than this.

Owns: the form of the tables ``play`` and ``route`` in ``answers/*.toml``. Must not: know any provider.

``play`` has the header of the key and the word before it, the beginning and length of its made-up keys (``shapes`` has
other beginnings by name), the headers that every request must have (``required``), and whether a key may also come
as ``Authorization: Bearer`` (``takes_bearer``). A ``route`` is a kind of
request: its name is that of the answer to it. ``public`` answers without a key, ``spends`` costs something at the real
provider, ``names_model`` has a model's id in its path and knows the one in ``facts`` alone. Where a body has no member
``wants``, the answer is that of the name ``NAME_without_WANTS``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from kojikey.testing.sandbox.scenarios import Caller, Route, script_of
from kojikey.testing.sandbox.wire import Reply, Request


def play(provider: str, request: Request, path: str, caller: Caller, facts: Mapping[str, object]) -> Reply:
    """Return what a provider says to a request; ``path`` is without the sandbox's prefix."""
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
    """Return the header of the provider's key, and the key that came in it, None where none came."""
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
    """Return the name of the answer to a request that gets no further, None to one that does."""
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
