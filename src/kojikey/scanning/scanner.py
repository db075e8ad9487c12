"""Searches a stream of any length in a window of fixed size, and reports line and column of each find.

Owns: the overlap of windows, and counting lines. Must not: open files; the caller passes a function that reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from kojikey.model.masking import tail_of
from kojikey.scanning.engine import Engine, Match

WINDOW = 1024 * 1024
_BEGINNING = 8  # bytes, by which an archive is recognised
_CONTEXT = 2  # bytes before a possible match: the byte before a shape decides whether it matches; even, for UTF-16
_NOT_COUNTED = bytes(range(0x80, 0xC0)) + b"\0"  # continuation bytes of UTF-8, and the zeros of UTF-16
_BYTE_ORDERS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}

Read = Callable[[memoryview], int]
"""Writes bytes to the beginning of a view and returns their number, 0 at the end."""


class Found(NamedTuple):
    """A key that was found. Lines and columns (in characters) begin at 1; ``tail`` is the part that may be displayed.

    ``key`` is its number in the engine; for a key that is not in the store it is None, and ``provider`` is set.
    """

    line: int | None
    column: int | None
    encoding: str
    key: int | None
    provider: str | None
    tail: str


class _Place(NamedTuple):
    """A byte of the window, with its line and column in the stream."""

    at: int
    line: int
    column: int


class Scanner:
    """A window, and an engine that searches in it. One instance is used for one stream at a time."""

    def __init__(self, engine: Engine, *, window: int = WINDOW) -> None:
        self.engine = engine
        self.buffer = bytearray(window + 2 * engine.reach)
        self._view = memoryview(self.buffer)
        self.beginning = b""
        """The first bytes of the stream that was searched last."""
        self._utf16: str | None = None

    def is_clean(self, data: bytes) -> bool:
        """Return whether a whole text contains no key; for many small texts faster than :meth:`scan`."""
        return data[:2] not in _BYTE_ORDERS and not self.engine.find(data, 0, len(data))

    def scan(self, read: Read) -> Iterator[Found]:
        """Yield the keys in a stream, each place once, in order."""
        filled, is_at_end = self._fill(read, 0)
        self.beginning = bytes(self._view[: min(filled, _BEGINNING)])
        self._utf16 = _BYTE_ORDERS.get(self.beginning[:2])
        matches = self.engine.find(self.buffer, 0, filled, is_utf16=self._utf16 is not None)
        if not matches and is_at_end:
            return
        place, first = _Place(0, 1, 0 if self._utf16 else 1), 0  # the byte-order mark is not a column
        while True:
            limit = filled if is_at_end else filled - self.engine.reach
            keep = limit - _CONTEXT
            for match in matches:
                if first <= match.start < limit:
                    reached = self._moved(place, match.start)
                    yield self._found(match, reached)
                    if reached.at <= keep:
                        place = reached
            if is_at_end:
                return
            place = self._moved(place, keep)._replace(at=0)
            self.buffer[: filled - keep] = self.buffer[keep:filled]
            filled, is_at_end = self._fill(read, filled - keep)
            matches = self.engine.find(self.buffer, 0, filled, is_utf16=self._utf16 is not None)
            first = _CONTEXT

    def _fill(self, read: Read, filled: int) -> tuple[int, bool]:
        while filled < len(self.buffer):
            count = read(self._view[filled:])
            if not count:
                return filled, True
            filled += count
        return filled, False

    def _moved(self, place: _Place, to: int) -> _Place:
        """Return the place of a later byte of the window."""
        if self._utf16:
            text = self.buffer[place.at - place.at % 2 : to - to % 2].decode(self._utf16, "replace")
            lines, characters = text.count("\n"), len(text) - text.rfind("\n") - 1
        else:
            begin = max(place.at, self.buffer.rfind(b"\n", place.at, to) + 1)
            lines = self.buffer.count(b"\n", place.at, to)
            characters = _characters(self.buffer[begin:to])
        return _Place(to, place.line + lines, characters + (1 if lines else place.column))

    def _found(self, match: Match, place: _Place) -> Found:
        if match.shape is None:
            return Found(place.line, place.column, match.encoding, match.key, None, "")
        value = self.buffer[match.start : match.end].replace(b"\0", b"").decode("ascii", "replace")
        provider = self.engine.shapes[match.shape].provider
        return Found(place.line, place.column, match.encoding, None, provider, tail_of(value))


def _characters(text: bytearray) -> int:
    """Return the number of characters of a UTF-8 or UTF-16 text; ASCII, the most frequent case, is fast."""
    return len(text) if text.isascii() and 0 not in text else len(text.translate(None, _NOT_COUNTED))


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
