"""Rotates the keys of a batch: several at a time, each independent of the others, with results in the lines' order.

One thread uses the store, while rotations wait for their providers. Running the same batch again does not change the
keys that were rotated, and continues with values that an earlier run staged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from kojikey.model.errors import AlreadyStaged, KojikeyError, StoreUnavailable
from kojikey.model.key import Key, Stage
from kojikey.model.masking import tail_of
from kojikey.model.secret import Secret
from kojikey.model.verdict import Verdict
from kojikey.operations import rotating
from kojikey.operations.key_records import key_of, stored_key
from kojikey.operations.line_runs import run_lines
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Approve, Probe, Reserve, Target
from kojikey.operations.results import ChangeResult
from kojikey.operations.rotating import Replacement
from kojikey.operations.store_calls import StoreCalls, StoreThread, in_place

PlannedAction = Literal["add", "rotate", "resume", "unchanged"]


@dataclass(frozen=True, slots=True)
class Line:
    """A well-formed line of a batch."""

    number: int
    new: Replacement

    @property
    def tail(self) -> str:
        """The part of the new value that may be displayed."""
        return tail_of(self.new.secret.reveal())


@dataclass(frozen=True, slots=True)
class FailedLine:
    """A malformed line, or one whose change failed. ``account``, ``provider`` and ``tail`` are None if it has none."""

    number: int
    account: str | None
    provider: str | None
    error: KojikeyError
    tail: str | None = None


@dataclass(frozen=True, slots=True)
class DoneLine:
    """The result of a line."""

    number: int
    result: ChangeResult


@dataclass(frozen=True, slots=True)
class PlannedLine:
    """The result that a line would have."""

    number: int
    account: str
    provider: str
    would: PlannedAction
    tail: str


LineResult = DoneLine | PlannedLine | FailedLine
EmitLine = Callable[[LineResult], None]
Change = Callable[[Replacement, Probe | None, StoreCalls], Awaitable[ChangeResult]]
"""Changes the key of a line, given the new value, the probe that tests it, and the function that makes store calls."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The settings of a run over many keys. ``probe=None``: the keys are not tested."""

    probe: Probe | None
    approve: Approve
    concurrency: int
    reserve: Reserve = lambda *_: 0.0


def plan_all(open_store: OpenStore, lines: Iterable[Line | FailedLine], emit: EmitLine) -> None:
    """Emit for each line the result that it would have. Changes nothing and asks no provider.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    before: dict[tuple[str, str], str] = {}
    plan_each(lines, lambda line: _planned(open_store, line, before), emit)


def plan_each(lines: Iterable[Line | FailedLine], plan: Callable[[Line], PlannedLine], emit: EmitLine) -> None:
    """Emit the result of ``plan`` for each line, or its error.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    for line in lines:
        try:
            emit(line if isinstance(line, FailedLine) else plan(line))
        except StoreUnavailable:
            raise
        except KojikeyError as error:
            assert isinstance(line, Line)  # noqa: S101 - only plan() raises
            emit(_failed(line, error))


def _failed(line: Line, error: KojikeyError) -> FailedLine:
    return FailedLine(line.number, line.new.account, line.new.provider, error, line.tail)


def _planned(open_store: OpenStore, line: Line, before: dict[tuple[str, str], str]) -> PlannedLine:
    """Return the result that a line would have after the lines before it, whose fingerprints are in ``before``."""
    new = line.new
    would, _ = _intent(open_store, new)
    pair, fingerprint = (new.account, new.provider), open_store.sealer(new.account).fingerprint(new.secret)
    if pair in before:
        would = "unchanged" if before[pair] == fingerprint else "rotate"
    before[pair] = fingerprint
    return PlannedLine(line.number, new.account, new.provider, would, line.tail)


def _intent(open_store: OpenStore, new: Replacement) -> tuple[PlannedAction, Key]:
    """Return whether a line rotates, resumes or changes nothing, and the key as it is now.

    Raises:
        KeyNotFound: there is no key. AlreadyStaged: another value is staged, or this one for another base URL.
    """
    key = key_of(stored_key(open_store, account=new.account, provider=new.provider))
    fingerprint = open_store.sealer(new.account).fingerprint(new.secret)
    staged = key.version(Stage.STAGED)
    if fingerprint == key.current.fingerprint:
        return "unchanged", key
    if staged is None:
        return "rotate", key
    if staged.fingerprint == fingerprint and new.settings.base_url in (None, staged.base_url):
        return "resume", key
    raise AlreadyStaged(new.account, new.provider)


async def rotate_line(
    open_store: OpenStore, new: Replacement, *, test: Probe | None, approve: Approve, in_store: StoreCalls = in_place
) -> ChangeResult:
    """Rotate one key, or finish the rotation of an earlier run with the same value.

    Raises the errors of :func:`rotating.rotate` and :func:`rotating.resume`.
    """
    would, key = await in_store(lambda: _intent(open_store, new))
    if would == "unchanged":
        current = key.current
        return ChangeResult(new.account, new.provider, "unchanged", current.tail, current.number, key=key)
    if would == "resume":
        return await rotating.resume(
            open_store, account=new.account, provider=new.provider, test=test, approve=approve, in_store=in_store
        )
    return await rotating.rotate(open_store, new, test=test, approve=approve, in_store=in_store)


async def rotate_all(
    open_store: OpenStore, lines: Iterable[Line | FailedLine], settings: RunSettings, emit: EmitLine
) -> None:
    """Rotate the key of each line, at most ``concurrency`` at a time; ``emit`` gets the results in the lines' order.

    Two lines for one key are worked on one after the other. After a cancellation no further step begins, and staged
    values stay staged.

    Raises:
        StoreUnavailable: the store went away. Lines without a result may have been rotated; run the batch again.
    """

    async def rotated(new: Replacement, test: Probe | None, in_store: StoreCalls) -> ChangeResult:
        return await rotate_line(open_store, new, test=test, approve=settings.approve, in_store=in_store)

    await change_each(lines, rotated, settings, emit)


async def change_each(
    lines: Iterable[Line | FailedLine], change: Change, settings: RunSettings, emit: EmitLine
) -> None:
    """Make the change of each line, and emit its result or its error. Raises the errors of :func:`rotate_all`."""
    test = paced(settings.probe, settings.reserve) if settings.probe else None
    with StoreThread() as in_store:

        async def done(line: Line | FailedLine) -> LineResult:
            if isinstance(line, FailedLine):
                return line
            try:
                return DoneLine(line.number, await change(line.new, test, in_store))
            except StoreUnavailable:
                raise
            except KojikeyError as error:
                return _failed(line, error)

        await run_lines(lines, done, emit, concurrency=settings.concurrency, same=_key_named)


def _key_named(line: Line | FailedLine) -> tuple[str, str] | None:
    return None if isinstance(line, FailedLine) else (line.new.account, line.new.provider)


def paced(probe: Probe, reserve: Reserve) -> Probe:
    """Return a probe that waits before each test until ``reserve`` allows it."""

    async def in_turn(secret: Secret, target: Target) -> Verdict:
        while (wait := reserve(target.provider, target.base_url)) > 0:
            await asyncio.sleep(wait)
        return await probe(secret, target)

    return in_turn
