"""Imports several keys of one account at once: they are tested at the same time, and each is saved as soon as possible.

Owns: what a value means for the account's existing key. Must not: know where a value came from, or ask a person:
undecided values are returned, and finished by a second call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from kojikey.model.errors import AlreadyStaged, BadNetworkSettings, KeyExists, KojikeyError, StoreUnavailable
from kojikey.model.key import Key, Stage
from kojikey.model.secret import Secret
from kojikey.model.verdict import Outcome, Verdict
from kojikey.operations.adding import Destination, NewKey, add
from kojikey.operations.key_records import key_of
from kojikey.operations.line_runs import run_lines
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Approve, Probe, Target
from kojikey.operations.results import ChangeResult
from kojikey.operations.rotating import Replacement
from kojikey.operations.rotating_many import Pace, paced, rotate_line
from kojikey.operations.store_calls import StoreCalls, StoreThread, in_place

Intent = Literal["add", "rotate", "unchanged"]


@dataclass(slots=True)
class Import:
    """A key to take, and how far that has come. ``base_url`` is where it is tested: where a key that it replaces is."""

    new: NewKey
    intent: Intent | None = None
    base_url: str = field(init=False)
    result: ChangeResult | None = None
    error: KojikeyError | None = None

    def __post_init__(self) -> None:
        self.base_url = self.new.target.base_url

    @property
    def needs_saving(self) -> bool:
        """Whether there is something to do."""
        return self.error is None and self.result is None and self.intent is not None

    @property
    def undecided(self) -> Verdict | None:
        """The verdict of its test where that neither saved the key nor ruled it out, None otherwise."""
        result = self.result
        if result is None or result.verdict is None or result.action not in (None, "staged"):
            return None
        return None if result.verdict.outcome in (Outcome.VALID, Outcome.REJECTED) else result.verdict


def intend(open_store: OpenStore, item: Import, *, may_rotate: bool) -> None:
    """Find out what a value means for the key that is there; an error that is about this key alone is kept with it.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    try:
        item.intent = _intent(open_store, item, may_rotate=may_rotate)
    except StoreUnavailable:
        raise
    except KojikeyError as error:
        item.error = error


def _intent(open_store: OpenStore, item: Import, *, may_rotate: bool) -> Intent:
    key = _key(open_store, item)
    if key is None:
        return "add"
    new, current = item.new, key.current
    fingerprint = open_store.sealer(new.account).fingerprint(new.secret)
    if fingerprint == current.fingerprint:
        item.result = ChangeResult(key.account, key.provider, "unchanged", current.tail, current.number, key=key)
        return "unchanged"
    if not may_rotate:
        raise KeyExists(key.account, key.provider)
    item.base_url = new.settings.base_url or current.base_url
    staged = key.version(Stage.STAGED)
    if staged is not None and (staged.fingerprint != fingerprint or item.base_url != staged.base_url):
        raise AlreadyStaged(key.account, key.provider)
    return "rotate"


def _key(open_store: OpenStore, item: Import) -> Key | None:
    stored = open_store.held(item.new.account, item.new.target.provider)
    return key_of(stored) if stored else None


async def import_all(destination: Destination, items: Sequence[Import], pace: Pace) -> None:
    """Test and save each key, at most ``concurrency`` at a time; what goes wrong with one is kept with it.

    A key that is to replace another is staged before its test, so that a crash loses neither. One that is limited or
    could not be judged stays as it is unless approved: :func:`finish` goes on with it. Cancelled, what was saved stays
    saved, what is staged stays staged, and nothing else was taken.

    Raises:
        StoreUnavailable: the store went away; what was saved has its result. BadNetworkSettings: no request can be
        made.
    """
    test = paced(pace.probe, pace.reserve) if pace.probe else None
    with StoreThread() as in_store:

        async def taken(item: Import) -> None:
            await _take(destination, item, test, pace.approve, in_store)

        await run_lines(items, taken, lambda _: None, concurrency=pace.concurrency, same=lambda _: None)


async def finish(destination: Destination, item: Import, approve: Approve) -> None:
    """Save a key whose test is made, where that is approved now. Raises as :func:`import_all`."""
    verdict = item.undecided
    if verdict is None:
        return

    async def known(_: Secret, __: Target) -> Verdict:
        return verdict

    await _take(destination, item, known, approve, in_place)


async def _take(
    destination: Destination, item: Import, test: Probe | None, approve: Approve, in_store: StoreCalls
) -> None:
    new = item.new
    try:
        if item.intent == "add":
            item.result = await add(destination, new, test=test, approve=approve, in_store=in_store)
        else:
            replacement = Replacement(new.account, new.target.provider, new.secret, new.settings)
            item.result = await rotate_line(
                destination.open_store, replacement, test=test, approve=approve, in_store=in_store
            )
    except (StoreUnavailable, BadNetworkSettings):
        raise
    except KojikeyError as error:
        item.error = error


def left_staged(open_store: OpenStore, item: Import) -> ChangeResult | None:
    """Return the result of a key that was staged when its run was interrupted, None where it was not."""
    key = _key(open_store, item) if item.intent == "rotate" else None
    staged = key.version(Stage.STAGED) if key else None
    if key is None or staged is None:
        return None
    return ChangeResult(key.account, key.provider, "staged", staged.tail, staged.number, key=key)
