"""Accounts as a whole: listing them, disabling their own keys, and shredding everything that is theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count, groupby

from kojikey.model import validators
from kojikey.model.errors import AccountNotFound, CannotOpen, ChangedMeanwhile, RecordChanged
from kojikey.model.key import Key
from kojikey.model.ref import Document, account_ref
from kojikey.model.timestamps import now
from kojikey.operations.compare_and_swap import retry_on_conflict
from kojikey.operations.key_records import ensure_not_minting, key_of
from kojikey.operations.ledger import EventDraft, Ledger, Plan
from kojikey.operations.open_store import OpenStore
from kojikey.operations.record_checks import check_account, is_seq, is_well_formed
from kojikey.operations.results import AccountRow
from kojikey.sealing.audit_chain import NO_LINK
from kojikey.stores.base import Change, Query, Store, Stored


def list_accounts(store: Store, *, damaged: Callable[[RecordChanged], None]) -> Iterator[AccountRow]:
    """Yield the accounts in order of name; one that was removed is not there any more.

    One that was changed outside kojikey is reported to ``damaged`` and hides no other.
    """
    keys = _KeyCount(store)
    for stored in store.accounts():
        account, document = stored.ref.account, stored.document
        count = keys.of(account)
        try:
            check_account(stored)
            created_at = _created_at(stored)
        except RecordChanged as error:
            damaged(error)
            continue
        if document["wrapped"] is not None:
            yield AccountRow(account, count, document.get("disabled") is True, created_at)


def _created_at(stored: Stored) -> str:
    try:
        return validators.stamp(stored.document.get("created_at"))
    except ValueError:
        raise RecordChanged(str(stored.ref)) from None


class _KeyCount:
    """Counts the keys of one account after the other, in one pass over the keys of all.

    They come in the order of the accounts. Where the passes do not agree (the account has none, or somebody changed
    the store meanwhile), the account is asked for by itself.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._groups: Iterator[tuple[str, Iterator[Stored]]] = groupby(store.scan(), key=lambda key: key.ref.account)
        self._next()

    def of(self, account: str) -> int:
        """Return how many keys an account has. Accounts are asked for in the order of the store."""
        while self._account and self._account < account and not self._store.partitioned:
            self._next()
        if self._account != account:
            return sum(self._store.counts(Query(account=account)).values())
        count = sum(1 for _ in self._keys)
        self._next()
        return count

    def _next(self) -> None:
        self._account, self._keys = next(self._groups, ("", iter(())))


def ensure_there(open_store: OpenStore, *, account: str) -> None:
    """Check that there is such an account, before anybody is asked about it; needs no KEK.

    Raises:
        AccountNotFound: the store has nothing of it. RecordChanged: it was changed or removed outside kojikey.
    """
    stored = open_store.account(account)
    if stored is None or stored.document["wrapped"] is None:
        raise open_store.nothing_of(account)


def ensure_removable(open_store: OpenStore, *, account: str) -> None:
    """Check that there is anything of an account; to remove it is the way out, also where its record is damaged.

    Raises:
        AccountNotFound: the store has nothing of it, or it was removed. MintUnfinished: a key of it is being made at
            its provider.
    """
    stored = open_store.store.read(account_ref(account))
    for key in readable_keys(open_store, account):
        ensure_not_minting(key)
    if stored is not None and not (is_well_formed(stored) and stored.document["wrapped"] is None):
        return
    left: object = next(open_store.store.scan(Query(account=account)), None)
    if left is None and stored is None:
        left = next(open_store.store.events(account), None)
    if left is None:
        raise AccountNotFound(account)


def readable_keys(open_store: OpenStore, account: str) -> Iterator[Key]:
    """Return the keys of an account, without those whose record was damaged outside kojikey."""
    return _readable(open_store.store.scan(Query(account=account)))


def _readable(keys: Iterable[Stored]) -> Iterator[Key]:
    for stored in keys:
        with suppress(RecordChanged):
            yield key_of(stored)


@dataclass(frozen=True, slots=True)
class SwitchResult:
    """Whether disabling or enabling changed anything, and whether the audit trail has it.

    ``recorded`` is False where the account's own record is damaged: it could only be marked as disabled.
    """

    changed: bool
    recorded: bool = True


def set_disabled(open_store: OpenStore, *, account: str, disabled: bool) -> SwitchResult:
    """Set an account's own keys aside, or use them again. Its keys stay.

    An account whose record is damaged can be disabled as well: the one who damaged it could restore it and go on. Its
    audit trail cannot go on from such a record, so there is no event.

    Raises:
        AccountNotFound: the store has nothing of this account. RecordChanged: its record is gone, or is damaged and it
            was to be enabled. CannotOpen: the event could not be signed. Nothing was changed.
    """
    draft = EventDraft("disabled" if disabled else "enabled")
    members = {"disabled": disabled}
    ledger = Ledger(open_store)

    def attempt(stored: Stored | None) -> SwitchResult:
        if stored is None or stored.document["wrapped"] is None:
            raise open_store.nothing_of(account)
        changed = {**stored.document, **members}
        if changed == {"disabled": False, **stored.document}:
            return SwitchResult(changed=False)
        sealer = open_store.sealer_for(account, stored.document)
        ledger.commit(account, Plan((), (draft,)), changed, stored.revision, sealer)
        return SwitchResult(changed=True)

    try:
        return ledger.retried(account, attempt)
    except RecordChanged:
        if not disabled:
            raise
        marked = _mark_damaged(open_store, account)
        if marked is None:
            raise
    return marked


