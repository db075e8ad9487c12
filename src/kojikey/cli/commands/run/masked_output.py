"""One stream of a program's output, which is masked and written to our own stream.

Owns: when bytes are passed on, and what happens if our stream is closed. Must not: start or watch a program.
"""

from __future__ import annotations

import errno
import os
import select
import time
from dataclasses import dataclass

from kojikey.scanning.masker import Masker

_HOLD_S = 0.02
_TERMINAL_LAG_S = 0.2
_READ_BYTES = 65536


@dataclass(slots=True)
class Output:
    """One stream of the program's output. ``source`` is read, ``target`` is written, both are file descriptors.

    ``deadline`` is when the bytes that the masker holds are written at the latest (monotonic time), None for no limit.
    """

    source: int
    target: int
    masker: Masker
    is_terminal: bool = False
    deadline: float | None = None
    is_open: bool = True

    @property
    def _wait_s(self) -> float:
        return _TERMINAL_LAG_S if self.is_terminal else 0

    def read(self) -> bool:
        """Read once and pass the data on; return whether there was any."""
        try:
            data = os.read(self.source, _READ_BYTES)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:  # EIO: the program's end of a pseudo-terminal is closed
                raise
            data = b""
        if not data:
            self.close()
            return False
        ready = self.masker.feed(data)
        if not self.masker.holds_few:
            self.deadline = None
        elif ready or self.deadline is None:
            self.deadline = time.monotonic() + _HOLD_S
        self._write(ready)
        return True

    def release_expired(self) -> None:
        """Write the held bytes if their deadline has passed."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            self.deadline = None
            self._write(self.masker.release())

    def drain(self) -> None:
        """Pass on the rest after the program's end, without waiting for other programs that it started.

        The kernel needs a moment to move data from one end of a pseudo-terminal to the other.
        """
        while self.is_open and select.select((self.source,), (), (), self._wait_s)[0]:
            self.read()
        self.close()

    def close(self) -> None:
        """Write the held bytes, and stop reading: a program that still writes gets SIGPIPE or EIO."""
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
            except OSError as error:  # our stream is closed, so the program's stream is closed too
                _say_lost(error)
                if self.is_open:
                    self.is_open = False
                    os.close(self.source)
                return


def _say_lost(error: OSError) -> None:
    """Say that output is lost, for example on a full disk: the program itself does not notice it."""
    if error.errno == errno.EPIPE:  # the reader went away, which it may
        return
    from kojikey.cli.output.failure import say

    say(f"kojikey: the program's output cannot be written ({error.strerror}); the rest of it is lost")
