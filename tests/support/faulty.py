"""A store that fails at a chosen step: before the step took effect, or after.

Owns: counting steps. Must not: change what the wrapped store does otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from kojikey.model.errors import KojikeyError
from kojikey.model.ref import Document, Ref
from kojikey.stores.base import Change, Description, EventRow, Query, Store, Stored, encoded

Result = TypeVar("Result")


class Crash(BaseException):
    """Simulates the end of the process: no operation catches this error."""


class Once:
    """Calls a function at the first call only, for what another process does at that moment. None does nothing."""

    def __init__(self, act: Callable[[], object] | None) -> None:
        self._act = act

    def __call__(self) -> None:
        act, self._act = self._act, None
        if act is not None:
            act()


class FaultyStore(Store):
    """Passes each call to the store that it wraps, but raises ``error`` at the step of number ``at`` (0: never).

    A step is a commit or a creation, with ``reads`` any use of the store. With ``after`` the error is raised after the
    step took effect.
    """

    def __init__(self, inner: Store, error: BaseException, *, at: int = 0, after: bool = False, reads: bool = False):
        self.place = inner.place
        self.steps = 0
        self._inner, self._error, self._at, self._after, self._reads = inner, error, at, after, reads

    @property
    def fired(self) -> bool:
        """Whether the chosen step was reached."""
        return 0 < self._at <= self.steps

    def _step(self, act: Callable[[], Result], *, is_read: bool) -> Result:
        if is_read and not self._reads:
            return act()
        self.steps += 1
        if self.steps != self._at:
            return act()
        if self._after:
            act()
        raise self._error

    def _create(self, header: Document) -> None:
        self._step(lambda: self._inner.create(header), is_read=False)

    def _commit(self, changes: Sequence[Change], events: Sequence[Document]) -> tuple[str, ...]:
        return self._step(lambda: self._inner.commit(changes, events), is_read=False)

    def _open(self) -> Stored:
        return self._step(self._inner.open, is_read=True)

    def _read(self, ref: Ref) -> Stored | None:
        return self._step(lambda: self._inner.read(ref), is_read=True)

    def _scan(self, query: Query) -> Iterator[Stored]:
        yield from self._step(lambda: self._inner.scan(query), is_read=True)

    def _accounts(self) -> Iterator[Stored]:
        yield from self._step(self._inner.accounts, is_read=True)

    def _events(self, account: str | None) -> Iterator[EventRow]:
        for event in self._step(lambda: self._inner.events(account), is_read=True):
            yield event.get("account"), event.get("seq"), encoded(event, self.place)

    def _describe(self) -> Description:
        return self._inner.describe()

    def _translate(self, error: Exception) -> KojikeyError | None:
        return None
