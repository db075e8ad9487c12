"""Checks that a definition's regular expression matches in bounded time, and that it does not match any key.

Python's matcher tries every way in which an expression can match. The form of an expression bounds their number here:
no part that can match in several ways is repeated, and the ways of the other parts multiply to few tries for a text of
:data:`LONGEST_TEXT` characters. Must not: know the purpose of an expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import factorial
from typing import NamedTuple

LONGEST_REGEX = 1000
LONGEST_TEXT = 512
"""A key that is longer has no known shape."""

_MOST_TRIES = 100_000_000
_SPAN = 32  # a repetition with a wider range counts as unlimited
_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?(?:[aiLmsux-]*:|[aiLmsux-]+\)|P<\w+>|[=!]|<[=!]))?|[)|]"
    r"|[*+?][?+]?|\{[0-9]*,?[0-9]*\}[?+]?|[^\\]",
    re.DOTALL,
)
_BRACES = re.compile(r"\{([0-9]*)(,?)([0-9]*)\}")
_SAMPLES = (
    "AIzaSy0Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv",
    "AQ.Ab8RN6KLmno0123456789pqrstuvwxyz",
    "sk_0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    "gsk_0Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv",
    "xai-0Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv",
    "hf_aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH",
    "sk-proj-0Ab1Cd2Ef3-Gh4Ij5_Kl6Mn7Op8Qr9St0Uv",
    "0123456789abcdef0123456789abcdef",
)
_FEW_SAMPLES = 2


class _Group(NamedTuple):
    """A group of an expression: whether its content can match in several ways, and how many branches it has."""

    varies: bool
    branches: int


def unbounded(regex: str, *, is_shape: bool) -> str | None:
    """Return the reason why matching an expression may take too long, None if it cannot.

    The expression must be one that Python compiles. A key shape is matched with the keys of all providers, so it is
    bounded more strictly than an expression that is only searched in its own provider's answers.
    """
    if len(regex) > LONGEST_REGEX:
        return f"is longer than {LONGEST_REGEX} characters"
    if re.search(r"\(\?P=|\(\?\(|\\[1-9]", regex):
        return "refers back to one of its groups, which can take too long"
    tries, unending = 1, 0
    groups: list[_Group] = [_Group(False, 1)]
    before: _Group | None = None
    for token in _tokens(regex):
        if token.startswith("(") and not token.endswith(")"):
            groups.append(_Group(False, 1))
            before = None
        elif token == ")" and len(groups) > 1:
            before = groups.pop()
            tries *= before.branches
            groups[-1] = groups[-1]._replace(varies=groups[-1].varies or before.varies or before.branches > 1)
        elif token == "|":
            groups[-1] = groups[-1]._replace(branches=groups[-1].branches + 1)
            before = None
        elif (span := _span(token)) is not None:
            least, most = span
            if before is not None and (before.varies or before.branches > 1) and (most is None or most > 1):
                return "repeats a part that can match in several ways, which can take too long"
            if most is None or most - least > _SPAN:
                unending += 1
            elif most > least:
                tries *= most - least + 1
            groups[-1] = groups[-1]._replace(varies=groups[-1].varies or most != least)
            before = None
        else:
            before = None
    tries *= groups[0].branches
    if is_shape and tries * LONGEST_TEXT**unending // factorial(unending) > _MOST_TRIES:
        return "has too many parts that can match in several ways, which can take too long"
    return None


def matches_anything(regex: re.Pattern[str]) -> bool:
    """Return whether an expression matches keys of companies that have nothing to do with each other."""
    return sum(bool(regex.fullmatch(sample)) for sample in _SAMPLES) > _FEW_SAMPLES


def _tokens(regex: str) -> Iterator[str]:
    return (match[0] for match in _TOKEN.finditer(regex))


def _span(token: str) -> tuple[int, int | None] | None:
    """Return the least and the most repetitions of a quantifier (None: unlimited); None for any other token."""
    if token[0] in "*+?":
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[token[0]]
    match = _BRACES.match(token) if token[0] == "{" else None
    if match is None or not (match[1] or match[2]):
        return None
    least = int(match[1] or 0)
    return least, (int(match[3]) if match[3] else None) if match[2] else least
