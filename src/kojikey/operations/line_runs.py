"""Works on the lines of an input: on several at a time, with the results in the order of the lines.

Owns: how many lines are worked on at a time, and that lines about one key are not. Must not: know the work.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_Line = TypeVar("_Line")
_Result = TypeVar("_Result")

_WINDOW = 2
"""At most this many times ``concurrency`` lines are in memory: waiting, worked on, or done behind an unfinished one."""


async def run_lines(
    lines: Iterable[_Line],
    work: Callable[[_Line], Awaitable[_Result]],
    emit: Callable[[_Result], None],
    *,
    concurrency: int,
    same: Callable[[_Line], Hashable | None],
) -> None:
    """Do the work of each line, at most ``concurrency`` at a time; ``emit`` gets the results in the lines' order.

    Lines for which ``same`` returns the same value are worked on one after the other; None is equal to no value. A
    cancellation cancels the work, and the results of finished lines are emitted. Raises the first error of reading, of
    the work or of ``emit``.
    """
    await _LineRun(work, emit, same, concurrency, asyncio.Semaphore(concurrency)).to_the_end(lines)


@dataclass(slots=True)
class _LineRun(Generic[_Line, _Result]):
    work: Callable[[_Line], Awaitable[_Result]]
    emit: Callable[[_Result], None]
    same: Callable[[_Line], Hashable | None]
    concurrency: int
    slots: asyncio.Semaphore
    window: deque[asyncio.Task[_Result]] = field(default_factory=deque)
    latest: dict[Hashable, asyncio.Task[_Result]] = field(default_factory=dict)

    async def to_the_end(self, lines: Iterable[_Line]) -> None:
        reader = _Reader(lines, self.concurrency)
        reading: asyncio.Task[_Line | None] | None = asyncio.ensure_future(reader.next())
        try:
            while reading is not None or self.window:
                has_room = len(self.window) < _WINDOW * self.concurrency
                more = [reading] if reading is not None and has_room else []
                first = [self.window[0]] if self.window else []
                await asyncio.wait([*first, *more], return_when=asyncio.FIRST_COMPLETED)
                while self.window and self.window[0].done():
                    self.emit(self.window.popleft().result())
                if more and more[0].done():
                    reading = self._took(more[0].result(), reader)
        finally:
            await self._stop(reading)

    def _took(self, line: _Line | None, reader: _Reader[_Line]) -> asyncio.Task[_Line | None] | None:
        """Start the work of a line, and return the task that reads the next one; None at the end of the input."""
        if line is None:
            return None
        self.window.append(self._begin(line))
        return asyncio.ensure_future(reader.next())

    def _begin(self, line: _Line) -> asyncio.Task[_Result]:
        same = self.same(line)
        task = asyncio.ensure_future(self._worked(line, self.latest.get(same)))
        if same is not None:
            self.latest[same] = task
            task.add_done_callback(lambda done: self.latest.pop(same) if self.latest.get(same) is done else None)
        return task

    async def _worked(self, line: _Line, before: asyncio.Task[_Result] | None) -> _Result:
        if before is not None:
            await asyncio.wait([before])
        async with self.slots:
            return await self.work(line)

    async def _stop(self, reading: asyncio.Task[_Line | None] | None) -> None:
        """Cancel the unfinished work, and emit the results of all finished lines."""
        left = [*self.window, *([reading] if reading is not None else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for task in self.window:
            if not task.cancelled() and task.exception() is None:
                self.emit(task.result())


class _Reader(Generic[_Line]):
    """Reads lines in a separate thread, because reading a pipe can block; at most ``ahead`` lines in advance."""

    def __init__(self, lines: Iterable[_Line], ahead: int) -> None:
        self._lines, self._room, self._loop = lines, threading.Semaphore(ahead), asyncio.get_running_loop()
        self._queue: asyncio.Queue[_Line | Exception | None] = asyncio.Queue()
        # A daemon thread, because one that waits for a pipe must not keep the program from ending.
        threading.Thread(target=self._read, name="kojikey-lines", daemon=True).start()

    async def next(self) -> _Line | None:
        """Return the next line, None at the end. Raises the error of reading."""
        item = await self._queue.get()
        self._room.release()
        if isinstance(item, Exception):
            raise item
        return item

    def _read(self) -> None:
        with suppress(RuntimeError):  # the event loop is closed: the run has ended
            for item in self._items():
                self._hand_over(item)

    def _items(self) -> Iterator[_Line | Exception | None]:
        try:
            yield from self._lines
        except Exception as error:  # raised again by `next`
            yield error
        else:
            yield None

    def _hand_over(self, item: _Line | Exception | None) -> None:
        self._room.acquire()
        self._loop.call_soon_threadsafe(self._queue.put_nowait, item)
