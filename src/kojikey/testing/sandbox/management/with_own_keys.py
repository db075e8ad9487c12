"""The management APIs that accept the keys they manage (Deepgram, Fireworks, Perplexity), and Google's.

Sources: see each provider's file in ``providers/management``.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from kojikey.testing.sandbox.management.dialect import GONE, Asked, Dialect, Route, changed, error, ok, page
from kojikey.testing.sandbox.management.state import Managed, ManagedKey
from kojikey.testing.sandbox.wire import Reply

_PART = r"([^/]+)"


class Deepgram(Dialect):
    """Keys of a project; the list shows no part of a key."""

    provider, admin, parents = "deepgram", "deepgram", ("project-1",)

    def _item(self, key: ManagedKey) -> dict[str, Any]:
        return {
            "api_key_id": key.key_id, "comment": key.name, "scopes": key.settings.get("scopes", ["member"]),
            "tags": key.settings.get("tags", []), "expiration_date": key.expires_at, "created": key.created_at,
        }  # fmt: skip

    def _parents(self, managed: Managed, _: Asked) -> Reply:
        return ok({"projects": [{"project_id": parent, "name": parent} for parent in managed.parents]})

    def _list(self, managed: Managed, asked: Asked) -> Reply:
        member = {"member_id": "member-1", "email": "someone@example.org"}
        items = [{"member": member, "api_key": self._item(key)} for key in managed.shown(asked.parts[0])]
        return ok({"api_keys": items})

    def _get(self, managed: Managed, asked: Asked) -> Reply:
        key = managed.get(asked.parts[1])
        return ok({"item": {"member": {"api_key": self._item(key)}}}) if key else error(404, GONE)

    def _whoami(self, managed: Managed, asked: Asked) -> Reply:
        own = next((key for key in managed.keys if key.value == asked.credential), None)
        return ok({"api_key_id": own.key_id, "scopes": ["member"]}) if own else error(404, GONE)

    def _create(self, managed: Managed, asked: Asked) -> Reply:
        body = asked.body
        if asked.parts[0] not in managed.parents:
            return error(404, "PROJECT_NOT_FOUND")
        settings: dict[str, Any] = {name: body[name] for name in ("scopes", "tags") if name in body}
        name, expires = str(body["comment"]), body.get("expiration_date")
        key = managed.create(name, asked.parts[0], expires_at=expires, settings=settings)
        return ok({"key": key.value, **self._item(key)})

    def _delete(self, managed: Managed, asked: Asked) -> Reply:
        message = {"message": "Successfully deleted the API key!"}
        return changed(managed, asked.parts[1], managed.delete, lambda _: message)

    routes = (
        Route("get", "GET", "/v1/auth/token", _whoami),
        Route("parents", "GET", "/v1/projects", _parents),
        Route("list", "GET", f"/v1/projects/{_PART}/keys", _list),
        Route("get", "GET", f"/v1/projects/{_PART}/keys/{_PART}", _get),
        Route("create", "POST", f"/v1/projects/{_PART}/keys", _create),
        Route("delete", "DELETE", f"/v1/projects/{_PART}/keys/{_PART}", _delete),
    )


class Fireworks(Dialect):
    """Keys of a user."""

    provider, admin, parents = "fireworks", "fireworks", ("accounts/acme/users/anna", "accounts/acme/users/ci")
    _USER = r"/v1/(accounts/[^/]+/users/[^/]+)"

    def _item(self, key: ManagedKey) -> dict[str, Any]:
        return {
            "keyId": key.key_id, "displayName": key.name, "prefix": key.value[:8], "secure": True,
            "createTime": key.created_at, "expireTime": key.expires_at,
        }  # fmt: skip

    def _accounts(self, managed: Managed, _: Asked) -> Reply:
        names = dict.fromkeys("/".join(parent.split("/")[:2]) for parent in managed.parents)
        return ok({"accounts": [{"name": name} for name in names]})

    def _users(self, managed: Managed, asked: Asked) -> Reply:
        users = [parent for parent in managed.parents if parent.startswith(asked.parts[0] + "/")]
        return ok({"users": [{"name": name} for name in users]})

    def _list(self, managed: Managed, asked: Asked) -> Reply:
        items, following = page(managed.shown(asked.parts[0]), managed, asked.query.get("pageToken"))
        return ok({"apiKeys": list(map(self._item, items)), "nextPageToken": following})

    def _create(self, managed: Managed, asked: Asked) -> Reply:
        body = asked.body.get("apiKey", {})
        if asked.parts[0] not in managed.parents:
            return error(404, GONE)
        key = managed.create(str(body["displayName"]), asked.parts[0], expires_at=body.get("expireTime"), settings={})
        return ok({"key": key.value, **self._item(key)})

    def _delete(self, managed: Managed, asked: Asked) -> Reply:
        return changed(managed, str(asked.body.get("keyId")), managed.delete, lambda _: {})

    routes = (
        Route("parents", "GET", "/v1/accounts", _accounts),
        Route("parents", "GET", r"/v1/(accounts/[^/]+)/users", _users),
        Route("list", "GET", f"{_USER}/apiKeys", _list),
        Route("create", "POST", f"{_USER}/apiKeys", _create),
        Route("delete", "POST", f"{_USER}/apiKeys:delete", _delete),
    )


class Perplexity(Dialect):
    """Keys whose ids are their values."""

    provider, admin, parents = "perplexity", "perplexity", ("",)

    def _create(self, managed: Managed, asked: Asked) -> Reply:
        key = managed.create(str(asked.body.get("token_name", "")), "", expires_at=None, settings={})
        return ok({"auth_token": key.value, "created_at_epoch_seconds": 1793491200, "token_name": key.name})

    def _delete(self, managed: Managed, asked: Asked) -> Reply:
        value = asked.body.get("auth_token")
        for key in managed.keys:
            if key.value == value:
                managed.delete(key)
        return ok({})

    routes = (
        Route("create", "POST", "/generate_auth_token", _create),
        Route("delete", "POST", "/revoke_auth_token", _delete),
    )


class GoogleGemini(Dialect):
    """API Keys API v2. The answer to creating a key is an operation, which is done at the next request."""

    provider, admin, parents = "google_gemini", "google_apikeys", ("my-project",)
    _KEYS = r"/v2/projects/([^/]+)/locations/global/keys"
    _ONE = r"/v2/(projects/[^/]+/locations/global/keys/[^/:]+)"

    def _item(self, key: ManagedKey) -> dict[str, Any]:
        return {
            "name": key.key_id, "uid": key.key_id.rpartition("/")[2], "displayName": key.name,
            "createTime": key.created_at, "etag": "zHib8eXEMCxe4ayQEbIaZg==", **key.settings,
        }  # fmt: skip

    def _list(self, managed: Managed, asked: Asked) -> Reply:
        if asked.parts[0] not in managed.parents:
            return error(404, "Project not found")
        items, following = page(managed.shown(asked.parts[0]), managed, asked.query.get("pageToken"))
        return ok({"keys": list(map(self._item, items)), **({"nextPageToken": following} if following else {})})

    def _get(self, managed: Managed, asked: Asked) -> Reply:
        key = managed.get(unquote(asked.parts[0]))
        return ok(self._item(key)) if key else error(404, GONE)

    def _value(self, managed: Managed, asked: Asked) -> Reply:
        key = managed.get(unquote(asked.parts[0]))
        return ok({"keyString": key.value}) if key else error(404, GONE)

    def _create(self, managed: Managed, asked: Asked) -> Reply:
        body = asked.body
        wanted = f"projects/{asked.parts[0]}/locations/global/keys/{asked.query.get('keyId')}"
        if managed.get(wanted) is not None:
            return error(409, "ALREADY_EXISTS")
        settings = {name: value for name, value in body.items() if name != "displayName"}
        key = managed.create(str(body["displayName"]), asked.parts[0], expires_at=None, settings=settings)
        key.key_id = wanted
        return ok({"name": "operations/akmf." + wanted.replace("/", "_"), "done": False})

    def _operation(self, managed: Managed, asked: Asked) -> Reply:
        key = managed.get(asked.parts[0].replace("_", "/"))
        return ok(
            {"name": f"operations/akmf.{asked.parts[0]}", "done": True, "response": self._item(key) if key else {}}
        )

    def _delete(self, managed: Managed, asked: Asked) -> Reply:
        def answer(key: ManagedKey) -> dict[str, Any]:
            return {"name": "operations/akmf.deleted", "done": True, "response": self._item(key)}

        return changed(managed, unquote(asked.parts[0]), managed.delete, answer)

    routes = (
        Route("list", "GET", _KEYS, _list),
        Route("create", "POST", _KEYS, _create),
        Route("get", "GET", r"/v2/operations/akmf\.([^/]+)", _operation),
        Route("get", "GET", f"{_ONE}/keyString", _value),
        Route("get", "GET", _ONE, _get),
        Route("delete", "DELETE", _ONE, _delete),
    )
