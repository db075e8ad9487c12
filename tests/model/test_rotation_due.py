"""When a key is due for rotation: the one rule of ``list``, ``list --due``, ``rotate --due`` and the reports."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from kojikey.model.key import Key, Stage, Version
from kojikey.model.minting import RemoteId
from kojikey.model.timestamps import parsed, stamp
from support.each import each

MADE = parsed("2026-01-01T00:00:00Z")
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
MINTED = RemoteId("key-1", "", "", "", is_minted=True, proof="")


def key(*, rotate_after: int | None = 90, life: timedelta | None = None, remote_id: RemoteId | None = None) -> Key:
    version = Version(
        1, Stage.CURRENT, "a.b.c.d.e", "wxyz", "0123456789ab", "https://api.example.com", stamp(MADE),
        None, stamp(MADE + life) if life else None, None, None, remote_id,
    )  # fmt: skip
    return Key("acme", "elevenlabs", (version,), 2, stamp(MADE), None, (), (), rotate_after, None)


@each(
    ("found", "first_due"),
    [
        (key(), 90 * DAY),
        (key(rotate_after=30), 30 * DAY),
        (key(life=40 * DAY), 26 * DAY),  # 14 days before it expires
        (key(life=40 * DAY, rotate_after=10), 10 * DAY),
        (key(life=10 * DAY, remote_id=MINTED), 9 * DAY),  # the last tenth of a life that is shorter than the notice
        (key(life=14 * DAY, remote_id=MINTED), 0 * DAY),
        (key(life=40 * DAY, remote_id=MINTED), 26 * DAY),
        (key(life=10 * DAY, remote_id=replace(MINTED, is_minted=False)), -4 * DAY),
    ],
)
def test_a_key_is_due_from_the_computed_moment_on(found: Key, first_due: timedelta) -> None:
    moment = MADE + first_due
    assert [found.rotation_due(at) for at in (moment - SECOND, moment, moment + 1000 * DAY)] == [False, True, True]
    assert not found.rotation_due(moment, is_disabled=True)


def test_another_expiring_span_changes_when_a_key_is_due() -> None:
    found = key(life=40 * DAY)
    due = [found.rotation_due(MADE + 33 * DAY, expiring=notice) for notice in (6 * DAY, 7 * DAY)]
    assert due == [False, True]


def test_a_key_that_is_never_to_be_rotated_is_never_due() -> None:
    assert not key(rotate_after=None, life=DAY).rotation_due(MADE + 1000 * DAY)


def test_the_age_of_a_key_is_in_whole_days_since_its_value_was_saved_and_never_negative() -> None:
    ages = {span: key().age_days(MADE + span) for span in (-DAY, -SECOND, 0 * DAY, DAY - SECOND, DAY, 90 * DAY)}
    assert list(ages.values()) == [0, 0, 0, 0, 1, 90]
