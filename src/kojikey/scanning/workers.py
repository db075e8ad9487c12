"""Searches files in several processes at the same time.

Each is a copy of this one (fork), so that nothing is prepared twice and no key is sent anywhere: paths go to it through
a pipe, and finds, which have a key's number alone, come back. Owns: these processes. Must not: choose the files.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import Any

from kojikey.scanning.files import FileSearch, InFile
from kojikey.scanning.trouble import Tally
from kojikey.scanning.windows import Found

_MOST = 4  # processes; more would mostly wait for the disk, and take memory


class Workers:
    """The processes of one search. They begin with the first batch that is given to them."""

    def __init__(self, search: FileSearch) -> None:
        self._search = search
        self._workers: list[_Worker] = []
        self.are_at_work = False
        """Whether they have begun."""

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end()

    def search(self, batch: list[str]) -> Iterator[InFile]:
        """Have some files searched; yield what was found meanwhile, in these and in earlier ones."""
        if not self.are_at_work:
            self.are_at_work = True
            for _ in range(_possible()):
                self._workers.append(_Worker(self._search, self._workers))
        while self._workers and not any(worker.is_free for worker in self._workers):
            yield from self._hear()
        free = next((worker for worker in self._workers if worker.is_free), None)
        if free:
            free.ask(batch)
        else:
            yield from self._here(batch)

    def finish(self, batch: list[str]) -> Iterator[InFile]:
        """Search the last files, and yield everything that is left to find."""
        yield from self._here(batch)
        while not all(worker.is_free for worker in self._workers):
            yield from self._hear()

    def _here(self, batch: list[str]) -> Iterator[InFile]:
        for path in batch:
            yield from self._search.file(path)

    def _hear(self) -> Iterator[InFile]:
        busy = {worker.answers: worker for worker in self._workers if not worker.is_free}
        for source in select.select(list(busy), (), ())[0]:
            worker = busy[source]
            for answer in worker.heard():
                if isinstance(answer, Tally):
                    self._search.tally.add(answer)
                else:
                    yield answer
            if worker.is_lost:
                self._workers.remove(worker)
                worker.end()
                yield from islice(self._here(worker.batch), worker.count, None)


def _possible() -> int:
    """Return how many processes are of use."""
    if not hasattr(os, "fork") or sys.platform == "darwin" or threading.active_count() > 1:
        return 0  # on macOS, and beside other threads, a copy of a process may not work
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST) if cores > 1 else 0


class _Worker:
    """One process. It answers a batch of paths with a line for each find, and at the end one with what it counted."""

    def __init__(self, search: FileSearch, others: list[_Worker]) -> None:
        asked, self._questions = os.pipe()
        self.answers, answered = os.pipe()
        self._left = b""
        self.batch: list[str] = []
        self.count = 0
        """How many finds it has reported of this batch."""
        self.is_free, self.is_lost = True, False
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))  # until the copy will die of it without a word
        self._pid = os.fork()
        if self._pid == 0:
            # each notices our end by the end of its questions
            _serve(search, asked, answered, [end for worker in (self, *others) for end in worker._ours])
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
            return  # that it is lost is heard with the next answer

    def heard(self) -> Iterator[InFile | Tally]:
        data = os.read(self.answers, 65536)
        *lines, self._left = (self._left + data).split(b"\n")
        self.is_lost = not data
        for line in lines:
            answer = _read(json.loads(line))
            self.is_free = isinstance(answer, Tally)
            self.count += not self.is_free
            yield answer

    def end(self) -> None:
        for end in self._ours:
            os.close(end)
        os.kill(self._pid, signal.SIGKILL)  # it has nothing that a file or a lock could be left behind by
        os.waitpid(self._pid, 0)


def _read(answer: Any) -> InFile | Tally:
    if not isinstance(answer, dict):
        return InFile(answer[0], Found(*answer[1]))
    unreadable = [(name, reason) for name, reason in answer["unreadable"]]
    return Tally(answer["files"], Counter(answer["skipped"]), unreadable, answer["unreadable_count"])


def _written(answer: InFile | Tally) -> bytes:
    return json.dumps(answer if isinstance(answer, InFile) else asdict(answer)).encode() + b"\n"


def _serve(search: FileSearch, asked: int, answered: int, not_ours: list[int]) -> None:
    """Answer until there are no more questions. Never returns."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))
        for end in not_ours:
            os.close(end)
        with open(asked, "rb") as questions, open(answered, "wb") as answers:
            for line in questions:
                batch = FileSearch(search.scanner, Tally())
                for path in json.loads(line):
                    answers.writelines(map(_written, batch.file(path)))
                answers.write(_written(batch.tally))
                answers.flush()
    finally:
        os._exit(0)
