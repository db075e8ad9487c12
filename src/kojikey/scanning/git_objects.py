"""Reads objects of git's database by name, with ``git cat-file --batch``, and searches each.

An object at which git ends is skipped, and the next ones are read by a new git. Must not: read more of an object than
the size that git reports.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Generator, Iterator
from io import BufferedReader
from typing import IO, NamedTuple

from kojikey.scanning.git_process import Git, stop
from kojikey.scanning.scanner import WINDOW, Found, Read, Scanner, reader_of
from kojikey.scanning.tally import Tally

_END = b"\n"  # after each object
_MOST_ENDS = 100  # of git, after which no more objects of the repository are read


class InObject(NamedTuple):
    """A find in an object. ``kind`` is blob, commit, tag or tree."""

    object: str
    kind: str
    found: Found


class ObjectSearch:
    """A search in objects. One git process reads them all, a new one after an object that ended it."""

    def __init__(self, git: Git, scanner: Scanner) -> None:
        self._git, self._scanner = git, scanner
        self._process: subprocess.Popen[bytes] | None = None
        self._ends = 0

    def search(self, names: list[str], tally: Tally) -> Iterator[InObject]:
        """Yield the finds in a batch of objects, in order. The batch is so small that its names fit into a pipe."""
        left = list(names)
        while left and self._ends < _MOST_ENDS:
            process = self._asked(left)
            while left and (yield from self._object(left.pop(0), process.stdout, tally)):
                pass
            if left:  # git ended at an object: a new one reads the objects after it
                self._ends += 1
                self.close()
        if left:
            tally.could_not_read(self._git.folder, "git cannot read all objects")

    def close(self) -> None:
        """End the git process."""
        if self._process:
            with contextlib.suppress(BrokenPipeError):
                _stdin(self._process).close()
            stop(self._process)
        self._process = None

    def _asked(self, names: list[str]) -> subprocess.Popen[bytes]:
        process = self._process or self._git.start("cat-file", "--batch", stdin=subprocess.PIPE)
        self._process = process
        with contextlib.suppress(BrokenPipeError):  # the end of its output shows that it ended
            _stdin(process).write("".join(f"{name}\n" for name in names).encode())
            _stdin(process).flush()
        return process

    def _object(self, name: str, stream: object, tally: Tally) -> Generator[InObject, None, bool]:
        """Yield the finds in the next object that git writes; return whether git goes on with the one after it."""
        assert isinstance(stream, BufferedReader)  # noqa: S101 - a process that was started with a pipe has one
        words = stream.readline().split()
        goes_on = bool(words)  # also after an object that git does not have
        if len(words) == 3 and words[2].isdigit():
            tally.objects += 1
            yield from self._finds(name, words[1].decode("ascii"), int(words[2]), stream)
            goes_on = stream.read(1) == _END
            if goes_on:
                return True
        tally.could_not_read(f"{self._git.folder}: object {name}", "missing or damaged")
        return goes_on

    def _finds(self, name: str, kind: str, size: int, stream: BufferedReader) -> Iterator[InObject]:
        if size > WINDOW:
            read = _limited(stream, size)
        else:
            data = stream.read(size)
            if self._scanner.is_clean(data):
                return
            read = reader_of(data)
        for found in self._scanner.scan(read):
            if kind == "tree":  # the find is in a name, and a tree has no lines
                found = found._replace(line=None, column=None)
            yield InObject(name, kind, found)


def _stdin(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None  # noqa: S101 - it was started with a pipe
    return process.stdin


def _limited(stream: BufferedReader, size: int) -> Read:
    """Return a reader of the next ``size`` bytes of a stream."""
    left = size

    def read(view: memoryview) -> int:
        nonlocal left
        count = stream.readinto(view[:left]) if left else 0
        left -= count
        return count

    return read
