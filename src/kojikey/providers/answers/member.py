"""A place in a JSON answer, written as people write it: ``data.limit``, ``balances[0].amount``, ``scoped[].names[]``.

Pure. Must not: know the meaning of a member. A value of an unexpected type counts as missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_STEP = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)|\[([0-9]{0,4})\]")
_PATH = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_-]*|\[[0-9]{0,4}\])(?:\.[A-Za-z_][A-Za-z0-9_-]*|\[[0-9]{0,4}\])*")
_MOST = 1000  # values of one place: an answer is bounded, but not by us


def is_path(text: str) -> bool:
    """Return whether a text is the path of a member."""
    return len(text) <= 200 and _PATH.fullmatch(text) is not None


def values_at(document: Any, path: str) -> list[Any]:
    """Return what stands at a path: one value at most, but for paths with ``[]`` (each item of a list)."""
    found: list[Any] = [document]
    for name, index in _steps(path):
        found = [value for item in found for value in _step(item, name, index)][:_MOST]
    return found


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[tuple[str, str], ...]:
    """Return the steps of a path. Paths come from definitions, never from an answer."""
    return tuple(_STEP.findall(path))


def value_at(document: Any, path: str) -> Any:
    """Return what stands first at a path, None where nothing does or the path is empty."""
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
