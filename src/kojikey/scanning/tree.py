"""Walks a folder, and has each file in it and each name searched. Never follows a link out of the folder.

Owns: the choice of files, and of several processes for a large tree. Must not: open a file.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from kojikey.scanning.files import FileSearch, InFile
from kojikey.scanning.scanner import reader_of
from kojikey.scanning.tally import LINK
from kojikey.scanning.workers import Workers

_BATCH = 64  # files
_LARGE = 64 * 1024 * 1024  # bytes; several processes search so much faster, even in few files


class TreeSearch:
    """A search through a path that the user named: a file, or a folder with all its content."""

    def __init__(self, search: FileSearch) -> None:
        self._search, self._tally = search, search.tally

    def path(self, path: str) -> Iterator[InFile]:
        """Yield the finds in a path."""
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            self._tally.refused(path, error)
            return
        if stat.S_ISDIR(mode):
            yield from self._folder(path)
        elif stat.S_ISREG(mode):
            yield from self._search.file(path, real=os.path.realpath(path))
        else:
            self._tally.skip(mode)

    def _folder(self, root: str) -> Iterator[InFile]:
        with Workers(self._search.files, InFile, self._tally) as workers:
            batch: list[str] = []
            for entries, files in self._walk(root):
                yield from self._names(entries)
                for path in files:
                    if len(batch) == _BATCH:
                        yield from workers.search(batch)
                        batch = []
                    batch.append(path)
            if workers.are_started or len(batch) == 1 or _size(batch) < _LARGE:
                yield from workers.finish(batch)
            else:
                for path in batch:
                    yield from workers.search([path])
                yield from workers.finish([])

    def _walk(self, root: str) -> Iterator[tuple[list[os.DirEntry[str]], list[str]]]:
        """Yield the entries of each folder, and the paths of the files among them."""
        real_root = os.path.join(os.path.realpath(root), "")
        folders = [root]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    listed = sorted(entries, key=lambda entry: entry.name)
            except OSError as error:
                self._tally.refused(folder, error)
                continue
            if os.path.basename(folder) == "objects" and os.path.basename(os.path.dirname(folder)) == ".git":
                self._tally.has_git_database = True
            yield listed, [entry.path for entry in listed if self._is_file(entry, real_root, folders)]

    def _is_file(self, entry: os.DirEntry[str], real_root: str, folders: list[str]) -> bool:
        """Return whether an entry is a file; add it to ``folders`` if it is one, and count anything else."""
        try:
            if entry.is_file(follow_symlinks=False):
                return True
            if entry.is_symlink():
                self._count_link(entry.path, real_root)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                self._tally.skip(entry.stat(follow_symlinks=False).st_mode)
        except OSError as error:
            self._tally.refused(entry.path, error)
        return False

    def _names(self, entries: list[os.DirEntry[str]]) -> Iterator[InFile]:
        """Yield the keys in the names of a folder's entries, which are searched at once."""
        names = b"\n".join(os.fsencode(entry.name).replace(b"\n", b"?") for entry in entries)
        for found in self._search.scanner.scan(reader_of(names)):
            yield InFile(entries[(found.line or 1) - 1].path, found._replace(line=None, column=None))

    def _count_link(self, path: str, real_root: str) -> None:
        """Count a link out of the root; the target of any other link is searched at its own place."""
        try:
            is_inside = os.path.join(os.path.realpath(path, strict=True), "").startswith(real_root)
        except OSError:
            is_inside = False
        if not is_inside:
            self._tally.skipped[LINK] += 1


def _size(paths: list[str]) -> int:
    size = 0
    for path in paths:
        with contextlib.suppress(OSError):
            size += os.lstat(path).st_size
    return size
