"""Testing saved keys: many at once, each outcome kept with the version that was tested.

Memory does not grow with the number of keys. One thread, the clerk, has the store: it reads keys ahead, opens them,
and saves outcomes many at a time; requests never wait for it, unless it falls far behind. Keys come in lanes (one a
provider, as a rule). Each lane has its share of the requests under way, so that one that hangs holds up no other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from kojikey.model import validators
from kojikey.model.errors import AccountNotFound, CannotOpen, KekMissing, KekUnavailable, StoreUnavailable
from kojikey.model.key import Key, Version
from kojikey.model.secret import Secret
from kojikey.operations.key_records import key_of
from kojikey.operations.open_store import OpenStore
from kojikey.operations.outcomes import BATCH, Found, Kept, keep_outcomes
from kojikey.operations.probing import Probe, TakeTurn, Target
from kojikey.operations.results import TestResult
from kojikey.stores.base import Stored

Keep = Callable[[OpenStore, Sequence[Found]], list[Kept]]
"""Saves outcomes, and tells for each whether it was saved."""

_LINGER_S = 0.05  # how long an outcome waits for others before it is saved
_MOST_AHEAD = 8  # times as many keys are read ahead where all before them wait for an endpoint that asked for a pause
_BACKLOG = 8 * BATCH  # outcomes that may wait to be saved before no further test begins


@dataclass(frozen=True, slots=True)
class Unopened:
    """A key that could not be tested, because its record does not open. Names of a wrong form are quoted."""

    account: str
    provider: str
    error: CannotOpen | AccountNotFound


Emit = Callable[[TestResult | Unopened], None]


async def verify(
    open_store: OpenStore,
    *lanes: Iterator[Stored],
    probe: Probe,
    emit: Emit,
    concurrency: int,
    take_turn: TakeTurn = lambda *_: 0.0,
    keep: Keep = keep_outcomes,
) -> None:
    """Test the current version of each key, at most ``concurrency`` at a time; ``emit`` gets results as they come.

    What is emitted is saved, or says that it is not. A record that does not open is emitted as such and does not
    stop the others. Cancelled, it keeps and emits what was finished. The custody is used from another thread, one
    at a time, until this returns.

    Raises:
        StoreUnavailable: the store went away. What was finished but could not be saved was emitted as such.
        KekMissing, KekUnavailable: no key can be opened.
    """
    run = _Run(open_store, [_Lane(keys) for keys in lanes], probe, emit, concurrency, take_turn, keep)
    with ThreadPoolExecutor(1, "kojikey-store") as run.clerk:
        await run.to_the_end()


@dataclass(frozen=True, slots=True)
class _Opened:
    stored: Stored
    key: Key
    version: Version
    secret: Secret


@dataclass(slots=True)
class _Lane:
    keys: Iterator[Stored]
    ready: deque[_Opened | Unopened] = field(default_factory=deque)
    running: int = 0
    begun: int = 0
    is_held_up: bool = False
    """Whether all that is ready must wait for its endpoint; what comes after it may be for another one."""
    is_loading: bool = False
    is_exhausted: bool = False

    @property
    def is_finished(self) -> bool:
        return self.is_exhausted and not self.ready and not self.running


@dataclass(slots=True)
class _Run:
    open_store: OpenStore
    lanes: list[_Lane]
    probe: Probe
    emit: Emit
    concurrency: int
    take_turn: TakeTurn
    keep: Keep
    clerk: ThreadPoolExecutor = field(init=False)
    outbox: deque[Found] = field(default_factory=deque)
    tests: set[asyncio.Task[None]] = field(default_factory=set)
    jobs: set[asyncio.Task[None]] = field(default_factory=set)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    is_saving: bool = False
    error: BaseException | None = None

    async def to_the_end(self) -> None:
        try:
            while self.error is None and not self._is_done():
                self._load()
                self._save_some()
                await self._pause(self._begin())
        finally:
            await self._settle()
        if self.error is not None:
            raise self.error

    def _is_done(self) -> bool:
        return not self.jobs and not self.outbox and all(lane.is_finished for lane in self.lanes)

    async def _settle(self) -> None:
        """Stop what runs, and keep what is finished; also where this very task was cancelled."""
        for test in self.tests:
            test.cancel()
        await asyncio.gather(*self.tests, *self.jobs, return_exceptions=True)
        while self.outbox:
            await self._save([self.outbox.popleft() for _ in range(min(BATCH, len(self.outbox)))])

    async def _pause(self, seconds: float | None) -> None:
        """Wait until something happened, at most so long (None: for as long as it takes)."""
        waited = [seconds] if seconds is not None else []
        if self.outbox and not self.is_saving:
            waited.append(_LINGER_S)
        try:
            async with asyncio.timeout(min(waited) if waited else None):
                await self.woken.wait()
        except TimeoutError:
            if self.outbox and not self.is_saving:
                self._save_batch()
        self.woken.clear()

    # --- with the clerk ---

    def _hire(self, work: Any) -> None:
        job = asyncio.ensure_future(work)
        self.jobs.add(job)
        job.add_done_callback(self._job_done)

    def _job_done(self, job: asyncio.Task[None]) -> None:
        self.jobs.discard(job)
        if not job.cancelled() and job.exception() is not None:
            self.error = self.error or job.exception()
        self.woken.set()

    def _load(self) -> None:
        for lane in self.lanes:
            wanted = _MOST_AHEAD * max(BATCH, self.concurrency) if lane.is_held_up else self.concurrency
            if not lane.is_exhausted and not lane.is_loading and len(lane.ready) <= wanted:
                lane.is_loading = True
                self._hire(self._fill(lane))

    async def _fill(self, lane: _Lane) -> None:
        wanted = max(BATCH, self.concurrency)
        loop = asyncio.get_running_loop()
        opened = await loop.run_in_executor(self.clerk, lambda: self._open_next(lane.keys, wanted))
        lane.ready += opened
        lane.is_loading, lane.is_exhausted = False, len(opened) < wanted

    def _open_next(self, keys: Iterator[Stored], wanted: int) -> list[_Opened | Unopened]:
        return [self._open(stored) for stored in islice(keys, wanted)]

    def _open(self, stored: Stored) -> _Opened | Unopened:
        try:
            key = key_of(stored)
            version = key.current
            secret = self.open_store.open(key, version)
        except (KekMissing, KekUnavailable):
            raise
        except (CannotOpen, AccountNotFound) as error:
            return Unopened(validators.shown(stored.ref.account), validators.shown(stored.ref.provider), error)
        return _Opened(stored, key, version, secret)

    def _save_some(self) -> None:
        is_last = not self.tests and all(lane.is_finished for lane in self.lanes)
        if self.outbox and not self.is_saving and (len(self.outbox) >= BATCH or is_last):
            self._save_batch()

    def _save_batch(self) -> None:
        self.is_saving = True
        self._hire(self._save([self.outbox.popleft() for _ in range(min(BATCH, len(self.outbox)))]))

    async def _save(self, found: list[Found]) -> None:
        loop = asyncio.get_running_loop()
        try:
            kept = await loop.run_in_executor(self.clerk, lambda: self.keep(self.open_store, found))
        except StoreUnavailable as error:
            self.error = self.error or error
            kept = [Kept(False, str(error))] * len(found)
        finally:
            self.is_saving = False
        for item, one in zip(found, kept, strict=True):
            self.emit(_result(item, one))

    # --- with the providers ---

    def _begin(self) -> float | None:
        """Begin the tests that may begin; return the seconds until another one may, None where that is not known."""
        wait: float | None = None
        while len(self.tests) < self.concurrency and len(self.outbox) < _BACKLOG:
            lane, item, wait = self._next()
            if lane is None or item is None:
                break
            if isinstance(item, Unopened):
                self.emit(item)
                continue
            lane.running, lane.begun = lane.running + 1, lane.begun + 1
            test = asyncio.ensure_future(self._test(lane, item))
            self.tests.add(test)
            test.add_done_callback(self._test_done)
        if any(not lane.is_exhausted and not lane.is_loading and not lane.ready for lane in self.lanes):
            self.woken.set()
        self._load()
        if self._is_done():  # where the last ones did not open, nothing else would wake who waits
            self.woken.set()
        return wait

    def _next(self) -> tuple[_Lane | None, _Opened | Unopened | None, float | None]:
        """Return the key whose turn it is (taken), with its lane; or, where all must wait for theirs, for how long."""
        unfinished = sum(not lane.is_finished for lane in self.lanes)
        share = max(1, -(-self.concurrency // max(1, unfinished)))
        waits: list[float] = []
        for lane in sorted(self.lanes, key=lambda lane: (lane.running, lane.begun)):
            if not lane.ready or lane.running >= share:
                continue
            item, wait = self._next_of(lane)
            if item is not None:
                return lane, item, None
            waits.append(wait)
        return None, None, min(waits, default=None)

    def _next_of(self, lane: _Lane) -> tuple[_Opened | Unopened | None, float]:
        """Take the first key of a lane whose endpoint may be asked now; or return how long all of them must wait."""
        waits: dict[str, float] = {}
        for index, item in enumerate(lane.ready):
            base_url = item.version.base_url if isinstance(item, _Opened) else ""
            if base_url in waits:
                continue
            wait = self.take_turn(item.key.provider, base_url) if isinstance(item, _Opened) else 0.0
            if wait <= 0:
                del lane.ready[index]
                lane.is_held_up = False
                return item, 0.0
            waits[base_url] = wait
        lane.is_held_up = True
        return None, min(waits.values())

    async def _test(self, lane: _Lane, item: _Opened) -> None:
        key, version = item.key, item.version
        try:
            target = Target(key.provider, version.base_url, key.models, key.capabilities)
            verdict = await self.probe(item.secret, target)
        finally:
            lane.running -= 1
        self.outbox.append(Found(item.stored, key, version, verdict))

    def _test_done(self, test: asyncio.Task[None]) -> None:
        self.tests.discard(test)
        if not test.cancelled() and test.exception() is not None:
            self.error = self.error or test.exception()
        self.woken.set()


def _result(found: Found, kept: Kept) -> TestResult:
    key, version = found.key, found.version
    return TestResult(
        key.account,
        key.provider,
        version.tail,
        version.number,
        found.verdict,
        recorded=kept.is_saved,
        key=key,
        unkept=kept.why,
    )
