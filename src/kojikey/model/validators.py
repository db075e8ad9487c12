"""Checks whether kojikey can have written a value: a writer of the store can put anything into it.

Owns: the forms of names, texts, stamps and counts in documents. Must not: know which document a value is from. Each
check returns its value unchanged, or raises a ``ValueError`` that does not repeat it; ``plain_text.shown`` shows one
that failed. `kojikey run` imports this: nothing here may be slow to load.
"""

from __future__ import annotations

import re

from kojikey.model.account import is_account

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NAME = r"[a-z0-9][a-z0-9._-]{0,63}"
FINGERPRINT = r"[0-9a-f]{12}"


def account(value: object) -> str:
    """Return the name of an account."""
    if not isinstance(value, str) or not is_account(value):
        raise ValueError("not an account")
    return value


def name(value: object) -> str:
    """Return the name of a provider."""
    if not isinstance(value, str) or not re.fullmatch(NAME, value):
        raise ValueError("not a name")
    return value


def text(value: object) -> str:
    """Return a text without control characters, which a terminal would obey."""
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("not printable text")
    return value


def texts(value: object) -> tuple[str, ...]:
    """Return a list of texts, each checked by :func:`text`, as a tuple."""
    if not isinstance(value, list):
        raise ValueError("not a list")  # noqa: TRY004 - one type of error for everything that can be wrong
    return tuple(map(text, value))


def stamp(value: object) -> str:
    """Return a moment as :func:`kojikey.model.timestamps.stamp` writes it."""
    from kojikey.model.timestamps import parsed

    parsed(text(value))
    return str(value)


def fingerprint(value: object) -> str:
    """Return a fingerprint, 12 hex characters."""
    if not isinstance(value, str) or not re.fullmatch(FINGERPRINT, value):
        raise ValueError("not a fingerprint")
    return value


def count(value: object) -> int:
    """Return a whole number from 0."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("not a count")
    return value


def days(value: object) -> int:
    """Return a span in whole days, at most the longest that is accepted."""
    from kojikey.model.timestamps import LONGEST

    found = count(value)
    if found > LONGEST.days:
        raise ValueError("not a span")
    return found


def flag(value: object) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")  # noqa: TRY004 - as above
    return value


def optional(check: Callable[[object], Any], value: object) -> Any:
    """Return the value that a check returns, None for None."""
    return None if value is None else check(value)
