"""Google: the API keys of a project, by the API Keys API v2 and an OAuth access token.

Source: the discovery document of ``apikeys:v2``; Terraform's ``google_apikeys_key`` for ``serviceAccountEmail``.
The list shows no part of a key. ``keys:lookupKey`` would find a key, but takes it in a URL, so it is never used.
The answer to creating a key is an operation, which is polled until it is done.
"""

from __future__ import annotations

import re
from typing import Any

from kojikey.model.errors import Effect
from kojikey.model.management_errors import CannotMint, ManagementRefused, ManagementUnavailable
from kojikey.providers.management import fields
from kojikey.providers.management.base import Ability, CopyPlan, Created, KeyManagement, RemoteKey, Wanted
from kojikey.providers.management.client import page_token

_NAME = re.compile(r"projects/([A-Za-z0-9:.-]{1,128})/locations/global/keys/[a-z0-9-]{1,64}")
_OPERATION = re.compile(r"operations/[A-Za-z0-9._-]{1,200}")
_PROJECT = re.compile(r"[A-Za-z0-9:.-]{1,128}")
_PAGE = "100"
_POLLS = 30
POLL_S = 2.0
"""Seconds between two requests about an operation that is not done."""


class GoogleGemini(KeyManagement):
    """The API keys of Google Cloud projects."""

    ability = Ability(
        admin="",
        parent="project",
        hints=False,
        longest_name=63,
        sentence="creates and deletes keys with a Google identity, with restrictions, addresses and service account "
        "copied; Google keeps a deleted key for 30 days, during which it can be restored",
    )

    async def parents(self) -> tuple[str, ...]:
        """Return nothing: this API cannot list projects."""
        return ()

    async def _checked_parent(self, parent: str) -> str:
        parent = parent.removeprefix("projects/")
        if not _PROJECT.fullmatch(parent):
            raise self._no_such_parent()
        await self.list_keys(parent)  # raises ManagementRefused if there is no such project
        return parent

    async def _list_keys(self, parent: str) -> tuple[RemoteKey, ...]:
        path = f"/v2/projects/{parent}/locations/global/keys"
        found = await self._client.ask_for_pages(path, "keys", {"pageSize": _PAGE}, page_token)
        return tuple(_key(item) for item in found if _is_key(item))

    async def _find(self, key_id: str, parent: str) -> RemoteKey | None:
        if "/" not in key_id and not parent:
            raise CannotMint(
                "kojikey cannot tell which project the key belongs to",
                effect=Effect.NOTHING_CREATED,
                hint="give its full name, projects/PROJECT/locations/global/keys/ID, or its project: --parent PROJECT",
            )
        name = key_id if "/" in key_id else f"projects/{parent}/locations/global/keys/{key_id}"
        if not _NAME.fullmatch(name):
            return None
        item = await self._client.ask_if_there("GET", f"/v2/{name}")
        return _key(item) if item and _is_key(item) else None

    @classmethod
    def plan(cls, template: RemoteKey) -> CopyPlan:
        """Copy restrictions, annotations and service account."""
        settings = dict(template.settings)
        restrictions = settings.get("restrictions") or {}
        addresses = ("addresses",) if any(name.endswith("Restrictions") for name in restrictions) else ()
        permissions = ("permissions",) if "apiTargets" in restrictions else ()
        account = ("service account",) if "serviceAccountEmail" in settings else ()
        return CopyPlan(settings, (*permissions, *addresses, *account))

    async def _create(self, wanted: Wanted) -> Created:
        path = f"/v2/projects/{wanted.parent}/locations/global/keys"
        body = {"displayName": wanted.name, **wanted.settings}
        # With an id of our own, a request that arrives twice creates one key. No other provider allows that.
        started = await self._client.ask("POST", path, query={"keyId": f"kojikey-{wanted.token}"}, body=body)
        try:
            return await self._with_value(await self._finished(started))
        except (ManagementRefused, ManagementUnavailable) as error:
            # the creation was accepted; only the requests after it failed
            raise ManagementUnavailable(str(error), is_uncertain=True) from None

    async def _with_value(self, item: dict[str, Any]) -> Created:
        if not _is_key(item):
            raise ManagementUnavailable(f"{self._client.company} names no key in its answer", is_uncertain=True)
        if not isinstance(item.get("keyString"), str):
            item = {**item, **await self._client.ask("GET", f"/v2/{item['name']}/keyString")}
        return Created(fields.value_of(item, "keyString", self._client.company), _key(item))

    async def _finished(self, operation: dict[str, Any]) -> dict[str, Any]:
        for _ in range(_POLLS):
            if operation.get("done") is True or "response" in operation:
                error = fields.table(operation, "error")
                if error:
                    raise ManagementUnavailable(
                        f"{self._client.company} began and did not finish: {fields.text(error, 'message')}",
                        is_uncertain=True,
                    )
                return fields.table(operation, "response")
            name = operation.get("name")
            if not isinstance(name, str) or not _OPERATION.fullmatch(name):
                break
            await self._client.sleep(POLL_S)
            operation = await self._client.ask("GET", f"/v2/{name}")
        raise ManagementUnavailable(f"{self._client.company} did not finish in time", is_uncertain=True)

    async def _delete(self, key: RemoteKey) -> None:
        if not _NAME.fullmatch(key.key_id):
            raise ValueError("not the name of a key")
        await self._delete_at(f"/v2/{key.key_id}")


def _is_key(item: dict[str, Any]) -> bool:
    return isinstance(item.get("name"), str) and bool(_NAME.fullmatch(item["name"])) and "deleteTime" not in item


def _key(item: dict[str, Any]) -> RemoteKey:
    match = _NAME.fullmatch(item["name"])
    return RemoteKey(
        item["name"],
        fields.text(item, "displayName"),
        match[1] if match else "",
        created_at=fields.moment_of(item, "createTime"),
        settings=fields.kept(item, "restrictions", "annotations", "serviceAccountEmail"),
    )
