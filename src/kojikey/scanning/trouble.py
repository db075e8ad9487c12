"""Counts what a search leaves out, and names what could not be read.

Owns: the words for it. Must not: show a name; names are hostile text, and may themselves have a key in them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

FIFO, SOCKET, DEVICE, LINK, ARCHIVE = "fifo", "socket", "device", "link", "archive"

_NAMED = 1000


@dataclass(slots=True)
class Tally:
    """The counts of a search. ``unreadable`` names the first thousand; ``unreadable_count`` is of all."""

    files: int = 0
    objects: int = 0
    repositories: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    unreadable_count: int = 0
    has_git_database: bool = False
    is_shallow: bool = False

    def could_not_read(self, name: str, reason: str) -> None:
        """Remember what could not be read, and why."""
        self.unreadable_count += 1
        if len(self.unreadable) < _NAMED:
            self.unreadable.append((name, reason))
