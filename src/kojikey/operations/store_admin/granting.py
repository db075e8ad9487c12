"""Who may work with an account without seeing the others: database roles, and owners by an IAM policy.

The engine or its platform enforces this, not kojikey.
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
"""What the audit trail has of it: without the KEK an unsigned event, and nothing where the trail cannot go on."""


@dataclass(frozen=True, slots=True)
class GrantResult:
    """What was done for an account and a role. ``through`` (of a revocation): roles by which it still sees it."""

    account: str
    role: str
    action: Literal["granted", "revoked", "unchanged"]
    trace: Trace = "signed"
    through: tuple[str, ...] | None = None


def grant(open_store: OpenStore, *, account: str, role: str) -> GrantResult:
    """Let a role see and change an account's keys. Repeated, it only puts the role's privileges right.

    An account that is not there yet is made. Without the KEK the event is left unsigned.

    Raises:
        UsageError: the store's engine has no roles, or the role administers the store. NotFound: no such role.
        AccountNotFound: the account is not there, and without the KEK it cannot be made.
        ChangedMeanwhile, StoreUnavailable: nothing was changed.
    """
    ref = grant_ref(account, role)
    _ensure_roles(open_store)
    stored = open_store.store.read(ref)
    if stored is not None and _is_living(open_store, account):
        open_store.store.commit((Change(ref, stored.document, stored.revision),))
        return GrantResult(account, role, "unchanged")
    change = Change(ref, {"account": account, "role": role}, stored.revision if stored else None)
    trace = _recorded(open_store, account, Plan((change,), (EventDraft("granted", role=role),)))
    return GrantResult(account, role, "granted", trace)


def revoke(open_store: OpenStore, *, account: str, role: str) -> GrantResult:
    """Take an account away from a role; the last one takes the role's privileges with it.

    If the account was changed outside kojikey, its role is still removed, without an event.

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
    """Return the policy that holds an account's owner to the account: the store's, and that of a KEK in AWS KMS.

    Raises:
        UsageError: the store's engine has no such policies.
        StoreNotFound, StoreUnavailable: the platform was not reached, or refused.
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


def _is_living(open_store: OpenStore, account: str) -> bool:
    stored = open_store.account(account)
    return stored is not None and stored.document["wrapped"] is not None


def _recorded(open_store: OpenStore, account: str, made: Plan) -> Trace:
    return "signed" if Ledger(open_store).record_signed_or_not(account, made) else "unsigned"


def _recorded_if_possible(open_store: OpenStore, account: str, made: Plan) -> Trace:
    try:
        return _recorded(open_store, account, made)
    except (CannotOpen, NotFound):
        pass
    except ChangedMeanwhile as lost:
        if lost.ref == made.changes[0].ref:
            raise
    open_store.store.commit(made.changes)
    return "none"
