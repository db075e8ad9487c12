"""OpenAI: keys of a project. New ones belong to service accounts, because no API creates a user's key.

Source: openai/openai-openapi f85dbe22. One key of a service account cannot be deleted; the account with all its keys
can. So a new key gets a service account of its own, and that is deleted with it.
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
_MOST_PAGES = 200
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

    async def _parents(self) -> tuple[str, ...]:
        found = await self._pages(_ROOT, {})
        return tuple(filter(None, (fields.identity(item, "id") for item in found if item.get("status") != "archived")))

    async def _list_keys(self, parent: str) -> tuple[RemoteKey, ...]:
        # Without the query, some keys that still work are left out.
        found = await self._pages(f"{_ROOT}/{part(parent)}/api_keys", {"owner_project_access": "any"})
        return tuple(_key(item, parent) for item in found if fields.identity(item, "id"))

    async def _find_named(self, wanted: Wanted) -> tuple[RemoteKey, ...]:
        """Return keys of that name, and service accounts of it that the list of keys may not show yet."""
        found = list(await super()._find_named(wanted))
        owners = {key.owner for key in found}
        for item in await self._pages(f"{_ROOT}/{part(wanted.parent)}/service_accounts", {}):
            owner = _SERVICE_ACCOUNT + fields.identity(item, "id")
            if fields.text(item, "name") == wanted.name and owner not in owners:
                found.append(RemoteKey("", wanted.name, wanted.parent, owner))
        return tuple(found)

    @classmethod
    def _plan(cls, template: RemoteKey) -> CopyPlan:  # noqa: ARG003
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
        """Delete a user's key, or the service account of a key where it has no other.

        Raises:
            ManagementRefused: the service account has other keys, which would go with it.
        """
        if not key.owner.startswith(_SERVICE_ACCOUNT):
            await self._gone(f"{_ROOT}/{part(key.parent)}/api_keys/{part(key.key_id)}")
            return
        others = [
            each for each in await self.list_keys(key.parent) if each.owner == key.owner and each.key_id != key.key_id
        ]
        if others:
            raise ManagementRefused(
                "OpenAI deletes a service account only with all its keys, and this one has other keys",
                Refusal.REQUEST,
                effect=Effect.NOTHING_REMOVED,
            )
        await self._gone(
            f"{_ROOT}/{part(key.parent)}/service_accounts/{part(key.owner.removeprefix(_SERVICE_ACCOUNT))}"
        )

    async def _pages(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = ""
        for _ in range(_MOST_PAGES):
            asked = {"limit": _PAGE, **query, **({"after": after} if after else {})}
            answer = await self._client.ask("GET", path, query=asked)
            items = fields.tables(answer, "data")
            found += items
            after = fields.identity(answer, "last_id") or (fields.identity(items[-1], "id") if items else "")
            if answer.get("has_more") is not True or not items or not after:
                break
        return found


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
