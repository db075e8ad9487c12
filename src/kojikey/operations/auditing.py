"""What happened to the keys, and whether that story was touched from outside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

from kojikey.model.errors import AuditBroken, RecordChanged
from kojikey.model.moment import parsed
from kojikey.model.ref import Document, account_ref
from kojikey.operations.custody import Custody
from kojikey.operations.results import AuditResult
from kojikey.sealing.chain import NO_LINK, same, unsigned_link
from kojikey.sealing.envelope import Sealer
from kojikey.stores.base import Store

UNSIGNED_ACTIONS = frozenset({"removed"})
"""Actions that are possible without the KEK. An unsigned event of any other kind was made from outside."""


def events(
    store: Store, *, account: str | None, provider: str | None = None, since: datetime | None = None
) -> AuditResult:
    """Return the events of an account (None: of all) in order, of one provider or since a moment where given.

    Raises:
        RecordChanged: an event is not one that kojikey wrote.
    """
    chosen = tuple(event for event in store.events(account) if _wanted(event, provider, since))
    return AuditResult(chosen, unsigned=sum(not event["signed"] for event in chosen))


def _wanted(event: Document, provider: str | None, since: datetime | None) -> bool:
    try:
        return (provider is None or event["provider"] == provider) and (since is None or parsed(event["time"]) >= since)
    except (KeyError, TypeError, ValueError):
        raise RecordChanged(f"event {event.get('seq')} of {event.get('account')}") from None


def verify(custody: Custody, *, account: str | None) -> AuditResult:
    """Recompute the chain of one account, or of all that the store has.

    Raises:
        AuditBroken: an event was changed, removed, added or reordered from outside; the first one is named.
        CannotOpen: the KEK is missing or wrong, so nothing can be said.
    """
    seen: set[str] = set()
    unsigned = lost = 0
    for name, chain in _chains(custody.store, account):
        if name not in seen:
            counts = _verify_account(custody, name, chain)
            unsigned, lost = unsigned + counts[0], lost + counts[1]
            seen.add(name)
    return AuditResult((), verified=tuple(sorted(seen)), unsigned=unsigned, lost=lost)


def _chains(store: Store, account: str | None) -> Iterator[tuple[str, Iterator[Document]]]:
    """Yield each account with its events: first those that have any, then those whose events are all gone."""
    yield from groupby(store.events(account), key=lambda event: str(event.get("account")))
    for stored in store.accounts():
        if account in (None, stored.ref.account):
            yield stored.ref.account, iter(())


def _verify_account(custody: Custody, account: str, chain: Iterator[Document]) -> tuple[int, int]:
    """Check one account's chain; return how many events are unsigned, and how many can not be recomputed."""
    stored = custody.store.read(account_ref(account))
    if stored is None:
        raise AuditBroken(account, 1, "belongs to an account that was removed from outside")
    audit, removed = stored.document["audit"], stored.document["wrapped"] is None
    sealer = None if removed else custody.sealer(account)
    # What was signed with a data key that is gone (the account was removed) can be counted, but not recomputed.
    lost = audit["seq"] if removed else stored.document.get("chain_from", 0)
    seq, mac, unsigned, last = 0, NO_LINK, 0, 0
    for event in chain:
        seq += 1
        if seq <= lost or sealer is None:
            _check_place(account, event, seq)
        else:
            last = _check_event(sealer, account, event, seq, mac)
            unsigned += last
        mac = event["mac"]
    _check_end(audit, account, seq, mac)
    if sealer is not None and seq > lost:
        _check_head(audit, account, seq, None if last else sealer.head(seq, mac))
    return unsigned, min(lost, seq)


def _check_place(account: str, event: Document, seq: int) -> None:
    if event.get("seq") != seq or not isinstance(event.get("mac"), str):
        raise AuditBroken(account, seq, "is missing or out of order")


def _check_event(sealer: Sealer, account: str, event: Document, seq: int, previous: str) -> int:
    """Check one event against the link before it; return 1 for an unsigned one."""
    _check_place(account, event, seq)
    content = {name: value for name, value in event.items() if name != "mac"}
    signed = event.get("signed") is True
    if not signed and event.get("action") not in UNSIGNED_ACTIONS:
        raise AuditBroken(account, seq, "has lost its signature")
    expected = sealer.link(previous, content) if signed else unsigned_link(previous, content)
    if not same(event.get("mac"), expected):
        raise AuditBroken(account, seq, "was changed, or the one before it was")
    return 0 if signed else 1


def _check_end(audit: Document, account: str, seq: int, mac: str) -> None:
    """Check that the account's record ends with the last event that is there."""
    if audit["seq"] > seq:
        raise AuditBroken(account, seq + 1, "was cut off: the account's record knows of later events")
    if audit["seq"] < seq or not same(audit["mac"], mac):
        raise AuditBroken(account, seq, "is not the one that the account's record ends with")


def _check_head(audit: Document, account: str, seq: int, head: str | None) -> None:
    """Check what binds the last event into the account's record; ``head`` is None where that event is unsigned."""
    if (head is None) != (audit["head"] is None) or (head is not None and not same(audit["head"], head)):
        raise AuditBroken(account, seq, "is not what the account's record was bound to")
