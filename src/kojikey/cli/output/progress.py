"""The progress bar of a long run: one line on stderr, only on a terminal and in the foreground, erased at the end.

Written without rich, which would cost too much: the bar is drawn ten times a second, between the rows of results.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Protocol

from kojikey.cli.output.terminal import encodes

_CLEAR = "\r\x1b[2K"
_INTERVAL_S = 0.1
_BAR_COLUMNS = 20
_SHORTEST_BAR = 4


class Counts(Protocol):
    """The counts of a run that the bar shows."""

    @property
    def finished(self) -> int:
        """Return how many keys are done."""

    @property
    def failed(self) -> int:
        """Return how many of them failed."""


class Progress:
    """Draws the progress of a run, or nothing if ``is_shown`` is False.

    ``total`` is the number of keys, or None while it is unknown; it may be set later.
    """

    def __init__(self, total: int | None, *, is_shown: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self._is_shown, self._clock = total, is_shown, clock
        self._began = clock()
        self._drawn_at = 0.0
        self._is_drawn = False
        full, empty = "━╌" if encodes(sys.stderr, "━╌") else "=-"
        self._full, self._empty = full, empty

    def show(self, tally: Counts, *, at_once: bool = False) -> None:
        """Draw the line, at most ten times a second unless it was cleared meanwhile or ``at_once`` is set."""
        now = self._clock()
        is_fresh = self._is_drawn and not at_once and now - self._drawn_at < _INTERVAL_S
        if not self._is_shown or is_fresh or _is_in_background():
            return
        self._drawn_at, self._is_drawn = now, True
        columns = _width()
        text = progress_text(tally, self.total, now - self._began, columns)
        self._write(_CLEAR + self._bar(tally, columns - len(text) - 1) + text)

    def _bar(self, tally: Counts, room: int) -> str:
        """Return the bar and a space, shorter on a narrow terminal and left out on a very narrow one."""
        columns = min(room, _BAR_COLUMNS)
        if self.total is None or columns < _SHORTEST_BAR:
            return ""
        filled = columns * min(tally.finished, self.total) // self.total if self.total else columns
        return self._full * filled + self._empty * (columns - filled) + " "

    def clear(self) -> None:
        """Erase the line, so that a row of results can be written in its place."""
        if self._is_drawn:
            self._is_drawn = False
            self._write(_CLEAR)

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError):
            self._is_shown = False


def progress_text(tally: Counts, total: int | None, seconds: float, columns: int) -> str:
    """Return what stands beside the bar: done, failed, left, keys a second, time to go; at most ``columns`` long.

    On a narrow terminal the keys a second are left out first.
    """
    done = tally.finished
    counts = [f"{done} done", f"{tally.failed} failed"]
    if total is None:
        return ", ".join(counts)[:columns]
    left = max(0, total - done)
    rate = done / seconds if seconds > 0 else 0.0
    to_go = [f"{_span(left / rate)} to go"] if rate and seconds >= 1 else []
    whole = ", ".join([*counts, f"{left} left", f"{rate:.0f}/s", *to_go])
    brief = ", ".join([*counts, f"{left} left", *to_go])
    return whole if len(whole) <= columns else brief[:columns]


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _is_in_background() -> bool:
    """Return whether another job has the terminal: the bar would erase what a person types at the shell's prompt."""
    try:
        return os.tcgetpgrp(sys.stderr.fileno()) != os.getpgrp()
    except (OSError, ValueError, AttributeError):  # not our controlling terminal, or Windows
        return False


def _width() -> int:
    try:
        return max(20, os.get_terminal_size(sys.stderr.fileno()).columns - 1)
    except (OSError, ValueError):
        return 79
