"""Whether an account's audit trail still has the event that was its last when it was verified here.

Someone who can write to the store can put one account's rows, or the whole database, back to an older state. Each part
of that state is genuine, so nothing in the store can show it: a counter there would be put back with the rest. So the
end of each trail that verified is remembered outside the store, by its number and its link. A link covers all
events before it: where the same link is in its place, the account was not put back to a state from before it.

* Only ``audit --verify`` remembers. Other commands continue a trail without verifying it: an end that they remembered
  could be the continuation of an older state, and would hide it.
* A remembered end only moves forward, whichever of two processes is first. Only a person moves it back, by accepting
  the present state, for example that of a backup that was restored on purpose.
* A trail goes on when its account is removed, created again, or wrapped by another KEK: none of these needs a rule
  here. A store that keys were copied to has an id and trails of its own.
* To a database role that was granted some accounts, the others are not missing.

Not found: the loss of what was done after the last verification, and a rollback of what was never verified here.

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
        """The memory of where the trails of one store ended, by account."""

        def recall(self, account: str) -> TrailEnd | None:
            """Return the end that is remembered of an account, None where there is none."""

        def accounts(self) -> Iterator[str]:
            """Yield the accounts of which an end is remembered."""

        def remember(self, account: str, end: TrailEnd) -> None:
            """Remember the end of a trail, unless a later one is remembered."""

        def replace(self, account: str, end: TrailEnd | None) -> None:
            """Remember an end in place of any other; with None forget the account."""


class RememberedEnd:
    """The end that is remembered of one account, looked for among the events that are there now."""

    def __init__(self, account: str, end: TrailEnd | None) -> None:
        self._account, self._end = account, end
        self._is_there = False

    def follow(self, seq: int, link: str) -> None:
        """Take note of the account's next event."""
        if self._end is not None and seq == self._end.seq:
            self._is_there = same(link, self._end.link)

    def missing(self) -> Iterator[AuditBroken]:
        """Yield an error where the event is not among those that were followed."""
        if self._end is not None and not self._is_there:
            when = f"({self._end.time}) " if self._end.time else ""
            problem = f"{when}is missing: the account was rolled back to an earlier state"
            yield AuditBroken(self._account, self._end.seq, problem)
