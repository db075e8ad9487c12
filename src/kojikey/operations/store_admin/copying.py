"""Copies keys into another store: seals them there, reads them back and compares them. Deletes nothing.

Nothing of an account is written before all of it was verified. Its events are copied first, in order, chained and
signed again with the account's data key in the other store; then its keys, each with a ``copied`` event. The documents
of the other store show how far a copy went. So a copy that was killed continues there, and a repeated one copies only
new events and keys.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from msgspec import structs

from kojikey.model.errors import AuditBroken, CannotOpen, ChangedMeanwhile, RecordChanged, RecordUnsupported
from kojikey.model.key import Key, Stage, Version
from kojikey.model.ref import Document, account_ref, key_ref
from kojikey.operations.audit import audit_verification, auditing
from kojikey.operations.key_document import change_key
from kojikey.operations.key_records import key_of
from kojikey.operations.ledger import EventDraft, Ledger, Plan, event_draft
from kojikey.operations.minting.provider_ids import with_new_proofs
from kojikey.operations.open_store import OpenStore
from kojikey.operations.record_checks import check_account, is_well_formed
from kojikey.operations.sealed_versions import opened
from kojikey.operations.store_admin.accounts import ensure_exists, set_disabled
from kojikey.sealing.envelope import Sealer
from kojikey.stores.base import Change, Query, Stored

_EVENTS_AT_ONCE = 50  # DynamoDB takes 100 items in one transaction

CopyAction = Literal["copied", "would_copy", "already", "conflict", "unfinished"]


@dataclass(frozen=True, slots=True)
class CopyResult:
    """The result for one key. ``conflict``: the other store has another key there, which was not changed.

    ``unfinished``: a new key is being created at its provider, and the key is not copied until that is finished. The
    events of a key with either result are not copied.
    """

    account: str
    provider: str
    tail: str
    action: CopyAction


def copy(
    source: OpenStore,
    target: OpenStore,
    *,
    accounts: tuple[str, ...],
    dry_run: bool,
    damaged: Callable[[CannotOpen], None] | None = None,
) -> Iterator[CopyResult]:
    """Copy the keys of the named accounts (without names: of all accounts), and yield the result for each.

    A disabled account is also disabled in the other store. A removed account is left out with its events, because they
    cannot be signed without its data key. If all accounts are copied and ``damaged`` is given, the error about an
    account that was changed outside kojikey, in either store, is passed to it, and the other accounts are copied. Keys
    that were yielded before an error are copied, and no others.

    Raises:
        AccountNotFound: the store does not have a named account; nothing was copied.
        CannotOpen: the other store's KEK is not available; or a key of an account does not open in one of the stores,
            or its audit trail was changed outside kojikey, and nothing of that account was copied.
        StoreUnavailable, ChangedMeanwhile: run it again to continue.
    """
    target.kek()  # before anything is read: a KEK may be asked for
    report = damaged if damaged is not None and not accounts else _raise
    for stored in _chosen(source, accounts, report):
        try:
            yield from _copied(source, target, stored, dry_run=dry_run)
        except CannotOpen as error:
            audit_verification.ensure_kek(source, error)
            audit_verification.ensure_kek(target, error)
            report(error)
    if not accounts:
        _report_left_out(source, report)


def _raise(error: CannotOpen) -> None:
    raise error


def _copied(source: OpenStore, target: OpenStore, stored: Stored, *, dry_run: bool) -> Iterator[CopyResult]:
    """Copy one account after verifying it in both stores. Raises the errors of :func:`copy`."""
    account = stored.ref.account
    audit_verification.ensure_whole(source, account=account)
    _ensure_whole_there(target, account)
    keys = list(source.store.scan(Query(account=account)))
    if not dry_run:
        _copy_account(source, target, stored, left_out=_conflicting(source, target, keys))
    for key in keys:
        yield _copy_key(source, target, key, dry_run=dry_run)
    if not dry_run:
        _ensure_whole_there(target, account)


def _copy_account(source: OpenStore, target: OpenStore, stored: Stored, *, left_out: frozenset[str]) -> None:
    """Copy an account's events, except those of keys that are left out, and whether it is disabled."""
    account = stored.ref.account
    _copy_events(source, target, stored, left_out=left_out)
    if stored.document.get("disabled"):
        set_disabled(target, account=account, disabled=True)


def _conflicting(source: OpenStore, target: OpenStore, keys: list[Stored]) -> frozenset[str]:
    judged = (_judged(source, target, stored, target.store.read(stored.ref)) for stored in keys)
    return frozenset(result.provider for result in judged if result.action in ("conflict", "unfinished"))


