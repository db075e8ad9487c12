"""OpenAI: keys of a project. New ones belong to service accounts, because no API creates a user's key.

Source: openai/openai-openapi f85dbe22. A single key of a service account cannot be deleted, only the account with all
its keys. So each new key gets a service account of its own, which is deleted with it.
"""

from __future__ import annotations

from typing import Any

from kojikey.model.errors import Effect
from kojikey.model.management_errors import ManagementRefused, Refusal
from kojikey.providers.management import fields
from kojikey.providers.management.base import Ability, CopyPlan, Created, KeyManagement, RemoteKey, Wanted
from kojikey.providers.management.client import part

_ROOT = "/v1/organization/projects"
_PAGE = "100"
_SERVICE_ACCOUNT = "service_account:"
_WIDER = "OpenAI does not show what the old key is allowed, and a new key is allowed everything in its project"


class OpenAI(KeyManagement):
    """The keys of an organization's projects."""

    ability = Ability(
        admin="openai_admin",
        parent="project",
        sentence="creates a key as a new service account of the project, and deletes keys; permissions cannot be "
        "copied",
    )

    async def parents(self) -> tuple[str, ...]:
        """Return the ids of the projects that are not archived."""
        found = await self._pages(_ROOT)
        return tuple(filter(None, (fields.identity(item, "id") for item in found if item.get("status") != "archived")))

    async def _list_keys(self, parent: str) -> tuple[RemoteKey, ...]:
        # without the query, the list lacks some keys that still work
        found = await self._pages(f"{_ROOT}/{part(parent)}/api_keys", owner_project_access="any")
        return tuple(_key(item, parent) for item in found if fields.identity(item, "id"))

    async def find_named(self, wanted: Wanted) -> tuple[RemoteKey, ...]:
        """Return the keys of that name, and service accounts of that name whose key the list may not show yet."""
        found = list(await super().find_named(wanted))
        owners = {key.owner for key in found}
        for item in await self._pages(f"{_ROOT}/{part(wanted.parent)}/service_accounts"):
            owner = _SERVICE_ACCOUNT + fields.identity(item, "id")
            if fields.text(item, "name") == wanted.name and owner not in owners:
                found.append(RemoteKey("", wanted.name, wanted.parent, owner))
        return tuple(found)

    @classmethod
    def plan(cls, template: RemoteKey) -> CopyPlan:  # noqa: ARG003
        """Copy nothing: the API does not show the permissions of a key."""
        return CopyPlan({}, (), ("permissions",), _WIDER)

    async def _create(self, wanted: Wanted) -> Created:
        path = f"{_ROOT}/{part(wanted.parent)}/service_accounts"
        answer = await self._client.ask("POST", path, body={"name": wanted.name})
        key = fields.table(answer, "api_key")
        secret = fields.value_of(key, "value", self._client.company)
        account = fields.identity(answer, "id")
        key_id = fields.identity(key, "id") if account else ""  # without the account it cannot be deleted
        return Created(secret, RemoteKey(key_id, wanted.name, wanted.parent, _SERVICE_ACCOUNT + account))

    async def _delete(self, key: RemoteKey) -> None:
        """Delete a user's key, or the service account of a key if it has no other key.

        Raises:
            ManagementRefused: the service account has other keys, which would be deleted with it.
        """
        if not key.owner.startswith(_SERVICE_ACCOUNT):
            await self._delete_at(f"{_ROOT}/{part(key.parent)}/api_keys/{part(key.key_id)}")
            return
        owned = [found.key_id for found in await self.list_keys(key.parent) if found.owner == key.owner]
        if any(key_id != key.key_id for key_id in owned):
            raise ManagementRefused(
                "OpenAI deletes a service account only with all its keys, and this one has other keys",
                Refusal.REQUEST,
                effect=Effect.NOTHING_REMOVED,
            )
        account = key.owner.removeprefix(_SERVICE_ACCOUNT)
        await self._delete_at(f"{_ROOT}/{part(key.parent)}/service_accounts/{part(account)}")

    async def _pages(self, path: str, **query: str) -> list[dict[str, Any]]:
        return await self._client.ask_for_pages(path, "data", {"limit": _PAGE, **query}, _next_page)


def _next_page(answer: dict[str, Any], found: list[dict[str, Any]]) -> dict[str, str] | None:
    is_last = answer.get("has_more") is not True or not fields.tables(answer, "data")
    last = "" if is_last else fields.identity(answer, "last_id") or fields.identity(found[-1], "id")
    return {"after": last} if last else None


def _key(item: dict[str, Any], parent: str) -> RemoteKey:
    owner = fields.table(item, "owner")
    account = fields.table(owner, "service_account")
    is_service = owner.get("type") == "service_account"
    return RemoteKey(
        fields.identity(item, "id"),
        (fields.text(account, "name") if is_service else "") or fields.text(item, "name"),
        parent,
        _SERVICE_ACCOUNT + fields.identity(account, "id") if is_service else "user",
        hint=fields.text(item, "redacted_value"),
        created_at=fields.moment_of(item, "created_at"),
    )
