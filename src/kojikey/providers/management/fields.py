"""Reading members of a management API's answers: each may be missing, or of another type than it should be.

Must not: let anything through that is not plain text of a bounded length: ids go into paths, names are displayed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any

from kojikey.model import timestamps
from kojikey.model.key_detection import looks_like_key
from kojikey.model.management_errors import ManagementUnavailable
from kojikey.model.secret import Secret

_ID = re.compile(r"(?!.*(?:^|/)\.{1,2}(?:/|$))[A-Za-z0-9][A-Za-z0-9._:@/+=-]{0,255}")
_LONGEST = 256
_VALUE = re.compile(r"[!-~]{8,512}")


def identity(document: Mapping[str, Any], *names: str) -> str:
    """Return the first of some members that is an id, ``""`` where none is."""
    found = (document.get(name) for name in names)
    return next((value for value in found if isinstance(value, str) and is_identity(value)), "")


def is_identity(value: str) -> bool:
    """Return whether a text has the form of an id: one that goes into a path stays at its place there."""
    return bool(_ID.fullmatch(value))


def text(document: Mapping[str, Any], *names: str) -> str:
    """Return the first of some members that is text which can be displayed, ``""`` where none is."""
    found = (document.get(name) for name in names)
    return next((value for value in found if isinstance(value, str) and _is_plain(value)), "")


def _is_plain(value: str) -> bool:
    """Return whether a text can be displayed: some name their keys after the keys themselves."""
    return value.isprintable() and len(value) <= _LONGEST and not looks_like_key(value)


def table(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a member that is an object, an empty one where it is not."""
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def tables(document: Mapping[str, Any], *names: str) -> list[dict[str, Any]]:
    """Return the objects in the first of some members that is a list."""
    found: list[Any] = next((document[name] for name in names if isinstance(document.get(name), list)), [])
    return [item for item in found if isinstance(item, dict)]


def kept(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the members of those names that are there and are not null."""
    return {name: document[name] for name in names if document.get(name) is not None}


def value_of(document: Mapping[str, Any], name: str, company: str) -> Secret:
    """Return the new key that an answer holds.

    Raises:
        ManagementUnavailable: there is none; whether a key was created is not known.
    """
    value = document.get(name)
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise ManagementUnavailable(f"{company}'s answer has no key in it", is_uncertain=True)
    return Secret(value)


def moment_of(document: Mapping[str, Any], *names: str) -> str | None:
    """Return the first of some members that is a moment, as a stamp: RFC 3339, a date (its end), or Unix seconds."""
    for name in names:
        stamp = _stamp(document.get(name))
        if stamp is not None:
            return stamp
    return None


def _stamp(value: object) -> str | None:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return timestamps.stamp(datetime.fromtimestamp(value, UTC))
        if not isinstance(value, str) or len(value) > 40:
            return None
        if len(value) == len("2026-01-01"):
            return timestamps.stamp(datetime.combine(date.fromisoformat(value), time(23, 59, 59), UTC))
        found = datetime.fromisoformat(value)
        return timestamps.stamp(found if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError, OSError):
        return None
