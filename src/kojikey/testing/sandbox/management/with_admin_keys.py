"""The management APIs that need an admin key: ElevenLabs, OpenAI, OpenRouter, xAI, Mistral, Anthropic.

Sources: see each provider's file in ``providers/management``.
"""

from __future__ import annotations

from typing import Any, ClassVar

from kojikey.testing.sandbox.management.dialect import GONE, Asked, Dialect, Route, changed, error, ok, page
from kojikey.testing.sandbox.management.state import Managed, ManagedKey
from kojikey.testing.sandbox.wire import Reply

_PART = r"([^/]+)"
_NO_RESOURCE = "Resource not found"  # OpenRouter
_NO_KEY = "Cannot find API key"  # xAI


class ElevenLabs(Dialect):
    """Service accounts."""

    provider, admin, parents = "elevenlabs", "elevenlabs_admin", ("sa-1", "sa-2")

    def _item(self, key: ManagedKey) -> dict[str, Any]:
        return {
            "name": key.name, "hint": key.value[-4:], "key_id": key.key_id, "service_account_user_id": key.parent,
            "created_at_unix": 1793491200, "is_disabled": key.is_disabled, "permissions": [], "character_limit": None,
            "allowed_ips": None, "hashed_xi_api_key": "0" * 64, **key.settings,
        }  # fmt: skip

    def _parents(self, managed: Managed, _: Asked) -> Reply:
        accounts = [
            {"service_account_user_id": parent, "name": parent, "created_at_unix": 1793491200, "api-keys": []}
            for parent in managed.parents
        ]
        return ok({"service-accounts": accounts})

    def _list(self, managed: Managed, asked: Asked) -> Reply:
        return ok({"api-keys": [self._item(key) for key in managed.shown(asked.parts[0])]})

    def _create(self, managed: Managed, asked: Asked) -> Reply:
        settings = {name: value for name, value in asked.body.items() if name != "name"}
        if asked.parts[0] not in managed.parents:
            return error(404, GONE)
        key = managed.create(str(asked.body.get("name")), asked.parts[0], expires_at=None, settings=settings)
        return ok({"xi-api-key": key.value, "key_id": key.key_id})

    def _disable(self, managed: Managed, asked: Asked) -> Reply:
        return changed(managed, asked.parts[1], managed.disable, lambda _: {"status": "ok"})

    def _delete(self, managed: Managed, asked: Asked) -> Reply:
        return changed(managed, asked.parts[1], managed.delete, lambda _: {"status": "ok"})

    routes = (
        Route("parents", "GET", "/v1/service-accounts", _parents),
        Route("list", "GET", f"/v1/service-accounts/{_PART}/api-keys", _list),
        Route("create", "POST", f"/v1/service-accounts/{_PART}/api-keys", _create),
        Route("disable", "PATCH", f"/v1/service-accounts/{_PART}/api-keys/{_PART}", _disable),
        Route("delete", "DELETE", f"/v1/service-accounts/{_PART}/api-keys/{_PART}", _delete),
    )


class OpenAI(Dialect):
    """Projects, their keys and service accounts. A key that was created by the API belongs to a service account."""

    provider, admin, parents = "openai", "openai_admin", ("proj_1", "proj_2")

    def _item(self, key: ManagedKey) -> dict[str, Any]:
        owner = {"type": "user", "user": {"id": "user_1", "name": "A person"}}
        if key.owner:
            owner = {"type": "service_account", "service_account": {"id": key.owner, "name": key.name}}
        return {
            "object": "organization.project.api_key", "id": key.key_id, "redacted_value": key.hint,
            "name": "Secret Key" if key.owner else key.name, "created_at": 1793491200, "owner": owner,
        }  # fmt: skip

    def _parents(self, managed: Managed, _: Asked) -> Reply:
        data = [
            {"id": parent, "object": "organization.project", "name": parent, "status": "active"}
            for parent in managed.parents
        ]
        return ok({"object": "list", "data": data, "has_more": False})

    def _list(self, managed: Managed, asked: Asked) -> Reply:
        shown = managed.shown(asked.parts[0])
        after = next((str(n + 1) for n, key in enumerate(shown) if key.key_id == asked.query.get("after")), None)
        items, following = page(shown, managed, after)
        last = items[-1].key_id if items else None
        return ok(
            {"object": "list", "data": list(map(self._item, items)), "last_id": last, "has_more": bool(following)}
        )

    def _accounts(self, managed: Managed, asked: Asked) -> Reply:
        owners = {key.owner: key.name for key in managed.shown(asked.parts[0]) if key.owner}
        return ok({"object": "list", "data": [{"id": owner, "name": name} for owner, name in owners.items()]})

    def _create(self, managed: Managed, asked: Asked) -> Reply:
        if asked.parts[0] not in managed.parents:
            return error(404, GONE)
        name = str(asked.body.get("name"))
        key = managed.create(name, asked.parts[0], expires_at=None, settings={})
        key.owner = f"svc_acct_{key.key_id}"
        made = {"object": "organization.project.service_account.api_key", "value": key.value, "id": key.key_id}
        return ok({"object": "organization.project.service_account", "id": key.owner, "name": name, "api_key": made})

    def _delete(self, managed: Managed, asked: Asked) -> Reply:
        key = managed.get(asked.parts[1])
        if key is not None and key.owner:
            return error(400, "the key belonged to a service account")
        deleted = {"object": "organization.project.api_key.deleted", "id": asked.parts[1], "deleted": True}
        return changed(managed, asked.parts[1], managed.delete, lambda _: deleted)

    def _delete_account(self, managed: Managed, asked: Asked) -> Reply:
        owned = [key for key in managed.keys if key.owner == asked.parts[1]]
        if not owned:
            return error(404, GONE)
        for key in owned:
            managed.delete(key)
        return ok({"object": "organization.project.service_account.deleted", "id": asked.parts[1], "deleted": True})

    _ROOT = "/v1/organization/projects"
    routes = (
        Route("parents", "GET", _ROOT, _parents),
        Route("list", "GET", f"{_ROOT}/{_PART}/api_keys", _list),
        Route("list", "GET", f"{_ROOT}/{_PART}/service_accounts", _accounts),
        Route("create", "POST", f"{_ROOT}/{_PART}/service_accounts", _create),
        Route("delete", "DELETE", f"{_ROOT}/{_PART}/api_keys/{_PART}", _delete),
        Route("delete", "DELETE", f"{_ROOT}/{_PART}/service_accounts/{_PART}", _delete_account),
    )


