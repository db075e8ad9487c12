"""Searches a stream of any length in a window of fixed size, and reports line and column of each find.

Owns: the overlap of windows, counting lines. Must not: open anything; it is given a function that reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from kojikey.model.masking import tail_of
from kojikey.scanning.engine import Engine, Match

WINDOW = 1024 * 1024
_BEGINNING = 8  # bytes, by which an archive is recognised
_CONTEXT = 1  # a byte before the first that may begin a match: what stands before a shape decides
_CONTINUATION = bytes(range(0x80, 0xC0))  # of a character in UTF-8, after its first byte

Read = Callable[[memoryview], int]
"""Fills the beginning of a view and returns how many bytes it wrote; 0 is the end."""


class Found(NamedTuple):
    """A key that was found. Lines and columns (in characters of UTF-8) begin at 1; ``tail`` is what may be shown.

    ``key`` is the number that the engine has for it; of a key that is not ours it is None, and ``provider`` is set.
    """

    line: int | None
    column: int | None
    encoding: str
    key: int | None
    provider: str | None
    tail: str


class Scanner:
    """A window, and an engine that searches in it. One instance is used for one stream at a time."""

    def __init__(self, engine: Engine, *, window: int = WINDOW) -> None:
        self.engine = engine
        self.buffer = bytearray(window + 2 * engine.reach)
        self._view = memoryview(self.buffer)
        self.beginning = b""
        """The first bytes of the stream that was searched last."""

    def scan(self, read: Read) -> Iterator[Found]:
        """Yield what is found in a stream, each place once, in order."""
        filled, is_at_end = self._fill(read, 0)
        self.beginning = bytes(self._view[: min(filled, _BEGINNING)])
        matches = self.engine.find(self.buffer, 0, filled)
        if not matches and is_at_end:
            return
        line, column, first = 1, 1, 0
        while True:
            limit = filled if is_at_end else filled - self.engine.reach
            for match in matches:
                if first <= match.start < limit:
                    yield self._found(match, line, column)
            if is_at_end:
                return
            keep = limit - _CONTEXT
            line, column = self._position(keep, line, column)
            self.buffer[: filled - keep] = self.buffer[keep:filled]
            filled, is_at_end = self._fill(read, filled - keep)
            matches, first = self.engine.find(self.buffer, 0, filled), _CONTEXT

    def _fill(self, read: Read, filled: int) -> tuple[int, bool]:
        while filled < len(self.buffer):
            count = read(self._view[filled:])
            if not count:
                return filled, True
            filled += count
        return filled, False

    def _position(self, at: int, line: int, column: int) -> tuple[int, int]:
        """Return line and column of a place in the window, given those of its beginning."""
        last = self.buffer.rfind(b"\n", 0, at)
        characters = len(self.buffer[last + 1 : at].translate(None, _CONTINUATION))
        if last < 0:
            return line, column + characters
        return line + self.buffer.count(b"\n", 0, at), characters + 1

    def _found(self, match: Match, line: int, column: int) -> Found:
        line, column = self._position(match.start, line, column)
        if match.shape is None:
            return Found(line, column, match.encoding, match.key, None, "")
        value = self.buffer[match.start : match.end].decode("ascii", "replace")
        return Found(line, column, match.encoding, None, self.engine.shapes[match.shape].provider, tail_of(value))


def reader_of(data: bytes) -> Read:
    """Return a reader of some bytes in memory."""
    left = memoryview(data)

    def read(view: memoryview) -> int:
        nonlocal left
        count = min(len(view), len(left))
        view[:count] = left[:count]
        left = left[count:]
        return count

    return read
