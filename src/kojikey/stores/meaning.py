"""What an engine's error means, as a row of the adapters' tables. Must not: name an engine."""

from __future__ import annotations

from typing import NamedTuple

from kojikey.model.errors import Effect, StoreUnavailable


class Meaning(NamedTuple):
    """The error of ours that stands for one of an engine's. ``{role}`` in ``problem`` is filled by the adapter."""

    kind: type[StoreUnavailable]
    problem: str
    hint: str | None = None
    effect: str | None = Effect.NOTHING_CHANGED

    def error(self, place: str, **names: str) -> StoreUnavailable:
        """Return the error, of the store at a place."""
        return self.kind(place, self.problem.format(**names), hint=self.hint, effect=self.effect)
