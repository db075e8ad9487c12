"""Checks the form of a header and of an account's document, and computes the value that binds the end of a chain.

A writer of the store can put anything there: each wrong form is an error here, so that no later code meets it.
`kojikey run` imports this: nothing here may be slow to load.
"""

from __future__ import annotations

from types import NoneType

from kojikey.model import validators
from kojikey.model.errors import Effect, RecordChanged, RecordUnsupported, StoreVersion
from kojikey.model.ref import Document
from kojikey.sealing.envelope import Sealer
from kojikey.stores.base import Stored

FORMAT = 1
_HIGHEST_FORMAT = 999  # a higher number counts as damage
_MOST_EVENTS = 2**53


def checked_header(document: Document, place: str) -> Document:
    """Return a store's header, after checking its form.

    Raises:
        StoreVersion: a newer kojikey wrote it. RecordUnsupported, RecordChanged: it was changed outside kojikey.
    """
    found = document.get("format")
    if type(found) is int and FORMAT < found <= _HIGHEST_FORMAT:
        raise StoreVersion(
            place,
            f"is of format {found}, and this kojikey knows 1 to {FORMAT}",
            hint="upgrade kojikey",
            effect=Effect.NOTHING_CHANGED,
        )
    if found != FORMAT:
        raise RecordUnsupported(
            f"the store {place} has a header of a format other than {FORMAT}, which this version does not read",
            where="header",
        )
    texts = (document.get("store_id"), document.get("created_at"))
    given_up = document.get("given_up", [])
    specs = (document.get("kek"), document.get("next_kek") or {}, *(given_up if isinstance(given_up, list) else [None]))
    if not all(isinstance(text, str) for text in texts) or not all(isinstance(spec, dict) for spec in specs):
        raise RecordChanged("header")
    return document


def check_account(stored: Stored) -> None:
    """Check the form of an account's document.

    Raises:
        RecordChanged: it was changed outside kojikey, or is stored under another name than its own.
    """
    document = stored.document
    if document.get("account") != stored.ref.account:
        raise RecordChanged(str(stored.ref), "is stored under another name than its own")
    _check_name(stored)
    if not (
        isinstance(document.get("wrapped", ()), (str, NoneType))
        and _is_audit(document.get("audit"))
        and type(document.get("disabled", False)) is bool
        and _is_reached(document.get("copied_from", {}))
    ):
        raise RecordChanged(str(stored.ref))


def _check_name(stored: Stored) -> None:
    try:
        validators.account(stored.ref.account)
    except ValueError:
        raise RecordChanged(str(stored.ref), "has a name that is not an account name") from None


def is_well_formed(stored: Stored) -> bool:
    """Return whether an account's document has its form: :func:`check_account` for code that skips damaged ones."""
    try:
        check_account(stored)
    except RecordChanged:
        return False
    return True


def _is_reached(reached: object) -> bool:
    return isinstance(reached, dict) and all(map(is_seq, reached.values()))


def is_seq(value: object) -> bool:
    """Return whether a value can be the number of an event, or 0 for no event."""
    # From 2**53 on, JSON readers lose precision, and the next number may be too large for an engine.
    return type(value) is int and 0 <= value < _MOST_EVENTS


def _is_audit(audit: object) -> bool:
    return (
        isinstance(audit, dict)
        and is_seq(audit.get("seq"))
        and is_seq(audit.get("from", 0))
        and isinstance(audit.get("mac"), str)
        and isinstance(audit.get("head", ()), (str, NoneType))
    )


def chain_head(sealer: Sealer, seq: int, mac: str, audit: Document) -> str:
    """Return the value that binds the last signed event, and the event after which the present data key signs."""
    begun = audit.get("from", 0)
    return sealer.head(seq, f"{mac} from {begun}" if begun else mac)
