"""How a bug of ours is described: by its kind and place, never by its values, which could be a key.

Owns: that description, also of a bug that another process of ours met. Must not: report it; ``cli`` does.
"""

from __future__ import annotations

import os

from kojikey.model.errors import KojikeyError


class BugElsewhere(Exception):
    """A bug that a process met which works for this one; ``description`` is as :func:`kind_and_place` gave it there."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


def kind_and_place(error: Exception) -> str:
    """Return the description of a bug."""
    import traceback

    error = first_of_ours(error)
    if isinstance(error, BugElsewhere):
        return error.description
    where = traceback.extract_tb(error.__traceback__)
    place = f"{os.path.basename(where[-1].filename)}:{where[-1].lineno}" if where else "nowhere"
    return f"{type(error).__name__} at {place}; this message contains nothing secret"


def first_of_ours(error: Exception) -> Exception:
    """Return the first error of ours in a group that concurrent work raised, else the first error."""
    while isinstance(error, ExceptionGroup):
        ours = error.subgroup(KojikeyError)
        error = (ours or error).exceptions[0]
    return error
