"""Our error for an error of an engine, for the tables of the adapters. Must not: know an engine."""

from __future__ import annotations

from typing import NamedTuple

from kojikey.model.errors import Effect, StoreUnavailable


class ErrorTemplate(NamedTuple):
    """The parts of an error; ``problem`` may have placeholders, for example ``{role}``."""

    kind: type[StoreUnavailable]
    problem: str
    hint: str | None = None
    effect: str | None = Effect.NOTHING_CHANGED

    def error(self, place: str, **names: str) -> StoreUnavailable:
        """Return the error for the store at a place; ``names`` fill in the placeholders."""
        return self.kind(place, self.problem.format(**names), hint=self.hint, effect=self.effect)
