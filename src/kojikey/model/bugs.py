"""Describes a bug in kojikey: by its kind and place, never by its values, which could be a key.

Owns: that description, also of a bug in another process of kojikey. Must not: report it; ``cli`` does.
"""

from __future__ import annotations

import os

from kojikey.model.errors import KojikeyError


class BugElsewhere(Exception):
    """A bug that happened in a worker process; ``description`` is what :func:`kind_and_place` returned there."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


def kind_and_place(error: Exception) -> str:
    """Return the description of a bug: the error's type, the file and the line."""
    import traceback

    error = first_of_ours(error)
    if isinstance(error, BugElsewhere):
        return error.description
    where = traceback.extract_tb(error.__traceback__)
    place = f"{os.path.basename(where[-1].filename)}:{where[-1].lineno}" if where else "nowhere"
    return f"{type(error).__name__} at {place}; this message contains nothing secret"


def first_of_ours(error: Exception) -> Exception:
    """Return the first :class:`KojikeyError` in a group that concurrent work raised; if there is none, the first error.

    An error that is not a group is returned as it is.
    """
    while isinstance(error, ExceptionGroup):
        ours = error.subgroup(KojikeyError)
        error = (ours or error).exceptions[0]
    return error
