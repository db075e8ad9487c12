"""xAI: the keys of a team, by the Management API.

Source: the management guide of docs.x.ai, and clients that say they ran it. A key without access rights can do nothing,
so all of them are copied. Deleting uses the path without the team: the one with it answers 404 for every key.
Must not: call ``/rotate``, which replaces a key in place and ends the old one at an undocumented time.
"""

from __future__ import annotations

from typing import Any

from kojikey.providers.management import fields
from kojikey.providers.management.base import Ability, CopyPlan, Created, KeyManagement, RemoteKey, Wanted
from kojikey.providers.management.client import part

_PAGE = "100"
_LIMITS = ("qps", "qpm", "tpm")


class XAI(KeyManagement):
    """The keys of a team."""

    ability = Ability(
        admin="xai_admin",
        parent="team",
        disables=True,
        sentence="creates, disables and deletes keys, with access rights, rate limits and expiry copied",
    )

    async def parents(self) -> tuple[str, ...]:
        """Return the team of the management key, else all teams that it can list."""
        team = await self._own_team()
        if team:
            return (team,)
        found = fields.tables(await self._client.ask("GET", "/auth/teams"), "teams")
        return tuple(filter(None, (fields.identity(item, "teamId", "id") for item in found)))

    async def _own_team(self) -> str:
        """Return the team of the management key, ``""`` if the answer does not name it."""
        answer = await self._client.ask_if_there("GET", "/auth/management-keys/validation") or {}
        scoped = fields.identity(answer, "scopeId") if answer.get("scope") == "SCOPE_TEAM" else ""
        return fields.identity(answer, "teamId") or scoped

    async def _list_keys(self, parent: str) -> tuple[RemoteKey, ...]:
        query = {"pageSize": _PAGE, "activeOnly": "false"}
        found = await self._client.ask_for_pages(f"/auth/teams/{part(parent)}/api-keys", "apiKeys", query, _next_page)
        return tuple(_key(item, parent) for item in found if fields.identity(item, "apiKeyId"))

    @classmethod
    def plan(cls, template: RemoteKey) -> CopyPlan:
        """Copy access rights and rate limits."""
        settings = dict(template.settings)
        limits = ("limits",) if any(name in settings for name in _LIMITS) else ()
        if "acls" in settings:
            return CopyPlan(settings, ("permissions", *limits))
        return CopyPlan(settings, limits, ("permissions",), "xAI does not say what the old key is allowed")

    async def _create(self, wanted: Wanted) -> Created:
        body: dict[str, Any] = {"name": wanted.name, **wanted.settings}
        body |= {"expireTime": wanted.expires_at} if wanted.expires_at else {}
        answer = await self._client.ask("POST", f"/auth/teams/{part(wanted.parent)}/api-keys", body=body)
        secret = fields.value_of(answer, "apiKey", self._client.company)
        key = RemoteKey(
            fields.identity(answer, "apiKeyId"), wanted.name, wanted.parent,
            expires_at=fields.moment_of(answer, "expireTime"), settings=wanted.settings,
        )  # fmt: skip
        return Created(secret, key)

    async def disable(self, key: RemoteKey) -> None:
        """Set ``disabled``."""
        body = {"apiKey": {"disabled": True}, "fieldMask": "disabled"}
        await self._client.ask("PUT", f"/auth/api-keys/{part(key.key_id)}", body=body, is_repeatable=True)

    async def _delete(self, key: RemoteKey) -> None:
        await self._delete_at(f"/auth/api-keys/{part(key.key_id)}")


def _next_page(answer: dict[str, Any], _: list[dict[str, Any]]) -> dict[str, str] | None:
    token = fields.text(answer, "paginationToken")
    return {"paginationToken": token} if token else None


def _key(item: dict[str, Any], parent: str) -> RemoteKey:
    settings = fields.kept(item, *_LIMITS)
    acls = item.get("aclStrings", item.get("acls"))  # listed under one name, and created under the other
    if isinstance(acls, list):
        settings["acls"] = acls
    return RemoteKey(
        fields.identity(item, "apiKeyId"),
        fields.text(item, "name"),
        parent,
        hint=fields.text(item, "redactedApiKey"),
        created_at=fields.moment_of(item, "createTime"),
        expires_at=fields.moment_of(item, "expireTime"),
        is_disabled=item.get("disabled") in (True, "true"),
        settings=settings,
    )
