"""Compares a whole form with the bytes around a fragment of it: plain, with line ends, and with escapes in it.

Owns: the start and end of such a form. Must not: search.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from kojikey.scanning.forms import Form

_BREAK = re.compile(rb"\r?\n[ \t]*")
_BREAK_BEFORE = re.compile(rb"\r?\n[ \t]*\Z")
_WIDEST_BREAK = 64

Escapes = Mapping[int, tuple[bytes, ...]]
"""The possible escapes of characters in a form."""


class Span(NamedTuple):
    """The place of a form in a buffer; ``escape`` is the start of its first escape, None if it has none."""

    start: int
    end: int
    escape: int | None = None


def match_form(
    form: Form, offset: int, buffer: bytes | bytearray, at: int, bounds: tuple[int, int], escapes: Escapes
) -> Span | None:
    """Return the place of a form whose fragment at ``offset`` was found at ``at``, None if the rest does not match."""
    start, end = at - offset, at - offset + len(form.text)
    if start >= bounds[0] and buffer[start:end] == form.text and end <= bounds[1]:
        return Span(start, end)
    if not form.may_wrap and not escapes:
        return None
    before = _backward(form, offset, buffer, at, bounds[0], escapes)
    after = _forward(form, offset, buffer, at, bounds[1], escapes) if before else None
    if before is None or after is None:
        return None
    return Span(before[0], after[0], after[1] if before[1] is None else before[1])


def _forward(
    form: Form, done: int, buffer: bytes | bytearray, at: int, end: int, escapes: Escapes
) -> tuple[int, int | None] | None:
    """Return the end of a form whose rest begins at a place, and the first escape in that rest."""
    first = None
    while done < len(form.text):
        byte = form.text[done]
        length = next((len(text) for text in escapes.get(byte, ()) if buffer.startswith(text, at, end)), 0)
        if length:
            first = at if first is None else first
            at, done = at + length, done + 1
        elif at < end and buffer[at] == byte:
            at, done = at + 1, done + 1
        else:
            broken = _BREAK.match(buffer, at, min(end, at + _WIDEST_BREAK)) if form.may_wrap else None
            if broken is None:
                return None
            at = broken.end()
    return at, first


def _backward(
    form: Form, left: int, buffer: bytes | bytearray, at: int, start: int, escapes: Escapes
) -> tuple[int, int | None] | None:
    """Return the start of a form whose first part ends at a place, and the first escape in that part."""
    first = None
    while left:
        byte = form.text[left - 1]
        length = next((len(text) for text in escapes.get(byte, ()) if buffer.endswith(text, start, at)), 0)
        if length:
            at, left, first = at - length, left - 1, at - length
        elif at > start and buffer[at - 1] == byte:
            at, left = at - 1, left - 1
        else:
            broken = _BREAK_BEFORE.search(buffer, max(start, at - _WIDEST_BREAK), at) if form.may_wrap else None
            if broken is None:
                return None
            at = broken.start()
    return at, first
