"""Fireworks: the keys of a user or service account, managed by any key of that user, or by an administrator's.

Source: fw-ai-external/python-sdk 8399c127. A key has no permissions of its own. Its parent is in Fireworks' own form,
``accounts/ACCOUNT/users/USER``.
"""

from __future__ import annotations

from typing import Any

from kojikey.model.management_errors import ManagementRefused, Refusal
from kojikey.providers.management import fields
from kojikey.providers.management.base import Ability, Created, KeyManagement, RemoteKey, Wanted
from kojikey.providers.management.client import page_token, part

_PAGE = "100"


class Fireworks(KeyManagement):
    """The keys of the users that a key may manage."""

    ability = Ability(
        admin="fireworks",
        parent="user",
        sentence="creates and deletes keys with any key of the same user, with expiry copied",
    )

    async def parents(self) -> tuple[str, ...]:
        """Return the names of all users of all accounts."""
        users: list[str] = []
        for account in await self._pages("/v1/accounts", "accounts"):
            name = fields.identity(account, "name")
            if name.startswith("accounts/"):
                found = await self._pages(f"/v1/{_path(name)}/users", "users")
                users += filter(None, (fields.identity(user, "name") for user in found))
        return tuple(users)

    async def _checked_parent(self, parent: str) -> str:
        account, slash, user = parent.partition("/")
        if slash and account != "accounts" and "/" not in user:
            parent = f"accounts/{account}/users/{user}"
        if parent.startswith("accounts/") and "/users/" in parent:
            await self.list_keys(parent)  # raises ManagementRefused if there is no such user
            return parent
        return await super()._checked_parent(parent)

    async def _list_keys(self, parent: str) -> tuple[RemoteKey, ...]:
        try:
            found = await self._pages(f"/v1/{_path(parent)}/apiKeys", "apiKeys")
        except ManagementRefused as refused:
            if refused.refusal is not Refusal.PERMISSION:
                raise
            return ()  # another user's keys are for administrators
        return tuple(_key(item, parent) for item in found if fields.identity(item, "keyId"))

    async def _create(self, wanted: Wanted) -> Created:
        key: dict[str, Any] = {"displayName": wanted.name}
        key |= {"expireTime": wanted.expires_at} if wanted.expires_at else {}
        answer = await self._client.ask("POST", f"/v1/{_path(wanted.parent)}/apiKeys", body={"apiKey": key})
        secret = fields.value_of(answer, "key", self._client.company)
        made = RemoteKey(
            fields.identity(answer, "keyId"), wanted.name, wanted.parent,
            expires_at=fields.moment_of(answer, "expireTime"),
        )  # fmt: skip
        return Created(secret, made)

    async def _delete(self, key: RemoteKey) -> None:
        path = f"/v1/{_path(key.parent)}/apiKeys:delete"
        await self._client.ask_if_there("POST", path, body={"keyId": key.key_id}, is_repeatable=True)

    async def _pages(self, path: str, member: str) -> list[dict[str, Any]]:
        return await self._client.ask_for_pages(path, member, {"pageSize": _PAGE}, page_token)


def _path(name: str) -> str:
    """Return a resource name as a path."""
    if any(not each or set(each) <= {"."} for each in name.split("/")):
        raise ValueError("not the name of a resource")
    return "/".join(map(part, name.split("/")))


def _key(item: dict[str, Any], parent: str) -> RemoteKey:
    return RemoteKey(
        fields.identity(item, "keyId"),
        fields.text(item, "displayName"),
        parent,
        hint=fields.text(item, "prefix"),
        created_at=fields.moment_of(item, "createTime"),
        expires_at=fields.moment_of(item, "expireTime"),
    )
