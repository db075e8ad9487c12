"""A prober with a clock that moves only when it sleeps, and fixed random numbers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from kojikey.model.secret import Secret
from kojikey.model.verdict import Verdict
from kojikey.providers.catalog import load_catalog
from kojikey.providers.definition import Definition
from kojikey.providers.requests.probe import Prober, ProbeRequest, Surroundings

CATALOG = load_catalog()
GEMINI_KEY = "AQ.KojikeyCanary0123456789abcdefghij"
ELEVENLABS_KEY = "sk_" + "c0ffee12" * 6
KEYS = {"google_gemini": GEMINI_KEY, "elevenlabs": ELEVENLABS_KEY}


@dataclass
class Time:
    """A clock that advances only by sleeping, and records each sleep."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def surroundings(self) -> Surroundings:
        return Surroundings(
            sleep=self.sleep, clock=lambda: self.now, chance=lambda: 0.0, now=lambda: "2026-11-23T04:47:00Z"
        )


def probe(provider: str | Definition, *, time: Time | None = None, timeout: float = 10.0, **choices: Any) -> Verdict:
    """Test the provider's canary key, or ``key`` for another definition, and return the verdict."""
    definition = CATALOG.get(provider) if isinstance(provider, str) else provider
    key = choices.pop("key") if "key" in choices else KEYS[definition.id]
    surroundings = (time or Time()).surroundings()

    async def tested() -> Verdict:
        async with Prober(timeout=timeout, surroundings=surroundings) as prober:
            return await prober.test(ProbeRequest(definition, Secret(key), **choices))

    return asyncio.run(tested())