def _chosen(source: OpenStore, accounts: tuple[str, ...], report: Callable[[CannotOpen], None]) -> Iterator[Stored]:
    """Yield the accounts to copy, after checking that all named ones exist."""
    for name in accounts:
        ensure_exists(source, account=name)
    named = (source.find_account(name) for name in sorted(set(accounts)))
    for stored in named if accounts else source.store.accounts():
        try:
            if stored is None:
                continue
            check_account(stored)
        except RecordChanged as error:
            report(error)
        else:
            if stored.document["wrapped"] is not None:
                yield stored


def _ensure_whole_there(target: OpenStore, account: str) -> None:
    """Verify the account in the other store, if it has it. Raises the errors of :func:`copy`."""
    with _named(target):
        if target.find_account(account) is not None:
            audit_verification.ensure_whole(target, account=account)


@contextmanager
def _named(target: OpenStore) -> Iterator[None]:
    """Make an error name the other store: both stores have records with the same names."""
    try:
        yield
    except (RecordChanged, RecordUnsupported, AuditBroken) as error:
        error.place = target.store.place
        raise


def _report_left_out(source: OpenStore, report: Callable[[CannotOpen], None]) -> None:
    """Report each account that has keys and no record. It was not copied, and is lost if the source is deleted."""
    last = ""
    for stored in source.store.scan():
        if stored.ref.account != last:
            last = stored.ref.account
            found = source.store.read(account_ref(last))
            if found is None or (is_well_formed(found) and found.document["wrapped"] is None):
                error = source.missing_account(last)
                if isinstance(error, CannotOpen):  # otherwise the account was removed just now
                    report(error)


def _copy_events(source: OpenStore, target: OpenStore, stored: Stored, *, left_out: frozenset[str]) -> None:
    """Copy the account's events that an earlier copy has not copied."""
    account, begun = stored.ref.account, stored.document["audit"].get("from", 0)  # the last event that is lost
    there = target.find_account(account)
    reached = there.document.get("copied_from", {}).get(source.store_id, 0) if there else 0
    fresh = (
        _with_origin(event, source.store_id, begun)
        for event in map(auditing.readable, source.store.events(account))
        if event["seq"] > reached and event["provider"] not in left_out
    )
    while batch := list(islice(fresh, _EVENTS_AT_ONCE)):
        _import_events(target, account, batch, via=source.store_id)


def _with_origin(event: Document, via: str, begun: int) -> Document:
    """Return an event with its origin: the store that it first came from, and its number there.

    The event is signed again, so the origin also says if it was unsigned or could not be verified.
    """
    # The origin of an unsigned event is not used: a writer of the store could have added the event.
    known = (event.get("origin") or {}) if event["signed"] else {}
    marks = {
        "unsigned": audit_verification.is_unsigned(event),
        "lost": audit_verification.is_lost(event) or event["seq"] <= begun,
    }
    origin = {"store": via, "seq": event["seq"], **known, **{name: True for name, marked in marks.items() if marked}}
    return {**event, "origin": origin}


def _import_events(target: OpenStore, account: str, found: list[Document], *, via: str) -> None:
    """Append events of another store (``via`` is its id) to the account's chain, signed again.

    The content of an event is unchanged. The account's document keeps the last number that was copied from each store,
    and an event that was already copied by way of another store is left out.
    """

    def fresh(document: Document) -> tuple[list[Document], Document]:
        reached = {**document.get("copied_from", {}), target.store_id: math.inf}  # leaves out events from this store
        contents = []
        for event in found:
            origin = event["origin"]
            if reached.get(origin["store"], 0) < origin["seq"]:
                contents.append({name: value for name, value in event.items() if name not in ("mac", "seq")})
                reached[origin["store"]] = origin["seq"]
            reached[via] = max(reached.get(via, 0), event["seq"])
        del reached[target.store_id]
        return contents, {"copied_from": reached}

    Ledger(target).append(account, fresh)


def _copy_key(source: OpenStore, target: OpenStore, stored: Stored, *, dry_run: bool) -> CopyResult:
    existing = target.store.read(stored.ref)
    result = _judged(source, target, stored, existing)
    if dry_run or result.action != "would_copy":
        return result
    _write(source, target, key_of(stored), existing, _origin(source, stored))
    _read_back(source, target, stored)
    return replace(result, action="copied")


def _origin(source: OpenStore, stored: Stored) -> Document:
    return {"store": source.store_id, "revision": stored.revision}


def _judged(source: OpenStore, target: OpenStore, stored: Stored, existing: Stored | None) -> CopyResult:
    """Return the result that copying a key would have. A key that the other store has is opened and compared.

    Raises:
        CannotOpen: the key was damaged in the other store.
    """
    key = key_of(stored)
    result = CopyResult(key.account, key.provider, key.current.tail, "would_copy")
    if key.is_mint_unfinished:
        return replace(result, action="unfinished")
    if existing is None:
        return result
    with _named(target):
        is_same = _same_values(source, target, key, key_of(existing))
    copied = existing.document.get("copied")  # any change of the key in the other store drops this member
    if copied == _origin(source, stored):
        _compare(source, target, key, existing)  # a copy may have been killed before it read this key back
    if is_same:
        return replace(result, action="already")
    is_ours = isinstance(copied, dict) and copied.get("store") == source.store_id
    return result if is_ours else replace(result, action="conflict")