class OpenRouter(Dialect):
    """Keys with a limit. Without a workspace, the default one."""

    provider, admin, parents = "openrouter", "openrouter_admin", ("ws-default", "ws-other")

    def _item(self, key: ManagedKey) -> dict[str, Any]:
        return {
            "hash": key.key_id, "name": key.name, "label": key.hint, "disabled": key.is_disabled, "limit": None,
            "limit_reset": None, "include_byok_in_limit": False, "expires_at": key.expires_at,
            "workspace_id": key.parent, "created_at": key.created_at, "usage": 0, **key.settings,
        }  # fmt: skip

    def _whoami(self, managed: Managed, _: Asked) -> Reply:
        label = {"label": "sk-or-v1-adm...0000", "limit": None, "usage": 0, "is_management_key": True}
        return ok({"data": label}) if managed else error(404, GONE)

    def _list(self, managed: Managed, asked: Asked) -> Reply:
        workspace = asked.query.get("workspace_id", managed.parents[0])
        if workspace not in managed.parents:
            return error(404, "Resource not found")
        items, _ = page(managed.shown(workspace), managed, asked.query.get("offset"))
        return ok({"data": list(map(self._item, items))})

    def _get(self, managed: Managed, asked: Asked) -> Reply:
        key = managed.get(asked.parts[0])
        return ok({"data": self._item(key)}) if key else error(404, "Resource not found")

    def _create(self, managed: Managed, asked: Asked) -> Reply:
        body = asked.body
        settings = {name: value for name, value in body.items() if name not in ("name", "expires_at", "workspace_id")}
        workspace = str(body.get("workspace_id", managed.parents[0]))
        key = managed.create(str(body["name"]), workspace, expires_at=body.get("expires_at"), settings=settings)
        return ok({"data": self._item(key), "key": key.value}, 201)

    def _disable(self, managed: Managed, asked: Asked) -> Reply:
        def answer(key: ManagedKey) -> dict[str, Any]:
            return {"data": self._item(key)}

        return changed(managed, asked.parts[0], managed.disable, answer, missing=_NO_RESOURCE)

    def _delete(self, managed: Managed, asked: Asked) -> Reply:
        return changed(managed, asked.parts[0], managed.delete, lambda _: {"deleted": True}, missing=_NO_RESOURCE)

    routes = (
        Route("parents", "GET", "/api/v1/key", _whoami),
        Route("list", "GET", "/api/v1/keys", _list),
        Route("create", "POST", "/api/v1/keys", _create),
        Route("get", "GET", f"/api/v1/keys/{_PART}", _get),
        Route("disable", "PATCH", f"/api/v1/keys/{_PART}", _disable),
        Route("delete", "DELETE", f"/api/v1/keys/{_PART}", _delete),
    )