def _mark_damaged(open_store: OpenStore, account: str) -> SwitchResult | None:
    """Disable an account whose record is damaged, and leave all else of it for who restores it; None where it is gone.

    The record can have the right form although its data key is damaged: the mark is what counts.
    """

    def attempt(stored: Stored | None) -> SwitchResult | None:
        if stored is None:
            return None
        if stored.document.get("disabled") is True:
            return SwitchResult(changed=False, recorded=False)
        document = {"account": account, **stored.document, "disabled": True}
        open_store.store.commit((Change(stored.ref, document, stored.revision),))
        return SwitchResult(changed=True, recorded=False)

    ref = account_ref(account)
    read = partial(open_store.store.read, ref)
    return retry_on_conflict(attempt, read(), read, refs=(ref,))


def remove_account(open_store: OpenStore, *, account: str) -> tuple[int, bool]:
    """Delete an account's keys, grants and data key in one step; return how many keys, and whether it was signed.

    Without the data key no backup of the sealed records opens again. The events stay, and so does the number of the
    last one; an account of that name that is made later goes on from there, with a data key of its own, and is
    disabled where this one was. Works without the KEK, as ``remove`` does.

    Raises:
        AccountNotFound: the store has nothing of this account, or not any more. MintUnfinished: a key of it is being
            made at its provider. Nothing was done.
        StoreUnavailable: nothing was done, also where the account has more keys than the engine changes in one step.
    """
    ensure_removable(open_store, account=account)
    stored = open_store.store.read(account_ref(account))
    if stored is None or not is_well_formed(stored) or stored.document["wrapped"] is None:
        return _shred_damaged(open_store, account)
    ledger = Ledger(open_store)

    def attempt(stored: Stored | None) -> tuple[int, bool]:
        if stored is None or stored.document["wrapped"] is None:
            raise open_store.nothing_of(account)
        # Read after the account's document: a key that is added from now on changes that, too.
        removal = _removal(open_store, account)
        try:
            sealer = open_store.sealer_for(account, stored.document)
        except CannotOpen:
            sealer = None
        tombstone = {**stored.document, "wrapped": None}
        try:
            ledger.commit(account, removal, tombstone, stored.revision, sealer)
        except ChangedMeanwhile:
            raise ChangedMeanwhile(account_ref(account)) from None  # whichever it was: look at all of it again
        return _keys_in(removal), sealer is not None

    return ledger.retried(account, attempt)


def _shred_damaged(open_store: OpenStore, account: str) -> tuple[int, bool]:
    """Delete an account's keys though its own record is damaged or gone: its story goes on, unsigned, where it ends."""
    tries = count()

    def read() -> tuple[Stored | None, Document, Plan]:
        stored = open_store.store.read(ref)
        return stored, _tombstone(open_store.store, account, stored, next(tries)), _removal(open_store, account)

    def attempt(found: tuple[Stored | None, Document, Plan]) -> tuple[int, bool]:
        stored, document, removal = found
        try:
            Ledger(open_store).commit(account, removal, document, stored.revision if stored else None, None)
        except ChangedMeanwhile:
            raise ChangedMeanwhile(ref) from None  # whichever it was: look at all of it again
        return _keys_in(removal), False

    ref = account_ref(account)
    return retry_on_conflict(attempt, read(), read, refs=(ref,))


def _tombstone(store: Store, account: str, stored: Stored | None, further: int) -> Document:
    """Return the record of a removed account that ends with the last event which is there.

    Where its place is not known (it is damaged, too) one further on is tried each time: a gap is what --verify names.
    """
    if stored is not None and is_well_formed(stored):
        return {**stored.document, "wrapped": None}
    seq, mac = 0, NO_LINK
    for event in store.events(account):
        seq = event["seq"] if is_seq(event.get("seq")) else seq + 1
        mac = event["mac"] if isinstance(event.get("mac"), str) else NO_LINK
    document: Document = {"account": account, "wrapped": None, "created_at": now()}
    if stored is not None and stored.document.get("disabled") is True:
        document["disabled"] = True  # its owner cannot undo that by beginning anew
    return document | {"audit": {"seq": seq + further, "mac": mac, "head": None}}


def _removal(open_store: OpenStore, account: str) -> Plan:
    """Return the deletion of an account's keys and grants, and what it leaves in the audit trail."""
    keys, granted = tuple(open_store.store.scan(Query(account=account))), tuple(open_store.store.grants(account))
    for key in _readable(keys):
        ensure_not_minting(key)  # again: it may have begun since the name was typed
    gone = (*keys, *granted)
    revoked = (EventDraft("revoked", role=grant.ref.provider) for grant in granted)
    return Plan(tuple(Change(s.ref, None, s.revision) for s in gone), (*revoked, EventDraft("removed")))


def _keys_in(removal: Plan) -> int:
    return sum(change.ref.kind == "key" for change in removal.changes)
