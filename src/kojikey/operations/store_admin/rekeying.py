"""Moves a store to another KEK: wraps every account's data key again, and leaves the sealed records unchanged.

Owns: the order of the steps, which makes a re-keying safe to kill: the header names both KEKs until its end. Must not:
know where a KEK is kept.
"""

from __future__ import annotations

from collections.abc import Callable

from kojikey.model.errors import (
    CannotOpen,
    ChangedMeanwhile,
    Conflict,
    Effect,
    RecordChanged,
    RecordUnsupported,
    StoreUnavailable,
)
from kojikey.model.next_step import Hint, advice_then, next_step
from kojikey.model.plain_text import shown
from kojikey.model.ref import HEADER, Document
from kojikey.model.timestamps import now
from kojikey.operations.compare_and_swap import retry_on_conflict
from kojikey.operations.known_kek import MOST_SUCCESSIONS, ensure_known, remember, successions
from kojikey.operations.ledger import EventDraft, Ledger, Plan
from kojikey.operations.open_store import OpenStore
from kojikey.operations.record_checks import check_account, is_well_formed
from kojikey.operations.results import RekeyResult
from kojikey.operations.store_admin.creating import has_recipients, mentions
from kojikey.operations.store_admin.unlocking import forget
from kojikey.sealing.envelope import Sealer
from kojikey.sealing.kek.base import Kek, KekInputs, LocalKek
from kojikey.sealing.kek.registry import describe, discard, load, make, same_source, typed_source, wrapped_kid
from kojikey.stores.base import Change, Stored

_NAMED = 10  # at most this many accounts in a message


def rekey(open_store: OpenStore, *, source: str, new_inputs: KekInputs) -> RekeyResult:
    """Wrap every account's data key with the KEK of another source; the sealed records are unchanged.

    Safe to kill: the header names both KEKs until the end, and each account is wrapped with one of them. Running it
    again finishes it. If the source has the store's own KEK, only the place of the KEK changes. An unfinished re-keying
    is given up for another one if no account is wrapped with its KEK yet.

    Raises:
        Conflict: a re-keying to another source is under way, or somebody changed the header meanwhile.
        CannotOpen: the old or the new KEK is not available; or some accounts' records are damaged, and the others are
            wrapped with the new KEK. StoreUnavailable: accounts that were wrapped again stay so.
    """
    before = open_store.refreshed_header().document
    under_way = before.get("next_kek")
    kek = _resumed(open_store, under_way, source, new_inputs) if under_way else None
    is_resumed = kek is not None
    if kek is None:
        old = open_store.kek(str(before["kek"].get("kid")))  # raises before anything changes, if it is not available
        spec, kek = make(source, store_id=open_store.store_id, inputs=new_inputs)
        if spec == before["kek"] and not under_way:
            return _unchanged(open_store, spec)
        announce(open_store, before, old, (spec, kek), new_inputs)
    return finish(open_store, before, kek, is_resumed=is_resumed)


def finish(open_store: OpenStore, before: Document, kek: Kek, *, is_resumed: bool) -> RekeyResult:
    """Wrap the remaining accounts with an announced KEK, and make it the store's only one.

    ``before`` is the header as it was before the re-keying. Raises the errors of :func:`rekey`.
    """
    open_store.adopt(kek)
    # No new account gets the old KEK any more: an account is created only if the header did not change meanwhile.
    try:
        rewrapped, already, damaged = _rewrap_all(open_store, kek)
        if damaged:
            raise _left_over(damaged, rewrapped + already)
        _conclude(open_store, kek)
    except StoreUnavailable as error:
        error.effect = "the store names both KEKs, and every key still opens"
        error.hint = advice_then(error.hint, "run the same command again: it finishes the re-keying")
        raise
    is_same = kek.kid == before["kek"].get("kid")
    if not is_same:
        forget(before["kek"])
    return RekeyResult(rewrapped, already, describe(open_store.header["kek"]), is_resumed, is_same)


