"""The keys that an account has by its events, compared with those that are there.

Owns: which events say that a key is there, and which version of it is current. A store's rows can be put back and taken
away one by one; the trail that is left of them is bound to the account's record, and does not fit any more.
Must not: check the trail itself (``auditing.py``).
"""

from __future__ import annotations

from collections.abc import Iterable

from kojikey.model.errors import AuditBroken
from kojikey.model.key import Key
from kojikey.model.ref import Document
from kojikey.operations.listing import key_of
from kojikey.stores.base import Stored

_MADE_CURRENT = frozenset({"added", "promoted", "rolled_back", "copied"})


class Standing:
    """What the events of one account say of its keys, as far as they were followed."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._last: dict[str, Document] = {}  # by provider, the event that made the current version current

    def follow(self, event: Document) -> None:
        """Take note of the account's next event."""
        if event.get("origin") is not None and event.get("signed") is True:
            return  # it happened in another store; what was copied has an event of its own
        provider, action = event.get("provider"), event.get("action")
        if action == "removed" and provider is None:
            self._last.clear()
        elif action == "removed":
            self._last.pop(str(provider), None)
        elif action in _MADE_CURRENT:
            self._last[str(provider)] = event

    def check(self, keys: Iterable[Stored], *, end: int) -> None:
        """Compare the keys with what the events say; ``end`` is the number of the last one.

        Raises:
            AuditBroken: a key is gone, was put there, or has another current version, and no event says so.
            RecordChanged: a key can not be read.
        """
        gone = dict(self._last)
        for key in map(key_of, keys):
            event = gone.pop(key.provider, None)
            if event is None:
                self._broken(end, f"the {key.provider} key was put there from outside: no event says where it is from")
            elif not _is_current(key, event):
                self._broken(end, f"the {key.provider} key was changed from outside: {_said(event)} of another version")
        for provider, event in gone.items():
            self._broken(end, f"the {provider} key was taken away from outside: {_said(event)} of it")

    def _broken(self, end: int, otherwise: str) -> None:
        raise AuditBroken(self._account, end + 1, f"is missing, or {otherwise}")


def _is_current(key: Key, event: Document) -> bool:
    return (key.current.number, key.current.fingerprint) == (event.get("version"), event.get("fingerprint"))


def _said(event: Document) -> str:
    return f"event {event.get('seq')} ({event.get('action')}) is the last that speaks"
