"""The end of an account's audit trail when it was last verified, as remembered outside the store.

Owns: the form. Must not: compare it (``operations/audit/known_trail.py``) or keep it (``config/known_trails.py``).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kojikey.model import validators

_LINK = re.compile(r"[0-9a-f]{64}")


class TrailEnd(NamedTuple):
    """The last event of an account: its number, its link, and its time (``""`` if the event has none)."""

    seq: int
    link: str
    time: str

    @classmethod
    def checked(cls, seq: object, link: object, time: object) -> TrailEnd:
        """Return the end with these members, after checking their forms.

        Raises:
            ValueError: a member does not have its form.
        """
        number = validators.count(seq)
        if not number or not isinstance(link, str) or not _LINK.fullmatch(link):
            raise ValueError("not the end of a trail")
        return cls(number, link, "" if time == "" else validators.stamp(time))
