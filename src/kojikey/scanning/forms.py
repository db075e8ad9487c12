"""The forms in which a key may be written down, and the reading of percent-encoding and JSON escapes.

Owns: the byte strings that show that a key is there. Must not: search. Every value here is a secret; nothing of
this module is logged, shown or kept longer than a search.
"""

from __future__ import annotations

import base64
import re
import string
from bisect import bisect_right
from typing import NamedTuple

PLAIN, BASE64, BASE64URL, PERCENT, JSON, UTF16 = "plain", "base64", "base64url", "percent", "json", "utf-16"

ESCAPE = re.compile(rb"%[2-7][0-9A-Fa-f]|\\u00[2-7][0-9A-Fa-f]|\\[/\"\\]")
"""One printable ASCII character as percent-encoding or JSON writes it. A key has no others."""

LONGEST_ESCAPE = 6
UNRESERVED = (string.ascii_letters + string.digits + "-._~").encode()
"""The characters that no encoder has a reason to escape (RFC 3986, section 2.3)."""

_SHORTEST_BASE64 = 8  # characters; fewer would be found in any text
_ALPHABETS = ((BASE64, base64.b64encode), (BASE64URL, base64.urlsafe_b64encode))


class Form(NamedTuple):
    """One way in which the key with that number is written. ``may_wrap``: lines may be broken in it, as MIME does."""

    key: int
    encoding: str
    text: bytes
    may_wrap: bool = False


def forms_of(key: int, value: bytes) -> list[Form]:
    """Return every form of a key's value but escapes, which may stand for any of its characters.

    Base64 depends on how many bytes come before the value: for each of the three cases, the characters that the value
    alone decides.
    """
    # both byte orders have this in common: a zero byte between each two characters
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
    """A stretch of bytes without its escapes, and how to find a place of it in the original.

    ``places`` are those of unescaped characters in ``text``, ``starts`` and ``ends`` where their escapes stood.
    """

    text: bytes
    offset: int
    places: list[int]
    starts: list[int]
    ends: list[int]

    def original(self, place: int) -> tuple[int, int]:
        """Return where the character at a place begins and ends in the original."""
        index = bisect_right(self.places, place) - 1
        if index < 0:
            return self.offset + place, self.offset + place + 1
        if self.places[index] == place:
            return self.starts[index], self.ends[index]
        begin = self.ends[index] + place - self.places[index] - 1
        return begin, begin + 1

    def first_escape(self, start: int, end: int) -> int | None:
        """Return where the first escape of a stretch stood in the original, None where it has none."""
        index = bisect_right(self.places, start - 1)
        return self.starts[index] if index < len(self.places) and self.places[index] < end else None


def unescape(data: bytes, offset: int = 0) -> Unescaped:
    """Return bytes with each escape replaced by its character; ``offset`` is where they stand in the original."""
    parts: list[bytes] = []
    places: list[int] = []
    starts: list[int] = []
    ends: list[int] = []
    length = done = 0
    for escape in ESCAPE.finditer(data):
        parts += (data[done : escape.start()], character_of(escape[0]))
        length += escape.start() - done
        places.append(length)
        starts.append(offset + escape.start())
        ends.append(offset + escape.end())
        length += 1
        done = escape.end()
    parts.append(data[done:])
    return Unescaped(b"".join(parts), offset, places, starts, ends)


def character_of(escape: bytes) -> bytes:
    """Return the character that an escape stands for."""
    return escape[-1:] if len(escape) == 2 else bytes((int(escape[-2:], 16),))


def escapes_of(character: int) -> tuple[bytes, ...]:
    """Return the escapes that stand for a character."""
    numbers = sorted({b"%02x" % character, b"%02X" % character})
    texts = [lead + number for lead in (b"%", b"\\u00") for number in numbers]
    return (*texts, b"\\%c" % character) if character in b'/"\\' else tuple(texts)


def kind_of_escape(first: int) -> str:
    """Return the encoding that an escape belongs to, by its first byte."""
    return PERCENT if first == ord("%") else JSON
