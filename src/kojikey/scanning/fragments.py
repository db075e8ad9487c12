"""Chooses the short fragment by which each form of a key is searched for.

Must not: search. Preparing a search for thousands of short fragments takes a tenth of the time that whole forms take,
and the search is as fast; around each fragment that was found, the engine compares the whole form.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kojikey.scanning.forms import UNRESERVED, Form

_LENGTH = 7  # bytes; hyperscan compares eight in one step, and prepares seven faster
_FEW = 8  # so many forms may share a fragment, and all are compared where it was found
_NEVER_ESCAPED = UNRESERVED + b"\0"  # UTF-16 has zero bytes
_VARIED = 4  # different bytes; else a line of dashes, or zeros, would be a fragment


class Fragment(NamedTuple):
    """The place of a fragment in its form."""

    form: Form
    offset: int


def fragments_of(forms: Iterable[Form]) -> dict[bytes, list[Fragment]]:
    """Return the fragments by which forms are found, each with the forms that contain it.

    A form that may have line ends in it has two adjacent fragments, so that a line end breaks at most one of them.
    """
    spans: dict[int, dict[bytes, list[Form]]] = {}
    for form in forms:
        length = min(_LENGTH, len(form.text) // 2 if form.may_wrap else len(form.text))
        spans.setdefault(length * 2 if form.may_wrap else length, {}).setdefault(form.text, []).append(form)
    fragments: dict[bytes, list[Fragment]] = {}
    for span, by_text in spans.items():
        for text, offset in _placed(list(by_text), span, 0):
            for form in by_text[text]:
                length = span // 2 if form.may_wrap else span
                for begin in range(offset, offset + span, length):
                    fragments.setdefault(text[begin : begin + length], []).append(Fragment(form, begin))
    return fragments


def _placed(texts: list[bytes], span: int, offset: int) -> Iterable[tuple[bytes, int]]:
    """Yield each text with the first offset at which ``span`` bytes distinguish it from almost all other texts."""
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
    """Return the first offset, from ``offset`` on, of a good fragment.

    A good fragment has several different bytes and, if possible, no characters that encoders escape.
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
    """Return the length of the common prefix of the texts."""
    first, last = min(texts), max(texts)
    return next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
