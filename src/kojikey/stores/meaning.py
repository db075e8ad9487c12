"""The meaning of an engine's error, as a row of the adapters' tables. Must not: name an engine."""

from __future__ import annotations

from typing import NamedTuple

from kojikey.model.errors import Effect, StoreUnavailable


class Meaning(NamedTuple):
    """Our error for one of an engine's. ``{role}`` in ``problem`` is filled in by the adapter."""

    kind: type[StoreUnavailable]
    problem: str
    hint: str | None = None
    effect: str | None = Effect.NOTHING_CHANGED

    def error(self, place: str, **names: str) -> StoreUnavailable:
        """Return the error, of the store at a place."""
        return self.kind(place, self.problem.format(**names), hint=self.hint, effect=self.effect)
