"""Reads the complete items at the beginning of a truncated JSON text: a list of models can be longer than the limit.

Pure. Must not: guess. A member that is not complete is left out.
"""

from __future__ import annotations

import json
import re
from typing import Any

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_CLOSERS = {"{": "}", "[": "]"}


def whole_items(text: str) -> Any:
    """Return the document with what was whole of it, None where that is nothing."""
    open_ones: list[str] = []
    end, closers = 0, ""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in _CLOSERS:
            open_ones.append(_CLOSERS[token])
        elif token in "}]":
            if not open_ones or open_ones.pop() != token:
                return None
            end, closers = match.end(), "".join(reversed(open_ones))
    try:
        return json.loads(text[:end] + closers) if end else None
    except (ValueError, RecursionError):
        return None
