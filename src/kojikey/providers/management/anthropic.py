"""Anthropic: keys can be listed and made inactive. No API creates or deletes one.

Source: platform.claude.com, api/beta/organization/api_keys (2026-10).
"""

from __future__ import annotations

from typing import Any

from kojikey.providers.management import fields
from kojikey.providers.management.base import Ability, KeyManagement, RemoteKey
from kojikey.providers.management.client import part

_ROOT = "/v1/organizations/api_keys"


class Anthropic(KeyManagement):
    """The keys of an organization."""

    ability = Ability(
        admin="anthropic_admin",
        parent="workspace",
        creates=False,
        disables=True,
        deletes=False,
        sentence="disables the previous key; you create the new one by hand",
    )

    async def _list_keys(self, parent: str) -> tuple[RemoteKey, ...]:
        query = {"limit": "100", **({"workspace_id": parent} if parent else {})}
        found = await self._client.ask_for_pages(_ROOT, "data", query, _next_page)
        return tuple(_key(item) for item in found if fields.identity(item, "id") and item.get("status") != "archived")

    async def disable(self, key: RemoteKey) -> None:
        """Set the status ``inactive``."""
        await self._client.ask("POST", f"{_ROOT}/{part(key.key_id)}", body={"status": "inactive"}, is_repeatable=True)


def _next_page(answer: dict[str, Any], _: list[dict[str, Any]]) -> dict[str, str] | None:
    last = fields.identity(answer, "last_id")
    return {"after_id": last} if answer.get("has_more") is True and last else None


def _key(item: dict[str, Any]) -> RemoteKey:
    scope = fields.table(item, "scope")
    return RemoteKey(
        fields.identity(item, "id"),
        fields.text(item, "name"),
        fields.identity(scope, "workspace_id") or fields.identity(item, "workspace_id"),
        hint=fields.text(item, "partial_key_hint"),
        created_at=fields.moment_of(item, "created_at"),
        expires_at=fields.moment_of(item, "expires_at"),
        is_disabled=item.get("status") != "active",
    )