def _write(source: OpenStore, target: OpenStore, key: Key, existing: Stored | None, origin: Document) -> None:
    opening = source.sealer(key.account)

    def plan(sealer: Sealer) -> Plan:
        versions = tuple(_resealed(opening, sealer, key.provider, version) for version in key.versions)
        # The ids at the provider are copied. Only `store use --rotate-here` makes the other store rotate the key there.
        resealed = structs.replace(key, versions=versions, unfound=(), is_copy=True)
        copied = with_new_proofs(opening, sealer, resealed)
        revision = existing.revision if existing else None
        document = {**copied.as_document(), "copied": origin}
        change = Change(key_ref(key.account, key.provider), document, revision)
        return Plan((change,), (_copied_event(copied),))

    Ledger(target).record(key.account, plan)


def _copied_event(copied: Key) -> EventDraft:
    """Return the event of a copied key, with the fingerprints of all stages: they differ from those in the source."""
    others = {
        version.stage.value: {"version": version.number, "fingerprint": version.fingerprint}
        for version in copied.versions
        if version.stage is not Stage.CURRENT
    }
    return event_draft("copied", copied.provider, copied.current)._replace(others=others)


def _resealed(opening: Sealer, sealer: Sealer, provider: str, version: Version) -> Version:
    secret = opened(opening, provider, version)
    sealed = sealer.seal(secret, provider=provider, version=version.number, base_url=version.base_url)
    return structs.replace(version, sealed=sealed, fingerprint=sealer.fingerprint(secret))


def _read_back(source: OpenStore, target: OpenStore, stored: Stored) -> None:
    """Read the key back from the other store, open it, and compare it with the one that was copied.

    Raises:
        RecordChanged: they differ. ChangedMeanwhile: somebody removed the key already.
    """
    written = target.store.read(stored.ref)
    if written is None:
        raise ChangedMeanwhile(stored.ref)
    _compare(source, target, key_of(stored), written)


def _compare(source: OpenStore, target: OpenStore, key: Key, written: Stored) -> None:
    with _named(target):
        found = key_of(written)
        if _comparable(found) != _comparable(key) or not _same_values(source, target, key, found):
            raise RecordChanged(str(written.ref), "reads back from the other store differently than it was written")


def _comparable(key: Key) -> Key:
    """Return a key without the members that differ between a store and its copy."""
    versions = tuple(
        structs.replace(
            version, sealed="", fingerprint="", at_provider=version.at_provider and version.at_provider.with_proof("")
        )
        for version in key.versions
    )
    return structs.replace(key, versions=versions, unfound=(), is_copy=False)


def _same_values(source: OpenStore, target: OpenStore, one: Key, other: Key) -> bool:
    """Return whether two keys have the same values in the same stages."""
    if [(v.number, v.stage, v.base_url) for v in one.versions] != [
        (v.number, v.stage, v.base_url) for v in other.versions
    ]:
        return False
    theirs = target.sealer(other.account)
    # The stores' fingerprints differ, because they have different data keys: one sealer computes both.
    return all(
        theirs.fingerprint(opened(source.sealer(one.account), one.provider, mine))
        == theirs.fingerprint(opened(theirs, other.provider, yours))
        for mine, yours in zip(one.versions, other.versions, strict=True)
    )


def rotate_here(open_store: OpenStore, *, damaged: Callable[[CannotOpen], None]) -> int:
    """Allow this store to create and revoke its copied keys at their providers; return the number of these keys.

    The error about a key or account that was changed outside kojikey is passed to ``damaged``; the other keys are still
    changed.

    Raises:
        StoreUnavailable, ChangedMeanwhile: the remaining keys are unchanged; run it again.
        CannotOpen: the KEK is not available; the remaining keys are unchanged.
    """
    taken = 0
    for stored in open_store.store.scan():
        try:
            if key_of(stored).is_copy:
                change_key(open_store, stored, _rotated_here, may_repeat=lambda key: key.is_copy)
                taken += 1
        except CannotOpen as error:
            audit_verification.ensure_kek(open_store, error)
            damaged(error)
    return taken


def _rotated_here(key: Key, _: Sealer) -> tuple[Key, tuple[EventDraft, ...]]:
    draft = event_draft("changed", key.provider, key.current)._replace(settings=["rotate-here"])
    return structs.replace(key, is_copy=False), (draft,)
