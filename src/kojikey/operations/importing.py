"""Taking several keys of one account at once: each is tested beside the others, and saved as soon as it may be.

Owns: what a value means for the key that is there, and the order of staging, testing and saving. Must not: know where
a value came from, or ask a person: what nobody has decided about is handed back, and finished by a second call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from kojikey.model.errors import AlreadyStaged, BadNetworkSettings, KeyExists, KojikeyError, StoreUnavailable
from kojikey.model.key import Stage
from kojikey.model.verdict import Outcome, Verdict
from kojikey.operations import rotating
from kojikey.operations.adding import NewKey, add
from kojikey.operations.listing import key_of
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Approve, Target
from kojikey.operations.results import ChangeResult
from kojikey.operations.rotating import Replacement
from kojikey.operations.testing_keys import Probe, TakeTurn

Intent = Literal["add", "rotate", "resume", "unchanged"]


@dataclass(slots=True)
class Import:
    """A key to take, and how far that has come."""

    new: NewKey
    target: Target = field(init=False)
    """What it is tested against: a key that replaces another is used as that one is."""
    intent: Intent | None = None
    verdict: Verdict | None = None
    result: ChangeResult | None = None
    error: KojikeyError | None = None

    def __post_init__(self) -> None:
        self.target = self.new.target

    @property
    def needs_saving(self) -> bool:
        """Whether there is something to do."""
        return self.error is None and self.result is None and self.intent is not None

    @property
    def is_undecided(self) -> bool:
        """Whether its test was made, and neither saved it nor ruled it out."""
        if self.error is not None or self.verdict is None or self.verdict.outcome in (Outcome.VALID, Outcome.REJECTED):
            return False
        return self.result is not None and self.result.action in (None, "staged")


@dataclass(frozen=True, slots=True)
class Manner:
    """How keys are taken. ``probe=None`` saves them untested; ``make_store`` makes a store that is not there yet."""

    probe: Probe | None
    approve: Approve
    concurrency: int
    take_turn: TakeTurn = lambda *_: 0.0
    make_store: Callable[[], OpenStore] | None = None


def intend(open_store: OpenStore, item: Import, *, may_rotate: bool) -> None:
    """Find out what a value means for the key that is there; an error that is about this key alone is kept with it.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    try:
        item.intent = _intent(open_store, item, may_rotate=may_rotate)
        if item.intent == "unchanged":
            item.result = _unchanged(open_store, item.new)
    except StoreUnavailable:
        raise
    except KojikeyError as error:
        item.error = error


def _intent(open_store: OpenStore, item: Import, *, may_rotate: bool) -> Intent:
    new = item.new
    account, provider, base_url = new.account, new.target.provider, new.settings.base_url
    stored = open_store.held(account, provider)
    if stored is None:
        return "add"
    key = key_of(stored)
    fingerprint = open_store.sealer(account).fingerprint(new.secret)
    if fingerprint == key.current.fingerprint:
        return "unchanged"
    if not may_rotate:
        raise KeyExists(account, provider)
    item.target = Target(provider, base_url or key.current.base_url, key.models, key.capabilities)
    staged = key.version(Stage.STAGED)
    if staged is None:
        return "rotate"
    if staged.fingerprint == fingerprint and base_url in (None, staged.base_url):
        item.target = Target(provider, staged.base_url, key.models, key.capabilities)
        return "resume"
    raise AlreadyStaged(account, provider)


def _unchanged(open_store: OpenStore, new: NewKey) -> ChangeResult:
    key = key_of(rotating.stored_key(open_store, account=new.account, provider=new.target.provider))
    return ChangeResult(new.account, new.target.provider, "unchanged", key.current.tail, key.current.number, key=key)


async def import_all(open_store: OpenStore, items: Sequence[Import], manner: Manner) -> OpenStore:
    """Stage, test and save each key whose intent is known; return the store, which may have been made.

    A key that is to replace another is staged before its test, so that a crash loses neither. One that is limited or
    could not be judged stays as it is unless approved: :func:`finish` goes on with it. Cancelled, what was saved stays
    saved, what is staged stays staged, and nothing else was taken.

    Raises:
        StoreUnavailable: the store went away; what was saved has its result. BadNetworkSettings: no request can be
        made.
    """
    taking = _Taking(open_store, manner)
    for item in items:
        if item.error is None and item.intent == "rotate":
            taking.stage(item)
    limit = asyncio.Semaphore(manner.concurrency)
    try:
        async with asyncio.TaskGroup() as group:
            for item in items:
                if item.error is None and not _is_unchanged(item):
                    group.create_task(taking.take(item, limit))
    except ExceptionGroup as several:
        raise several.exceptions[0] from None
    return taking.open_store


def finish(open_store: OpenStore, item: Import, approve: Approve, manner: Manner) -> OpenStore:
    """Save a key whose test is made, where that is approved now; return the store. Raises as :func:`import_all`."""
    taking = _Taking(open_store, manner)
    taking.save(item, approve)
    return taking.open_store


def _is_unchanged(item: Import) -> bool:
    return item.result is not None and item.result.action == "unchanged"


class _Taking:
    """The store that keys are saved in, which is made when the first of them is."""

    def __init__(self, open_store: OpenStore, manner: Manner) -> None:
        self.open_store, self._manner = open_store, manner
        self._make_store = manner.make_store

    def stage(self, item: Import) -> None:
        """Save a value as staged; what goes wrong with it is kept with it."""
        try:
            item.result = rotating.stage(self.open_store, _replacement(item.new))
        except StoreUnavailable:
            raise
        except KojikeyError as error:
            item.error = error

    async def take(self, item: Import, limit: asyncio.Semaphore) -> None:
        """Test a key in its turn, and save it."""
        if item.error is not None:
            return
        async with limit:
            if self._manner.probe is not None:
                item.verdict = await self._tested(item)
        self.save(item, self._manner.approve)

    async def _tested(self, item: Import) -> Verdict:
        assert self._manner.probe is not None  # noqa: S101 - looked at by the caller
        while (wait := self._manner.take_turn(item.target.provider, item.target.base_url)) > 0:
            await asyncio.sleep(wait)
        return await self._manner.probe(item.new.secret, item.target)

    def save(self, item: Import, approve: Approve) -> None:
        """Save or promote a key where its verdict allows that; what goes wrong with it is kept with it."""
        try:
            item.result = self._added(item, approve) if item.intent == "add" else self._promoted(item, approve)
        except (StoreUnavailable, BadNetworkSettings):
            raise
        except KojikeyError as error:
            item.error = error

    def _added(self, item: Import, approve: Approve) -> ChangeResult:
        verdict = item.verdict
        test = (lambda *_: verdict) if verdict is not None else None
        return add(self.open_store, item.new, test=test, approve=approve, make_store=self._made)

    def _made(self) -> OpenStore:
        """Return the store, made where it is not there yet."""
        if self._make_store is not None:
            self.open_store, self._make_store = self._make_store(), None
        return self.open_store

    def _promoted(self, item: Import, approve: Approve) -> ChangeResult:
        new, verdict = item.new, item.verdict
        test = (lambda *_: verdict) if verdict is not None else None
        return rotating.resume(
            self.open_store, account=new.account, provider=new.target.provider, test=test, approve=approve
        )


def _replacement(new: NewKey) -> Replacement:
    return Replacement(new.account, new.target.provider, new.secret, new.settings)
