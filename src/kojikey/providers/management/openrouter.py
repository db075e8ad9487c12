"""OpenRouter: keys with a spending limit, managed by a management key.

Source: OpenRouterTeam/typescript-sdk cb9393a8. A key's id is its ``hash``; the algorithm is not documented, so it is
never computed here. ``limit_remaining`` cannot be copied: a new key starts with its whole limit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kojikey.model.secret import Secret
from kojikey.providers.management import fields
from kojikey.providers.management.base import Ability, CopyPlan, Created, KeyManagement, RemoteKey, Wanted
from kojikey.providers.management.client import part

_ROOT = "/api/v1/keys"
_GUARDRAILS = "/api/v1/guardrails/assignments/keys"
_LIMITS = ("limit", "limit_reset", "include_byok_in_limit")
_GUARDED = "guardrail"


class OpenRouter(KeyManagement):
    """The keys of a workspace."""

    ability = Ability(
        admin="openrouter_admin",
        parent="workspace",
        disables=True,
        sentence="creates, disables and deletes keys, with limit and expiry copied (a guardrail is not)",
    )

    async def _checked_parent(self, parent: str) -> str:
        await self.list_keys(parent)  # raises ManagementRefused if there is none; the API cannot list workspaces
        return parent

    async def _list_keys(self, parent: str) -> tuple[RemoteKey, ...]:
        query = {"include_disabled": "true", "offset": "0", **({"workspace_id": parent} if parent else {})}
        found = await self._client.ask_for_pages(_ROOT, "data", query, _next_page)
        items = {fields.identity(item, "hash"): item for item in found}
        return tuple(_key(item, parent) for key_id, item in items.items() if key_id)

    async def _find(self, key_id: str, parent: str) -> RemoteKey | None:
        answer = await self._client.ask_if_there("GET", f"{_ROOT}/{part(key_id)}")
        item = fields.table(answer or {}, "data")
        if fields.identity(item, "hash") != key_id:
            return None
        key = _key(item, parent)
        return replace(key, settings={**key.settings, _GUARDED: True}) if await self._is_guarded(key_id) else key

    async def find_by_value(self, secret: Secret, parent: str = "") -> tuple[RemoteKey, ...]:
        """Return the keys that may have this value; a single one is complete with its guardrail."""
        found = await super().find_by_value(secret, parent)
        whole = [await self.find(key.key_id, key.parent) for key in found] if len(found) == 1 else found
        return tuple(key for key in whole if key is not None)

    async def _is_guarded(self, key_id: str) -> bool:
        answer = await self._client.ask_if_there("GET", _GUARDRAILS)
        items = fields.tables(answer or {}, "data")
        return any(key_id in (item.get("key_hash"), item.get("hash")) for item in items)

    @classmethod
    def plan(cls, template: RemoteKey) -> CopyPlan:
        """Copy the limits; the key's guardrail cannot be copied."""
        settings = {name: value for name, value in template.settings.items() if name != _GUARDED}
        copied = ("limits",) if "limit" in settings else ()
        if _GUARDED not in template.settings:
            return CopyPlan(settings, copied)
        return CopyPlan(settings, copied, ("guardrail",), "the old key has a guardrail, and a new key gets none")

    async def _create(self, wanted: Wanted) -> Created:
        body: dict[str, Any] = {"name": wanted.name, **wanted.settings}
        body |= {"expires_at": wanted.expires_at} if wanted.expires_at else {}
        body |= {"workspace_id": wanted.parent} if wanted.parent else {}
        answer = await self._client.ask("POST", _ROOT, body=body)
        secret, item = fields.value_of(answer, "key", self._client.company), fields.table(answer, "data")
        return Created(secret, _key(item, wanted.parent))

    async def disable(self, key: RemoteKey) -> None:
        """Set ``disabled``."""
        await self._client.ask("PATCH", f"{_ROOT}/{part(key.key_id)}", body={"disabled": True}, is_repeatable=True)

    async def _delete(self, key: RemoteKey) -> None:
        await self._delete_at(f"{_ROOT}/{part(key.key_id)}")


def _next_page(answer: dict[str, Any], found: list[dict[str, Any]]) -> dict[str, str] | None:
    """Return the offset of the next page; an empty page, or one of known keys alone, is the last."""
    items = fields.tables(answer, "data")
    known = {fields.identity(item, "hash") for item in found[: len(found) - len(items)]}
    is_last = all(fields.identity(item, "hash") in known for item in items)
    return None if is_last else {"offset": str(len(found))}


def _key(item: dict[str, Any], parent: str) -> RemoteKey:
    return RemoteKey(
        fields.identity(item, "hash"),
        fields.text(item, "name"),
        fields.identity(item, "workspace_id") or parent,
        hint=fields.text(item, "label"),
        created_at=fields.moment_of(item, "created_at"),
        expires_at=fields.moment_of(item, "expires_at"),
        is_disabled=item.get("disabled") is True,
        settings=fields.kept(item, *_LIMITS),
    )
