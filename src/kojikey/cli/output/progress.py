"""The progress bar of a long run: one line on stderr, only on a terminal, erased at the end.

Written without rich: it is drawn between results on the same terminal, ten times a second, beside thousands of
requests.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Protocol

from kojikey.cli.output.terminal import encodes

_CLEAR = "\r\x1b[2K"
_EVERY_S = 0.1
_BAR = 20


class Counts(Protocol):
    """How much of a run is done."""

    @property
    def finished(self) -> int:
        """Return how many are done."""

    @property
    def failed(self) -> int:
        """Return how many of them failed."""


class Progress:
    """Draws how far a run is. Nothing is written where ``is_shown`` is False.

    ``total`` is None where nobody knows yet; it may be set later.
    """

    def __init__(self, total: int | None, *, is_shown: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self._is_shown, self._clock = total, is_shown, clock
        self._began = clock()
        self._drawn_at = 0.0
        self._is_drawn = False
        full, empty = "━╌" if encodes(sys.stderr, "━╌") else "=-"
        self._full, self._empty = full, empty

    def show(self, tally: Counts, *, at_once: bool = False) -> None:
        """Draw, unless it was drawn just now and still stands; a row that took its place is followed by it again."""
        now = self._clock()
        stands = self._is_drawn and not at_once and now - self._drawn_at < _EVERY_S
        if not self._is_shown or stands:
            return
        self._drawn_at, self._is_drawn = now, True
        self._write(_CLEAR + progress_line(tally, self.total, now - self._began, (self._full, self._empty))[: _width()])

    def clear(self) -> None:
        """Take the line away, for something else to be written."""
        if self._is_drawn:
            self._is_drawn = False
            self._write(_CLEAR)

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError):
            self._is_shown = False


def progress_line(tally: Counts, total: int | None, seconds: float, marks: tuple[str, str]) -> str:
    """Return the line: a bar, done, failed, left, keys a second, time to go."""
    done = tally.finished
    if total is None:
        return f"{done} done, {tally.failed} failed"
    left = max(0, total - done)
    filled = _BAR * done // total if total else _BAR
    rate = done / seconds if seconds > 0 else 0.0
    parts = [f"{done} done", f"{tally.failed} failed", f"{left} left", f"{rate:.0f}/s"]
    if rate and seconds >= 1:
        parts.append(f"{_span(left / rate)} to go")
    return marks[0] * filled + marks[1] * (_BAR - filled) + " " + ", ".join(parts)


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _width() -> int:
    try:
        return max(20, os.get_terminal_size(sys.stderr.fileno()).columns - 1)
    except (OSError, ValueError):
        return 79
