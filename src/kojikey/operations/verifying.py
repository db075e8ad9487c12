"""Testing saved keys: many at once, each outcome kept with the version that was tested.

Memory does not grow with the number of keys: workers draw from one iterator and hand on each result as it comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from kojikey.model.errors import CannotOpen
from kojikey.model.secret import Secret
from kojikey.model.verdict import Verdict
from kojikey.operations.custody import Custody
from kojikey.operations.listing import key_of
from kojikey.operations.recording import keep_outcome
from kojikey.operations.results import TestResult
from kojikey.operations.trial import Target
from kojikey.stores.base import Stored

Probe = Callable[[Secret, Target], Awaitable[Verdict]]
"""Asks the provider; raises nothing for a key that is refused or a network that is down."""


@dataclass(frozen=True, slots=True)
class Unopened:
    """A key that could not be tested, because its record does not open."""

    account: str
    provider: str
    error: CannotOpen


Emit = Callable[[TestResult | Unopened], None]


async def verify(custody: Custody, keys: Iterator[Stored], *, probe: Probe, emit: Emit, concurrency: int) -> None:
    """Test the current version of each key, at most ``concurrency`` at a time; ``emit`` gets results as they come.

    A record that does not open is emitted as such and does not stop the others.

    Raises:
        StoreUnavailable: the store went away. What was emitted before is saved.
        CannotOpen: the KEK itself is missing or wrong, so that no key could be opened.
    """

    async def work() -> None:
        for stored in keys:
            emit(await _verify_one(custody, stored, probe))

    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(work())


async def _verify_one(custody: Custody, stored: Stored, probe: Probe) -> TestResult | Unopened:
    account, provider = stored.ref.account, stored.ref.provider
    try:
        key = key_of(stored)
        version = key.current
        secret = custody.sealer(account).open(
            version.sealed, provider=provider, version=version.number, base_url=version.base_url
        )
    except CannotOpen as error:
        return Unopened(account, provider, error)
    verdict = await probe(secret, Target(provider, version.base_url, key.models, key.capabilities))
    kept = keep_outcome(custody, stored, version.number, verdict)
    return TestResult(account, provider, version.tail, version.number, verdict, recorded=kept is not None)
