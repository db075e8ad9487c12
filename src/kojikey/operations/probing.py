"""The test of one key, as operations see it: who makes the requests, and who decides about an unclear outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct

from kojikey.model.secret import Secret
from kojikey.model.verdict import Outcome, Verdict


class Target(Struct, frozen=True):
    """What a key is tested against."""

    provider: str
    base_url: str
    models: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


Probe = Callable[[Secret, Target], Awaitable[Verdict]]
"""Asks the provider. Raises nothing for a key that is refused or a network that is down: those are verdicts."""

Reserve = Callable[[str, str], float]
"""Takes the turn of a test at a provider and base URL and returns 0, or the seconds after which to ask again."""

Approve = Callable[[Verdict], bool]
"""Asked only for ``limited`` and ``indeterminate``: should the key be used anyway?"""


def accepted(verdict: Verdict | None, approve: Approve) -> bool:
    """Return whether a key may be used after its test (None: it was not tested, on purpose)."""
    if verdict is None or verdict.outcome is Outcome.VALID:
        return True
    return verdict.outcome is not Outcome.REJECTED and approve(verdict)