def _unchanged(open_store: OpenStore, spec: Document) -> RekeyResult:
    wrapped = sum(
        is_well_formed(stored) and stored.document["wrapped"] is not None for stored in open_store.store.accounts()
    )
    return RekeyResult(0, wrapped, describe(spec), resumed=False, is_same_kek=True, is_same_place=True)


def _left_over(damaged: list[str], done: int) -> CannotOpen:
    names = ", ".join(map(shown, damaged[:_NAMED]))
    more = f" and {len(damaged) - _NAMED} more" if len(damaged) > _NAMED else ""
    return CannotOpen(
        f"the records of these accounts were changed outside kojikey, and were not wrapped again: {names}{more}; "
        f"{done} accounts are done, and the store keeps both KEKs",
        hint=Hint(
            "restore each from a backup, or give it up with ",
            next_step("account remove", "NAME"),
            "; then run the same command again",
        ),
    )


def _resumed(open_store: OpenStore, spec: Document, source: str, inputs: KekInputs) -> Kek | None:
    """Return the KEK of the unfinished re-keying; None if it is given up, because no account is wrapped with it yet.

    Raises:
        Conflict, CannotOpen: it has another source or is not available, and some accounts are wrapped with it.
    """
    try:
        _ensure_same_target(spec, source, inputs)
        return load_announced(open_store, spec, inputs)
    except (Conflict, CannotOpen) as error:
        if _is_used(open_store, str(spec.get("kid"))):
            raise
        if inputs.warn is not None:
            inputs.warn(f"{error}; no account uses it yet, so another one replaces it")
        return None


def load_announced(open_store: OpenStore, spec: Document, inputs: KekInputs) -> Kek:
    """Return the KEK of an unfinished re-keying.

    Raises:
        CannotOpen: it is not available, or in a store with recipients, no recipient wrote it into the header.
    """
    kek = load(spec, inputs._replace(which="announced"))
    ensure_known(open_store.known_keks, open_store.store, open_store.header, spec, kek)
    return kek


def _ensure_same_target(spec: Document, source: str, inputs: KekInputs) -> None:
    if not same_source(spec, source) or (inputs.recipients and not has_recipients(spec, inputs)):
        raise Conflict(
            f"a re-keying to {describe(spec)} is under way",
            hint=Hint("finish it first: ", next_step("store rekey", "--kek", typed_source(spec))),
            effect=Effect.NOTHING_CHANGED,
        )


def _is_used(open_store: OpenStore, kid: str) -> bool:
    records = (stored.document.get("wrapped") for stored in open_store.store.accounts() if is_well_formed(stored))
    return any(record is not None and wrapped_kid(record) == kid for record in records)


def announce(
    open_store: OpenStore,
    before: Document,
    old: Kek,
    new: tuple[Document, Kek],
    inputs: KekInputs,
    *,
    removed: str | None = None,
) -> None:
    """Name a new KEK in the header before anything is wrapped with it, and give up one that was announced before.

    ``new`` has the spec for the header and the KEK. ``before`` is the header for which it was created, and ``old`` the
    KEK of that header. In a store with recipients, a statement that the new KEK follows the old one is signed with the
    old one; ``removed`` is the recipient that is removed with this change.

    Raises:
        ChangedMeanwhile: somebody else changed the KEK or its recipients meanwhile.
    """
    spec, kek = new
    statement = _statement(open_store, before, old, kek, removed)
    try:
        swap_header(open_store, lambda header: _announced(header, before, spec, statement))
    except BaseException:
        if not mentions(open_store.store, kek.kid):
            discard(spec, inputs)
        raise


def _statement(open_store: OpenStore, before: Document, old: Kek, kek: Kek, removed: str | None) -> Document | None:
    if before["kek"].get("source") != "recipients" or not isinstance(old, LocalKek):
        return None
    from kojikey.sealing.succession import signed

    return signed(old, kek, store_id=open_store.store_id, by=open_store.actor, at=now(), removed=removed)


