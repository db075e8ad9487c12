"""Access to a provider's key management, with the account's admin key or the environment's Google identity.

Owns: which credential is sent to which host. An admin key is sent only to the host that was saved with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from msgspec.structs import replace

from kojikey import wiring
from kojikey.cli.commands.request_options import timeout_of
from kojikey.cli.context import Context
from kojikey.cli.options import ADMIN_ACCOUNT
from kojikey.model.account import checked_account
from kojikey.model.base_url import check_base_url, problem_of_base_url
from kojikey.model.errors import Effect, UsageError
from kojikey.model.management_errors import CannotMint, ManagementRefused, ManagementUnavailable, NoAdminKey, Refusal
from kojikey.model.next_step import Hint, next_step
from kojikey.model.secret import Secret
from kojikey.operations.minting.admin_keys import admin_key
from kojikey.operations.open_store import OpenStore
from kojikey.providers.catalog import Catalog
from kojikey.providers.definition import Definition
from kojikey.providers.management import ability_of, management_of
from kojikey.providers.management.base import Ability, KeyManagement
from kojikey.providers.management.client import ManagementClient, Pace
from kojikey.providers.management.recent_lists import RecentLists
from kojikey.providers.requests.proxies import Proxies
from kojikey.providers.requests.traffic import Traffic


class Access(NamedTuple):
    """A provider's management API, and a credential for it.

    ``account`` is the account of the admin key, None for the environment's identity. ``page`` is the provider's page
    of keys. ``recent`` has the lists of keys that a run over many keys shares, None outside such a run.
    """

    adapter: type[KeyManagement]
    definition: Definition
    base_url: str
    secret: Secret
    proxies: Proxies
    timeout: float
    admin: str
    account: str | None
    provider: str
    page: str
    recent: RecentLists | None = None


def ability_to_mint(definition: Definition) -> Ability:
    """Return what the management API of a provider can do, if it can create keys.

    Raises:
        CannotMint: it cannot, or there is no such API.
    """
    ability = ability_of(definition.id)
    if ability is None or not ability.creates:
        raise CannotMint(
            f"{definition.company} has no API that creates {definition.id} keys",
            effect=Effect.NOTHING_CREATED,
            hint=Hint(f"create one at {definition.pages.keys}, then ", next_step("rotate", definition.id)),
        )
    return ability


def admin_account_of(context: Context, account: str, *, begun_with: str | None = None) -> str:
    """Return the account whose admin key manages the keys of ``account``.

    The order is: the option, the account with which an unfinished mint began, config.toml, the account itself.
    """
    named = context.call.get(ADMIN_ACCOUNT) or begun_with or context.settings.config.get("admin_account")
    return checked_account(named) if named else account


def access_to(context: Context, catalog: Catalog, open_store: OpenStore, provider: str, *, account: str) -> Access:
    """Return the access to a provider's key management with the admin key of ``account``.

    Raises:
        NoAdminKey: there is no credential. CannotOpen: the admin key does not open. UsageError: the variable with
        Google's host has no base URL.
    """
    adapter = management_of(provider)
    if adapter is None:
        raise NoAdminKey(f"no API manages {provider} keys")
    proxies, timeout = wiring.proxies(context.terminal.warn), timeout_of(context.call)
    admin, page = adapter.ability.admin, catalog.get(provider).pages.keys
    if not admin:
        definition, base_url, secret = _google(context, catalog.get(provider), proxies)
        return Access(adapter, definition, base_url, secret, proxies, timeout, admin, None, provider, page)
    base_url, secret = admin_key(open_store, account=account, admin=admin)
    return Access(adapter, catalog.get(admin), base_url, secret, proxies, timeout, admin, account, provider, page)


def _google(context: Context, definition: Definition, proxies: Proxies) -> tuple[Definition, str, Secret]:
    from kojikey.providers.management.google_identity import HOST, HOST_VARIABLE, access_token

    base_url = _host(context.settings.environ.get(HOST_VARIABLE) or HOST, HOST_VARIABLE)
    token = access_token(context.settings.environ, proxies=proxies)
    return replace(definition, auth_header="Authorization", auth_prefix="Bearer ", headers={}), base_url, token


def _host(text: str, variable: str) -> str:
    problem = problem_of_base_url(text, carries="the access token")
    if problem:
        raise UsageError(
            f"{variable} is not a base URL: {problem}",
            hint=f"unset {variable}, or export {variable}=https://HOST",
            effect=Effect.NOTHING_SENT,
        )
    return check_base_url(text)


@asynccontextmanager
async def open_management(access: Access, *, traffic: Traffic | None = None) -> AsyncIterator[KeyManagement]:
    """Open the connections to a management API, and yield it. A refusal gets a hint with the provider's page.

    ``traffic`` is the rate limit that a run over many keys shares.
    """
    client = ManagementClient(
        access.definition, access.base_url, access.secret, pace=Pace(timeout=access.timeout), proxies=access.proxies,
        traffic=traffic, provider=access.provider,
    )  # fmt: skip
    async with client:
        try:
            yield access.adapter(client, access.recent)
        except (ManagementRefused, ManagementUnavailable) as error:
            error.effect = error.effect or Effect.STORE_UNCHANGED
            if isinstance(error, ManagementRefused):
                error.hint = error.hint or _hint(access, error.refusal)
            raise


def _hint(access: Access, refusal: Refusal) -> str:
    match refusal:
        case Refusal.ADMIN_KEY | Refusal.OTHER_KIND | Refusal.PERMISSION if access.admin:
            return next_step("test", access.admin, account=access.account)
        case Refusal.ADMIN_KEY | Refusal.OTHER_KIND | Refusal.PERMISSION:
            return "renew the Google access token, or give its identity the permission"
        case Refusal.LIMIT:
            return f"delete keys that nobody uses at {access.page}, then run the same command again"
        case _:
            return f"do it by hand at {access.page}"
