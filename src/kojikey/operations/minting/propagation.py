"""Repeats a test until the provider accepts a new key or refuses a deleted one: both can take minutes.

Owns: how often and for how long a test is repeated. Must not: act on the verdict.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from kojikey.model.secret import Secret
from kojikey.model.verdict import Outcome, Verdict
from kojikey.operations.probing import Probe, Target

PROPAGATION_S = 300.0
_FIRST_S, _FACTOR, _LONGEST_S = 1.0, 1.6, 20.0


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock and the function that sleeps; tests replace both."""

    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep
    now: Callable[[], float] = time.monotonic


def until_known(probe: Probe, seconds: float, clock: Clock | None = None) -> Probe:
    """Return a probe that repeats its test while the key is rejected, for at most ``seconds``."""
    return _until(lambda verdict: verdict.outcome is not Outcome.REJECTED, probe, seconds, clock or Clock())


def until_refused(probe: Probe, seconds: float, clock: Clock | None = None) -> Probe:
    """Return a probe that repeats its test while the key is not rejected, for at most ``seconds``."""
    return _until(lambda verdict: verdict.outcome is Outcome.REJECTED, probe, seconds, clock or Clock())


def _until(is_settled: Callable[[Verdict], bool], probe: Probe, seconds: float, clock: Clock) -> Probe:
    async def patient(secret: Secret, target: Target) -> Verdict:
        began, wait = clock.now(), _FIRST_S
        while True:
            verdict = await probe(secret, target)
            left = seconds - (clock.now() - began)
            if is_settled(verdict) or left <= 0:
                return verdict
            await clock.sleep(min(wait, left))
            wait = min(_LONGEST_S, wait * _FACTOR)

    return patient
