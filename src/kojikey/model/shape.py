"""Whether a value can be what kojikey once wrote: whoever can write to a store can put anything into it.

Owns: the forms of names, texts, stamps and counts in documents. Must not: know which document it looks at.
Each function returns its value unchanged, or raises a ``ValueError`` that does not repeat it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from kojikey.model.moment import parsed

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def name(value: object) -> str:
    """Return the name of an account or a provider."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError("not a name")
    return value


def text(value: object) -> str:
    """Return text that can be shown: no control characters, so that a terminal is not moved by what a store holds."""
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("not printable text")
    return value


def texts(value: object) -> tuple[str, ...]:
    """Return a list of such texts, as a tuple."""
    if not isinstance(value, list):
        raise ValueError("not a list")  # noqa: TRY004 - one kind of error for all that is wrong
    return tuple(map(text, value))


def stamp(value: object) -> str:
    """Return a moment as :func:`kojikey.model.moment.stamp` writes it."""
    parsed(text(value))
    return str(value)


def count(value: object) -> int:
    """Return a whole number from 0."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("not a count")
    return value


def flag(value: object) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")  # noqa: TRY004 - as above
    return value


def optional(check: Callable[[object], Any], value: object) -> Any:
    """Return what the check makes of a value, None for None."""
    return None if value is None else check(value)
