"""Imports several keys of one account: tests them concurrently, and saves each as soon as its own test is done.

Owns: whether a value is added, replaces the account's key, or changes nothing. Must not: know where a value comes from,
or ask a person. Values about which a person has to be asked are left undecided; :func:`finish` saves them afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from kojikey.model.errors import AlreadyStaged, BadNetworkSettings, KeyExists, KojikeyError, StoreUnavailable
from kojikey.model.key import Key, Stage
from kojikey.model.secret import Secret
from kojikey.model.verdict import Outcome, Verdict
from kojikey.operations.adding import Destination, NewKey, add_or_keep
from kojikey.operations.key_records import key_of
from kojikey.operations.line_runs import run_lines
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Approve, Probe, Target
from kojikey.operations.results import ChangeResult
from kojikey.operations.rotating import Replacement
from kojikey.operations.rotating_many import RunSettings, paced, rotate_line
from kojikey.operations.store_calls import StoreCalls, StoreThread, in_place

Intent = Literal["add", "rotate", "unchanged"]


@dataclass(slots=True)
class Import:
    """A key to import, and its state so far. It is tested at ``base_url``, by default that of the key it replaces."""

    new: NewKey
    intent: Intent | None = None
    base_url: str = field(init=False)
    result: ChangeResult | None = None
    error: KojikeyError | None = None

    def __post_init__(self) -> None:
        self.base_url = self.new.target.base_url

    @property
    def needs_saving(self) -> bool:
        """Whether the key is still to be tested and saved."""
        return self.error is None and self.result is None and self.intent is not None

    @property
    def undecided(self) -> Verdict | None:
        """The verdict of a key whose test neither saved it nor ruled it out, None for any other key."""
        result = self.result
        if result is None or result.verdict is None or result.action not in (None, "staged"):
            return None
        return None if result.verdict.outcome in (Outcome.VALID, Outcome.REJECTED) else result.verdict


def intend(open_store: OpenStore, item: Import, *, may_rotate: bool) -> None:
    """Set the item's intent from the key that the account has. An error about this key alone becomes ``item.error``.

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
    stored = open_store.find_key(item.new.account, item.new.target.provider)
    return key_of(stored) if stored else None


async def import_all(destination: Destination, items: Sequence[Import], settings: RunSettings) -> None:
    """Test and save each key, at most ``concurrency`` at a time. An error about one key becomes its item's ``error``.

    A key that replaces another is staged before its test, so that a crash loses neither. A limited or indeterminate key
    is left undecided unless it is approved; :func:`finish` saves it. After a cancellation, saved keys stay saved,
    staged ones stay staged, and the others were not imported.

    Raises:
        StoreUnavailable: the store went away; the items of saved keys have a result.
        BadNetworkSettings: no request can be made.
    """
    test = paced(settings.probe, settings.reserve) if settings.probe else None
    with StoreThread() as in_store:

        async def taken(item: Import) -> None:
            await _take(destination, item, test, settings.approve, in_store)

        await run_lines(items, taken, lambda _: None, concurrency=settings.concurrency, same=lambda _: None)


async def finish(destination: Destination, item: Import, approve: Approve) -> None:
    """Save a tested key that is approved now, without another test. Raises the errors of :func:`import_all`."""
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
            item.result = await add_or_keep(destination, new, test=test, approve=approve, in_store=in_store)
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
    """Return the result ``staged`` of a key that was staged when its run was interrupted, else None."""
    key = _key(open_store, item) if item.intent == "rotate" else None
    staged = key.version(Stage.STAGED) if key else None
    if key is None or staged is None:
        return None
    return ChangeResult(key.account, key.provider, "staged", staged.tail, staged.number, key=key)
