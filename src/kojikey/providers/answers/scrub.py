"""The one scrubber: every text of a provider passes it before it is shown, logged or saved.

It removes the key and every run of eight or more of its characters, also encoded, and all characters that could
control a terminal or falsify a log or a page.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Callable, Iterator
from urllib.parse import quote, unquote

MARK = "[key]"
LONGEST = 300
_RUN = 8
_ESCAPE = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, hyperlinks
    r"|[\x1b\x9b]\[?[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor; and two-character escapes
)
_UNICODE_ESCAPE = re.compile(r"\\u\{?([0-9A-Fa-f]{2,6})\}?|\\x([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]*")  # RFC 3986, section 2.3
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FOLD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_SPACES = ("Zs", "Zl", "Zp")
_DROPPED = ("Cf", "Cs", "Co", "Cn")


class Scrubber:
    """Scrubs one key from texts. It holds the key's pieces: create it for one test and drop it."""

    __slots__ = ("_forms", "_joined", "_pieces", "_run")

    def __init__(self, key: str) -> None:
        self._run = min(_RUN, len(key))
        self._forms = tuple(_forms(key))
        self._joined = "\0".join(self._forms)
        self._pieces: frozenset[str] | None = None

    def __repr__(self) -> str:
        return "Scrubber()"

    def __call__(self, text: str, *, longest: int = LONGEST) -> str:
        """Return the text in one line, without the key, control and invisible characters, at most ``longest`` long.

        A text in which the key shows only after decoding (percent, HTML or Unicode escapes) is returned decoded.
        """
        text = self._without_key(plain(text))
        for sign, decode in _DECODERS:
            if sign not in text:
                continue
            decoded = plain(decode(text))
            scrubbed = self._without_key(decoded)
            if scrubbed != decoded:
                text = scrubbed
        # cut last: a cut through the key would leave a piece that is too short to be found
        return text if len(text) <= longest else text[: longest - 3] + "..."

    def _without_key(self, text: str) -> str:
        folded, run = _folded(text), self._run
        if not self._may_show_key(folded):
            return text
        pieces = self._all_pieces()
        kept: list[str] = []
        position = start = 0
        while position <= len(folded) - run:
            if folded[position : position + run] not in pieces:
                position += 1
                continue
            end = position + run
            while end < len(folded) and folded[end - run + 1 : end + 1] in pieces:
                end += 1
            kept += text[start:position], MARK
            position = start = end
        return "".join((*kept, text[start:]))

    def _may_show_key(self, folded: str) -> bool:
        """Return whether a text may contain a piece of the key. Most do not, and this is faster than the search.

        The text is cut into blocks of half the length of a piece: a piece contains a whole block wherever it begins.
        """
        run = self._run
        if not run or len(folded) < run:
            return False
        block = (run + 1) // 2
        return any(folded[at : at + block] in self._joined for at in range(0, len(folded) - block + 1, block))

    def _all_pieces(self) -> frozenset[str]:
        if self._pieces is None:
            run = self._run
            self._pieces = frozenset(form[at : at + run] for form in self._forms for at in range(len(form) - run + 1))
        return self._pieces


def plain(text: str) -> str:
    """Return the text in one line, without escape sequences and control, bidirectional and invisible characters."""
    if text.isascii() and text.isprintable():  # the fast way for most texts
        return " ".join(text.split())
    shown = (_shown(character) for character in _ESCAPE.sub("", text))
    return " ".join("".join(shown).split())


def _shown(character: str) -> str:
    if " " <= character <= "~":
        return character
    category = unicodedata.category(character)
    if category in _SPACES or character in "\t\n\r\v\f":
        return " "
    is_selector = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    return (
        ""
        if category in ("Cc", *_DROPPED) or is_selector or character in "\u034f\u115f\u1160\u3164\uffa0"
        else character
    )


def _folded(text: str) -> str:
    """Return a text with only its ASCII letters in lower case, so that its length stays the same."""
    return text.lower() if text.isascii() else text.translate(_FOLD)


def _forms(key: str) -> Iterator[str]:
    """Yield the encodings, in lower case, in which a server could send the key back."""
    raw = key.encode("utf-8", "surrogatepass")
    forms = [key, raw.hex()]
    if _UNRESERVED.fullmatch(key) is None:  # else neither encoding changes it
        import html

        forms += [quote(raw, safe=""), html.escape(key)]
    for offset in range(3):
        # the first and the last character of base64 also encode the bytes beside the key
        start = -(-offset * 8 // 6)
        stop = (offset + len(raw)) * 8 // 6
        form = base64.b64encode(b"\0" * offset + raw)[start:stop]
        forms += [form.decode("ascii"), form.translate(_TO_URL).decode("ascii")]
    yield from dict.fromkeys(map(_folded, forms))


def from_html(text: str) -> str:
    """Return a text with characters in place of HTML's names for them."""
    from html import unescape  # its table of names takes a millisecond to load, and few answers have one

    return unescape(text)


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = int(match[1] or match[2], 16)
        return chr(code) if code < 0x110000 else ""

    return _UNICODE_ESCAPE.sub(character, text).replace("\\/", "/")


_DECODERS: tuple[tuple[str, Callable[[str], str]], ...] = (("%", unquote), ("&", from_html), ("\\", _unescaped))
"""Each decoder with the character that every encoded text contains."""