def _announced(header: Document, before: Document, spec: Document, statement: Document | None) -> Document:
    instead_of = before.get("next_kek")
    if header.get("next_kek") != instead_of or header["kek"] != before["kek"]:
        raise ChangedMeanwhile(HEADER)  # another re-keying began or ended
    # An account may have been created with the given-up KEK just before this, so the header names it until the end.
    given_up = {"given_up": [*header.get("given_up", ()), instead_of]} if instead_of else {}
    statements = {"successions": [*successions(header)[1 - MOST_SUCCESSIONS :], statement]} if statement else {}
    return {**header, "next_kek": spec, **given_up, **statements}


def swap_header(open_store: OpenStore, change: Callable[[Document], Document]) -> None:
    """Change the header, and repeat that if somebody else changed it first. ``change`` returns the new header."""

    def read() -> tuple[Stored, Document]:
        stored = open_store.refreshed_header()
        return stored, change(stored.document)

    def attempt(found: tuple[Stored, Document]) -> None:
        stored, after = found
        if after != stored.document:
            open_store.store.commit((Change(HEADER, after, stored.revision),))
            open_store.use_header(after)

    retry_on_conflict(attempt, read(), read, refs=(HEADER,))


def _rewrap_all(open_store: OpenStore, kek: Kek) -> tuple[int, int, list[str]]:
    """Wrap all accounts with a KEK; return how many were wrapped, how many had it already, and the damaged ones."""
    rewrapped, already = 0, 0
    damaged: list[str] = []
    for stored in open_store.store.accounts():
        try:
            check_account(stored)
            wrapped = stored.document["wrapped"]
            if wrapped is None or wrapped_kid(wrapped) == kek.kid:
                already += wrapped is not None
            else:
                _rewrap(open_store, stored.ref.account, kek)
                rewrapped += 1
        except (RecordChanged, RecordUnsupported) as error:
            if error.where == "header":
                raise
            damaged.append(stored.ref.account)
    return rewrapped, already, damaged


def _rewrap(open_store: OpenStore, account: str, kek: Kek) -> None:
    """Wrap an account's data key with another KEK, and record an event with the reason. Safe to repeat.

    Raises:
        Conflict: another re-keying replaced this one meanwhile.
    """
    ledger = Ledger(open_store)

    def attempt(stored: Stored | None) -> None:
        before = stored.document["wrapped"] if stored else None
        if stored is None or before is None or wrapped_kid(before) == kek.kid:
            return
        # Only while the header names the new KEK: another re-keying may have replaced this one.
        header = open_store.refreshed_header()
        if open_store.target_spec.get("kid") != kek.kid:
            raise Conflict("another re-keying replaced this one; what was done so far is kept")
        data_key = open_store.data_key(account, before)
        wrapped = kek.wrap(data_key, store=open_store.store_id, account=account)
        sealer = Sealer(data_key, store=open_store.store_id, account=account)
        unmoved = Change(HEADER, header.document, header.revision, keeps=True)
        plan = Plan((unmoved,), (_draft(header.document, kek),))
        ledger.commit(account, plan, {**stored.document, "wrapped": wrapped}, stored.revision, sealer)

    ledger.retried(account, attempt)


def _draft(header: Document, kek: Kek) -> EventDraft:
    """Return the event of an account that is wrapped again: ``recipient_removed`` if that is the reason for the KEK."""
    for statement in successions(header):
        if isinstance(statement, dict) and statement.get("to") == kek.kid:
            removed = statement.get("removed")
            if isinstance(removed, str) and removed.isprintable():
                return EventDraft("recipient_removed", recipient=removed)
    return EventDraft("rekeyed")


def _conclude(open_store: OpenStore, kek: Kek) -> None:
    """Make the new KEK the store's only one, unless another process has done that already."""

    def concluded(header: Document) -> Document:
        spec = header.get("next_kek")
        if not spec and header["kek"].get("kid") == kek.kid:
            return header
        if not spec or spec.get("kid") != kek.kid:
            raise ChangedMeanwhile(HEADER)
        return {name: value for name, value in header.items() if name != "given_up"} | {"kek": spec, "next_kek": None}

    swap_header(open_store, concluded)
    remember(open_store.known_keks, open_store.store, open_store.header, kek)
