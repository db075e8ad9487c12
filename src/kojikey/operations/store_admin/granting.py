"""Grants a database role access to single accounts, and writes the IAM policy for an account's owner.

The engine or its platform enforces both, not kojikey.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kojikey.model.errors import CannotOpen, ChangedMeanwhile, Effect, NotFound, UsageError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ref import Document, grant_ref
from kojikey.operations.ledger import EventDraft, Ledger, Plan
from kojikey.operations.open_store import OpenStore
from kojikey.sealing.kek.registry import owner_statements
from kojikey.stores.base import Change

Trace = Literal["signed", "unsigned", "none"]
"""The event of a change: signed, unsigned without the KEK, or none if the account's trail cannot continue."""


@dataclass(frozen=True, slots=True)
class GrantResult:
    """The result for an account and a role. ``through``, for a revocation: other roles that still give it access."""

    account: str
    role: str
    action: Literal["granted", "revoked", "unchanged"]
    trace: Trace = "signed"
    through: tuple[str, ...] | None = None


def grant(open_store: OpenStore, *, account: str, role: str) -> GrantResult:
    """Let a role see and change an account's keys. A repetition only restores the role's privileges.

    An account that does not exist is created. Without the KEK the event is unsigned.

    Raises:
        UsageError: the store's engine has no roles, or the role administers the store. NotFound: no such role.
        AccountNotFound: the account does not exist, and cannot be created without the KEK.
        ChangedMeanwhile, StoreUnavailable: nothing was changed.
    """
    ref = grant_ref(account, role)
    _ensure_roles(open_store)
    stored = open_store.store.read(ref)
    if stored is not None and _exists(open_store, account):
        open_store.store.commit((Change(ref, stored.document, stored.revision),))
        return GrantResult(account, role, "unchanged")
    change = Change(ref, {"account": account, "role": role}, stored.revision if stored else None)
    trace = _recorded(open_store, account, Plan((change,), (EventDraft("granted", role=role),)))
    return GrantResult(account, role, "granted", trace)


def revoke(open_store: OpenStore, *, account: str, role: str) -> GrantResult:
    """End a role's access to an account, and with its last account the role's privileges.

    If the account was changed outside kojikey, the access still ends, without an event.

    Raises:
        UsageError: the store's engine has no roles, or the role administers the store. NotFound: no such role.
        ChangedMeanwhile: somebody else granted or revoked just now. StoreUnavailable: nothing was changed.
    """
    ref = grant_ref(account, role)
    _ensure_roles(open_store)
    stored = open_store.store.read(ref)
    trace: Trace = "signed"
    if stored is not None:
        plan = Plan((Change(ref, None, stored.revision),), (EventDraft("revoked", role=role),))
        trace = _recorded_if_possible(open_store, account, plan)
    through = tuple(found.ref.provider for found in open_store.store.grants(account, inherited_by=role))
    return GrantResult(account, role, "revoked" if stored is not None else "unchanged", trace, through)


def owner_policy(open_store: OpenStore, *, account: str) -> Document:
    """Return the IAM policy that limits an account's owner to the account, in the store and for a KEK in AWS KMS.

    Raises:
        UsageError: the store's engine has no such policies.
        StoreNotFound, StoreUnavailable: the platform cannot be reached, or refused.
    """
    store, header = open_store.store, open_store.header
    policy = store.owner_policy(account)
    if policy is None:
        raise UsageError(
            f"{store.place} is not in DynamoDB, and IAM policies exist only there",
            hint=Hint("PostgreSQL has ", next_step("store grant"), "; a file belongs to its owner"),
        )
    specs = [spec for spec in (header["kek"], header.get("next_kek")) if spec]
    statements = owner_statements(specs, store_id=open_store.store_id, account=account)
    return {**policy, "Statement": [*policy["Statement"], *statements]}


def _ensure_roles(open_store: OpenStore) -> None:
    if not open_store.store.has_roles:
        raise UsageError(
            f"the store {open_store.store.place} has no roles",
            hint=Hint(
                "PostgreSQL stores have: ", next_step("store init", "postgresql://HOST/DATABASE", "--kek", "SOURCE")
            ),
            effect=Effect.NOTHING_CHANGED,
        )


def _exists(open_store: OpenStore, account: str) -> bool:
    stored = open_store.find_account(account)
    return stored is not None and stored.document["wrapped"] is not None


def _recorded(open_store: OpenStore, account: str, plan: Plan) -> Trace:
    return "signed" if Ledger(open_store).record_signed_or_not(account, plan) else "unsigned"


def _recorded_if_possible(open_store: OpenStore, account: str, plan: Plan) -> Trace:
    try:
        return _recorded(open_store, account, plan)
    except (CannotOpen, NotFound):
        pass
    except ChangedMeanwhile as lost:
        if lost.ref == plan.changes[0].ref:
            raise
    open_store.store.commit(plan.changes)
    return "none"
