"""Tests saved keys, many at a time, and saves each outcome on the version that was tested.

Memory does not grow with the number of keys. One worker thread uses the store: it reads keys ahead, opens them, and
saves outcomes in batches; requests wait for it only if it falls far behind. Keys are read from several sources: one for
each provider, or one for all if the engine charges for each scan. Each source, and each provider in it, has a share of
the concurrent requests, so that a provider that does not answer delays no other.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import inf
from typing import Any

from msgspec import Struct

from kojikey.model.errors import AccountNotFound, CannotOpen, KekMissing, KekUnavailable, StoreUnavailable
from kojikey.model.key import Key, Version
from kojikey.model.key_reading import read_keys
from kojikey.model.plain_text import shown
from kojikey.model.secret import Secret
from kojikey.operations.key_records import own_key
from kojikey.operations.open_store import OpenStore
from kojikey.operations.outcomes import BATCH, Found, Kept, keep_outcomes
from kojikey.operations.probing import Probe, Reserve, Target
from kojikey.operations.results import TestResult
from kojikey.operations.store_calls import StoreThread
from kojikey.stores.base import Stored

Keep = Callable[[OpenStore, Sequence[Found]], list[Kept]]
"""Saves outcomes, and returns for each whether it was saved."""

_AT_ONCE = 128  # keys whose accounts are read with one request
_LINGER_S = 0.05  # how long an outcome waits for others before it is saved
_READER_S = 0.02  # how often a result that cannot be emitted is tried again
_MOST_AHEAD = 8  # this many times more keys are read ahead while all keys that were read wait for a paused endpoint
_BACKLOG = 8 * BATCH  # no further test begins while this many outcomes wait to be saved


class Unopened(Struct, frozen=True):
    """A key that was not tested, because its record does not open. Names with a wrong form are quoted."""

    account: str
    provider: str
    error: CannotOpen | AccountNotFound


Emit = Callable[[TestResult | Unopened], None]


async def run_tests(
    open_store: OpenStore,
    *sources: Iterator[Stored],
    probe: Probe,
    emit: Emit,
    concurrency: int,
    reserve: Reserve = lambda *_: 0.0,
    keep: Keep = keep_outcomes,
    may_emit: Callable[[], bool] = lambda: True,
) -> None:
    """Test the current version of each key, at most ``concurrency`` at a time; ``emit`` gets results as they come.

    A result is emitted after its outcome was saved, or says that it was not. A record that does not open is emitted as
    ``Unopened``, and the others are tested. After a cancellation, finished tests are saved and emitted. Until this
    returns, another thread uses the open store.

    ``may_emit`` says whether ``emit`` would return at once. While it does not, results wait, and tests under way go on:
    their time would run out in an event loop that waits for a reader.

    Raises:
        StoreUnavailable: the store went away. Finished tests that could not be saved were emitted, and say so.
        KekMissing, KekUnavailable: no key can be opened.
    """
    with StoreThread() as in_store:
        found = [_Source(keys) for keys in sources]
        await _Run(open_store, found, probe, emit, concurrency, reserve, keep, may_emit, in_store).to_the_end()


class _Opened(Struct, frozen=True):
    stored: Stored
    key: Key
    version: Version
    secret: Secret


@dataclass(slots=True)
class _Source:
    keys: Iterator[Stored]
    ready: deque[_Opened | Unopened] = field(default_factory=deque)
    waiting: Counter[str] = field(default_factory=Counter)
    """The number of ready keys of each provider; ``under_way`` has that of running tests of each provider seen."""
    under_way: Counter[str] = field(default_factory=Counter)
    is_far_ahead: bool = False
    """Whether so many keys are ready that the run no longer waits for keys of another provider."""
    running: int = 0
    begun: int = 0
    is_held_up: bool = False
    """Whether all ready keys must wait for their endpoints; keys that are read later may have another one."""
    is_loading: bool = False
    is_exhausted: bool = False

    @property
    def is_finished(self) -> bool:
        return self.is_exhausted and not self.ready and not self.running

    def add(self, items: list[_Opened | Unopened]) -> None:
        self.ready += items
        providers = [item.key.provider for item in items if isinstance(item, _Opened)]
        self.waiting.update(providers)
        self.under_way.update(dict.fromkeys(providers, 0))

    def take(self, index: int) -> _Opened | Unopened:
        item = self.ready[index]
        del self.ready[index]
        if isinstance(item, _Opened):
            self.waiting[item.key.provider] -= 1
            if not self.waiting[item.key.provider]:
                del self.waiting[item.key.provider]
        self.is_held_up = False
        return item

    def has_its_share(self, provider: str, share: int) -> bool:
        """Return whether a provider uses its part of a source's share, while another provider has or may have keys."""
        others = self.waiting if self.is_exhausted or self.is_far_ahead else self.under_way
        return len(others) > 1 and self.under_way[provider] >= -(-share // len(others))


@dataclass(slots=True)
class _Run:
    open_store: OpenStore
    sources: list[_Source]
    probe: Probe
    emit: Emit
    concurrency: int
    reserve: Reserve
    keep: Keep
    may_emit: Callable[[], bool]
    in_store: StoreThread
    outbox: deque[Found] = field(default_factory=deque)
    tests: set[asyncio.Task[None]] = field(default_factory=set)
    jobs: set[asyncio.Task[None]] = field(default_factory=set)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    is_saving: bool = False
    is_settling: bool = False
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
        return not self.jobs and not self.outbox and all(source.is_finished for source in self.sources)

    async def _settle(self) -> None:
        """Cancel the running tests and save the finished ones, also if this task itself was cancelled."""
        self.is_settling = True
        for test in self.tests:
            test.cancel()
        await asyncio.gather(*self.tests, *self.jobs, return_exceptions=True)
        while self.outbox:
            await self._save([self.outbox.popleft() for _ in range(min(BATCH, len(self.outbox)))])

    async def _pause(self, seconds: float | None) -> None:
        """Wait until a test or a store call has ended, for at most ``seconds`` (None: without a limit)."""
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

    # --- with the store ---

    def _start(self, work: Any) -> None:
        job = asyncio.ensure_future(work)
        self.jobs.add(job)
        job.add_done_callback(self._job_done)

    def _job_done(self, job: asyncio.Task[None]) -> None:
        self.jobs.discard(job)
        if not job.cancelled() and job.exception() is not None:
            self.error = self.error or job.exception()
        self.woken.set()

    def _load(self) -> None:
        for source in self.sources:
            most = _MOST_AHEAD * max(BATCH, self.concurrency)
            wanted = most if source.is_held_up else self.concurrency
            source.is_far_ahead = len(source.ready) > most // 2
            if not source.is_exhausted and not source.is_loading and len(source.ready) <= wanted:
                source.is_loading = True
                self._start(self._fill(source))

    async def _fill(self, source: _Source) -> None:
        wanted = max(BATCH, self.concurrency)
        opened = await self.in_store(lambda: self._open_next(source.keys, wanted))
        source.add(opened)
        source.is_loading, source.is_exhausted = False, len(opened) < wanted

    def _open_next(self, keys: Iterator[Stored], wanted: int) -> list[_Opened | Unopened]:
        opened: list[_Opened | Unopened] = []
        while page := list(islice(keys, min(_AT_ONCE, wanted - len(opened)))):
            self.open_store.read_ahead(stored.ref.account for stored in page)
            opened += map(self._open, page, read_keys([stored.text for stored in page]))
        return opened

    def _open(self, stored: Stored, read: Key | None) -> _Opened | Unopened:
        try:
            key = own_key(stored, read)
            version = key.current
            secret = self.open_store.open(key, version)
        except (KekMissing, KekUnavailable):
            raise
        except (CannotOpen, AccountNotFound) as error:
            return Unopened(shown(stored.ref.account), shown(stored.ref.provider), error)
        return _Opened(stored, key, version, secret)

    def _save_some(self) -> None:
        is_last = not self.tests and all(source.is_finished for source in self.sources)
        if self.outbox and not self.is_saving and (len(self.outbox) >= BATCH or is_last):
            self._save_batch()

    def _save_batch(self) -> None:
        self.is_saving = True
        self._start(self._save([self.outbox.popleft() for _ in range(min(BATCH, len(self.outbox)))]))

    async def _save(self, found: list[Found]) -> None:
        try:
            for item, one in zip(found, await self._kept(found), strict=True):
                while not self.may_emit() and not self.is_settling:
                    await asyncio.sleep(_READER_S)
                self.emit(_result(item, one))
        finally:
            self.is_saving = False  # not before: the results that wait to be emitted would have no bound

    async def _kept(self, found: list[Found]) -> list[Kept]:
        try:
            return await self.in_store(lambda: self.keep(self.open_store, found))
        except StoreUnavailable as error:
            self.error = self.error or error
            return [Kept(False, str(error))] * len(found)

    # --- with the providers ---

    def _begin(self) -> float | None:
        """Start the tests that may start; return the seconds until another one may, None if that is not known."""
        wait: float | None = None
        while len(self.tests) < self.concurrency and len(self.outbox) < _BACKLOG:
            source, item, wait = self._next()
            if source is None or item is None:
                break
            if isinstance(item, Unopened):
                self.emit(item)
                continue
            source.running, source.begun = source.running + 1, source.begun + 1
            source.under_way[item.key.provider] += 1
            test = asyncio.ensure_future(self._test(source, item))
            self.tests.add(test)
            test.add_done_callback(self._test_done)
        if any(not source.is_exhausted and not source.is_loading and not source.ready for source in self.sources):
            self.woken.set()
        self._load()
        if self._is_done():  # if the last keys did not open, no test will end the wait
            self.woken.set()
        return wait

    def _next(self) -> tuple[_Source | None, _Opened | Unopened | None, float | None]:
        """Take the next key that may be tested, and return it with its source; or return the seconds to wait."""
        unfinished = sum(not source.is_finished for source in self.sources)
        share = max(1, -(-self.concurrency // max(1, unfinished)))
        waits: list[float] = []
        for source in sorted(self.sources, key=lambda source: (source.running, source.begun)):
            if not source.ready or source.running >= share:
                continue
            item, wait = self._next_of(source, share)
            if item is not None:
                return source, item, None
            waits.append(wait)
        return None, None, min((wait for wait in waits if wait < inf), default=None)

    def _next_of(self, source: _Source, share: int) -> tuple[_Opened | Unopened | None, float]:
        """Take the first key of a source whose endpoint may be asked now; or return the seconds to wait."""
        waits: dict[tuple[str, str], float] = {}
        for index, item in enumerate(source.ready):
            if isinstance(item, Unopened):
                return source.take(index), 0.0
            place = (item.key.provider, item.version.base_url)
            if place in waits:
                continue
            wait = inf if source.has_its_share(place[0], share) else self.reserve(*place)
            if wait <= 0:
                return source.take(index), 0.0
            waits[place] = wait
        source.is_held_up = True
        return None, min(waits.values())

    async def _test(self, source: _Source, item: _Opened) -> None:
        key, version = item.key, item.version
        try:
            target = Target(key.provider, version.base_url, key.models, key.capabilities)
            verdict = await self.probe(item.secret, target)
        finally:
            source.running -= 1
            source.under_way[key.provider] -= 1
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
