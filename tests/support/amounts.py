"""How much of a large table of cases the normal run takes; the rest has the marker ``exhaustive``.

Owns: marking. Must not: leave a case out: what is not in the normal run is in the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def exhaustive(*values: object) -> Any:
    """Return a parameter that only the exhaustive run has."""
    return pytest.param(*values, marks=pytest.mark.exhaustive)


def of_which(cases: Iterable[tuple[object, ...]], normal: Collection[tuple[object, ...]]) -> list[Any]:
    """Return all cases as parameters, those that the normal run does not have with its marker."""
    found = list(cases)
    assert set(normal) <= set(found), "a representative that is none of the cases"
    return [pytest.param(*case) if case in normal else exhaustive(*case) for case in found]
