"""The masked form of a key: constant width, the last four characters, none of a key shorter than 16."""

from __future__ import annotations

BULLET = "•"
ASCII_BULLET = "*"
_WIDTH = 8
VISIBLE = 4
_SHORTEST_WITH_TAIL = 16


def tail_of(value: str) -> str:
    """Return the part of a key that may be displayed: its last four characters, ``""`` if it is shorter than 16."""
    return value[-VISIBLE:] if len(value) >= _SHORTEST_WITH_TAIL else ""


def mask(tail: str, *, bullet: str = ASCII_BULLET) -> str:
    """Return the masked form for a stored tail, ``********wxyz``. JSON always uses the ASCII form."""
    return bullet * _WIDTH + tail
