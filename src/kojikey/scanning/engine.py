"""Finds keys in a piece of memory, in every form, by one pass for all of them.

Owns: hyperscan, which no other module imports. Must not: read a file, or know whose a key is: it knows their numbers.

Three things are searched for. (1) Of each form of a key a short part (``parts.py``), and around one that was found the
rest of the form (``around.py``). (2) Escapes of characters that a part may have, which no encoder has a reason to
escape: the bytes around one are unescaped and searched again. (3) For keys that are not ours, the beginning of a shape,
and there the whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import hyperscan

from kojikey.model.secret import Secret
from kojikey.scanning.around import whole
from kojikey.scanning.forms import (
    LONGEST_ESCAPE,
    PLAIN,
    UNRESERVED,
    UTF16,
    Form,
    escapes_of,
    forms_of,
    kind_of_escape,
    unescape,
)
from kojikey.scanning.parts import parts_of

Buffer = bytes | bytearray
_Hit = tuple[int, int]
"""The number of a literal, and where it ends."""

_SHORTEST_REACH = 1024
_PAIR = 2  # bytes of a character in UTF-16
_WRITTEN = [b"\\x%02x" % byte for byte in range(256)]
_PRINTABLE = range(0x21, 0x7F)
_NO_OPERATOR = b"!\"#%&',/:;<=>@`"  # of regular expressions


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


class Engine:
    """Searches for some keys. One instance is used from one thread at a time."""

    def __init__(self, keys: Sequence[Secret], shapes: Sequence[KeyShape] = ()) -> None:
        values = [key.reveal().encode() for key in keys]
        forms = [form for number, value in enumerate(values) if value for form in forms_of(number, value)]
        self.shapes = tuple(shapes)
        longest = max((len(form.text) for form in forms if form.encoding != UTF16), default=0)
        self.reach = max(_SHORTEST_REACH, longest * (LONGEST_ESCAPE + 1) * _PAIR)
        """No match is longer than so many bytes. It is even."""
        self._parts = parts_of(forms)
        self._shapes: dict[bytes, list[int]] = {}
        for number, shape in enumerate(self.shapes):
            self._shapes.setdefault(shape.prefix, []).append(number)
        self._literals = list(self._parts | self._shapes)
        used = {byte for byte in set(b"".join(form.text for form in forms)) if byte in _PRINTABLE}
        rare = {byte for byte in used if byte in UNRESERVED or any(byte in part for part in self._parts)}
        self._common = {byte: escapes_of(byte) for byte in used - rare}
        """Escapes that every text may have; they stand around a part, never in it."""
        unescaped = rare | _characters_of(self.shapes)
        self._search = _search([*self._literals, *(text for byte in sorted(unescaped) for text in escapes_of(byte))])

    def find(self, buffer: Buffer, start: int, end: int, *, is_utf16: bool = False) -> list[Match]:
        """Return the keys that stand in a part of a buffer, in order of place, each place once for a key.

        ``is_utf16``: the text may be in UTF-16, so that every form of a key has a zero byte between its characters.
        """
        if start >= end or not self._literals:
            return []
        view = memoryview(buffer)[start:end]
        hits = self._search(view)
        found = self._whole(hits, buffer, start, end) if hits else set()
        for first, last in self._regions(hits, start, end):
            found |= self._unescaped(bytes(view[first - start : last - start]), first)
        if is_utf16:
            found |= set(self._halves(bytes(view), start))
        return sorted(_without_doubles(found)) if found else []

    def _whole(self, hits: list[_Hit], buffer: Buffer, start: int, end: int) -> set[Match]:
        """Return the matches around the parts that were found."""
        found: set[Match] = set()
        for pattern, to in hits:
            if pattern >= len(self._literals):
                continue
            text = self._literals[pattern]
            at = start + to - len(text)
            for form, offset in self._parts.get(text, ()):
                span = whole(form, offset, buffer, at, (start, end), self._common)
                if span:
                    found.add(Match(span.start, span.end, _encoding(form, buffer, span.escape), form.key))
            for number in self._shapes.get(text, ()):
                match = self._shaped(number, buffer, at, (start, end))
                if match:
                    found.add(match)
        return found

    def _shaped(self, number: int, buffer: Buffer, at: int, bounds: tuple[int, int]) -> Match | None:
        if at > bounds[0] and _is_of_word(buffer[at - 1]):
            return None
        match = self.shapes[number].regex.match(buffer, at, min(bounds[1], at + self.reach))
        if match is None or (match.end() < bounds[1] and _is_of_word(buffer[match.end()], b"_-")):
            return None
        return Match(at, match.end(), PLAIN, None, number)

    def _halves(self, data: bytes, offset: int) -> Iterator[Match]:
        """Yield the matches in UTF-16: in every second byte, where the byte between two is zero."""
        for half in range(_PAIR):
            for match in self.find(data[half::_PAIR], 0, (len(data) - half + 1) // _PAIR):
                begin, finish = half + match.start * _PAIR, half + match.end * _PAIR - 1
                if not any(data[begin + 1 : finish : _PAIR]):
                    encoding = UTF16 if match.encoding == PLAIN else match.encoding
                    yield match._replace(start=offset + begin, end=offset + finish, encoding=encoding)

    def _regions(self, hits: list[_Hit], start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the parts of the buffer in which a key with an escape may stand; hits come in order."""
        first, last = start, start
        for pattern, to in hits:
            if pattern < len(self._literals):
                continue
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
        text = read.text
        for match in self._whole(self._search(memoryview(text)), text, 0, len(text)):
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


def _is_of_word(byte: int, more: bytes = b"") -> bool:
    return bytes((byte,)).isalnum() or byte in more


def _encoding(form: Form, buffer: Buffer, escape: int | None) -> str:
    return form.encoding if escape is None or form.encoding != PLAIN else kind_of_escape(buffer[escape])


def _characters_of(shapes: Sequence[KeyShape]) -> set[int]:
    """Return the characters that keys of some shapes may have, and more that stand in their expressions."""
    text = b"".join(shape.regex.pattern.replace(b"(?:", b"") for shape in shapes)
    plus = b"+" if any(written in text for written in (b"+/", b"/+", b"\\+")) else b""  # else it repeats
    return {*UNRESERVED, *plus, *(byte for byte in text if byte in _NO_OPERATOR)} if shapes else set()


def _search(literals: Sequence[bytes]) -> Callable[[memoryview], list[_Hit]]:
    """Return what finds byte strings: the number and the end of each, in order of place."""
    if not literals:
        return lambda _: []
    # as regular expressions: hyperscan's own way for literals ends them at a zero byte
    expressions = [b"".join(map(_WRITTEN.__getitem__, literal)) for literal in literals]
    database, count = hyperscan.Database(), len(literals)
    database.compile(expressions=expressions, ids=range(count), elements=count, flags=[0] * count)

    def keep(number: int, _start: int, end: int, _flags: int, hits: list[_Hit]) -> None:
        hits.append((number, end))

    def search(view: memoryview) -> list[_Hit]:
        hits: list[_Hit] = []
        # any buffer is taken, though the types of hyperscan know of str and bytes alone
        database.scan(view, match_event_handler=keep, context=hits)  # type: ignore[arg-type, type-var]
        return hits

    return search
