"""Lists, disables, enables and removes accounts."""

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
    """Yield the accounts of a store, without removed ones, in the store's order.

    The error about an account that was changed outside kojikey is passed to ``damaged``, and the others are yielded.
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
    """Counts the keys of one account after the other, in one pass over the keys of all accounts.

    Keys come in the order of the accounts. If the next key belongs to another account, because this one has no keys or
    somebody changed the store meanwhile, the keys of this account are counted by a query of their own.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._groups: Iterator[tuple[str, Iterator[Stored]]] = groupby(store.scan(), key=lambda key: key.ref.account)
        self._next()

    def of(self, account: str) -> int:
        """Return the number of an account's keys. Call this for the accounts in the store's order."""
        while self._account and self._account < account and not self._store.partitioned:
            self._next()
        if self._account != account:
            return sum(self._store.counts(Query(account=account)).values())
        count = sum(1 for _ in self._keys)
        self._next()
        return count

    def _next(self) -> None:
        self._account, self._keys = next(self._groups, ("", iter(())))


def ensure_exists(open_store: OpenStore, *, account: str) -> None:
    """Check that the store has an account, before anybody is asked about it. Needs no KEK.

    Raises:
        AccountNotFound: it has not. RecordChanged: the account was changed or removed outside kojikey.
    """
    stored = open_store.find_account(account)
    if stored is None or stored.document["wrapped"] is None:
        raise open_store.missing_account(account)


def ensure_removable(open_store: OpenStore, *, account: str) -> None:
    """Check that an account can be removed, also if it is damaged, or only keys or events of it are left.

    Raises:
        AccountNotFound: the store has nothing of the account, or it was removed.
        MintUnfinished: a key of it is being created at its provider.
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
    """Yield the keys of an account, without those whose record was changed outside kojikey."""
    return _readable(open_store.store.scan(Query(account=account)))


def _readable(keys: Iterable[Stored]) -> Iterator[Key]:
    for stored in keys:
        with suppress(RecordChanged):
            yield key_of(stored)


@dataclass(frozen=True, slots=True)
class SwitchResult:
    """Whether an account was disabled or enabled, and whether there is an event of it.

    ``recorded`` is False if the account's own record is damaged: the account was marked as disabled without an event.
    """

    changed: bool
    recorded: bool = True


def set_disabled(open_store: OpenStore, *, account: str, disabled: bool) -> SwitchResult:
    """Disable or enable an account. Its keys stay in the store.

    An account whose record is damaged can be disabled as well: a person who damaged it could restore it later, and
    would use its keys again. There is no event then, because the audit trail cannot continue from such a record.

    Raises:
        AccountNotFound: the store has no record of this account. RecordChanged: its record is gone, or is damaged and
            should be enabled. CannotOpen: the event cannot be signed. Nothing was changed.
    """
    draft = EventDraft("disabled" if disabled else "enabled")
    members = {"disabled": disabled}
    ledger = Ledger(open_store)

    def attempt(stored: Stored | None) -> SwitchResult:
        if stored is None or stored.document["wrapped"] is None:
            raise open_store.missing_account(account)
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
    """Disable an account whose record is damaged, and leave the other members unchanged; None if the record is gone.

    The form of the record may be right, and only its data key damaged.
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
    """Delete an account's keys, grants and data key in one commit; return the number of keys, and whether it is signed.

    Without the data key no backup of the sealed records can be opened. The events stay. An account that is created with
    this name later continues the audit trail with a new data key, and is disabled if this one was. Works without the
    KEK, as ``remove`` does.

    Raises:
        AccountNotFound: the store has nothing of this account, or it was removed just now.
        MintUnfinished: a key of it is being created at its provider. Nothing was changed.
        StoreUnavailable: nothing was changed, also if the account has more keys than the engine changes in one commit.
    """
    ensure_removable(open_store, account=account)
    stored = open_store.store.read(account_ref(account))
    if stored is None or not is_well_formed(stored) or stored.document["wrapped"] is None:
        return _shred_damaged(open_store, account)
    ledger = Ledger(open_store)

    def attempt(stored: Stored | None) -> tuple[int, bool]:
        if stored is None or stored.document["wrapped"] is None:
            raise open_store.missing_account(account)
        # The keys are read after the account's document: adding a key from now on changes that document as well.
        removal = _removal(open_store, account)
        try:
            sealer = open_store.sealer_for(account, stored.document)
        except CannotOpen:
            sealer = None
        tombstone = {**stored.document, "wrapped": None}
        try:
            ledger.commit(account, removal, tombstone, stored.revision, sealer)
        except ChangedMeanwhile:
            raise ChangedMeanwhile(account_ref(account)) from None  # whatever was changed, everything is read again
        return _keys_in(removal), sealer is not None

    return ledger.retried(account, attempt)


def _shred_damaged(open_store: OpenStore, account: str) -> tuple[int, bool]:
    """Delete the keys of an account whose own record is damaged or gone, with an unsigned event after its last one."""
    tries = count()

    def read() -> tuple[Stored | None, Document, Plan]:
        stored = open_store.store.read(ref)
        return stored, _tombstone(open_store.store, account, stored, next(tries)), _removal(open_store, account)

    def attempt(found: tuple[Stored | None, Document, Plan]) -> tuple[int, bool]:
        stored, document, removal = found
        try:
            Ledger(open_store).commit(account, removal, document, stored.revision if stored else None, None)
        except ChangedMeanwhile:
            raise ChangedMeanwhile(ref) from None  # whatever was changed, everything is read again
        return _keys_in(removal), False

    ref = account_ref(account)
    return retry_on_conflict(attempt, read(), read, refs=(ref,))


def _tombstone(store: Store, account: str, stored: Stored | None, further: int) -> Document:
    """Return the document of a removed account, with the last existing event as the end of its audit trail.

    If that event is damaged too, its number is not known, and ``further`` is added to a guess: it grows with each
    attempt until no event has the next number. ``audit --verify`` names the gap.
    """
    if stored is not None and is_well_formed(stored):
        return {**stored.document, "wrapped": None}
    seq, mac = 0, NO_LINK
    for event in store.events(account):
        seq = event["seq"] if is_seq(event.get("seq")) else seq + 1
        mac = event["mac"] if isinstance(event.get("mac"), str) else NO_LINK
    document: Document = {"account": account, "wrapped": None, "created_at": now()}
    if stored is not None and stored.document.get("disabled") is True:
        document["disabled"] = True  # the account's owner must not undo this by adding a key again
    return document | {"audit": {"seq": seq + further, "mac": mac, "head": None}}


def _removal(open_store: OpenStore, account: str) -> Plan:
    """Return the plan that deletes an account's keys and grants, with its events.

    Raises:
        MintUnfinished: a key of the account is being created at its provider.
    """
    keys, granted = tuple(open_store.store.scan(Query(account=account))), tuple(open_store.store.grants(account))
    for key in _readable(keys):
        ensure_not_minting(key)  # checked again: a mint may have begun while the person confirmed
    gone = (*keys, *granted)
    revoked = (EventDraft("revoked", role=grant.ref.provider) for grant in granted)
    return Plan(tuple(Change(s.ref, None, s.revision) for s in gone), (*revoked, EventDraft("removed")))


def _keys_in(removal: Plan) -> int:
    return sum(change.ref.kind == "key" for change in removal.changes)
