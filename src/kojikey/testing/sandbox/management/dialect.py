"""The base class of the played management APIs.

Owns: choosing the route of a request, and applying the faults that a test sets. Must not: keep a key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from kojikey.testing.sandbox.management.state import Managed, ManagedKey, Trouble, Verb
from kojikey.testing.sandbox.wire import Reaction, Reply, Request

GONE = "Not Found"
_JSON = {"content-type": "application/json"}
_STATUS: dict[Trouble, int] = {
    "rate_limited": 429, "failing": 503, "limit": 400, "permission": 403, "admin_key": 401,
}  # fmt: skip
_MESSAGE: dict[Trouble, str] = {
    "rate_limited": "Rate limit exceeded",
    "failing": "Service unavailable",
    "limit": "The maximum number of API keys has been reached",
    "permission": "Insufficient permissions",
    "admin_key": "Invalid API key",
}


class Asked(NamedTuple):
    """A request to a management API: the groups of its route's path, its query, its body and its credential."""

    parts: tuple[str, ...]
    query: dict[str, str]
    body: dict[str, Any]
    credential: str = ""


class Route(NamedTuple):
    """A kind of request, and the function that answers it."""

    verb: Verb
    method: str
    path: str
    answer: Callable[[Any, Managed, Asked], Reply]


class Dialect:
    """One provider's API. ``routes`` are tried in order; ``admin`` is the provider id of the keys that may manage."""

    provider: ClassVar[str]
    admin: ClassVar[str]
    parents: ClassVar[tuple[str, ...]] = ("parent-1",)
    routes: ClassVar[tuple[Route, ...]]
    settings: ClassVar[dict[str, Any]] = {}
    """The settings of a key that was created by hand."""

    def matches(self, request: Request, path: str) -> bool:
        """Return whether a request is for the management API."""
        return self._route(request.method, path) is not None

    def reply(self, managed: Managed, request: Request, path: str) -> Reply:
        """Return the reply to a request, with the fault that a test has set."""
        found = self._route(request.method, path)
        if found is None:
            return error(404, "Not Found")
        route, parts = found
        trouble = managed.trouble(route.verb)
        asked = Asked(
            parts, request.query, _document(request.body), request.headers.get("authorization", "").rpartition(" ")[2]
        )
        if trouble is None:
            return route.answer(self, managed, asked)
        kind, detail = trouble
        if kind == "lost":
            route.answer(self, managed, asked)
        if kind in ("lost", "dropped"):
            return Reply(0, reaction=Reaction.CLOSE)
        if kind == "garbage":
            route.answer(self, managed, asked)
            return Reply(200, _JSON, b'{"\x00')
        if kind == "ignored":
            return ok({})
        message = f"Missing scopes: {detail}" if kind == "permission" and detail else _MESSAGE[kind]
        return error(_STATUS[kind], message)

    def _route(self, method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
        for route in self.routes:
            match = re.fullmatch(route.path, path)
            if match and route.method == method:
                return route, match.groups()
        return None


def ok(document: dict[str, Any], status: int = 200) -> Reply:
    """Return the reply with a JSON document."""
    return Reply(status, _JSON, json.dumps(document).encode())


def error(status: int, message: str) -> Reply:
    """Return a refusal, in a form that several providers have."""
    return ok({"error": {"code": status, "message": message}}, status)


def changed(
    managed: Managed,
    key_id: str,
    change: Callable[[ManagedKey], None],
    answer: Callable[[ManagedKey], dict[str, Any]],
    *,
    missing: str = GONE,
) -> Reply:
    """Change (disable or delete) the key of an id and return the reply; 404 if there is none."""
    key = managed.get(key_id)
    if key is None:
        return error(404, missing)
    change(key)
    return ok(answer(key))


def refusal() -> Reply:
    """Return the answer to a credential that the provider does not accept."""
    return error(_STATUS["admin_key"], _MESSAGE["admin_key"])


def page(items: list[ManagedKey], managed: Managed, start: str | None) -> tuple[list[ManagedKey], str]:
    """Return a page of a list, and the start of the next one (``""`` after the last)."""
    begin = int(start) if start and start.isdigit() else 0
    end = begin + managed.page
    return items[begin:end], str(end) if end < len(items) else ""


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body) if body else {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
