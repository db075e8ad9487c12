"""Moving a store to another KEK: every account's data key is wrapped anew, and the sealed records stay as they are.

Owns: the order that makes it safe to kill: the header names both KEKs while it lasts. Must not: know where a KEK lives.
"""

from __future__ import annotations

from collections.abc import Callable

from kojikey.model import validators
from kojikey.model.errors import (
    CannotOpen,
    ChangedMeanwhile,
    Conflict,
    Effect,
    RecordChanged,
    RecordUnsupported,
)
from kojikey.model.next_step import Hint, next_step
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

_NAMED = 10  # accounts, in one message


def rekey(open_store: OpenStore, *, source: str, new_inputs: KekInputs) -> RekeyResult:
    """Wrap every account's data key with another KEK; the sealed records stay as they are.

    Safe to kill: the header names both KEKs while it lasts, and each account is wrapped by one or the other. Running
    it again finishes. Accounts that were wrapped anew stay so. The KEK that the store has already changes nothing, or
    only where it comes from.

    One that was announced is given up for another while no account is wrapped with its KEK.

    Raises:
        Conflict: a re-keying to another source is under way, or someone changed the header meanwhile.
        CannotOpen: the old or the new KEK is not available; or some accounts' records were damaged, and all the others
            are done. StoreUnavailable: what was done so far stays.
    """
    before = open_store.refreshed_header().document
    under_way = before.get("next_kek")
    kek = _resumed(open_store, under_way, source, new_inputs) if under_way else None
    is_resumed = kek is not None
    if kek is None:
        old = open_store.kek(str(before["kek"].get("kid")))  # must be there: otherwise stop before anything changes
        spec, kek = make(source, store_id=open_store.store_id, inputs=new_inputs)
        if spec == before["kek"] and not under_way:
            return _unchanged(open_store, spec)
        announce(open_store, before, old, (spec, kek), new_inputs)
    return finish(open_store, before, kek, is_resumed=is_resumed)


def finish(open_store: OpenStore, before: Document, kek: Kek, *, is_resumed: bool) -> RekeyResult:
    """Wrap with a KEK that was announced what is not yet, and make it the store's only one. Raises as :func:`rekey`."""
    open_store.adopt(kek)
    # From here on new accounts are wrapped with the new KEK: they are saved only if the header did not change.
    rewrapped, already, damaged = _rewrap_all(open_store, kek)
    if damaged:
        raise _left_over(damaged, rewrapped + already)
    _conclude(open_store, kek)
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
    names = ", ".join(map(validators.shown, damaged[:_NAMED]))
    more = f" and {len(damaged) - _NAMED} more" if len(damaged) > _NAMED else ""
    return CannotOpen(
        f"the records of these accounts were changed outside kojikey, and were not wrapped anew: {names}{more}; "
        f"{done} accounts are done, and the store keeps both KEKs",
        hint=Hint(
            "restore each from a backup, or give it up with ",
            next_step("account remove", "NAME"),
            "; then run the same command again",
        ),
    )


def _resumed(open_store: OpenStore, spec: Document, source: str, inputs: KekInputs) -> Kek | None:
    """Return the KEK of the re-keying under way; None where another may take its place, for no account has it yet.

    Raises:
        Conflict, CannotOpen: it is another one, or not available, and there are accounts that use it.
    """
    try:
        _ensure_same_target(spec, source, inputs)
        return load_announced(open_store, spec, inputs)
    except (Conflict, CannotOpen) as error:
        if _is_carried(open_store, str(spec.get("kid"))):
            raise
        if inputs.warn is not None:
            inputs.warn(f"{error}; no account uses it yet, so another one replaces it")
        return None


def load_announced(open_store: OpenStore, spec: Document, inputs: KekInputs) -> Kek:
    """Return the KEK of a re-keying under way.

    Raises:
        CannotOpen: it is not available, or somebody other than a recipient put it there.
    """
    kek = load(spec, inputs._replace(which="announced"))
    ensure_known(open_store.known, open_store.store, open_store.header, spec, kek)
    return kek


