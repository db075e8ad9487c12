"""Whether somebody touched an account's audit trail, or the keys that it tells of, from outside.

Owns: what an account's record, its events and its keys have to have in common. Must not: change anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kojikey.model.errors import (
    AccountNotFound,
    AuditBroken,
    CannotOpen,
    NotFound,
    RecordChanged,
    RecordUnsupported,
    WrongKek,
)
from kojikey.model.key import Key, Stage
from kojikey.model.ref import Document, account_ref
from kojikey.operations.audit.auditing import everyone
from kojikey.operations.audit.expected_keys import ExpectedKeys
from kojikey.operations.key_records import key_of
from kojikey.operations.open_store import OpenStore
from kojikey.operations.record_checks import chain_head
from kojikey.operations.results import AuditResult
from kojikey.operations.sealed_versions import refused
from kojikey.sealing.audit_chain import NO_LINK, same, unsigned_link
from kojikey.sealing.envelope import Sealer
from kojikey.stores.base import Query, Store, Stored

_ATTEMPTS = 25  # of an account that changed while it was read
UNSIGNED_ACTIONS = frozenset({"removed", "granted", "revoked", "changed"})
"""Actions that are possible without the KEK. An unsigned event of any other kind was made from outside."""


def verify(open_store: OpenStore, *, account: str | None) -> AuditResult:
    """Recompute the chain of one account, or of all that the store has, and open every version of their keys.

    What is wrong is in the result, of each account: the first event that was changed, removed, added or reordered from
    outside, each key that does not fit the events, and each record that does not open.

    Raises:
        AccountNotFound: the store knows nothing of the account that was named.
        CannotOpen: the KEK is missing or wrong, so nothing can be said.
    """
    verified: dict[str, int] = {}  # with the number of the last event
    broken: dict[str, tuple[CannotOpen, ...]] = {}
    unsigned = lost = 0
    for name in everyone(open_store.store) if account is None else (account,):
        found = _checked(open_store, name)
        if found is None:
            continue
        if found.problems:
            broken[name] = found.problems
        else:
            unsigned, lost = unsigned + found.unsigned, lost + found.lost
            verified[name] = found.last
    if account is not None and not verified and not broken:
        raise AccountNotFound(account)
    if account is None and not broken and not all(isinstance(e.get("account"), str) for e in open_store.store.events()):
        broken[""] = (RecordChanged("of an event"),)  # and of no account that there is: its own would have missed it
    return AuditResult(
        (), verified=tuple(sorted(verified)), unsigned=unsigned, lost=lost, last_events=verified, broken=broken
    )


def ensure_whole(open_store: OpenStore, *, account: str) -> None:
    """Check one account as :func:`verify` does.

    Raises:
        AuditBroken, RecordChanged, RecordUnsupported: the first thing that is wrong. AccountNotFound: as there.
    """
    for problems in verify(open_store, account=account).broken.values():
        raise problems[0]


def ensure_known(open_store: OpenStore, key: Key, stage: Stage) -> None:
    """Check that the version which a key has in a stage is the one that the account's events say.

    Raises:
        AuditBroken: it is not, or the events were touched from outside, so that they prove nothing.
    """
    stored = open_store.account(key.account)
    if stored is None or stored.document["wrapped"] is None:
        raise open_store.nothing_of(key.account)
    end, standing = _followed(open_store, key.account, stored)
    standing.ensure_known(key, stage, end=end.seq)


class _Checked(NamedTuple):
    """What the check of one account found: how many events there are, are unsigned or lost, and what is wrong."""

    last: int = 0
    unsigned: int = 0
    lost: int = 0
    problems: tuple[CannotOpen, ...] = ()


def _checked(open_store: OpenStore, account: str) -> _Checked | None:
    """Check one account, again while somebody changes it; None where there is nothing of it."""
    for _ in range(_ATTEMPTS):
        before = open_store.store.read(account_ref(account))
        found = _checked_once(open_store, account)
        if found is None or not found.problems or before == open_store.store.read(account_ref(account)):
            break
    return found


def _checked_once(open_store: OpenStore, account: str) -> _Checked | None:
    try:
        stored = open_store.account(account)
        if stored is None:
            return _ensure_nothing(open_store.store, account)
        end, standing = _followed(open_store, account, stored)
    except CannotOpen as error:
        ensure_kek(open_store, error)
        return _Checked(problems=(error, *_refused(open_store, account)))
    return _Checked(
        end.seq, end.unsigned, end.lost, tuple(_key_problems(open_store, account, stored, standing, end.seq))
    )


def ensure_kek(open_store: OpenStore, error: CannotOpen) -> None:
    """Check that an error is about one account's records, and not about the KEK of all of them.

    Raises:
        CannotOpen: it is about the KEK, or about the header that names it.
    """
    if isinstance(error, WrongKek):
        open_store.kek()  # of the store it may be the right one, though not of this account
    elif not isinstance(error, (AuditBroken, RecordUnsupported, RecordChanged)) or _is_of_header(error):
        raise error


def _is_of_header(error: CannotOpen) -> bool:
    return isinstance(error, (RecordChanged, RecordUnsupported)) and error.where == "header"


def _refused(open_store: OpenStore, account: str) -> Iterator[CannotOpen]:
    """Yield an error for each record of an account that does not open, where its events prove nothing any more."""
    try:
        sealer = open_store.sealer(account)
    except (CannotOpen, NotFound):
        return  # then no record of it opens; that the account is damaged was said
    for stored in open_store.store.scan(Query(account=account)):
        try:
            key = key_of(stored)
        except RecordChanged as error:
            yield error
        else:
            yield from refused(sealer, key)


def _key_problems(
    open_store: OpenStore, account: str, stored: Stored, standing: ExpectedKeys, end: int
) -> Iterator[CannotOpen]:
    """Yield an error for each key that does not fit the events, and for each version that does not open."""
    if stored.document["wrapped"] is None:
        if next(open_store.store.scan(Query(account=account)), None) is not None:
            yield AuditBroken(account, end, "removed the account, and yet it has keys")
        return
    sealer, there = open_store.sealer_for(account, stored.document), set()
    for found in open_store.store.scan(Query(account=account)):
        there.add(found.ref.provider)
        try:
            key = key_of(found)
        except RecordChanged as error:
            yield error
        else:
            yield from standing.misplaced(key, end=end)
            yield from refused(sealer, key)
    yield from standing.missing(there, end=end)


def _ensure_nothing(store: Store, account: str) -> _Checked | None:
    """Check that an account without a document has nothing else either."""
    for event in store.events(account):
        first = event.get("seq")
        raise AuditBroken(
            account, first if type(first) is int else 1, "belongs to an account that was removed from outside"
        )
    for key in store.scan(Query(account=account)):
        raise AuditBroken(account, 1, f"is missing, and so is the account of {key.ref}")
    return None


def _followed(open_store: OpenStore, account: str, stored: Stored) -> tuple[_End, ExpectedKeys]:
    """Follow an account's events to the end, each checked; return that end, and the keys that there are by them.

    Raises:
        AuditBroken: the first event that was touched is named.
    """
    audit, removed = stored.document["audit"], stored.document["wrapped"] is None
    sealer = None if removed else open_store.sealer_for(account, stored.document)
    # What was signed with a data key that is gone (the account was removed) can be counted, but not recomputed.
    lost = audit["seq"] if removed else audit.get("from", 0)
    end, standing = _End(), ExpectedKeys(account)
    for event in open_store.store.events(account):
        end = _next(sealer if end.seq >= lost else None, account, event, end)
        standing.follow(event)
        if end.seq == lost and not end.removed:
            raise AuditBroken(account, end.seq, "does not remove the account, and yet its data key is gone")
    _check_end(audit, account, end)
    if sealer is not None:
        _check_head(sealer, audit, account, end)
    return end, standing


class _End(NamedTuple):
    """The chain as far as it was followed.

    ``signed`` is the last event whose signature was verified. ``removed`` tells that the account was removed and did
    nothing since: roles may still be granted and revoked, without a signature.
    """

    seq: int = 0
    mac: str = NO_LINK
    unsigned: int = 0
    lost: int = 0
    signed: tuple[int, str] | None = None
    removed: bool = False


def _next(sealer: Sealer | None, account: str, event: Document, before: _End) -> _End:
    """Check one event against what came before; without a sealer only that it is in its place."""
    seq, mac = before.seq + 1, event.get("mac")
    if event.get("seq") != seq or not isinstance(mac, str):
        raise AuditBroken(account, seq, "is missing or out of order")
    if event.get("account") != account:
        raise AuditBroken(account, seq, "is of another account")
    signed = before.signed
    if sealer is not None and _is_signed(sealer, account, event, before):
        signed = (seq, mac)
    unsigned, lost = before.unsigned + is_unsigned(event), before.lost + (sealer is None or is_lost(event))
    removed = (event.get("action"), event.get("provider")) == ("removed", None)
    removed = removed or (before.removed and event.get("signed") is not True)
    return _End(seq, mac, unsigned, lost, signed, removed)


def is_unsigned(event: Document) -> bool:
    """Tell whether an event was made without the KEK, here or where it was copied from."""
    return event.get("signed") is not True or _was(event, "unsigned")


def is_lost(event: Document) -> bool:
    """Tell whether an event could not be recomputed any more where it was copied from."""
    return _was(event, "lost")


def _was(event: Document, what: str) -> bool:
    origin = event.get("origin")
    return isinstance(origin, dict) and origin.get(what) is True


def _is_signed(sealer: Sealer, account: str, event: Document, before: _End) -> bool:
    """Check the link of an event; tell whether it is a signed one."""
    seq, signed = before.seq + 1, event.get("signed") is True
    if not signed and event.get("action") not in UNSIGNED_ACTIONS:
        raise AuditBroken(account, seq, "has lost its signature")
    expected = sealer.link(before.mac, event) if signed else unsigned_link(before.mac, event)
    if not same(event["mac"], expected):
        raise AuditBroken(account, seq, "was changed, or the one before it was")
    return signed


def _check_end(audit: Document, account: str, end: _End) -> None:
    """Check that the account's record ends with the last event that is there."""
    if audit["seq"] > end.seq or not end.seq:
        raise AuditBroken(account, end.seq + 1, "was cut off: the account's record knows of later events")
    if audit["seq"] < end.seq:
        raise AuditBroken(account, max(audit["seq"], 0) + 1, "came after the last one that the account's record knows")
    if not same(audit["mac"], end.mac):
        raise AuditBroken(account, end.seq, "is not the one that the account's record ends with")


def _check_head(sealer: Sealer, audit: Document, account: str, end: _End) -> None:
    """Check what binds the last signed event, and the beginning of what can be verified, into the account's record."""
    last, mac = end.signed or (0, NO_LINK)
    if end.signed is None or not same(audit["head"], chain_head(sealer, last, mac, audit)):
        raise AuditBroken(account, min(last + 1, end.seq), "is not what the account's record was bound to")
