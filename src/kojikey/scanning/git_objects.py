"""Reads objects of git's database by their names, and searches each.

Owns: what ``git cat-file --batch`` answers. Must not: trust it: no more than the size that git reports is read, and an
object at which git ends is left out, not those after it.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Generator, Iterator
from io import BufferedReader
from typing import IO, NamedTuple

from kojikey.scanning.git_process import Git, stop
from kojikey.scanning.trouble import Tally
from kojikey.scanning.windows import WINDOW, Found, Read, Scanner, reader_of

_END = b"\n"  # after each object
_ENDS = 100  # so many objects may end git, before the repository is given up


class InObject(NamedTuple):
    """A find in an object. ``kind`` is blob, commit, tag or tree."""

    object: str
    kind: str
    found: Found


class ObjectSearch:
    """A search in objects. The git that answers is started once, and again after an object that ended it."""

    def __init__(self, git: Git, scanner: Scanner) -> None:
        self._git, self._scanner = git, scanner
        self._process: subprocess.Popen[bytes] | None = None
        self._ends = 0

    def search(self, names: list[str], tally: Tally) -> Iterator[InObject]:
        """Yield the finds in a batch of objects, in order. It is small: all names fit into the pipe to git."""
        left = list(names)
        while left and self._ends < _ENDS:
            process = self._asked(left)
            while left and (yield from self._object(left.pop(0), process.stdout, tally)):
                pass
            if left:  # git ended at an object: the next one goes on after it
                self._ends += 1
                self.close()
        if left:
            tally.could_not_read(self._git.folder, "git cannot read all objects")

    def close(self) -> None:
        """End the git that answers."""
        if self._process:
            with contextlib.suppress(BrokenPipeError):
                _stdin(self._process).close()
            stop(self._process)
        self._process = None

    def _asked(self, names: list[str]) -> subprocess.Popen[bytes]:
        process = self._process or self._git.start("cat-file", "--batch", stdin=subprocess.PIPE)
        self._process = process
        with contextlib.suppress(BrokenPipeError):  # that it ended is seen by what it writes
            _stdin(process).write("".join(f"{name}\n" for name in names).encode())
            _stdin(process).flush()
        return process

    def _object(self, name: str, stream: object, tally: Tally) -> Generator[InObject, None, bool]:
        """Yield the finds in the object that git writes next; return whether it wrote the whole of it."""
        assert isinstance(stream, BufferedReader)  # noqa: S101 - a process that was started with a pipe has one
        words = stream.readline().split()
        is_whole = bool(words)
        if len(words) == 3 and words[2].isdigit():
            tally.objects += 1
            yield from self._finds(name, words[1].decode("ascii"), int(words[2]), stream)
            is_whole = stream.read(1) == _END
            if is_whole:
                return True
        tally.could_not_read(f"{self._git.folder}: object {name}", "missing or damaged")
        return is_whole

    def _finds(self, name: str, kind: str, size: int, stream: BufferedReader) -> Iterator[InObject]:
        if size > WINDOW:
            read = _limited(stream, size)
        else:
            data = stream.read(size)
            if self._scanner.is_clean(data):
                return
            read = reader_of(data)
        for found in self._scanner.scan(read):
            if kind == "tree":  # a name in a folder; a tree has no lines
                found = found._replace(line=None, column=None)
            yield InObject(name, kind, found)


def _stdin(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None  # noqa: S101 - it was started with a pipe
    return process.stdin


def _limited(stream: BufferedReader, size: int) -> Read:
    """Return a reader of so many bytes of a stream."""
    left = size

    def read(view: memoryview) -> int:
        nonlocal left
        count = stream.readinto(view[:left]) if left else 0
        left -= count
        return count

    return read
