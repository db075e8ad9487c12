"""What happened to the keys, and whether that story was touched from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from itertools import chain
from typing import NamedTuple

from kojikey.model import shape
from kojikey.model.errors import AccountNotFound, AuditBroken, CannotOpen, RecordChanged
from kojikey.model.moment import parsed
from kojikey.model.ref import Document
from kojikey.operations.custody import Custody
from kojikey.operations.results import AuditResult
from kojikey.operations.soundness import chain_head
from kojikey.operations.standing import Standing
from kojikey.sealing.chain import NO_LINK, same, unsigned_link
from kojikey.sealing.envelope import Sealer
from kojikey.stores.base import Query, Store, Stored

_ATTEMPTS = 25  # of an account that changed while it was read
UNSIGNED_ACTIONS = frozenset({"removed", "granted", "revoked"})
"""Actions that are possible without the KEK. An unsigned event of any other kind was made from outside."""


def events(
    store: Store, *, account: str | None, provider: str | None = None, since: datetime | None = None
) -> AuditResult:
    """Return the events of an account (None: of all) in order, of one provider or since a moment where given.

    An event that kojikey can not have written is left out, and named in the result.
    """
    found: list[Document] = []
    has_damaged = False
    for event in store.events(account):
        if not _is_readable(event):
            has_damaged = True
        elif _wanted(event, provider, since):
            found.append(event)
    unreadable = tuple(_unreadable(store, account)) if has_damaged else ()
    return AuditResult(tuple(found), unsigned=sum(not event["signed"] for event in found), unreadable=unreadable)


def _unreadable(store: Store, account: str | None) -> Iterator[CannotOpen]:
    """Yield an error for each damaged event. Its place is counted: the event itself can say anything of it."""
    is_named = False
    for name in _everyone(store) if account is None else (account,):
        seq = 0
        for event in store.events(name):
            if _is_readable(event):
                seq = event["seq"]
            else:
                seq, is_named = seq + 1, True
                yield AuditBroken(name, seq, "can not be read: it was changed from outside")
    if not is_named:
        yield RecordChanged("of an event")


def _is_readable(event: Document) -> bool:
    try:
        readable(event)
    except RecordChanged:
        return False
    return True


def readable(event: Document) -> Document:
    """Return an event of a store, after making sure that it has the form of one.

    Raises:
        RecordChanged: it was changed or added from outside.
    """
    try:
        for member, check in _MEMBERS.items():
            check(event[member])
        shape.optional(_origin, event.get("origin"))
    except (KeyError, TypeError, ValueError):
        raise RecordChanged("of an event") from None
    return event


def _origin(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError("not an origin")  # noqa: TRY004 - one kind of error for all that is wrong
    shape.text(value["store"])
    shape.count(value["seq"])
    return value


def _wanted(event: Document, provider: str | None, since: datetime | None) -> bool:
    return (provider is None or event["provider"] == provider) and (since is None or parsed(event["time"]) >= since)


_TEXT, _NAME, _COUNT = (partial(shape.optional, check) for check in (shape.text, shape.name, shape.count))
_MEMBERS: dict[str, Callable[[object], object]] = {
    "seq": shape.count,
    "time": shape.stamp,
    "actor": shape.text,
    "account": shape.name,
    "action": shape.text,
    "provider": _NAME,
    "version": _COUNT,
    "fingerprint": _TEXT,
    "outcome": _TEXT,
    "reason": _TEXT,
    "signed": shape.flag,
}


def verify(custody: Custody, *, account: str | None) -> AuditResult:
    """Recompute the chain of one account, or of all that the store has.

    Raises:
        AuditBroken: an event was changed, removed, added or reordered from outside, or a key was; the first is named.
        AccountNotFound: the store knows nothing of the account that was named.
        CannotOpen: the KEK is missing or wrong, so nothing can be said; or a record can not be read.
    """
    verified: list[str] = []
    unsigned = lost = 0
    for name in _everyone(custody.store) if account is None else (account,):
        counts = _verify_account(custody, name)
        if counts is not None:
            unsigned, lost = unsigned + counts[0], lost + counts[1]
            verified.append(name)
    if account is not None and not verified:
        raise AccountNotFound(account)
    if account is None and not all(isinstance(event.get("account"), str) for event in custody.store.events()):
        raise RecordChanged("of an event")  # and of no account that there is: its own would have missed it
    return AuditResult((), verified=tuple(sorted(verified)), unsigned=unsigned, lost=lost)


def _everyone(store: Store) -> Iterator[str]:
    """Yield every account that the store knows anything of, also where the account's own document is gone."""
    seen: set[object] = set()
    events = (event.get("account") for event in store.events())
    for name in chain((s.ref.account for s in store.accounts()), events, (s.ref.account for s in store.scan())):
        if isinstance(name, str) and name not in seen:
            seen.add(name)
            yield name


def _verify_account(custody: Custody, account: str) -> tuple[int, int] | None:
    """Check one account's chain; return how many events are unsigned, and how many can not be recomputed."""
    for _ in range(_ATTEMPTS):
        stored = custody.account(account)
        try:
            return _recomputed(custody, account, stored)
        except AuditBroken as error:
            again, broken = custody.account(account), error
            if (again and again.revision) == (stored and stored.revision):
                raise
            # Somebody did something with the account while its events were read.
    raise broken


def _ensure_nothing(store: Store, account: str) -> tuple[int, int] | None:
    """Check that an account without a document has nothing else either."""
    for event in store.events(account):
        first = event.get("seq")
        raise AuditBroken(
            account, first if type(first) is int else 1, "belongs to an account that was removed from outside"
        )
    for key in store.scan(Query(account=account)):
        raise AuditBroken(account, 1, f"is missing, and so is the account of {key.ref}")
    return None


def _recomputed(custody: Custody, account: str, stored: Stored | None) -> tuple[int, int] | None:
    if stored is None:
        return _ensure_nothing(custody.store, account)
    audit, removed = stored.document["audit"], stored.document["wrapped"] is None
    sealer = None if removed else custody.unwrapped(account, stored.document)
    # What was signed with a data key that is gone (the account was removed) can be counted, but not recomputed.
    lost = audit["seq"] if removed else audit.get("from", 0)
    end, standing = _End(), Standing(account)
    for event in custody.store.events(account):
        end = _next(sealer if end.seq >= lost else None, account, event, end)
        standing.follow(event)
        if end.seq == lost and not end.removed:
            raise AuditBroken(account, end.seq, "does not remove the account, and yet its data key is gone")
    _check_end(audit, account, end)
    if sealer is not None:
        _check_head(sealer, audit, account, end)
        standing.check(custody.store.scan(Query(account=account)), end=end.seq)
    elif next(custody.store.scan(Query(account=account)), None) is not None:
        raise AuditBroken(account, end.seq, "removed the account, and yet it has keys")
    return end.unsigned, end.lost


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
