"""Finds keys in a piece of memory, in every form, by one pass for all of them.

Owns: hyperscan, which no other module imports. Must not: read a file, or know whose a key is: it knows their numbers.

Three things are searched for. (1) Each key as it is, whole. (2) Of base64, short parts, and around one that was found
the rest of the form, with or without line ends in it: wherever MIME or PEM breaks a line, one part stays whole.
(3) Escapes: where there is one, the bytes around it are unescaped and searched again. (4) For keys that are not
ours, the beginning of a shape, and there the whole of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import hyperscan

from kojikey.model.secret import Secret
from kojikey.scanning.forms import LONGEST_ESCAPE, PLAIN, Form, forms_of, kind_of_escape, unescape

Buffer = bytes | bytearray

_PART = 12  # characters of base64: 72 bits, so that nothing is found by chance
_BETWEEN_PARTS = 40  # no line that MIME (76) or PEM (64) breaks has a break in two neighbouring parts
_SHORTEST_REACH = 1024
_ESCAPES = (rb"%[2-7][0-9A-Fa-f]", rb"\\u00[2-7][0-9A-Fa-f]", rb"\\/")
_ESCAPED_IN_JSON = ((b'"', rb"\\\x22"), (b"\\", rb"\\\\"))
_BREAK = re.compile(rb"\r?\n[ \t]*")
_BREAK_BEFORE = re.compile(rb"\r?\n[ \t]*\Z")
_WIDEST_BREAK = 64


class KeyShape(NamedTuple):
    """The format of a provider's keys: how they begin, and the whole expression."""

    provider: str
    prefix: bytes
    regex: re.Pattern[bytes]


class Match(NamedTuple):
    """The place of a key. ``key`` is its number; for a key that is not ours it is None, and ``shape`` is a number."""

    start: int
    end: int
    encoding: str
    key: int | None
    shape: int | None = None


class _Searched(NamedTuple):
    """The meaning of one of hyperscan's patterns: a whole form, a part of one, or the beginning of a shape."""

    form: Form | None
    offset: int = 0
    shape: int | None = None


