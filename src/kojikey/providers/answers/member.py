"""Reads a member of a JSON answer by its path: ``data.limit``, ``balances[0].amount``, ``scoped[].names[]``.

Pure. Must not: know the meaning of a member. A value of an unexpected type counts as missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_STEP = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)|\[([0-9]{0,4})\]")
_PATH = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_-]*|\[[0-9]{0,4}\])(?:\.[A-Za-z_][A-Za-z0-9_-]*|\[[0-9]{0,4}\])*")
_MOST = 1000  # values of one path: a hostile answer may have lists in lists


def is_path(text: str) -> bool:
    """Return whether a text is the path of a member."""
    return len(text) <= 200 and _PATH.fullmatch(text) is not None


def values_at(document: Any, path: str) -> list[Any]:
    """Return the values at a path: at most one, or several if the path has ``[]`` (each item of a list)."""
    found: list[Any] = [document]
    for name, index in _steps(path):
        found = [value for item in found for value in _step(item, name, index)][:_MOST]
    return found


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[tuple[str, str], ...]:
    """Return the steps of a path. Paths come from definitions, never from an answer."""
    return tuple(_STEP.findall(path))


def value_at(document: Any, path: str) -> Any:
    """Return the first value at a path, None if there is none or the path is empty."""
    if not path:
        return None
    for name, _ in _steps(path):
        if not name:
            break
        if not isinstance(document, dict) or name not in document:
            return None
        document = document[name]
    else:
        return document
    return next(iter(values_at(document, path[path.index("[") :])), None)


def _step(item: Any, name: str, index: str) -> Iterator[Any]:
    if name:
        if isinstance(item, dict) and name in item:
            yield item[name]
    elif isinstance(item, list):
        yield from item if index == "" else item[int(index) : int(index) + 1]
