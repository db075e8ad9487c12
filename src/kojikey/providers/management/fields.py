"""Reads members of a management API's answers, each of which may be missing or of a wrong type.

Must not: return a text that is not plain and of bounded length: ids are put into paths, names are displayed.
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
    """Return the first of the named members that is an id, ``""`` if none is."""
    found = (document.get(name) for name in names)
    return next((value for value in found if isinstance(value, str) and is_identity(value)), "")


def is_identity(value: str) -> bool:
    """Return whether a text has the form of an id, which has no ``.`` or ``..`` between slashes."""
    return bool(_ID.fullmatch(value))


def text(document: Mapping[str, Any], *names: str) -> str:
    """Return the first of the named members that is text which may be displayed, ``""`` if none is."""
    found = (document.get(name) for name in names)
    return next((value for value in found if isinstance(value, str) and _is_plain(value)), "")


def _is_plain(value: str) -> bool:
    """Return whether a text may be displayed: some people use the key itself as its name."""
    return value.isprintable() and len(value) <= _LONGEST and not looks_like_key(value)


def table(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the member of that name, ``{}`` if it is not an object."""
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def tables(document: Mapping[str, Any], *names: str) -> list[dict[str, Any]]:
    """Return the objects in the first of the named members that is a list."""
    found: list[Any] = next((document[name] for name in names if isinstance(document.get(name), list)), [])
    return [item for item in found if isinstance(item, dict)]


def kept(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the named members that exist and are not null."""
    return {name: document[name] for name in names if document.get(name) is not None}


def value_of(document: Mapping[str, Any], name: str, company: str) -> Secret:
    """Return the new key in an answer.

    Raises:
        ManagementUnavailable: there is none; it is not known whether a key was created.
    """
    value = document.get(name)
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise ManagementUnavailable(f"{company}'s answer has no key in it", is_uncertain=True)
    return Secret(value)


def moment_of(document: Mapping[str, Any], *names: str) -> str | None:
    """Return the first of the named members that is a time, as RFC 3339 UTC; of a date, its end.

    Providers send RFC 3339, a date, or seconds since 1970.
    """
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
