"""Opens and searches files. Never follows a link, never waits for a FIFO.

Owns: opening and reading files. Must not: print a name, or unpack an archive.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from kojikey.scanning.scanner import Found, Read, Scanner
from kojikey.scanning.tally import ARCHIVE, Tally

_OPEN = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)  # a link may have replaced the file since its folder was read
    | getattr(os, "O_NONBLOCK", 0)  # so may a FIFO
    | getattr(os, "O_BINARY", 0)
)
_BLOCK = 512  # of st_blocks, on every system that has them
_SPARSE = 1024 * 1024  # bytes; smaller files are read with their holes
_ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c", b"Rar!")


class InFile(NamedTuple):
    """A find in a file or, if it has no line, in the file's name."""

    path: str
    found: Found


@dataclass(frozen=True, slots=True)
class FileSearch:
    """A search through files, one at a time."""

    scanner: Scanner
    tally: Tally

    def files(self, paths: list[str], tally: Tally) -> Iterator[InFile]:
        """Yield the finds in some files, counted in a tally."""
        search = FileSearch(self.scanner, tally)
        for path in paths:
            yield from search.file(path)

    def stream(self, name: str, read: Read) -> Iterator[InFile]:
        """Yield the finds in an open stream."""
        self.tally.files += 1
        try:
            for found in self.scanner.scan(read):
                yield InFile(name, found)
        except OSError as error:
            self.tally.refused(name, error)

    def file(self, path: str, *, real: str | None = None) -> Iterator[InFile]:
        """Yield the finds in a file; ``real`` is its path without links, if ``path`` may have some."""
        try:
            number = os.open(real or path, _OPEN)
        except OSError as error:
            self.tally.refused(path, error)
            return
        try:
            yield from self._open_file(path, number)
        except OSError as error:
            self.tally.refused(path, error)
        finally:
            os.close(number)

    def _open_file(self, path: str, number: int) -> Iterator[InFile]:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            self.tally.skip(status.st_mode)
            return
        self.tally.files += 1
        is_sparse = status.st_size > _SPARSE and getattr(status, "st_blocks", 0) * _BLOCK < status.st_size
        read = _without_holes(number) if is_sparse and hasattr(os, "SEEK_DATA") else _plainly(number)
        for found in self.scanner.scan(read):
            yield InFile(path, found)
        if self.scanner.beginning.startswith(_ARCHIVES):
            self.tally.skipped[ARCHIVE] += 1


def _plainly(number: int) -> Read:
    if hasattr(os, "readv"):
        return lambda view: os.readv(number, [view])

    def read(view: memoryview) -> int:
        data = os.read(number, len(view))
        view[: len(data)] = data
        return len(data)

    return read


def _without_holes(number: int) -> Read:
    """Return a reader that skips the holes of a sparse file, which have no line ends and thus no effect on numbers."""
    read = _plainly(number)
    end = 0

    def read_next(view: memoryview) -> int:
        nonlocal end
        at = os.lseek(number, 0, os.SEEK_CUR)
        if at >= end:
            try:
                at = os.lseek(number, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # only a hole is left
                    return 0
                raise
            end = os.lseek(number, at, os.SEEK_HOLE)
            os.lseek(number, at, os.SEEK_SET)
        return read(view[: end - at])

    return read_next
