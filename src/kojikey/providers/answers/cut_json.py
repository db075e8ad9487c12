"""Reads the complete items of a truncated JSON text: a list of models can be longer than the part that is read.

Pure. Must not: guess. An incomplete item is left out.
"""

from __future__ import annotations

import json
import re
from typing import Any

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_CLOSERS = {"{": "}", "[": "]"}


def whole_items(text: str) -> Any:
    """Return the document without its incomplete end, None if no item is complete."""
    expected: list[str] = []
    end, closers = 0, ""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in _CLOSERS:
            expected.append(_CLOSERS[token])
        elif token in "}]":
            if not expected or expected.pop() != token:
                return None
            end, closers = match.end(), "".join(reversed(expected))
    try:
        return json.loads(text[:end] + closers) if end else None
    except (ValueError, RecursionError):
        return None
