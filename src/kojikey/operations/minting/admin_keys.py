"""Finds the saved key that manages a provider's keys: an admin key, or a key that manages keys of its own kind.

Must not: give an admin key to any host but the management host that was saved with it.
"""

from __future__ import annotations

from typing import NamedTuple

from kojikey.model.errors import Effect
from kojikey.model.management_errors import NoAdminKey
from kojikey.model.next_step import Hint, next_step
from kojikey.model.secret import Secret
from kojikey.operations.key_records import key_of
from kojikey.operations.open_store import OpenStore
from kojikey.operations.sealed_versions import opened


class AdminKey(NamedTuple):
    """A credential, and the base URL of the management API that it is for."""

    base_url: str
    secret: Secret


def admin_key(open_store: OpenStore, *, account: str, admin: str) -> AdminKey:
    """Return the current key of an account at ``admin``, the id of an admin provider.

    Raises:
        NoAdminKey: the account has no such key. CannotOpen: it does not open.
    """
    stored = open_store.find_key(account, admin)
    if stored is None:
        add = next_step("add", admin, account=account)
        raise NoAdminKey(
            f"account {account} has no {admin} key, which is needed to manage the provider's keys",
            effect=Effect.NOTHING_CHANGED,
            hint=Hint(add, ", or name the account that has one: --admin-account NAME"),
        )
    key = key_of(stored)
    secret = opened(open_store.sealer(account), admin, key.current)
    return AdminKey(key.current.base_url, secret)
