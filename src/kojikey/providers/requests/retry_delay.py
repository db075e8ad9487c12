"""Computes the delay before a retry: the one that the server asks for, else backoff with jitter. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

RETRIES = 2
LONGEST_S = 86_400.0
"""The upper limit of a delay that a server asks for: a day."""
_FIRST = 0.5
_FACTOR = 2.0
_NUMBER = re.compile(r"[0-9]{1,30}(?:\.[0-9]{1,9})?")


def wait_before(attempt: int, *, asked: float | None, chance: float) -> float:
    """Return the seconds to wait after the ``attempt``-th try failed.

    ``asked`` is the server's delay; up to a tenth is added, so that many keys are not retried at the same moment.
    ``chance`` is a random number from 0 to 1.
    """
    if asked is not None:
        return asked * (1 + chance / 10)
    return float(_FIRST * _FACTOR ** (attempt - 1) * (0.5 + chance / 2))


def asked_by(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Return the seconds that a server asks to wait, at most :data:`LONGEST_S`, None if it does not ask.

    Headers: ``Retry-After-Ms`` and ``Retry-After`` (RFC 9110, 10.2.3). The seconds until a date are counted from the
    answer's own ``Date``, so that a wrong local clock does no harm.
    """
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(milliseconds):
        return min(LONGEST_S, float(milliseconds) / 1000)
    text = headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(text):
        return min(LONGEST_S, float(text))
    until = _date(text)
    if until is None:
        return None
    since = _date(headers.get("date", "")) or now or datetime.now(UTC)
    return min(LONGEST_S, max(0.0, (until - since).total_seconds()))


def _date(text: str) -> datetime | None:
    if not text:
        return None
    from email.utils import parsedate_to_datetime  # slow to import and rarely needed

    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
