"""Reads and writes times and spans: as people type them, and as documents have them (RFC 3339, UTC, seconds, ``Z``)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from kojikey.model.errors import Effect, UsageError

_STAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_SPAN = re.compile(r"([0-9]{1,6})([smhdwy])")
LONGEST = timedelta(days=36_500)
"""The longest span that is accepted: a date that is computed from today must be before the year 10000."""
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "y": timedelta(days=365),
}
_SHORT_UNITS = ("s", "m")
_FIRST_YEAR = 2000


def now() -> str:
    """Return the present moment, for example ``2026-11-23T04:47:00Z``."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")  # is UTC: half the work of stamp()


def stamp(moment: datetime) -> str:
    """Return an aware moment as RFC 3339 UTC, to the second."""
    # Not strftime: its %Y omits the leading zeros of a year before 1000.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def parsed(text: str) -> datetime:
    """Return the moment that :func:`stamp` wrote.

    Raises:
        ValueError: the text does not have that form.
    """
    if not _STAMP.fullmatch(text):
        raise ValueError("not a stamp")
    return datetime.fromisoformat(text)


def later(moment: datetime, by: timedelta) -> datetime:
    """Return a moment after a span, at the latest the end of the calendar: another machine's clock may be far off."""
    try:
        return moment + by
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def span(text: str, *, what: str) -> timedelta:
    """Return the long span that a person typed: a whole number and one of h d w y (365 days), for example ``90d``.

    Raises:
        UsageError: the text is not such a span, or may mean minutes or months. ``what`` names the option.
    """
    match = _SPAN.fullmatch(text.strip())
    if match and match[2] == "m":
        raise UsageError(
            f"{what} {match[0]} may be minutes or months",
            hint=f"write a number with h, d, w or y; for months, the days: {what} {int(match[1]) * 30}d",
            effect=Effect.NOTHING_CHANGED,
        )
    if not match or match[2] in _SHORT_UNITS:
        raise UsageError(f"{what} takes a span, for example 90d or 24h", hint="h, d, w or y after a whole number")
    return _length(match, what=what)


def short_span(text: str, *, what: str) -> timedelta:
    """Return the span that a person typed: as for :func:`span`, and also in seconds (s) and minutes (m).

    Raises:
        UsageError: the text is not such a span. ``what`` names the option.
    """
    match = _SPAN.fullmatch(text.strip())
    if not match:
        raise UsageError(
            f"{what} takes a span, for example 7d, 24h or 30m", hint="s, m (minutes), h, d, w or y after a whole number"
        )
    return _length(match, what=what)


def _length(match: re.Match[str], *, what: str) -> timedelta:
    length = int(match[1]) * _UNITS[match[2]]
    if length > LONGEST:
        raise UsageError(
            f"{what} takes a span of at most 36500d, a hundred years", hint=f"{what} 90d", effect=Effect.NOTHING_DONE
        )
    return length


def moment_or_span(text: str, *, what: str) -> str:
    """Return the stamp for a date (``2027-01-31``: its end), a moment (RFC 3339) or a span from now (``90d``).

    Raises:
        UsageError: the text is none of these, or names a year before 2000. ``what`` names the option.
    """
    try:
        moment = _moment(text.strip(), what=what).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{what} takes a date (2027-01-31) or a span (90d)",
            hint=f"{what} 90d is ninety days from now; h, d, w and y are its units",
            effect=Effect.NOTHING_CHANGED,
        ) from None
    if moment.year < _FIRST_YEAR:
        raise UsageError(
            f"{what} takes a date from the year {_FIRST_YEAR} on",
            hint=f"{what} 2027-01-31",
            effect=Effect.NOTHING_CHANGED,
        )
    return stamp(moment)


def _moment(text: str, *, what: str) -> datetime:
    if _SPAN.fullmatch(text):
        return datetime.now(UTC) + span(text, what=what)
    try:
        return datetime.combine(date.fromisoformat(text), time(23, 59, 59), UTC)
    except ValueError:
        moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