def _ensure_same_target(spec: Document, source: str, inputs: KekInputs) -> None:
    if not same_source(spec, source) or (inputs.recipients and not has_recipients(spec, inputs)):
        raise Conflict(
            f"a re-keying to {describe(spec)} is under way",
            hint=Hint("finish it first: ", next_step("store rekey", "--kek", typed_source(spec))),
            effect=Effect.NOTHING_CHANGED,
        )


def _is_carried(open_store: OpenStore, kid: str) -> bool:
    records = (stored.document.get("wrapped") for stored in open_store.store.accounts() if is_well_formed(stored))
    return any(record is not None and wrapped_kid(record) == kid for record in records)


def announce(
    open_store: OpenStore,
    before: Document,
    old: Kek,
    made: tuple[Document, Kek],
    inputs: KekInputs,
    *,
    removed: str | None = None,
) -> None:
    """Write a new KEK's place into the header before anything is wrapped with it, in place of one that was announced.

    ``before`` is the header that it was made for, and ``old`` its KEK. Where several people remember that, what follows
    it is signed with it; ``removed`` says for whose leaving.

    Raises:
        ChangedMeanwhile: somebody else changed the KEK, or who has it, since then.
    """
    spec, kek = made
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
        raise ChangedMeanwhile(HEADER)  # another re-keying began, or even ended
    # An account may have been made with the one that is given up, just before this: it stays named until the end.
    given_up = {"given_up": [*header.get("given_up", ()), instead_of]} if instead_of else {}
    said = {"successions": [*successions(header)[1 - MOST_SUCCESSIONS :], statement]} if statement else {}
    return {**header, "next_kek": spec, **given_up, **said}


def swap_header(open_store: OpenStore, change: Callable[[Document], Document]) -> None:
    """Change the header, again where somebody who added an account was first."""

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
    """Wrap all accounts that can be; return how many were, how many were done, and which records are damaged."""
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
    """Wrap an account's data key with another KEK, with an event that says why; safe to repeat.

    Raises:
        Conflict: another re-keying took the place of this one meanwhile.
    """
    ledger = Ledger(open_store)

    def attempt(stored: Stored | None) -> None:
        before = stored.document["wrapped"] if stored else None
        if stored is None or before is None or wrapped_kid(before) == kek.kid:
            return
        # Only while the header names the new KEK: another re-keying may have taken the place of this one.
        header = open_store.refreshed_header()
        if open_store.target_spec.get("kid") != kek.kid:
            raise Conflict("another re-keying replaced this one; what was done so far is kept")
        data_key = open_store.data_key(account, before)
        wrapped = kek.wrap(data_key, store=open_store.store_id, account=account)
        sealer = Sealer(data_key, store=open_store.store_id, account=account)
        named = Change(HEADER, header.document, header.revision, keeps=True)
        made = Plan((named,), (_draft(header.document, kek),))
        ledger.commit(account, made, {**stored.document, "wrapped": wrapped}, stored.revision, sealer)

    ledger.retried(account, attempt)


def _draft(header: Document, kek: Kek) -> EventDraft:
    """Return the event of a re-wrapping: that a recipient was removed, where that is what the KEK was changed for."""
    for statement in successions(header):
        if isinstance(statement, dict) and statement.get("to") == kek.kid:
            removed = statement.get("removed")
            if isinstance(removed, str) and removed.isprintable():
                return EventDraft("recipient_removed", recipient=removed)
    return EventDraft("rekeyed")


def _conclude(open_store: OpenStore, kek: Kek) -> None:
    """Make the new KEK the store's only one, unless another process that did the same was first."""

    def concluded(header: Document) -> Document:
        spec = header.get("next_kek")
        if not spec and header["kek"].get("kid") == kek.kid:
            return header
        if not spec or spec.get("kid") != kek.kid:
            raise ChangedMeanwhile(HEADER)
        return {name: value for name, value in header.items() if name != "given_up"} | {"kek": spec, "next_kek": None}

    swap_header(open_store, concluded)
    remember(open_store.known, open_store.store, open_store.header, kek)
