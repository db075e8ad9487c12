"""Mistral: the keys of an organisation's workspaces, by the Admin API of its Enterprise plan.

Source: mistralai/platform-docs-public 222f4ba9. A policy of the organisation may shorten the life of a new key, so the
date in the answer counts. A key's connectors can be neither listed nor set: a new key gets the shared ones, which is
the smallest set.
"""

from __future__ import annotations

from typing import Any

from kojikey.providers.management import fields
from kojikey.providers.management.base import Ability, CopyPlan, Created, KeyManagement, RemoteKey, Wanted
from kojikey.providers.management.client import part

_ROOT = "/v1/admin/api-keys"
_PAGE = 100


class Mistral(KeyManagement):
    """The keys of an organisation."""

    ability = Ability(
        admin="mistral_admin",
        parent="workspace",
        longest_name=255,
        sentence="creates and deletes keys on the Enterprise plan, with workspace and expiry copied",
    )

    async def _checked_parent(self, parent: str) -> str:
        if not any(key.parent == parent for key in await self.list_keys()):  # the API cannot list workspaces
            raise self._no_such_parent()
        return parent

    async def _list_keys(self, parent: str) -> tuple[RemoteKey, ...]:
        found = await self._client.ask_for_pages(_ROOT, "keys", {"limit": str(_PAGE), "offset": "0"}, _next_page)
        keys = (_key(item) for item in found if fields.identity(item, "key_id"))
        return tuple(key for key in keys if not parent or key.parent == parent)

    @classmethod
    def plan(cls, template: RemoteKey) -> CopyPlan:  # noqa: ARG003
        """Copy nothing beside workspace, owner and expiry."""
        return CopyPlan({}, (), ("connectors",))

    async def _create(self, wanted: Wanted) -> Created:
        body: dict[str, Any] = {"workspace_uuid": wanted.parent, "user_id": wanted.owner, "name": wanted.name}
        body |= {"expiration": wanted.expires_at[:10]} if wanted.expires_at else {}
        answer = await self._client.ask("POST", _ROOT, body=body)
        secret = fields.value_of(answer, "key", self._client.company)
        key = RemoteKey(
            fields.identity(answer, "key_id"), wanted.name, wanted.parent, wanted.owner,
            expires_at=fields.moment_of(answer, "expiration_date"),
        )  # fmt: skip
        return Created(secret, key)

    async def _delete(self, key: RemoteKey) -> None:
        await self._delete_at(f"{_ROOT}/{part(key.key_id)}")


def _next_page(answer: dict[str, Any], found: list[dict[str, Any]]) -> dict[str, str] | None:
    return {"offset": str(len(found))} if len(fields.tables(answer, "keys")) >= _PAGE else None


def _key(item: dict[str, Any]) -> RemoteKey:
    owner = item.get("created_by")
    return RemoteKey(
        fields.identity(item, "key_id"),
        fields.text(item, "name"),
        fields.identity(item, "workspace_id", "workspace_uuid"),
        fields.identity(owner, "id", "user_id") if isinstance(owner, dict) else fields.identity(item, "created_by"),
        hint=fields.text(item, "hidden_key"),
        created_at=fields.moment_of(item, "created_at"),
        expires_at=fields.moment_of(item, "expiration_date"),
    )
