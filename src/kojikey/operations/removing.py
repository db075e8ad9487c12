"""Removing a key with all its versions. Works without the KEK: a lost KEK must not trap keys."""

from __future__ import annotations

from functools import partial

from kojikey.model.errors import ChangedMeanwhile, RecordChanged
from kojikey.model.key import Key, Stage
from kojikey.operations.compare_and_swap import retry_on_conflict
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

    If somebody else changed the key first, but none of its values, for example recorded a test, this is repeated.

    Raises:
        KeyNotFound: the account has no key there. MintUnfinished: a key is being created at the provider.
        ChangedMeanwhile: somebody else rotated or removed the key; it was not removed here.
        StoreUnavailable: the key was not removed.
    """
    first = stored_key(open_store, account=account, provider=provider)
    seen = _values(_readable(first))

    def again() -> Stored:
        found = open_store.store.read(first.ref)
        if found is None or not seen or _values(_readable(found)) != seen:
            raise ChangedMeanwhile(first.ref)
        return found

    return retry_on_conflict(partial(_removed, open_store), first, again, refs=(first.ref,))


def _values(key: Key | None) -> list[tuple[Stage, str]]:
    """Return the sealed values of a key with their stages; none for a damaged key."""
    return [(version.stage, version.sealed) for version in key.versions] if key else []


def _removed(open_store: OpenStore, stored: Stored) -> ChangeResult:
    ensure_removable(stored)
    account, provider, key = stored.ref.account, stored.ref.provider, _readable(stored)
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
