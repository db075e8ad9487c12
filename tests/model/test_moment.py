"""Timestamps are read as they were written, and dates and spans that people type are understood."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kojikey.model.errors import UsageError
from kojikey.model.timestamps import later, moment_or_span, parsed, short_span, span, stamp


@pytest.mark.parametrize("year", [1, 27, 999, 2026, 9999])
def test_every_stamp_is_read_again(year: int) -> None:
    moment = datetime(year, 1, 31, 23, 59, 59, tzinfo=UTC)
    assert parsed(stamp(moment)) == moment


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2027-01-31", "2027-01-31T23:59:59Z"),
        ("20270131", "2027-01-31T23:59:59Z"),
        (" 2027-01-31 ", "2027-01-31T23:59:59Z"),
        ("2027-01-31T12:00:00", "2027-01-31T12:00:00Z"),
        ("2027-01-31T12:00:00+02:00", "2027-01-31T10:00:00Z"),
        ("9999-12-31", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_date_is_its_end_and_a_moment_is_in_utc(text: str, meant: str) -> None:
    assert moment_or_span(text, what="--expires") == meant


@pytest.mark.parametrize(
    "text",
    ["0027-01-31", "1999-12-31", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00", "999999w", "10000-01-01"],
)
def test_an_implausible_moment_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--expires takes"):
        moment_or_span(text, what="--expires")


@pytest.mark.parametrize("text", ["999999w", "36501d", "5215w", "999999d"])
def test_a_span_beyond_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--since takes a span of at most"):
        span(text, what="--since")


@pytest.mark.parametrize("text", ["36500d", "90d", "100y", "0d"])
def test_the_longest_span_gives_a_valid_moment_in_both_directions(text: str) -> None:
    length = span(text, what="--since")
    assert parsed(moment_or_span(text, what="--since"))
    assert parsed(stamp(datetime.now(UTC) - length))
    assert length <= timedelta(days=36500)


@pytest.mark.parametrize(
    ("moment", "meant"),
    [("2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z"), ("9999-12-31T23:59:58Z", "9999-12-31T23:59:59Z")],
)
def test_a_moment_after_a_span_is_at_the_latest_the_end_of_the_calendar(moment: str, meant: str) -> None:
    assert stamp(later(parsed(moment), timedelta(days=1))) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [("24h", timedelta(days=1)), ("90d", timedelta(days=90)), ("2w", timedelta(days=14)), ("1y", timedelta(days=365))],
)
def test_a_span_is_a_number_with_h_d_w_or_y(text: str, meant: timedelta) -> None:
    assert span(text, what="--max-age") == short_span(text, what="--since") == meant


def test_a_span_in_m_is_refused_where_months_may_be_meant() -> None:
    for read in (span, moment_or_span):
        with pytest.raises(UsageError, match="may be minutes or months") as caught:
            read("12m", what="--expires")
        assert "--expires 360d" in str(caught.value.hint)


def test_a_short_span_is_also_in_minutes_and_seconds() -> None:
    assert short_span("30m", what="--since") == timedelta(minutes=30)
    assert short_span("90s", what="--since") == timedelta(seconds=90)
    with pytest.raises(UsageError, match="--expires takes"):
        span("90s", what="--expires")
