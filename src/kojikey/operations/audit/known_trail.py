"""Checks whether an account's audit trail still has the event that was its last when it was verified on this machine.

A writer of the store can restore an older state of one account's rows, or of the whole database. Each part of that
state is genuine, so nothing in the store can show it: a counter there would be restored with the rest. So the end of
each verified trail is remembered outside the store, by its number and its link. A link covers all events before it: if
the trail still has this link at this number, the account was not rolled back to a state before it.

* Only ``audit --verify`` remembers an end. Other commands continue a trail without verifying it: an end that they
  remembered could be that of a rolled-back trail, and would hide the rollback.
* A remembered end is replaced only by a later one, also if two processes verify at the same time. Only a person can
  replace it by an earlier one, by accepting the present state, for example of a backup that was restored on purpose.
* A trail continues when its account is removed, created again, or wrapped by another KEK, so none of these needs a rule
  here. A store to which keys were copied has its own id and its own trails.
* A database role sees only the accounts that it was granted, so the others do not count as missing.

Not found are the loss of changes since the last verification, and a rollback of an account that was never verified on
this machine.

Owns: the comparison. Must not: know where ends are kept (``config/known_trails.py``).
"""

from __future__ import annotations

from kojikey.model.errors import AuditBroken
from kojikey.sealing.audit_chain import same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from kojikey.model.trail_end import TrailEnd

    class KnownTrails(Protocol):
        """The remembered ends of the trails of one store, by account."""

        def recall(self, account: str) -> TrailEnd | None:
            """Return the remembered end of an account's trail, None if there is none."""

        def accounts(self) -> Iterator[str]:
            """Yield the accounts with a remembered end."""

        def remember(self, account: str, end: TrailEnd) -> None:
            """Remember the end of an account's trail, unless a later one is remembered."""

        def replace(self, account: str, end: TrailEnd | None) -> None:
            """Remember an end in place of any other one; None forgets the account."""


class RememberedEnd:
    """The remembered end of one account's trail, which is searched for among the present events."""

    def __init__(self, account: str, end: TrailEnd | None) -> None:
        self._account, self._end = account, end
        self._is_there = False

    def follow(self, seq: int, link: str) -> None:
        """Take note of the account's next event."""
        if self._end is not None and seq == self._end.seq:
            self._is_there = same(link, self._end.link)

    def missing(self) -> Iterator[AuditBroken]:
        """Yield an error if the remembered event is not among those that were followed."""
        if self._end is not None and not self._is_there:
            when = f"({self._end.time}) " if self._end.time else ""
            problem = f"{when}is missing: the account was rolled back to an earlier state"
            yield AuditBroken(self._account, self._end.seq, problem)
