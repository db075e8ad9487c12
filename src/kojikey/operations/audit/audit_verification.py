"""Verifies that an account's audit trail and its keys were not changed outside kojikey.

Owns: the rules by which an account's record, its events and its keys have to agree. Must not: change anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from msgspec.structs import replace

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
from kojikey.model.trail_end import TrailEnd
from kojikey.operations.audit.auditing import UNREADABLE, account_names, is_readable
from kojikey.operations.audit.expected_keys import ExpectedKeys
from kojikey.operations.audit.known_trail import RememberedEnd
from kojikey.operations.key_records import key_of
from kojikey.operations.open_store import OpenStore
from kojikey.operations.record_checks import chain_head
from kojikey.operations.results import AuditResult
from kojikey.operations.sealed_versions import refused
from kojikey.sealing.audit_chain import NO_LINK, same, unsigned_link
from kojikey.sealing.envelope import Sealer
from kojikey.stores.base import Query, Store, Stored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.operations.audit.known_trail import KnownTrails

_ATTEMPTS = 25  # for an account that is changed while it is read
UNSIGNED_ACTIONS = frozenset({"removed", "granted", "revoked", "changed"})
"""Actions that are possible without the KEK. An unsigned event of any other kind was written outside kojikey."""


def verify(open_store: OpenStore, *, account: str | None, known: KnownTrails | None = None) -> AuditResult:
    """Recompute the chain of one account, or of all accounts, and open every version of their keys.

    For each account, the result has the first event that was changed, removed, added or reordered outside kojikey, each
    key that does not agree with the events, and each record that does not open. With ``known`` it also has each account
    that was rolled back to a state before the remembered one, and the end of each trail without an error is remembered.

    Raises:
        AccountNotFound: the store has nothing of the named account.
        CannotOpen: the KEK is missing or wrong, so nothing can be verified.
        UnsafeConfig: the remembered ends cannot be read.
    """
    verified: dict[str, int] = {}  # with the number of the last event
    broken: dict[str, tuple[CannotOpen, ...]] = {}
    rolled_back: dict[str, TrailEnd | None] = {}
    unsigned = lost = 0
    for name in _all_accounts(open_store.store, known) if account is None else (account,):
        found = _checked(open_store, name, known)
        if found is None:
            continue
        if found.is_rolled_back:
            rolled_back[name] = found.end
        if found.problems:
            broken[name] = found.problems
        else:
            verified[name] = found.last
            if known is not None and found.end is not None:
                known.remember(name, found.end)
        if not found.is_touched:
            unsigned, lost = unsigned + found.unsigned, lost + found.lost
    if account is not None and not verified and not broken:
        raise AccountNotFound(account)
    if account is None and not broken and not all(isinstance(e.get("account"), str) for e in open_store.store.events()):
        broken[""] = (RecordChanged("of an event"),)  # it names no account: any account's chain would have missed it
    return AuditResult(
        (),
        verified=tuple(sorted(verified)),
        unsigned=unsigned,
        lost=lost,
        last_events=verified,
        broken=broken,
        rolled_back=rolled_back,
    )


def _all_accounts(store: Store, known: KnownTrails | None) -> Iterator[str]:
    """Yield every account of a store, then the remembered accounts that it no longer has."""
    seen = set()
    for name in account_names(store):
        seen.add(name)
        yield name
    if known is not None and store.sees_every_account():  # others may be accounts that this database role cannot see
        yield from (name for name in known.accounts() if name not in seen)


def accept(known: KnownTrails, result: AuditResult) -> AuditResult:
    """Remember the present states of rolled-back accounts, and return the result without their errors.

    An account that has another error as well is not accepted.

    Raises:
        FileUnwritable: the accounts that follow were not accepted.
    """
    accepted = {name: result.rolled_back[name] for name in result.acceptable}
    for account, end in accepted.items():
        known.replace(account, end)
    there = {account: end.seq for account, end in accepted.items() if end is not None}
    return replace(
        result,
        verified=tuple(sorted({*result.verified, *there})),
        last_events={**result.last_events, **there},
        broken={account: problems for account, problems in result.broken.items() if account not in accepted},
        rolled_back={account: end for account, end in result.rolled_back.items() if account not in accepted},
        accepted=tuple(accepted),
    )


def ensure_whole(open_store: OpenStore, *, account: str) -> None:
    """Check one account by :func:`verify`.

    Raises:
        AuditBroken, RecordChanged, RecordUnsupported: the first error of the account. Also those of :func:`verify`.
    """
    for problems in verify(open_store, account=account).broken.values():
        raise problems[0]


def ensure_in_trail(open_store: OpenStore, key: Key, stage: Stage) -> None:
    """Check that a key has in a stage the version that it should have by the account's events.

    Raises:
        AuditBroken: it has another one, or the events were changed outside kojikey and prove nothing.
    """
    place = account_ref(key.account)
    for attempt in range(1, _ATTEMPTS + 1):
        before = open_store.store.read(place)
        try:
            _ensure_in_trail_once(open_store, key, stage)
        except AuditBroken:
            # another key of the account may have been changed between reading the account and its events
            if attempt == _ATTEMPTS or before == open_store.store.read(place):
                raise
        else:
            return


def _ensure_in_trail_once(open_store: OpenStore, key: Key, stage: Stage) -> None:
    stored = open_store.find_account(key.account)
    if stored is None or stored.document["wrapped"] is None:
        raise open_store.missing_account(key.account)
    end, expected = _followed(open_store, key.account, stored)
    expected.ensure_expected(key, stage, end=end.seq)


class _Checked(NamedTuple):
    """The result for one account: the number of its last event, the counts of unsigned and lost ones, the errors."""

    last: int = 0
    unsigned: int = 0
    lost: int = 0
    problems: tuple[CannotOpen, ...] = ()
    end: TrailEnd | None = None
    is_rolled_back: bool = False

    @property
    def is_touched(self) -> bool:
        """Whether there is an error other than a rollback."""
        return len(self.problems) > self.is_rolled_back


def _checked(open_store: OpenStore, account: str, known: KnownTrails | None) -> _Checked | None:
    """Check one account, and repeat that if somebody changes it meanwhile; None if the store has nothing of it."""
    for _ in range(_ATTEMPTS):
        before = open_store.store.read(account_ref(account))
        # The remembered end is read before the events: another process may replace it with that of newer events.
        remembered = RememberedEnd(account, known.recall(account) if known is not None else None)
        found = _checked_once(open_store, account, remembered)
        if found is None or not found.problems or before == open_store.store.read(account_ref(account)):
            break
    return found


def _checked_once(open_store: OpenStore, account: str, remembered: RememberedEnd) -> _Checked | None:
    try:
        stored = open_store.find_account(account)
        if stored is None:
            return _ensure_nothing(open_store.store, account, remembered)
        end, expected = _followed(open_store, account, stored, remembered)
    except CannotOpen as error:
        ensure_kek(open_store, error)
        return _Checked(problems=(error, *_refused(open_store, account)))
    missing = tuple(remembered.missing())
    problems = (*missing, *_key_problems(open_store, account, stored, expected, end.seq))
    return _Checked(end.seq, end.unsigned, end.lost, problems, end.as_remembered(), bool(missing))


def ensure_kek(open_store: OpenStore, error: CannotOpen) -> None:
    """Return if an error is about one account's records alone.

    Raises:
        CannotOpen: it is about the KEK of all accounts, or about the header that names it.
    """
    if isinstance(error, WrongKek):
        open_store.kek()  # raises, unless the KEK is the store's and only this account is wrapped with another
    elif not isinstance(error, (AuditBroken, RecordUnsupported, RecordChanged)) or _is_of_header(error):
        raise error


def _is_of_header(error: CannotOpen) -> bool:
    return isinstance(error, (RecordChanged, RecordUnsupported)) and error.where == "header"


def _refused(open_store: OpenStore, account: str) -> Iterator[CannotOpen]:
    """Yield an error for each record of an account that does not open, for an account whose events are broken."""
    try:
        sealer = open_store.sealer(account)
    except (CannotOpen, NotFound):
        return  # no record opens, and the account has an error already
    for stored in open_store.store.scan(Query(account=account)):
        try:
            key = key_of(stored)
        except RecordChanged as error:
            yield error
        else:
            yield from refused(sealer, key)


def _key_problems(
    open_store: OpenStore, account: str, stored: Stored, expected: ExpectedKeys, end: int
) -> Iterator[CannotOpen]:
    """Yield an error for each key that does not agree with the events, and for each version that does not open."""
    if stored.document["wrapped"] is None:
        if next(open_store.store.scan(Query(account=account)), None) is not None:
            yield AuditBroken(account, end, "removed the account, but it still has keys")
        return
    sealer, there = open_store.sealer_for(account, stored.document), set()
    for found in open_store.store.scan(Query(account=account)):
        there.add(found.ref.provider)
        try:
            key = key_of(found)
        except RecordChanged as error:
            yield error
        else:
            yield from expected.misplaced(key, end=end)
            yield from refused(sealer, key)
    yield from expected.missing(there, end=end)


def _ensure_nothing(store: Store, account: str, remembered: RememberedEnd) -> _Checked | None:
    """Check that an account without a document has no events and keys, and that none are remembered here."""
    for event in store.events(account):
        first = event.get("seq")
        raise AuditBroken(
            account, first if type(first) is int else 1, "belongs to an account that was removed outside kojikey"
        )
    for key in store.scan(Query(account=account)):
        raise AuditBroken(account, 1, f"is missing, and so is the account of {key.ref}")
    missing = tuple(remembered.missing())
    if not missing or not store.sees_every_account():
        return None
    return _Checked(problems=missing, is_rolled_back=True)


def _followed(
    open_store: OpenStore, account: str, stored: Stored, remembered: RememberedEnd | None = None
) -> tuple[_End, ExpectedKeys]:
    """Check an account's events one after the other; return the end of the chain, and the keys to expect by them.

    Raises:
        AuditBroken: an event was changed outside kojikey; the first one is named.
    """
    audit, removed = stored.document["audit"], stored.document["wrapped"] is None
    sealer = None if removed else open_store.sealer_for(account, stored.document)
    # Events that were signed with the data key of a removed account can be counted, but not recomputed.
    lost = audit["seq"] if removed else audit.get("from", 0)
    end, expected = _End(), ExpectedKeys(account)
    for event in open_store.store.events(account):
        end = _next(sealer if end.seq >= lost else None, account, event, end)
        expected.follow(event)
        if remembered is not None:
            remembered.follow(end.seq, end.mac)
        if end.seq == lost and not end.removed:
            raise AuditBroken(account, end.seq, "does not remove the account, but its data key is gone")
    _check_end(audit, account, end)
    if sealer is not None:
        _check_head(sealer, audit, account, end)
    return end, expected


class _End(NamedTuple):
    """The state of the chain after an event.

    ``signed`` has the number and link of the last event whose signature was verified. ``removed``: the account was
    removed, and no signed event came after that (roles may be granted and revoked, without a signature).
    """

    seq: int = 0
    mac: str = NO_LINK
    time: object = None
    unsigned: int = 0
    lost: int = 0
    signed: tuple[int, str] | None = None
    removed: bool = False

    def as_remembered(self) -> TrailEnd | None:
        """Return the end to remember; None if its members have a wrong form, as can be in a lost part of the trail."""
        for time in (self.time, ""):
            with suppress(ValueError):
                return TrailEnd.checked(self.seq, self.mac, time)
        return None


def _next(sealer: Sealer | None, account: str, event: Document, before: _End) -> _End:
    """Check that one event follows the one before; without a sealer, check its place alone and not its link."""
    seq, mac = before.seq + 1, event.get("mac")
    if event.get("seq") != seq or not isinstance(mac, str):
        raise AuditBroken(account, seq, "is missing or out of order")
    if event.get("account") != account:
        raise AuditBroken(account, seq, "belongs to another account")
    signed = before.signed
    if sealer is not None and _is_signed(sealer, account, event, before):
        signed = (seq, mac)
    if not is_readable(event):  # a writer of the store can chain an unsigned event, with any members
        raise AuditBroken(account, seq, UNREADABLE)
    unsigned, lost = before.unsigned + is_unsigned(event), before.lost + (sealer is None or is_lost(event))
    removed = (event.get("action"), event.get("provider")) == ("removed", None)
    removed = removed or (before.removed and event.get("signed") is not True)
    return _End(seq, mac, event.get("time"), unsigned, lost, signed, removed)


def is_unsigned(event: Document) -> bool:
    """Return whether an event was made without the KEK, here or in the store that it was copied from."""
    return event.get("signed") is not True or _has_mark(event, "unsigned")


def is_lost(event: Document) -> bool:
    """Return whether an event could not be recomputed in the store that it was copied from."""
    return _has_mark(event, "lost")


def _has_mark(event: Document, mark: str) -> bool:
    origin = event.get("origin")
    return isinstance(origin, dict) and origin.get(mark) is True


def _is_signed(sealer: Sealer, account: str, event: Document, before: _End) -> bool:
    """Check the link of an event; return whether the event is signed."""
    seq, signed = before.seq + 1, event.get("signed") is True
    if not signed and event.get("action") not in UNSIGNED_ACTIONS:
        raise AuditBroken(account, seq, "has lost its signature")
    expected = sealer.link(before.mac, event) if signed else unsigned_link(before.mac, event)
    if not same(event["mac"], expected):
        raise AuditBroken(account, seq, "was changed, or the previous event was")
    return signed


def _check_end(audit: Document, account: str, end: _End) -> None:
    """Check that the last event is the one that the account's record names."""
    if audit["seq"] > end.seq or not end.seq:
        raise AuditBroken(account, end.seq + 1, "was cut off: the account's record knows of later events")
    if audit["seq"] < end.seq:
        raise AuditBroken(account, max(audit["seq"], 0) + 1, "comes after the last one that the account's record knows")
    if not same(audit["mac"], end.mac):
        raise AuditBroken(account, end.seq, "is not the last event that the account's record names")


def _check_head(sealer: Sealer, audit: Document, account: str, end: _End) -> None:
    """Check the value in the account's record that binds the last signed event and the first verifiable one."""
    last, mac = end.signed or (0, NO_LINK)
    if end.signed is None or not same(audit["head"], chain_head(sealer, last, mac, audit)):
        raise AuditBroken(
            account, min(last + 1, end.seq), "is not the last event that the account's record is bound to"
        )
