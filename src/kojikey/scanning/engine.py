"""Finds all keys in a buffer, in every form, in one pass.

Owns: hyperscan, which no other module imports. Must not: read a file, or know the account of a key; it has numbers.

Three kinds of literals are searched for: (1) a short fragment of each form (``fragments.py``); around it the whole form
is compared (``form_match.py``). (2) Escapes of characters in fragments, which encoders do not usually escape; the bytes
around one are unescaped and searched again. (3) For keys that are not in the store, the prefix of a shape; there the
whole shape is matched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import hyperscan

from kojikey.model.secret import Secret
from kojikey.scanning.form_match import match_form
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
from kojikey.scanning.fragments import fragments_of

Buffer = bytes | bytearray
_Hit = tuple[int, int]
"""The number of a literal, and its end."""

_SHORTEST_REACH = 1024
_PAIR = 2  # bytes of a character in UTF-16
_WRITTEN = [b"\\x%02x" % byte for byte in range(256)]
_PRINTABLE = range(0x21, 0x7F)
_NO_OPERATOR = b"!\"#%&',/:;<=>@`"  # of regular expressions


class KeyShape(NamedTuple):
    """The format of a provider's keys: their prefix, and the whole expression."""

    provider: str
    prefix: bytes
    regex: re.Pattern[bytes]


class Match(NamedTuple):
    """The place of a key. ``key`` is its number; for a key that is not in the store, ``shape`` is one instead."""

    start: int
    end: int
    encoding: str
    key: int | None
    shape: int | None = None


class Engine:
    """Searches for some keys. One thread at a time uses an instance."""

    def __init__(self, keys: Sequence[Secret], shapes: Sequence[KeyShape] = ()) -> None:
        values = [key.reveal().encode() for key in keys]
        forms = [form for number, value in enumerate(values) if value for form in forms_of(number, value)]
        self.shapes = tuple(shapes)
        longest = max((len(form.text) for form in forms if form.encoding != UTF16), default=0)
        self.reach = max(_SHORTEST_REACH, longest * (LONGEST_ESCAPE + 1) * _PAIR)
        """The longest possible match, in bytes; an even number."""
        self._fragments = fragments_of(forms)
        self._shapes: dict[bytes, list[int]] = {}
        for number, shape in enumerate(self.shapes):
            self._shapes.setdefault(shape.prefix, []).append(number)
        self._literals = list(self._fragments | self._shapes)
        used = {byte for byte in set(b"".join(form.text for form in forms)) if byte in _PRINTABLE}
        rare = {byte for byte in used if byte in UNRESERVED or any(byte in part for part in self._fragments)}
        self._common = {byte: escapes_of(byte) for byte in used - rare}
        """Escapes that are frequent in texts. They may be around a fragment, and are never in one."""
        unescaped = rare | _characters_of(self.shapes)
        self._search = _search([*self._literals, *(text for byte in sorted(unescaped) for text in escapes_of(byte))])

    def find(self, buffer: Buffer, start: int, end: int, *, is_utf16: bool = False) -> list[Match]:
        """Return the keys between two places of a buffer, in order, without duplicates.

        ``is_utf16``: the text is UTF-16, in which all forms have zero bytes between their characters.
        """
        if start >= end or not self._literals:
            return []
        view = memoryview(buffer)[start:end]
        hits = self._search(view)
        found = self._matches(hits, buffer, start, end) if hits else set()
        for first, last in self._regions(hits, start, end):
            found |= self._unescaped(bytes(view[first - start : last - start]), first)
        if is_utf16:
            found |= set(self._in_utf16(bytes(view), start))
        return sorted(_without_known_shapes(found)) if found else []

    def _matches(self, hits: list[_Hit], buffer: Buffer, start: int, end: int) -> set[Match]:
        """Return the matches around fragments and prefixes that were found."""
        found: set[Match] = set()
        for pattern, to in hits:
            if pattern >= len(self._literals):
                continue
            text = self._literals[pattern]
            at = start + to - len(text)
            for form, offset in self._fragments.get(text, ()):
                span = match_form(form, offset, buffer, at, (start, end), self._common)
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

    def _in_utf16(self, data: bytes, offset: int) -> Iterator[Match]:
        """Yield the matches in every second byte, if the bytes between them are zero."""
        for half in range(_PAIR):
            for match in self.find(data[half::_PAIR], 0, (len(data) - half + 1) // _PAIR):
                begin, finish = half + match.start * _PAIR, half + match.end * _PAIR - 1
                if not any(data[begin + 1 : finish : _PAIR]):
                    encoding = UTF16 if match.encoding == PLAIN else match.encoding
                    yield match._replace(start=offset + begin, end=offset + finish, encoding=encoding)

    def _regions(self, hits: list[_Hit], start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the regions of the buffer that may have a key with an escape; hits are in order."""
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
        """Return the matches with at least one escaped character."""
        unescaped = unescape(data, offset)
        found: set[Match] = set()
        text = unescaped.text
        for match in self._matches(self._search(memoryview(text)), text, 0, len(text)):
            escape = unescaped.first_escape(match.start, match.end)
            if escape is not None:
                encoding = kind_of_escape(data[escape - offset]) if match.encoding == PLAIN else match.encoding
                begin, finish = unescaped.original(match.start)[0], unescaped.original(match.end - 1)[1]
                found.add(Match(begin, finish, encoding, match.key, match.shape))
        return found


def _without_known_shapes(found: set[Match]) -> list[Match]:
    """Return the matches without those of a shape that overlap with a known key."""
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
    """Return a function that finds byte strings; it returns number and end of each, in order of place."""
    if not literals:
        return lambda _: []
    # as regular expressions, because hyperscan's literals end at a zero byte
    expressions = [b"".join(map(_WRITTEN.__getitem__, literal)) for literal in literals]
    database, count = hyperscan.Database(), len(literals)
    database.compile(expressions=expressions, ids=range(count), elements=count, flags=[0] * count)

    def keep(number: int, _start: int, end: int, _flags: int, hits: list[_Hit]) -> None:
        hits.append((number, end))

    def search(view: memoryview) -> list[_Hit]:
        hits: list[_Hit] = []
        # hyperscan accepts any buffer, but its types only str and bytes
        database.scan(view, match_event_handler=keep, context=hits)  # type: ignore[arg-type, type-var]
        return hits

    return search
