"""The types of the test of one key: the callables that make the requests, and that decide about an unclear outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct

from kojikey.model.secret import Secret
from kojikey.model.verdict import Outcome, Verdict


class Target(Struct, frozen=True):
    """The base URL, models and capabilities that a key is tested with."""

    provider: str
    base_url: str
    models: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


Probe = Callable[[Secret, Target], Awaitable[Verdict]]
"""Tests a key at its provider. A refused key and a failure of the network are verdicts, not errors."""

Reserve = Callable[[str, str], float]
"""Reserves a test at a provider and base URL and returns 0, or returns the seconds to wait before trying again."""

Approve = Callable[[Verdict], bool]
"""Decides whether a key with the outcome ``limited`` or ``indeterminate`` is used anyway."""


def accepted(verdict: Verdict | None, approve: Approve) -> bool:
    """Return whether a key may be used after its test; ``verdict`` is None if it was not tested, on purpose."""
    if verdict is None or verdict.outcome is Outcome.VALID:
        return True
    return verdict.outcome is not Outcome.REJECTED and approve(verdict)
