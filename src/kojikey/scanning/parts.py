"""Chooses the short part by which each form of a key is looked for.

Owns: the place of a part in its form. Must not: search. A search for thousands of short parts is prepared in a tenth
of the time that whole forms take, and is as fast; around each part that was found the engine compares the whole form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kojikey.scanning.forms import UNRESERVED, Form

_LENGTH = 7  # bytes; hyperscan compares eight in one step, and prepares seven in less time
_FEW = 8  # forms that share a part, and are all compared where it stands
_NEVER_ESCAPED = UNRESERVED + b"\0"  # the latter is in UTF-16
_VARIED = 4  # different bytes, so that no ruler of dashes and no zeros are a part


class Part(NamedTuple):
    """The place of a part in its form."""

    form: Form
    offset: int


def parts_of(forms: Iterable[Form]) -> dict[bytes, list[Part]]:
    """Return the parts by which forms are found, each with the forms that it may belong to.

    A form that may be broken into lines has two parts side by side: a line end breaks no more than one of them.
    """
    spans: dict[int, dict[bytes, list[Form]]] = {}
    for form in forms:
        length = min(_LENGTH, len(form.text) // 2 if form.may_wrap else len(form.text))
        spans.setdefault(length * 2 if form.may_wrap else length, {}).setdefault(form.text, []).append(form)
    parts: dict[bytes, list[Part]] = {}
    for span, by_text in spans.items():
        for text, offset in _placed(list(by_text), span, 0):
            for form in by_text[text]:
                length = span // 2 if form.may_wrap else span
                for begin in range(offset, offset + span, length):
                    parts.setdefault(text[begin : begin + length], []).append(Part(form, begin))
    return parts


def _placed(texts: list[bytes], span: int, offset: int) -> Iterable[tuple[bytes, int]]:
    """Yield each text with the first place from which so many bytes tell it from almost all others."""
    groups: dict[bytes, list[tuple[bytes, int]]] = {}
    for text in texts:
        begin = _good_place(text, span, offset)
        groups.setdefault(text[begin : begin + min(span, _LENGTH)], []).append((text, begin))
    for group in groups.values():
        if len(group) <= _FEW:
            yield from group
            continue
        together = [text for text, _ in group]
        further = max(max(begin for _, begin in group) + _LENGTH, _alike(together) - _LENGTH // 2)
        if further + span > min(map(len, together)):
            yield from group
        else:
            yield from _placed(together, span, further)


def _good_place(text: bytes, span: int, offset: int) -> int:
    """Return the first place, from an offset on, of a part that is of use.

    It is not one character again and again, and, where that can be, has none that encoders escape.
    """
    second = None
    for begin in range(offset, len(text) - span + 1):
        if len(set(text[begin : begin + _LENGTH])) < _VARIED:
            continue
        if not text[begin : begin + span].translate(None, _NEVER_ESCAPED):
            return begin
        second = begin if second is None else second
    return offset if second is None else second


def _alike(texts: list[bytes]) -> int:
    """Return how many bytes all the texts begin with alike."""
    first, last = min(texts), max(texts)
    return next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
