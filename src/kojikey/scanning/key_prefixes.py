"""Checks whether the last bytes of a stream may be a prefix of a key, in any form.

Must not: search for whole keys (``engine.py``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from kojikey.model.secret import Secret
from kojikey.scanning.forms import LONGEST_ESCAPE, forms_of, unescape

_PRINTABLE = bytes(range(0x20, 0x7F))
_CUT_ESCAPE = re.compile(rb"(?:%[2-7]?|\\(?:u(?:0(?:0[2-7]?)?)?)?)\Z")
_LINE_END = re.compile(rb"\r?\n|\r\Z")


class KeyPrefixes:
    """The prefixes of all forms of some keys, each with the characters that may follow."""

    def __init__(self, keys: Sequence[Secret]) -> None:
        self._next: dict[bytes, set[int]] = {}
        self._next_in_lines: dict[bytes, set[int]] = {}
        forms = [form for number, key in enumerate(keys) for form in forms_of(number, key.reveal().encode())]
        for form in forms:
            for at in range(len(form.text)):
                self._next.setdefault(form.text[:at], set()).add(form.text[at])
                if form.may_wrap:
                    self._next_in_lines.setdefault(form.text[:at], set()).add(form.text[at])
        self._longest = max((len(form.text) for form in forms), default=0)

    def start(self, data: bytes) -> int:
        """Return where the longest end of the data that may become a key starts, ``len(data)`` if there is none."""
        tail = data[-self._longest * LONGEST_ESCAPE :] if self._longest else b""
        begin = len(data) - len(tail)
        return begin + min(self._plain(tail), self._escaped(tail), self._in_lines(tail))

    def _plain(self, tail: bytes) -> int:
        return len(tail) - self._length(tail, self._next)

    def _length(self, text: bytes, known: dict[bytes, set[int]], more: bytes = b"") -> int:
        """Return the length of the longest end of a text that is a prefix and may be followed by one of ``more``.

        Returns -1 if not even the empty prefix may.
        """
        for length in range(min(self._longest, len(text)), -1, -1):
            following = known.get(text[len(text) - length :])
            if following and (not more or not following.isdisjoint(more)):
                return length
        return -1

    def _escaped(self, tail: bytes) -> int:
        if b"%" not in tail and b"\\" not in tail:
            return len(tail)
        cut = _CUT_ESCAPE.search(tail)
        whole = tail[: cut.start()] if cut else tail
        unescaped = unescape(whole)
        length = self._length(unescaped.text, self._next, _possible_characters(cut[0]) if cut else b"")
        if length <= 0:
            return len(whole) if cut and length == 0 else len(tail)
        return unescaped.original(len(unescaped.text) - length)[0]

    def _in_lines(self, tail: bytes) -> int:
        """Return the start for base64, without its line ends."""
        if b"\n" not in tail and not tail.endswith(b"\r"):
            return len(tail)
        length = self._length(_LINE_END.sub(b"", tail), self._next_in_lines)
        if length <= 0:
            return len(tail)
        at = len(tail)
        while length:
            broken = [match for match in _LINE_END.finditer(tail, max(0, at - 2), at) if match.end() == at]
            at = broken[0].start() if broken else at - 1
            length -= not broken
        return at


def _possible_characters(cut: bytes) -> bytes:
    """Return the characters that an incomplete escape may become."""
    row = int(cut[-1:], 16) if cut[-1:].isdigit() and cut[:1] + cut[-1:] != b"\\0" and len(cut) in (2, 5) else None
    return _PRINTABLE if row is None else bytes(byte for byte in _PRINTABLE if byte >> 4 == row)
