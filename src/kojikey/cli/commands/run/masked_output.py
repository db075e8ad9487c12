"""One stream of a program's output, on its way through the masks to ours.

Owns: when bytes are passed on, and what happens where nobody reads them. Must not: start or watch a program.
"""

from __future__ import annotations

import errno
import os
import select
import time
from dataclasses import dataclass

from kojikey.scanning.masker import Masker

_MOMENT_S = 0.02
_LAG_S = 0.2
_PIECE = 65536


@dataclass(slots=True)
class Output:
    """One stream of the program's output, on its way to ours."""

    source: int
    target: int
    masker: Masker
    is_terminal: bool = False
    deadline: float | None = None
    is_open: bool = True

    @property
    def _patience(self) -> float:
        return _LAG_S if self.is_terminal else 0

    def read(self) -> bool:
        """Pass on what is there now; return whether there was anything."""
        try:
            data = os.read(self.source, _PIECE)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:  # the program's end of a pseudo-terminal is closed
                raise
            data = b""
        if not data:
            self.close()
            return False
        ready = self.masker.feed(data)
        if not self.masker.holds_few:
            self.deadline = None
        elif ready or self.deadline is None:
            self.deadline = time.monotonic() + _MOMENT_S
        self._write(ready)
        return True

    def release(self) -> None:
        """Write what was held for a moment, where the moment is over."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            self.deadline = None
            self._write(self.masker.release())

    def drain(self) -> None:
        """Pass on what is left after the program's end, but wait for no other program that it left behind.

        The kernel takes a moment to carry what was written to a pseudo-terminal to its other end.
        """
        while self.is_open and select.select((self.source,), (), (), self._patience)[0]:
            self.read()
        self.close()

    def close(self) -> None:
        """Write what is held, and read no more: a program that still writes hears that nobody reads."""
        if self.is_open:
            self.is_open = False
            os.close(self.source)
            self._write(self.masker.finish())

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.target, view) :]
            except BlockingIOError:
                select.select((), (self.target,), ())
            except OSError:  # our own reader went away: so it does for the program
                if self.is_open:
                    self.is_open = False
                    os.close(self.source)
                return
