"""Walks folders and searches each file. Never follows a link out of a path that was named, never waits for a pipe.

Owns: which files are opened. Must not: print a name, or open an archive.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from kojikey.scanning.trouble import ARCHIVE, DEVICE, FIFO, LINK, SOCKET, Tally
from kojikey.scanning.windows import Found, Read, Scanner, reader_of

_OPEN = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)  # a link may have taken the file's place since its folder was read
    | getattr(os, "O_NONBLOCK", 0)  # so may a pipe
    | getattr(os, "O_BINARY", 0)
)
_BLOCK = 512  # of st_blocks, on every system that has them
_SPARSE = 1024 * 1024  # bytes; smaller files are read with their holes
_ARCHIVES = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c", b"Rar!")
_KINDS = ((stat.S_ISFIFO, FIFO), (stat.S_ISSOCK, SOCKET), (stat.S_ISCHR, DEVICE), (stat.S_ISBLK, DEVICE))


class InFile(NamedTuple):
    """A find in a file, or (without a line) in its name."""

    path: str
    found: Found


@dataclass(frozen=True, slots=True)
class FileSearch:
    """A search through files."""

    scanner: Scanner
    tally: Tally

    def path(self, path: str) -> Iterator[InFile]:
        """Yield the finds in a path that the user named: a file, or a folder with everything in it."""
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            self._refused(path, error)
            return
        if stat.S_ISDIR(mode):
            yield from self._folder(path)
        elif stat.S_ISREG(mode):
            yield from self._file(path, os.path.realpath(path))
        else:
            self._skip(mode)

    def stream(self, name: str, read: Read) -> Iterator[InFile]:
        """Yield the finds in an open stream."""
        self.tally.files += 1
        try:
            for found in self.scanner.scan(read):
                yield InFile(name, found)
        except OSError as error:
            self._refused(name, error)

    def _folder(self, root: str) -> Iterator[InFile]:
        real_root = os.path.join(os.path.realpath(root), "")
        folders = [root]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    listed = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                self._refused(folder, error)
                continue
            yield from self._names(listed)
            if os.path.basename(folder) == "objects" and os.path.basename(os.path.dirname(folder)) == ".git":
                self.tally.has_git_database = True
            for entry in listed:
                yield from self._entry(entry, real_root, folders)

    def _entry(self, entry: os.DirEntry[str], real_root: str, folders: list[str]) -> Iterator[InFile]:
        try:
            if entry.is_symlink():
                self._link(entry.path, real_root)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield from self._file(entry.path, entry.path)
            else:
                self._skip(entry.stat(follow_symlinks=False).st_mode)
        except OSError as error:
            self._refused(entry.path, error)

    def _names(self, entries: list[os.DirEntry[str]]) -> Iterator[InFile]:
        """Yield the keys in file names: one search for all names of a folder."""
        names = b"\n".join(os.fsencode(entry.name).replace(b"\n", b"?") for entry in entries)
        for found in self.scanner.scan(reader_of(names)):
            yield InFile(entries[(found.line or 1) - 1].path, found._replace(line=None, column=None))

    def _link(self, path: str, real_root: str) -> None:
        """Count a link that leads out of the path; the target of any other link is read at its own place."""
        try:
            is_inside = os.path.join(os.path.realpath(path, strict=True), "").startswith(real_root)
        except OSError:
            is_inside = False
        if not is_inside:
            self.tally.skipped[LINK] += 1

    def _file(self, path: str, real: str) -> Iterator[InFile]:
        try:
            number = os.open(real, _OPEN)
        except OSError as error:
            self._refused(path, error)
            return
        try:
            yield from self._open_file(path, number)
        except OSError as error:
            self._refused(path, error)
        finally:
            os.close(number)

    def _open_file(self, path: str, number: int) -> Iterator[InFile]:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            self._skip(status.st_mode)
            return
        self.tally.files += 1
        is_sparse = status.st_size > _SPARSE and getattr(status, "st_blocks", 0) * _BLOCK < status.st_size
        read = _without_holes(number) if is_sparse and hasattr(os, "SEEK_DATA") else _plainly(number)
        for found in self.scanner.scan(read):
            yield InFile(path, found)
        if self.scanner.beginning.startswith(_ARCHIVES):
            self.tally.skipped[ARCHIVE] += 1

    def _skip(self, mode: int) -> None:
        for is_kind, name in _KINDS:
            if is_kind(mode):
                self.tally.skipped[name] += 1

    def _refused(self, path: str, error: OSError) -> None:
        if error.errno == errno.ENOENT:
            return  # it was removed since its folder was read
        if error.errno == errno.ELOOP:
            self.tally.skipped[LINK] += 1
            return
        reason = os.strerror(error.errno).lower() if error.errno else "cannot be read"
        self.tally.could_not_read(path, reason)


def _plainly(number: int) -> Read:
    if hasattr(os, "readv"):
        return lambda view: os.readv(number, [view])

    def read(view: memoryview) -> int:
        data = os.read(number, len(view))
        view[: len(data)] = data
        return len(data)

    return read


def _without_holes(number: int) -> Read:
    """Return a reader that skips the holes of a sparse file; line numbers stay right: holes have no line ends."""
    read = _plainly(number)
    end = 0

    def read_next(view: memoryview) -> int:
        nonlocal end
        at = os.lseek(number, 0, os.SEEK_CUR)
        if at >= end:
            try:
                at = os.lseek(number, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # nothing but a hole is left
                    return 0
                raise
            end = os.lseek(number, at, os.SEEK_HOLE)
            os.lseek(number, at, os.SEEK_SET)
        return read(view[: end - at])

    return read_next
