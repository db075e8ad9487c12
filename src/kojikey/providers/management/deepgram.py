"""Deepgram: the keys of a project, managed by any key of it that has ``keys:write``.

Source: deepgram/deepgram-python-sdk 7da415db, deepgram-docs 4b4a10a1. The list shows no part of a key; a key can ask
for its own id (``/v1/auth/token``).
"""

from __future__ import annotations

from typing import Any

from kojikey.model.secret import Secret
from kojikey.providers.management import fields
from kojikey.providers.management.base import Ability, CopyPlan, Created, KeyManagement, RemoteKey, Wanted
from kojikey.providers.management.client import part

_ROOT = "/v1/projects"


class Deepgram(KeyManagement):
    """The keys of the projects that a key belongs to."""

    ability = Ability(
        admin="deepgram",
        parent="project",
        hints=False,
        sentence="creates and deletes keys with a key that has keys:write, with scopes, tags and expiry copied",
    )

    async def parents(self) -> tuple[str, ...]:
        """Return the ids of the projects."""
        found = fields.tables(await self._client.ask("GET", _ROOT), "projects")
        return tuple(filter(None, (fields.identity(item, "project_id") for item in found)))

    async def _list_keys(self, parent: str) -> tuple[RemoteKey, ...]:
        found = fields.tables(await self._client.ask("GET", f"{_ROOT}/{part(parent)}/keys"), "api_keys")
        return tuple(key for item in found if (key := _key(item, parent)).key_id)

    async def _find(self, key_id: str, parent: str) -> RemoteKey | None:
        for project in (parent,) if parent else await self.parents():
            answer = await self._client.ask_if_there("GET", f"{_ROOT}/{part(project)}/keys/{part(key_id)}")
            item = fields.table(answer or {}, "item")
            inner = fields.table(fields.table(item, "member"), "api_key") or fields.table(item, "api_key")
            key = _key({"api_key": inner or answer or {}}, project)
            if key.key_id == key_id:
                return key
        return None

    async def find_by_value(self, secret: Secret, parent: str = "") -> tuple[RemoteKey, ...]:
        """Return the key that is the client's own credential, by its id; no other key can be recognised."""
        if not self._client.is_credential(secret):
            return ()
        answer = await self._client.ask_if_there("GET", "/v1/auth/token")
        key = await self.find(fields.identity(answer or {}, "api_key_id"), parent)
        return (key,) if key else ()

    @classmethod
    def plan(cls, template: RemoteKey) -> CopyPlan:
        """Copy scopes and tags; without scopes in the answer, the new key gets the scope ``member``."""
        settings = dict(template.settings)
        tags = ("tags",) if settings.get("tags") else ()
        if settings.get("scopes"):
            return CopyPlan(settings, ("permissions", *tags))
        return CopyPlan({**settings, "scopes": ["member"]}, tags, ("permissions",), "Deepgram does not list its scopes")

    async def _create(self, wanted: Wanted) -> Created:
        body: dict[str, Any] = {"comment": wanted.name, **wanted.settings}
        body |= {"expiration_date": wanted.expires_at} if wanted.expires_at else {}
        answer = await self._client.ask("POST", f"{_ROOT}/{part(wanted.parent)}/keys", body=body)
        secret = fields.value_of(answer, "key", self._client.company)
        key = RemoteKey(
            fields.identity(answer, "api_key_id"), wanted.name, wanted.parent,
            expires_at=fields.moment_of(answer, "expiration_date"), settings=wanted.settings,
        )  # fmt: skip
        return Created(secret, key)

    async def _delete(self, key: RemoteKey) -> None:
        await self._delete_at(f"{_ROOT}/{part(key.parent)}/keys/{part(key.key_id)}")


def _key(item: dict[str, Any], parent: str) -> RemoteKey:
    found = fields.table(item, "api_key") or item
    return RemoteKey(
        fields.identity(found, "api_key_id"),
        fields.text(found, "comment"),
        parent,
        created_at=fields.moment_of(found, "created"),
        expires_at=fields.moment_of(found, "expiration_date"),
        settings={name: value for name, value in fields.kept(found, "scopes", "tags").items() if value},
    )
