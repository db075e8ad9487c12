"""Splits a large table of cases between the normal run and the run with ``-m exhaustive``.

Owns: marking. Must not: leave out a case. A case that the normal run lacks is in the exhaustive run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def exhaustive(*values: object) -> Any:
    """Return a case that only the exhaustive run tests."""
    return pytest.param(*values, marks=pytest.mark.exhaustive)


def exhaustive_except(cases: Iterable[tuple[object, ...]], normal: Collection[tuple[object, ...]]) -> list[Any]:
    """Return all cases as parameters; those that are not in ``normal`` have the marker."""
    found = list(cases)
    assert set(normal) <= set(found), "a case of the normal run is not among the cases"
    return [pytest.param(*case) if case in normal else exhaustive(*case) for case in found]
