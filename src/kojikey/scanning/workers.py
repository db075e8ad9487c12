"""Searches in several processes at the same time.

Each is a fork of this process, so that nothing is prepared twice and no key is sent anywhere: a pipe carries names of
files to it, and another one finds, which have only a key's number, back. Must not: know what is searched.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Generic, TypeVar

from kojikey.scanning.scanner import Found
from kojikey.scanning.tally import Tally

_MOST = 4  # processes; more would mostly wait for the disk, and need memory

Place = TypeVar("Place")
"""A named tuple: the place of a find, and as its last member the :class:`.Found`."""

Work = Callable[[list[str], Tally], Iterator[Place]]
"""Searches the files or objects in a batch of names, in order, and counts them in a tally."""


class Workers(Generic[Place]):
    """The processes of one search, which are started with the first batch."""

    def __init__(self, work: Work[Place], place: Callable[..., Place], tally: Tally) -> None:
        self._work, self._place, self._tally = work, place, tally
        self._workers: list[_Worker] = []
        self.are_started = False

    def __enter__(self) -> Workers[Place]:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end()

    def search(self, batch: list[str]) -> Iterator[Place]:
        """Send a batch to a process; yield the finds that have arrived from this and earlier batches."""
        if not self.are_started:
            self.are_started = True
            with contextlib.suppress(OSError):  # no memory, or too many processes: fewer workers do everything
                for _ in range(useful_processes()):
                    self._workers.append(_Worker(self._work, self._workers))
        while self._workers and not any(worker.is_free for worker in self._workers):
            yield from self._receive()
        free = next((worker for worker in self._workers if worker.is_free), None)
        if free:
            free.ask(batch)
        else:
            yield from self._work(batch, self._tally)

    def finish(self, batch: list[str]) -> Iterator[Place]:
        """Search the last batch in this process, and yield all remaining finds."""
        yield from self._work(batch, self._tally)
        while not all(worker.is_free for worker in self._workers):
            yield from self._receive()

    def _receive(self) -> Iterator[Place]:
        busy = {worker.answers: worker for worker in self._workers if not worker.is_free}
        for source in select.select(list(busy), (), ())[0]:
            worker = busy[source]
            for answer in worker.received():
                if isinstance(answer, dict):
                    self._tally.add(_tally(answer))
                else:
                    yield self._place(*answer[:-1], Found(*answer[-1]))
            if worker.is_lost:  # it was killed, or had no memory: its last batch is searched here
                self._workers.remove(worker)
                worker.end()
                yield from islice(self._work(worker.batch, self._tally), worker.count, None)


def useful_processes() -> int:
    """Return the number of processes that make a search faster, 0 if a fork of this process may not work."""
    if not hasattr(os, "fork") or sys.platform == "darwin" or threading.active_count() > 1:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST) if cores > 1 else 0


class _Worker:
    """One process. It answers a batch with a line for each find, then a line with its counts."""

    def __init__(self, work: Work[Any], others: list[_Worker]) -> None:
        asked, self._questions = os.pipe()
        self.answers, answered = os.pipe()
        self._left = b""
        self.batch: list[str] = []
        self.count = 0
        """The number of finds of this batch so far."""
        self.is_free, self.is_lost = True, False
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))  # until Ctrl-C ends the fork silently
        try:
            self._pid = os.fork()
            if self._pid == 0:
                # the other workers' pipes are closed, so that each worker notices the end of this process
                _serve(work, asked, answered, [end for worker in (self, *others) for end in worker._ours])
        except OSError:
            for end in self._ours:
                os.close(end)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))
            os.close(asked)
            os.close(answered)

    @property
    def _ours(self) -> tuple[int, int]:
        return self._questions, self.answers

    def ask(self, batch: list[str]) -> None:
        self.batch, self.count, self.is_free = batch, 0, False
        left = memoryview(json.dumps(batch).encode() + b"\n")
        try:
            while left:
                left = left[os.write(self._questions, left) :]
        except BrokenPipeError:
            return  # the next `received` reports that it is lost

    def received(self) -> Iterator[Any]:
        data = os.read(self.answers, 65536)
        *lines, self._left = (self._left + data).split(b"\n")
        self.is_lost = not data
        for line in lines:
            answer = json.loads(line)
            self.is_free = isinstance(answer, dict)
            self.count += not self.is_free
            yield answer

    def end(self) -> None:
        for end in self._ours:
            os.close(end)
        os.kill(self._pid, signal.SIGKILL)  # it has nothing to clean up
        os.waitpid(self._pid, 0)


def _serve(work: Work[Any], asked: int, answered: int, not_ours: list[int]) -> None:
    """Search batches until the pipe ends. Never returns."""
    try:
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))
        for end in not_ours:
            os.close(end)
        with open(asked, "rb") as questions, open(answered, "wb") as answers:
            for line in questions:
                tally = Tally()
                for place in work(json.loads(line), tally):
                    answers.write(json.dumps(place).encode() + b"\n")
                answers.write(json.dumps(_written(tally)).encode() + b"\n")
                answers.flush()
    finally:
        os._exit(0)


def _written(tally: Tally) -> dict[str, Any]:
    return {
        "files": tally.files, "objects": tally.objects, "skipped": tally.skipped,
        "unreadable": tally.unreadable, "unreadable_count": tally.unreadable_count,
    }  # fmt: skip


def _tally(written: dict[str, Any]) -> Tally:
    unreadable = [(name, reason) for name, reason in written["unreadable"]]
    return Tally(**{**written, "skipped": Counter(written["skipped"]), "unreadable": unreadable})
