"""Counts the files that a search skips, and lists those that could not be read.

Owns: the reasons. Must not: print a name; names are hostile text, and may contain a key.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import Counter
from dataclasses import dataclass, field

FIFO, SOCKET, DEVICE, LINK, ARCHIVE = "fifo", "socket", "device", "link", "archive"

_NAMED = 1000
_KINDS = ((stat.S_ISFIFO, FIFO), (stat.S_ISSOCK, SOCKET), (stat.S_ISCHR, DEVICE), (stat.S_ISBLK, DEVICE))


@dataclass(slots=True)
class Tally:
    """The counts of a search. ``unreadable`` has the first thousand names and reasons, ``unreadable_count`` all."""

    files: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    unreadable_count: int = 0
    objects: int = 0
    repositories: int = 0
    has_git_database: bool = False
    is_shallow: bool = False
    is_partial: bool = False

    def could_not_read(self, name: str, reason: str) -> None:
        """Add a name that could not be read, with the reason."""
        self.unreadable_count += 1
        if len(self.unreadable) < _NAMED:
            self.unreadable.append((name, reason))

    def refused(self, path: str, error: OSError) -> None:
        """Add a file that the system did not let us read."""
        if error.errno == errno.ENOENT:
            return  # it was deleted since its folder was read
        if error.errno == errno.ELOOP:
            self.skipped[LINK] += 1
            return
        self.could_not_read(path, os.strerror(error.errno).lower() if error.errno else "cannot be read")

    def skip(self, mode: int) -> None:
        """Count a FIFO, socket or device by its mode."""
        for is_kind, name in _KINDS:
            if is_kind(mode):
                self.skipped[name] += 1

    def add(self, other: Tally) -> None:
        """Add the counts of another search."""
        self.files += other.files
        self.objects += other.objects
        self.skipped.update(other.skipped)
        self.unreadable += other.unreadable[: _NAMED - len(self.unreadable)]
        self.unreadable_count += other.unreadable_count
