"""Which database roles may work with an account, where the store's engine knows roles. The engine holds them to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kojikey.model.errors import CannotOpen, UsageError
from kojikey.model.ref import grant_ref
from kojikey.operations.custody import Custody, Happening, Plan
from kojikey.stores.base import Change


@dataclass(frozen=True, slots=True)
class GrantResult:
    """What was done for an account and a role. ``unsigned``: without the KEK the audit event could not be signed."""

    account: str
    role: str
    action: Literal["granted", "revoked", "unchanged"]
    unsigned: bool = False


def grant(custody: Custody, *, account: str, role: str) -> GrantResult:
    """Let a role see and change an account's keys. Repeated, it only puts the role's privileges right.

    An account that is not there yet is made. Without the KEK the event is left unsigned.

    Raises:
        UsageError: the store's engine has no roles, or the role administers the store. NotFound: no such role.
        AccountNotFound: the account is not there, and without the KEK it can not be made.
        ChangedMeanwhile, StoreUnavailable: nothing was changed.
    """
    ref = grant_ref(account, role)
    _ensure_roles(custody)
    stored = custody.store.read(ref)
    if stored is not None:
        custody.store.commit((Change(ref, stored.document, stored.revision),))
        return GrantResult(account, role, "unchanged")
    change = Change(ref, {"account": account, "role": role}, None)
    return GrantResult(account, role, "granted", _recorded(custody, account, change, Happening("granted", role=role)))


def revoke(custody: Custody, *, account: str, role: str) -> GrantResult:
    """Take an account away from a role; the last one takes the role's privileges with it. Raises as :func:`grant`."""
    ref = grant_ref(account, role)
    _ensure_roles(custody)
    stored = custody.store.read(ref)
    if stored is None:
        return GrantResult(account, role, "unchanged")
    change = Change(ref, None, stored.revision)
    return GrantResult(account, role, "revoked", _recorded(custody, account, change, Happening("revoked", role=role)))


def _ensure_roles(custody: Custody) -> None:
    if not custody.store.has_roles:
        raise UsageError(
            f"the store {custody.store.place} has no roles; nothing was changed",
            hint="PostgreSQL stores have: kojikey store init postgresql://HOST/DATABASE --kek SOURCE",
        )


def _recorded(custody: Custody, account: str, change: Change, happening: Happening) -> bool:
    made = Plan((change,), (happening,))
    try:
        custody.record(account, lambda _: made)
    except CannotOpen:
        custody.record_unsigned(account, made)
        return True
    return False
