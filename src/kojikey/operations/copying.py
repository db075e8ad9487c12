"""Copying keys into another store: re-sealed there, read back and verified, with their history. Deletes nothing.

An account's events come first, in order, chained and signed anew with the data key that it has in the other store;
then its keys, each with a ``copied`` event. How far that went stands in the other store's documents, so that a copy
that was killed goes on where it was, and one that is repeated copies what is new.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from kojikey.model.errors import ChangedMeanwhile, RecordChanged
from kojikey.model.key import Key, Version
from kojikey.model.ref import Document, account_ref, key_ref
from kojikey.model.secret import Secret
from kojikey.operations import auditing
from kojikey.operations.adding import happened
from kojikey.operations.custody import Custody, Plan
from kojikey.operations.listing import key_of
from kojikey.operations.soundness import sound_accounts
from kojikey.sealing.envelope import Sealer
from kojikey.stores.base import Change, Query, Stored

_EVENTS_AT_ONCE = 50  # DynamoDB takes 100 items in one transaction

CopyAction = Literal["copied", "would_copy", "already", "conflict"]


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What became of one key. ``conflict``: the other store has another key there, which was not touched."""

    account: str
    provider: str
    tail: str
    action: CopyAction


def copy(source: Custody, target: Custody, *, accounts: tuple[str, ...], dry_run: bool) -> Iterator[CopyResult]:
    """Copy the keys of the accounts (of all where none is named) and yield what became of each.

    Raises:
        CannotOpen: a key does not open, or the source's audit trail was touched from outside: what was yielded
            before is copied, nothing after.
        StoreUnavailable, ChangedMeanwhile: the same; run it again to go on.
    """
    for stored in sound_accounts(source.store):
        account = stored.ref.account
        if stored.document["wrapped"] is None or (accounts and account not in accounts):
            continue
        if not dry_run:
            auditing.verify(source, account=account)  # what somebody touched must not be signed anew
            _copy_events(source, target, account)
        for key in source.store.scan(Query(account=account)):
            yield _copy_key(source, target, key, dry_run=dry_run)
        if not dry_run and stored.document.get("disabled"):
            _keep_disabled(target, account)


def _keep_disabled(target: Custody, account: str) -> None:
    from kojikey.operations.accounts import set_disabled

    set_disabled(target, account=account, disabled=True)


def _copy_events(source: Custody, target: Custody, account: str) -> None:
    """Carry the account's events over, from where an earlier copy stopped."""
    stored = target.store.read(account_ref(account))
    reached = stored.document.get("copied_from", {}) if stored else {}
    fresh = (event for event in source.store.events(account) if event["seq"] > reached.get(source.store_id, 0))
    while batch := list(islice(fresh, _EVENTS_AT_ONCE)):
        target.import_events(account, batch, via=source.store_id)


def _copy_key(source: Custody, target: Custody, stored: Stored, *, dry_run: bool) -> CopyResult:
    key, existing = key_of(stored), target.store.read(stored.ref)
    origin = {"store": source.store_id, "revision": stored.revision}
    result = CopyResult(key.account, key.provider, key.current.tail, "copied")
    if existing is not None:
        copied = existing.document.get("copied")
        if copied == origin or _same_values(source, target, key, key_of(existing)):
            return replace(result, action="already")
        if not copied or copied["store"] != source.store_id:
            return replace(result, action="conflict")
    if dry_run:
        return replace(result, action="would_copy")
    _write(source, target, key, existing, origin)
    _read_back(source, target, key, stored)
    return result


def _write(source: Custody, target: Custody, key: Key, existing: Stored | None, origin: Document) -> None:
    opening = source.sealer(key.account)

    def plan(sealer: Sealer) -> Plan:
        versions = tuple(_resealed(opening, sealer, key.provider, version) for version in key.versions)
        copied = replace(key, versions=versions)
        revision = existing.revision if existing else None
        document = {**copied.as_document(), "copied": origin}
        change = Change(key_ref(key.account, key.provider), document, revision)
        return Plan((change,), (happened("copied", key.provider, copied.current),))

    target.record(key.account, plan)


def _resealed(opening: Sealer, sealer: Sealer, provider: str, version: Version) -> Version:
    secret = _opened(opening, provider, version)
    sealed = sealer.seal(secret, provider=provider, version=version.number, base_url=version.base_url)
    return replace(version, sealed=sealed, fingerprint=sealer.fingerprint(secret))


def _opened(sealer: Sealer, provider: str, version: Version) -> Secret:
    return sealer.open(version.sealed, provider=provider, version=version.number, base_url=version.base_url)


def _read_back(source: Custody, target: Custody, key: Key, stored: Stored) -> None:
    """Open what was written, as it now is in the other store, and compare it with what was read.

    Raises:
        RecordChanged: it differs. ChangedMeanwhile: somebody changed or removed it already.
    """
    written = target.store.read(stored.ref)
    if written is None:
        raise ChangedMeanwhile(stored.ref)
    if not _same_values(source, target, key, key_of(written)):
        raise RecordChanged(str(stored.ref), "does not read back from the other store as it was written")


def _same_values(source: Custody, target: Custody, one: Key, other: Key) -> bool:
    """Tell whether two keys have the same values in the same stages."""
    if [(v.number, v.stage, v.base_url) for v in one.versions] != [
        (v.number, v.stage, v.base_url) for v in other.versions
    ]:
        return False
    theirs = target.sealer(other.account)
    # Sealed by two data keys, so fingerprints differ: one data key's fingerprint of both plaintexts is compared.
    return all(
        theirs.fingerprint(_opened(source.sealer(one.account), one.provider, mine))
        == theirs.fingerprint(_opened(theirs, other.provider, yours))
        for mine, yours in zip(one.versions, other.versions, strict=True)
    )
