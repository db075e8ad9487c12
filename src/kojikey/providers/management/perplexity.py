"""Perplexity: a key creates and revokes keys of its own group. There is no list; a key's id is its value.

Source: docs.perplexity.ai (openapi-auth.json, admin/api-key-management).
"""

from __future__ import annotations

from kojikey.model.secret import Secret
from kojikey.providers.management import fields
from kojikey.providers.management.base import Ability, Created, KeyManagement, RemoteKey, Wanted


class Perplexity(KeyManagement):
    """The keys of an API group, none of which is listed."""

    ability = Ability(
        admin="perplexity",
        lists=False,
        hints=False,
        by_value=True,
        sentence="creates and revokes keys with any key of the same group; it lists no keys, so a key whose answer was "
        "lost has to be found by hand",
    )

    async def _list_keys(self, parent: str) -> tuple[RemoteKey, ...]:  # noqa: ARG002
        return ()

    async def _create(self, wanted: Wanted) -> Created:
        answer = await self._client.ask("POST", "/generate_auth_token", body={"token_name": wanted.name})
        return Created(fields.value_of(answer, "auth_token", self._client.company), RemoteKey("", wanted.name))

    async def _delete_value(self, secret: Secret) -> None:
        body = {"auth_token": secret.reveal()}
        await self._client.ask_if_there("POST", "/revoke_auth_token", body=body, is_repeatable=True, hidden=secret)
