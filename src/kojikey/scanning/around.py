"""Compares a whole form around a part of it that was found: as it is, with line ends, and with escapes in it.

Owns: where such a form begins and ends. Must not: search.
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
"""How characters may be escaped in a form; others stand as they are."""


class Span(NamedTuple):
    """Where a form stands; ``escape`` is where its first escape begins, None where it has none."""

    start: int
    end: int
    escape: int | None = None


def whole(
    form: Form, offset: int, buffer: bytes | bytearray, at: int, bounds: tuple[int, int], escapes: Escapes
) -> Span | None:
    """Return where a form stands whose part from an offset on is at a place, None where the rest is not there."""
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
    """Return where the rest of a form ends that begins at a place, and the first escape in it."""
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
    """Return where the beginning of a form begins that ends before a place, and the first escape in it."""
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
