"""A provider's key management as a command reaches it: with the account's admin key, or the environment's identity.

Owns: which credential goes to which host. An admin key goes to the host that was saved with it, and nowhere else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import NamedTuple

from kojikey import wiring
from kojikey.cli.commands.request_options import timeout_of
from kojikey.cli.context import Context
from kojikey.cli.options import ADMIN_ACCOUNT
from kojikey.model.account import checked_account
from kojikey.model.base_url import check_base_url
from kojikey.model.errors import Effect
from kojikey.model.management_errors import CannotMint, ManagementRefused, NoAdminKey, Refusal
from kojikey.model.next_step import Hint, next_step
from kojikey.model.secret import Secret
from kojikey.operations.minting.admin_keys import admin_key
from kojikey.operations.open_store import OpenStore
from kojikey.providers.catalog import Catalog
from kojikey.providers.definition import Definition
from kojikey.providers.management import ability_of, management_of
from kojikey.providers.management.base import Ability, KeyManagement
from kojikey.providers.management.client import ManagementClient, Pace
from kojikey.providers.requests.proxies import Proxies


class Access(NamedTuple):
    """A provider's management API, and a credential for it."""

    adapter: type[KeyManagement]
    definition: Definition
    base_url: str
    secret: Secret
    proxies: Proxies
    timeout: float
    admin: str


def ability_to_mint(definition: Definition) -> Ability:
    """Return what can be done with a provider's keys, where keys can be made.

    Raises:
        CannotMint: no API makes them.
    """
    ability = ability_of(definition.id)
    if ability is None or not ability.creates:
        raise CannotMint(
            f"no API makes {definition.id} keys",
            effect=Effect.NOTHING_CREATED,
            hint=Hint(f"make one at {definition.pages.keys}, then ", next_step("rotate", definition.id)),
        )
    return ability


def admin_account_of(context: Context) -> str:
    """Return whose admin key is used: as the option says, then config.toml, then the key's own account."""
    named = context.call.get(ADMIN_ACCOUNT) or context.settings.config.get("admin_account")
    return checked_account(named) if named else context.account


def access_to(context: Context, catalog: Catalog, open_store: OpenStore, provider: str, *, account: str) -> Access:
    """Return how to reach a provider's key management with an account's admin key.

    Raises:
        NoAdminKey: there is no credential. CannotOpen: it does not open. UsageError: the host is no base URL.
    """
    adapter = management_of(provider)
    if adapter is None:
        raise NoAdminKey(f"no API manages {provider} keys")
    proxies, timeout = wiring.proxies(context.terminal.warn), timeout_of(context.call)
    admin = adapter.ability.admin
    if not admin:
        return _google(context, adapter, catalog.get(provider), proxies, timeout)
    base_url, secret = admin_key(open_store, account=account, admin=admin)
    return Access(adapter, catalog.get(admin), base_url, secret, proxies, timeout, admin)


def _google(
    context: Context, adapter: type[KeyManagement], definition: Definition, proxies: Proxies, timeout: float
) -> Access:
    from kojikey.providers.management.google_identity import HOST, HOST_VARIABLE, access_token

    base_url = check_base_url(context.settings.environ.get(HOST_VARIABLE) or HOST)
    token = access_token(context.settings.environ, proxies=proxies)
    bearer = replace(definition, auth_header="Authorization", auth_prefix="Bearer ", headers={})
    return Access(adapter, bearer, base_url, token, proxies, timeout, "")


@asynccontextmanager
async def open_management(access: Access) -> AsyncIterator[KeyManagement]:
    """Open the connections to a management API, and yield it. Errors name the admin key that they are about."""
    pace = Pace(timeout=access.timeout)
    client = ManagementClient(access.definition, access.base_url, access.secret, pace=pace, proxies=access.proxies)
    async with client:
        try:
            yield access.adapter(client)
        except ManagementRefused as refused:
            if refused.refusal in (Refusal.ADMIN_KEY, Refusal.OTHER_KIND, Refusal.PERMISSION) and not refused.hint:
                refused.hint = next_step("test", access.admin) if access.admin else "renew the Google access token"
            raise
