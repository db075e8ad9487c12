"""Removing a key with all its versions. Works without the KEK: a lost KEK must not trap keys."""

from __future__ import annotations

from kojikey.model.errors import RecordChanged
from kojikey.model.key import Key
from kojikey.operations.key_records import ensure_not_minting, key_of, stored_key
from kojikey.operations.ledger import EventDraft, Ledger, Plan
from kojikey.operations.open_store import OpenStore
from kojikey.operations.results import ChangeResult
from kojikey.stores.base import Change, Stored


def ensure_removable(stored: Stored) -> None:
    """Check that a key may be removed, before anybody is asked about it. A damaged key may be removed.

    Raises:
        MintUnfinished: a key is being created at the provider.
    """
    key = _readable(stored)
    if key is not None:
        ensure_not_minting(key)


def remove(open_store: OpenStore, *, account: str, provider: str) -> ChangeResult:
    """Delete an account's key at a provider. Without the KEK the audit event is unsigned, and the result says so.

    Raises:
        KeyNotFound: the account has no key there. MintUnfinished: a key is being created at the provider.
        ChangedMeanwhile: somebody else changed the key; it was not removed.
        StoreUnavailable: the key was not removed.
    """
    stored = stored_key(open_store, account=account, provider=provider)
    ensure_removable(stored)
    key = _readable(stored)
    current = key.current if key else None
    draft = EventDraft(
        "removed", provider, current.number if current else None, current.fingerprint if current else None
    )
    made = Plan((Change(stored.ref, None, stored.revision),), (draft,))
    is_signed, is_recorded = _recorded(open_store, account, made)
    tail, number = (current.tail, current.number) if current else ("", None)
    return ChangeResult(
        account, provider, "removed", tail, number, key=key, unsigned=not is_signed, unrecorded=not is_recorded
    )


def _recorded(open_store: OpenStore, account: str, made: Plan) -> tuple[bool, bool]:
    """Remove the key; return whether its event is signed, and whether it has an event."""
    try:
        return Ledger(open_store).record_signed_or_not(account, made), True
    except RecordChanged:
        # The account's record is damaged or gone. It may still be restored, so it is not overwritten for an event.
        open_store.store.commit(made.changes)
        return False, False


def _readable(stored: Stored) -> Key | None:
    # A damaged record can be removed as well; only its details are not known.
    try:
        return key_of(stored)
    except RecordChanged:
        return None
