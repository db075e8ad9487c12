"""Rotating many keys: each line of a batch on its own, several at once, results in the order of the input.

A rotation waits for its provider most of the time. Each runs in a thread of its own and holds the custody only while
it does not wait: the custody is used by one thread at a time. Running the same batch again changes nothing that is
done, and goes on with a value that an earlier run had staged.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from kojikey.model.errors import AlreadyStaged, KojikeyError, StoreUnavailable
from kojikey.model.key import Key, Stage
from kojikey.model.secret import Secret
from kojikey.model.verdict import Verdict
from kojikey.operations import rotating
from kojikey.operations.listing import key_of
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Approve, Target, Tester
from kojikey.operations.results import ChangeResult
from kojikey.operations.rotating import Replacement
from kojikey.operations.testing_keys import Probe, TakeTurn

Would = Literal["rotate", "resume", "unchanged"]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a batch that makes sense."""

    number: int
    new: Replacement


@dataclass(frozen=True, slots=True)
class Failed:
    """A line that makes no sense, or whose rotation was not made. Names are None where the line gives none."""

    number: int
    account: str | None
    provider: str | None
    error: KojikeyError


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a line."""

    number: int
    result: ChangeResult


@dataclass(frozen=True, slots=True)
class Planned:
    """What would become of a line."""

    number: int
    account: str
    provider: str
    would: Would


Outcome = Done | Planned | Failed
EmitLine = Callable[[Outcome], None]
Read = Line | Failed | Exception | None
"""What the thread that reads hands over: a line, what went wrong with reading, or None for the end."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a batch is carried out. ``probe=None`` promotes untested."""

    probe: Probe | None
    approve: Approve
    concurrency: int
    take_turn: TakeTurn = lambda *_: 0.0


def plan_all(open_store: OpenStore, lines: Iterable[Line | Failed], emit: EmitLine) -> None:
    """Tell of each line what would become of it. Changes nothing and asks nobody.

    Raises:
        StoreUnavailable: the store can not be read.
    """
    before: dict[tuple[str, str], str] = {}
    for line in lines:
        emit(line if isinstance(line, Failed) else _guarded(line, partial(_planned, open_store, line, before)))


def _planned(open_store: OpenStore, line: Line, before: dict[tuple[str, str], str]) -> Planned:
    """Return what would become of a line after those before it; ``before`` has the fingerprints that they leave."""
    new = line.new
    would, _ = _intent(open_store, new)
    pair, fingerprint = (new.account, new.provider), open_store.sealer(new.account).fingerprint(new.secret)
    if pair in before:
        would = "unchanged" if before[pair] == fingerprint else "rotate"
    before[pair] = fingerprint
    return Planned(line.number, new.account, new.provider, would)


def _guarded(line: Line, work: Callable[[], Done | Planned]) -> Outcome:
    """Do the work of a line; an error that is its own becomes its result."""
    try:
        return work()
    except StoreUnavailable:
        raise
    except KojikeyError as error:
        return Failed(line.number, line.new.account, line.new.provider, error)


def _intent(open_store: OpenStore, new: Replacement) -> tuple[Would, Key]:
    """Return what a line means for the key as it is now.

    Raises:
        KeyNotFound: there is nothing to rotate. AlreadyStaged: another value is staged, or it is for another endpoint.
    """
    key = key_of(rotating.stored_key(open_store, account=new.account, provider=new.provider))
    fingerprint = open_store.sealer(new.account).fingerprint(new.secret)
    staged = key.version(Stage.STAGED)
    if fingerprint == key.current.fingerprint:
        return "unchanged", key
    if staged is None:
        return "rotate", key
    if staged.fingerprint == fingerprint and new.settings.base_url in (None, staged.base_url):
        return "resume", key
    raise AlreadyStaged(new.account, new.provider)


def rotate_line(open_store: OpenStore, new: Replacement, *, test: Tester | None, approve: Approve) -> ChangeResult:
    """Rotate one key, or finish what an earlier run began with the same value. Raises as :func:`rotating.rotate`."""
    would, key = _intent(open_store, new)
    if would == "unchanged":
        current = key.current
        return ChangeResult(new.account, new.provider, "unchanged", current.tail, current.number, key=key)
    if would == "resume":
        return rotating.resume(open_store, account=new.account, provider=new.provider, test=test, approve=approve)
    return rotating.rotate(open_store, new, test=test, approve=approve)


async def rotate_all(open_store: OpenStore, lines: Iterable[Line | Failed], manner: Manner, emit: EmitLine) -> None:
    """Rotate the key of each line, at most ``concurrency`` at a time; ``emit`` gets the results in the lines' order.

    Two lines for one key follow each other. Cancelled, it lets no further step begin; what is staged stays staged.

    Raises:
        StoreUnavailable: the store went away; lines that were not emitted may be done, and are found so next time.
    """
    with ThreadPoolExecutor(manner.concurrency, "kojikey-rotate") as threads:
        await _Batch(open_store, manner, emit, threads).carry_out(lines)


