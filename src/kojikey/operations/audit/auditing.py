"""Lists the events of the audit trail, and checks the form of each.

Owns: the form of an event. Must not: decide whether somebody changed the trail (``audit_verification.py`` does).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from itertools import chain

from kojikey.model import validators
from kojikey.model.errors import AuditBroken, CannotOpen, RecordChanged
from kojikey.model.key import Stage
from kojikey.model.ref import Document
from kojikey.model.timestamps import parsed
from kojikey.operations.results import AuditResult
from kojikey.stores.base import Store

UNREADABLE = "cannot be read: it was changed outside kojikey"


def events(
    store: Store, *, account: str | None, provider: str | None = None, since: datetime | None = None
) -> AuditResult:
    """Return the events of an account (None: of all accounts) in order, of one provider or since a moment if given.

    The result has an error for each event that kojikey cannot have written, in place of the event.
    """
    found: list[Document] = []
    has_damaged = False
    for event in store.events(account):
        if not is_readable(event):
            has_damaged = True
        elif _wanted(event, provider, since):
            found.append(event)
    unreadable = tuple(_unreadable(store, account)) if has_damaged else ()
    return AuditResult(tuple(found), unsigned=sum(not event["signed"] for event in found), unreadable=unreadable)


def _unreadable(store: Store, account: str | None) -> Iterator[CannotOpen]:
    """Yield an error for each damaged event. Its number is counted, because the event itself can have any number."""
    is_named = False
    for name in account_names(store) if account is None else (account,):
        seq = 0
        for event in store.events(name):
            if is_readable(event):
                seq = event["seq"]
            else:
                seq, is_named = seq + 1, True
                yield AuditBroken(name, seq, UNREADABLE)
    if not is_named:
        yield RecordChanged("of an event")


def is_readable(event: Document) -> bool:
    """Return whether an event has the form of one that kojikey wrote."""
    try:
        readable(event)
    except RecordChanged:
        return False
    return True


def readable(event: Document) -> Document:
    """Return an event of a store unchanged, after checking its form.

    Raises:
        RecordChanged: it was changed or added outside kojikey.
    """
    try:
        for member, check in _MEMBERS.items():
            check(event[member])
        validators.optional(_origin, event.get("origin"))
        validators.optional(_others, event.get("others"))
        validators.optional(validators.text, event.get("role"))
        validators.optional(validators.text, event.get("recipient"))
        validators.optional(validators.texts, event.get("settings"))
    except (KeyError, TypeError, ValueError):
        raise RecordChanged("of an event") from None
    return event


def _origin(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError("not an origin")  # noqa: TRY004 - one type of error for everything that can be wrong
    validators.text(value["store"])
    validators.count(value["seq"])
    return value


def _others(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError("not stages")  # noqa: TRY004 - as above
    for stage, version in value.items():
        Stage(stage)
        validators.count(version["version"])
        validators.fingerprint(version["fingerprint"])
    return value


def _wanted(event: Document, provider: str | None, since: datetime | None) -> bool:
    return (provider is None or event["provider"] == provider) and (since is None or parsed(event["time"]) >= since)


_TEXT, _NAME, _COUNT, _FINGERPRINT = (
    partial(validators.optional, check)
    for check in (validators.text, validators.name, validators.count, validators.fingerprint)
)
_MEMBERS: dict[str, Callable[[object], object]] = {
    "seq": validators.count,
    "time": validators.stamp,
    "actor": validators.text,
    "account": validators.account,
    "action": validators.text,
    "provider": _NAME,
    "version": _COUNT,
    "fingerprint": _FINGERPRINT,
    "outcome": _TEXT,
    "reason": _TEXT,
    "signed": validators.flag,
}


def account_names(store: Store) -> Iterator[str]:
    """Yield every account that has a document, an event or a key in the store."""
    seen: set[object] = set()
    events = (event.get("account") for event in store.events())
    for name in chain((s.ref.account for s in store.accounts()), events, (s.ref.account for s in store.scan())):
        if isinstance(name, str) and name not in seen:
            seen.add(name)
            yield name