class Engine:
    """Searches for some keys. One instance is used from one thread at a time."""

    def __init__(self, keys: Sequence[Secret], shapes: Sequence[KeyShape] = ()) -> None:
        values = [key.reveal().encode() for key in keys]
        forms = [form for number, value in enumerate(values) if value for form in forms_of(number, value)]
        self.shapes = tuple(shapes)
        self.reach = max([_SHORTEST_REACH, *(len(form.text) * (LONGEST_ESCAPE + 1) for form in forms)])
        """No match is longer than so many bytes."""
        self._searched: dict[bytes, list[_Searched]] = {}
        for form in forms:
            self._search_for(form)
        for number, shape in enumerate(self.shapes):
            self._searched.setdefault(shape.prefix, []).append(_Searched(None, shape=number))
        self._patterns = list(self._searched)
        self._literals = _literals(self._patterns)
        joined = b"".join(values)
        self._escapes = _escapes(more=[regex for character, regex in _ESCAPED_IN_JSON if character in joined])

    def _search_for(self, form: Form) -> None:
        offsets = _parts(len(form.text)) if form.may_wrap else [0]
        for offset in offsets:
            text = form.text[offset : offset + _PART] if form.may_wrap else form.text
            self._searched.setdefault(text, []).append(_Searched(form, offset))

    def find(self, buffer: Buffer, start: int, end: int) -> list[Match]:
        """Return the keys that stand in a part of a buffer, in order of place, each place once for a key."""
        if start >= end or not self._patterns:
            return []
        found = self._plainly(buffer, start, end)
        escaped = self._escapes(memoryview(buffer)[start:end])
        if escaped:
            for first, last in list(self._regions(escaped, start, end)):
                found |= self._unescaped(bytes(memoryview(buffer)[first:last]), first)
        return sorted(_without_doubles(found)) if found else []

    def _plainly(self, buffer: Buffer, start: int, end: int) -> set[Match]:
        found: set[Match] = set()
        for pattern, to in self._literals(memoryview(buffer)[start:end]):
            text = self._patterns[pattern]
            begin = start + to - len(text)
            for searched in self._searched[text]:
                match = self._completed(searched, buffer, begin, (start, end))
                if match:
                    found.add(match)
        return found

    def _completed(self, searched: _Searched, buffer: Buffer, at: int, bounds: tuple[int, int]) -> Match | None:
        """Return the whole match around a found part, None where the rest of it is not there."""
        form = searched.form
        if form is None:
            return self._shaped(searched.shape or 0, buffer, at, bounds)
        if not form.may_wrap:
            return Match(at, at + len(form.text), form.encoding, form.key)
        first, last = at - searched.offset, at - searched.offset + len(form.text)
        if first >= bounds[0] and buffer[first:last] == form.text and last <= bounds[1]:
            return Match(first, last, form.encoding, form.key)
        begin = _backward(buffer, at, form.text[: searched.offset], bounds[0])
        finish = _forward(buffer, at, form.text[searched.offset :], bounds[1])
        return None if begin is None or finish is None else Match(begin, finish, form.encoding, form.key)

    def _shaped(self, number: int, buffer: Buffer, at: int, bounds: tuple[int, int]) -> Match | None:
        if at > bounds[0] and _is_of_word(buffer[at - 1]):
            return None
        match = self.shapes[number].regex.match(buffer, at, min(bounds[1], at + self.reach))
        if match is None or (match.end() < bounds[1] and _is_of_word(buffer[match.end()], b"_-")):
            return None
        return Match(at, match.end(), PLAIN, None, number)

    def _regions(self, escapes: list[tuple[int, int]], start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the parts of the buffer in which a key with an escape may stand; escapes come in order."""
        first, last = start, start
        for _, to in escapes:
            begin = start + to - self.reach
            if begin > last:
                if last > start:
                    yield first, last
                first = begin
            last = min(end, start + to + self.reach)
        if last > start:
            yield first, last

    def _unescaped(self, data: bytes, offset: int) -> set[Match]:
        """Return the matches of which at least one character is escaped."""
        read = unescape(data, offset)
        found: set[Match] = set()
        for match in self._plainly(read.text, 0, len(read.text)):
            escape = read.first_escape(match.start, match.end)
            if escape is not None:
                encoding = kind_of_escape(data[escape - offset]) if match.encoding == PLAIN else match.encoding
                begin, finish = read.original(match.start)[0], read.original(match.end - 1)[1]
                found.add(Match(begin, finish, encoding, match.key, match.shape))
        return found


def _without_doubles(found: set[Match]) -> list[Match]:
    """Leave out matches of a shape that are known keys."""
    known = [match for match in found if match.key is not None]
    return [
        match
        for match in found
        if match.key is not None or not any(other.start < match.end and match.start < other.end for other in known)
    ]


def _parts(length: int) -> list[int]:
    """Return the offsets of the parts by which a form is found."""
    last = max(0, length - _PART)
    return sorted({*range(0, last, _BETWEEN_PARTS), last})


def _forward(buffer: Buffer, at: int, text: bytes, end: int) -> int | None:
    """Return where a text ends that begins at a place, line ends in it not counted; None where it is not there."""
    done = 0
    while done < len(text):
        if at < end and buffer[at] == text[done]:
            at, done = at + 1, done + 1
            continue
        broken = _BREAK.match(buffer, at, min(end, at + _WIDEST_BREAK))
        if broken is None:
            return None
        at = broken.end()
    return at


def _backward(buffer: Buffer, at: int, text: bytes, start: int) -> int | None:
    """Return where a text begins that ends before a place, line ends in it not counted; None where it is not there."""
    left = len(text)
    while left:
        if at > start and buffer[at - 1] == text[left - 1]:
            at, left = at - 1, left - 1
            continue
        broken = _BREAK_BEFORE.search(buffer, max(start, at - _WIDEST_BREAK), at)
        if broken is None:
            return None
        at = broken.start()
    return at


def _is_of_word(byte: int, more: bytes = b"") -> bool:
    return bytes((byte,)).isalnum() or byte in more


_Search = Callable[["memoryview"], "list[tuple[int, int]]"]


def _literals(patterns: Sequence[bytes]) -> _Search:
    """Return what finds byte strings: the number of the pattern and the end, of each place where one stands."""
    return _search(patterns, is_literal=True)


def _escapes(more: Sequence[bytes]) -> _Search:
    """Return what finds escapes: where each of them ends."""
    return _search([*_ESCAPES, *more], is_literal=False)


def _search(patterns: Sequence[bytes], *, is_literal: bool) -> _Search:
    if not patterns:
        return lambda _: []
    database = hyperscan.Database()
    count = len(patterns)
    database.compile(expressions=patterns, ids=range(count), elements=count, flags=[0] * count, literal=is_literal)
    hits: list[tuple[int, int]] = []

    def keep(pattern: int, _start: int, end: int, _flags: int, _context: object) -> None:
        hits.append((pattern, end))

    def search(view: memoryview) -> list[tuple[int, int]]:
        hits.clear()
        # any buffer is taken, though the types of hyperscan know of str and bytes alone
        database.scan(view, match_event_handler=keep)  # type: ignore[type-var]
        return hits

    return search
