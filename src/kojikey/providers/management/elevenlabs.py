"""ElevenLabs: the keys of service accounts. A user's own key cannot be created, listed or deleted by an API.

Source: elevenlabs/elevenlabs-python 54e58995 (``service-accounts`` and ``api-keys`` with a hyphen are its aliases).
"""

from __future__ import annotations

from typing import Any

from kojikey.providers.management import fields
from kojikey.providers.management.base import Ability, CopyPlan, Created, KeyManagement, RemoteKey, Wanted
from kojikey.providers.management.client import part

_ROOT = "/v1/service-accounts"
_LIMITS = ("character_limit",)
_OTHERS = ("third_party_disable_allowed",)


class ElevenLabs(KeyManagement):
    """The keys of a workspace's service accounts."""

    ability = Ability(
        admin="elevenlabs_admin",
        parent="service account",
        disables=True,
        sentence="creates, disables and deletes the keys of service accounts (not those of users), with permissions, "
        "limit and addresses copied",
    )

    async def parents(self) -> tuple[str, ...]:
        """Return the ids of the service accounts."""
        answer = await self._client.ask("GET", _ROOT)
        found = fields.tables(answer, "service-accounts", "service_accounts")
        return tuple(filter(None, (fields.identity(item, "service_account_user_id") for item in found)))

    async def _list_keys(self, parent: str) -> tuple[RemoteKey, ...]:
        answer = await self._client.ask("GET", f"{_ROOT}/{part(parent)}/api-keys")
        found = fields.tables(answer, "api-keys", "api_keys")
        return tuple(_key(item, parent) for item in found if fields.identity(item, "key_id"))

    @classmethod
    def plan(cls, template: RemoteKey) -> CopyPlan:
        """Copy permissions, credit limit and addresses."""
        settings = dict(template.settings)
        settings.setdefault("permissions", "all")
        copied = ["permissions", *("limits" for name in _LIMITS if name in settings)]
        return CopyPlan(settings, (*copied, *(["addresses"] if "allowed_ips" in settings else [])))

    async def _create(self, wanted: Wanted) -> Created:
        body = {"name": wanted.name, **wanted.settings}
        answer = await self._client.ask("POST", f"{_ROOT}/{part(wanted.parent)}/api-keys", body=body)
        secret = fields.value_of(answer, "xi-api-key" if "xi-api-key" in answer else "xi_api_key", self._client.company)
        key_id = fields.identity(answer, "key_id")
        return Created(secret, RemoteKey(key_id, wanted.name, wanted.parent, settings=wanted.settings))

    async def disable(self, key: RemoteKey) -> None:
        """Set ``is_enabled`` to false."""
        path = f"{_ROOT}/{part(key.parent)}/api-keys/{part(key.key_id)}"
        await self._client.ask("PATCH", path, body={"is_enabled": False}, is_repeatable=True)

    async def _delete(self, key: RemoteKey) -> None:
        await self._delete_at(f"{_ROOT}/{part(key.parent)}/api-keys/{part(key.key_id)}")


def _key(item: dict[str, Any], parent: str) -> RemoteKey:
    settings = fields.kept(item, "permissions", *_LIMITS, "allowed_ips", *_OTHERS)
    if not settings.get("permissions"):
        settings.pop("permissions", None)  # the list has none for an unrestricted key
    if not settings.get("allowed_ips"):
        settings.pop("allowed_ips", None)
    return RemoteKey(
        fields.identity(item, "key_id"),
        fields.text(item, "name"),
        fields.identity(item, "service_account_user_id") or parent,
        hint=fields.text(item, "hint"),
        created_at=fields.moment_of(item, "created_at_unix"),
        is_disabled=item.get("is_disabled") is True,
        settings=settings,
    )