class XAI(Dialect):
    """Keys of a team."""

    provider, admin, parents = "xai", "xai_admin", ("team-1",)
    settings: ClassVar[dict[str, Any]] = {"acls": ["api-key:model:*", "api-key:endpoint:*"]}

    def _item(self, key: ManagedKey) -> dict[str, Any]:
        settings = {name: value for name, value in key.settings.items() if name != "acls"}
        return {
            "apiKeyId": key.key_id, "name": key.name, "redactedApiKey": f"{key.value[:6]}**{key.value[-4:]}",
            "disabled": key.is_disabled, "aclStrings": key.settings.get("acls", []), "createTime": key.created_at,
            "expireTime": key.expires_at, **settings,
        }  # fmt: skip

    def _team(self, managed: Managed, _: Asked) -> Reply:
        return ok({"scope": "SCOPE_TEAM", "scopeId": managed.parents[0], "teamId": managed.parents[0]})

    def _list(self, managed: Managed, asked: Asked) -> Reply:
        items, following = page(managed.shown(asked.parts[0]), managed, asked.query.get("paginationToken"))
        return ok({"apiKeys": list(map(self._item, items)), "paginationToken": following})

    def _create(self, managed: Managed, asked: Asked) -> Reply:
        body = asked.body
        settings = {name: value for name, value in body.items() if name not in ("name", "expireTime")}
        if asked.parts[0] not in managed.parents:
            return error(404, GONE)
        key = managed.create(str(body["name"]), asked.parts[0], expires_at=body.get("expireTime"), settings=settings)
        return ok({"apiKey": key.value, **self._item(key)})

    def _disable(self, managed: Managed, asked: Asked) -> Reply:
        return changed(managed, asked.parts[0], managed.disable, lambda _: {}, missing=_NO_KEY)

    def _delete(self, managed: Managed, asked: Asked) -> Reply:
        return changed(managed, asked.parts[0], managed.delete, lambda _: {}, missing=_NO_KEY)

    routes = (
        Route("parents", "GET", "/auth/management-keys/validation", _team),
        Route("list", "GET", f"/auth/teams/{_PART}/api-keys", _list),
        Route("create", "POST", f"/auth/teams/{_PART}/api-keys", _create),
        Route("disable", "PUT", f"/auth/api-keys/{_PART}", _disable),
        Route("delete", "DELETE", f"/auth/api-keys/{_PART}", _delete),
    )


class Mistral(Dialect):
    """Keys of workspaces; too long a lifetime is shortened silently."""

    provider, admin, parents = "mistral", "mistral_admin", ("ws-1", "ws-2")

    def _item(self, key: ManagedKey) -> dict[str, Any]:
        return {
            "key_id": key.key_id, "key": None, "name": key.name, "hidden_key": f"{key.value[:4]}...{key.value[-4:]}",
            "created_at": key.created_at, "expiration_date": key.expires_at and key.expires_at[:10],
            "workspace_id": key.parent, "created_by": key.owner or "user-1",
        }  # fmt: skip

    def _list(self, managed: Managed, asked: Asked) -> Reply:
        items, _ = page(managed.shown(), managed, asked.query.get("offset"))
        return ok({"keys": list(map(self._item, items))})

    def _create(self, managed: Managed, asked: Asked) -> Reply:
        body = asked.body
        if body.get("workspace_uuid") not in managed.parents or not body.get("user_id"):
            return error(404, GONE)
        date = body.get("expiration")
        expires = f"{date}T23:59:59Z" if date else None
        key = managed.create(
            str(body["name"]), body["workspace_uuid"], expires_at=expires, settings={}, owner=body["user_id"]
        )
        return ok({**self._item(key), "key": key.value})

    def _delete(self, managed: Managed, asked: Asked) -> Reply:
        detail = {"detail": "API key deleted successfully"}
        return changed(managed, asked.parts[0], managed.delete, lambda _: detail)

    routes = (
        Route("list", "GET", "/v1/admin/api-keys", _list),
        Route("create", "POST", "/v1/admin/api-keys", _create),
        Route("delete", "DELETE", f"/v1/admin/api-keys/{_PART}", _delete),
    )


class Anthropic(Dialect):
    """Keys that can only be disabled."""

    provider, admin, parents = "anthropic", "anthropic_admin", ("wrkspc_1",)

    def _list(self, managed: Managed, _: Asked) -> Reply:
        data = [
            {
                "id": key.key_id, "type": "api_key", "name": key.name, "partial_key_hint": key.hint, "expires_at": None,
                "created_at": key.created_at, "status": "inactive" if key.is_disabled else "active",
                "scope": {"type": "workspace", "workspace_id": key.parent},
            }
            for key in managed.shown()
        ]  # fmt: skip
        return ok({"data": data, "has_more": False, "last_id": data[-1]["id"] if data else None})

    def _disable(self, managed: Managed, asked: Asked) -> Reply:
        inactive = {"id": asked.parts[0], "type": "api_key", "status": "inactive"}
        return changed(managed, asked.parts[0], managed.disable, lambda _: inactive)

    routes = (
        Route("list", "GET", "/v1/organizations/api_keys", _list),
        Route("disable", "POST", f"/v1/organizations/api_keys/{_PART}", _disable),
    )
