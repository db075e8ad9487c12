"""The encodings of a key that are searched for, and decoding percent-encoding and JSON escapes.

Must not: search, or log, display or keep a value, because each is a secret.
"""

from __future__ import annotations

import base64
import re
import string
from bisect import bisect_right
from typing import NamedTuple

PLAIN, BASE64, BASE64URL, PERCENT, JSON, UTF16 = "plain", "base64", "base64url", "percent", "json", "utf-16"

ESCAPE = re.compile(rb"%[2-7][0-9A-Fa-f]|\\u00[2-7][0-9A-Fa-f]|\\[/\"\\]")
"""One printable ASCII character, percent-encoded or escaped as in JSON. A key has no other characters."""

LONGEST_ESCAPE = 6
UNRESERVED = (string.ascii_letters + string.digits + "-._~").encode()
"""The characters that encoders do not escape (RFC 3986, section 2.3)."""

_SHORTEST_BASE64 = 8  # characters; shorter ones are in any text
_ALPHABETS = ((BASE64, base64.b64encode), (BASE64URL, base64.urlsafe_b64encode))


class Form(NamedTuple):
    """One encoding of the key with that number. ``may_wrap``: it may have line ends in it, as in MIME."""

    key: int
    encoding: str
    text: bytes
    may_wrap: bool = False


def forms_of(key: int, value: bytes) -> list[Form]:
    """Return all forms of a key's value without escapes.

    Base64 depends on the number of bytes before the value. For each of the three cases, the form has the characters
    that only the value determines.
    """
    # the same in both byte orders: a zero byte between each two characters
    spread = value.decode("latin-1").encode("utf-16-le")[:-1]
    forms = {spread: Form(key, UTF16, spread), value: Form(key, PLAIN, value)}
    for encoding, encode in _ALPHABETS:
        for before in range(3):
            whole = encode(bytes(before) + value)
            text = whole[(before * 8 + 5) // 6 : (before + len(value)) * 8 // 6]
            if len(text) >= _SHORTEST_BASE64:
                forms.setdefault(text, Form(key, encoding, text, may_wrap=True))
    return list(forms.values())


class Unescaped(NamedTuple):
    """Bytes without escapes, with the places of the escapes in the original.

    ``places`` are the places in ``text`` of characters that were escaped; ``starts`` and ``ends`` are the bounds of
    their escapes in the original.
    """

    text: bytes
    offset: int
    places: list[int]
    starts: list[int]
    ends: list[int]

    def original(self, place: int) -> tuple[int, int]:
        """Return the start and end, in the original, of the character at a place."""
        index = bisect_right(self.places, place) - 1
        if index < 0:
            return self.offset + place, self.offset + place + 1
        if self.places[index] == place:
            return self.starts[index], self.ends[index]
        begin = self.ends[index] + place - self.places[index] - 1
        return begin, begin + 1

    def first_escape(self, start: int, end: int) -> int | None:
        """Return the place, in the original, of the first escape between two places, None if there is none."""
        index = bisect_right(self.places, start - 1)
        return self.starts[index] if index < len(self.places) and self.places[index] < end else None


def unescape(data: bytes, offset: int = 0) -> Unescaped:
    """Return bytes with each escape replaced by its character; ``offset`` is added to all original places."""
    pieces: list[bytes] = []
    places: list[int] = []
    starts: list[int] = []
    ends: list[int] = []
    length = done = 0
    for escape in ESCAPE.finditer(data):
        pieces += (data[done : escape.start()], character_of(escape[0]))
        length += escape.start() - done
        places.append(length)
        starts.append(offset + escape.start())
        ends.append(offset + escape.end())
        length += 1
        done = escape.end()
    pieces.append(data[done:])
    return Unescaped(b"".join(pieces), offset, places, starts, ends)


def character_of(escape: bytes) -> bytes:
    """Return the character of an escape."""
    return escape[-1:] if len(escape) == 2 else bytes((int(escape[-2:], 16),))


def escapes_of(character: int) -> tuple[bytes, ...]:
    """Return all escapes of a character."""
    numbers = sorted({b"%02x" % character, b"%02X" % character})
    texts = [lead + number for lead in (b"%", b"\\u00") for number in numbers]
    return (*texts, b"\\%c" % character) if character in b'/"\\' else tuple(texts)


def kind_of_escape(first: int) -> str:
    """Return the encoding of an escape with that first byte."""
    return PERCENT if first == ord("%") else JSON