@dataclass(slots=True)
class _Batch:
    open_store: OpenStore
    manner: Manner
    emit: EmitLine
    threads: ThreadPoolExecutor
    turn: threading.Lock = field(default_factory=threading.Lock)
    window: deque[asyncio.Task[Outcome]] = field(default_factory=deque)
    latest: dict[tuple[str, str], asyncio.Task[Outcome]] = field(default_factory=dict)
    asked: set[asyncio.Future[Verdict]] = field(default_factory=set)
    is_stopped: bool = False

    async def carry_out(self, lines: Iterable[Line | Failed]) -> None:
        source: asyncio.Queue[Read] = asyncio.Queue()
        room, loop = threading.Semaphore(self.manner.concurrency), asyncio.get_running_loop()
        # A daemon: one that waits for a pipe must not hold up the end of the program.
        threading.Thread(target=_read, args=(lines, source, room, loop), name="kojikey-lines", daemon=True).start()
        try:
            await self._work_off(source, room)
        finally:
            self.is_stopped = True
            for question in self.asked:
                question.cancel()
            await asyncio.gather(*self.window, return_exceptions=True)
            self._emit_finished()

    def _emit_finished(self) -> None:
        """Emit what became of the lines that were done when the batch was stopped, behind one that was not."""
        for task in self.window:
            if not task.cancelled() and task.exception() is None:
                self.emit(task.result())

    async def _work_off(self, source: asyncio.Queue[Read], room: threading.Semaphore) -> None:
        """Begin lines as they come, and emit results as soon as it is their turn."""
        coming: asyncio.Task[Read] | None = asyncio.ensure_future(source.get())
        while coming is not None or self.window:
            first = [self.window[0]] if self.window else []
            more = [coming] if coming is not None and len(self.window) < 2 * self.manner.concurrency else []
            await asyncio.wait([*first, *more], return_when=asyncio.FIRST_COMPLETED)
            while self.window and self.window[0].done():
                self.emit(self.window.popleft().result())
            if coming is not None and coming.done() and more:
                line = coming.result()
                room.release()
                if isinstance(line, Exception):
                    raise line
                coming = asyncio.ensure_future(source.get()) if line is not None else None
                if line is not None:
                    self.window.append(self._begun(line))

    def _begun(self, line: Line | Failed) -> asyncio.Task[Outcome]:
        if isinstance(line, Failed):
            return asyncio.ensure_future(_as_it_is(line))
        pair = (line.new.account, line.new.provider)
        task = asyncio.ensure_future(self._rotated(line, self.latest.get(pair)))
        self.latest[pair] = task
        task.add_done_callback(lambda done: self.latest.pop(pair) if self.latest.get(pair) is done else None)
        return task

    async def _rotated(self, line: Line, before: asyncio.Task[Outcome] | None) -> Outcome:
        if before is not None:
            await asyncio.wait([before])
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, lambda: self._in_thread(line, loop))

    def _in_thread(self, line: Line, loop: asyncio.AbstractEventLoop) -> Outcome:
        test = (lambda secret, target: self._ask(loop, secret, target)) if self.manner.probe else None
        with self.turn:
            if self.is_stopped:
                raise CancelledError
            return _guarded(
                line,
                lambda: Done(
                    line.number, rotate_line(self.open_store, line.new, test=test, approve=self.manner.approve)
                ),
            )

    def _ask(self, loop: asyncio.AbstractEventLoop, secret: Secret, target: Target) -> Verdict:
        """Ask the provider; meanwhile others have the custody."""
        self.turn.release()
        try:
            return asyncio.run_coroutine_threadsafe(self._verdict(secret, target), loop).result()
        finally:
            self.turn.acquire()

    async def _verdict(self, secret: Secret, target: Target) -> Verdict:
        if self.is_stopped or self.manner.probe is None:
            raise asyncio.CancelledError
        question = asyncio.ensure_future(self._paced(secret, target))
        self.asked.add(question)
        question.add_done_callback(self.asked.discard)
        return await question

    async def _paced(self, secret: Secret, target: Target) -> Verdict:
        assert self.manner.probe is not None  # noqa: S101 - looked at by the caller
        while (wait := self.manner.take_turn(target.provider, target.base_url)) > 0:
            await asyncio.sleep(wait)
        return await self.manner.probe(secret, target)


async def _as_it_is(line: Failed) -> Outcome:
    return line


def _read(
    lines: Iterable[Line | Failed],
    source: asyncio.Queue[Read],
    room: threading.Semaphore,
    loop: asyncio.AbstractEventLoop,
) -> None:
    """Hand the lines over as there is room for them, then None; or what went wrong with reading."""

    def hand_over(item: Read) -> None:
        room.acquire()
        loop.call_soon_threadsafe(source.put_nowait, item)

    with suppress(RuntimeError):  # the loop is closed: nobody wants more of them
        try:
            for line in lines:
                hand_over(line)
        except Exception as error:  # told where it is waited for
            hand_over(error)
        else:
            hand_over(None)
