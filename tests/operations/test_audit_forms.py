"""The form of an event: whatever else is in a store is not from kojikey, and is never shown as an event."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kojikey.model.errors import RecordChanged
from kojikey.model.timestamps import parsed
from kojikey.operations.audit import auditing
from kojikey.operations.audit.audit_verification import is_lost, is_unsigned
from kojikey.operations.audit.auditing import is_readable, readable
from support.each import each
from support.sample_store import ACCOUNT, PROVIDER, SampleStore

EVENT: dict[str, Any] = {
    "seq": 1, "time": "2026-11-23T04:47:00Z", "actor": "somebody@somewhere", "account": ACCOUNT, "action": "tested",
    "provider": PROVIDER, "version": 1, "fingerprint": "0123456789ab", "outcome": "valid", "reason": "ok",
    "signed": True,
}  # fmt: skip
STAGED = {"version": 2, "fingerprint": "0123456789ab"}
ORIGIN = {"store": "s", "seq": 3}
HOSTILE = "\x1b[31mred"


@each(
    "more",
    [
        {}, {"provider": None}, {"version": None, "fingerprint": None}, {"outcome": None, "reason": None},
        {"signed": False}, {"seq": 0}, {"role": "reader"}, {"role": None}, {"recipient": "age1x"},
        {"settings": ["label"]}, {"settings": []}, {"settings": None}, {"others": {}}, {"others": {"staged": STAGED}},
        {"others": {"staged": STAGED, "previous": STAGED}}, {"origin": ORIGIN}, {"origin": {**ORIGIN, "lost": True}},
    ],
)  # fmt: skip
def test_an_event_of_kojikey_is_returned_unchanged(more: dict[str, Any]) -> None:
    event = {**EVENT, **more}
    assert readable(event) is event
    assert is_readable(event)


@each(
    "more",
    [
        {"seq": -1}, {"seq": True}, {"seq": "1"}, {"seq": None}, {"time": "yesterday"}, {"time": None},
        {"actor": HOSTILE}, {"actor": None}, {"account": "Not a name"}, {"account": None}, {"action": HOSTILE},
        {"action": None}, {"provider": HOSTILE}, {"provider": 7}, {"version": "1"}, {"version": -1},
        {"fingerprint": "short"}, {"fingerprint": 7}, {"outcome": HOSTILE}, {"outcome": 7}, {"reason": HOSTILE},
        {"reason": 7}, {"signed": None}, {"signed": 1}, {"role": HOSTILE}, {"role": 7}, {"recipient": HOSTILE},
        {"recipient": 7}, {"settings": "label"}, {"settings": [HOSTILE]}, {"settings": [7]}, {"settings": {}},
        {"others": []}, {"others": "x"}, {"others": {"current?": STAGED}}, {"others": {"staged": None}},
        {"others": {"staged": []}}, {"others": {"staged": {}}}, {"others": {"staged": {**STAGED, "version": "2"}}},
        {"others": {"staged": {**STAGED, "fingerprint": HOSTILE}}}, {"origin": []}, {"origin": "s"}, {"origin": {}},
        {"origin": {**ORIGIN, "store": HOSTILE}}, {"origin": {**ORIGIN, "seq": "3"}},
    ],
)  # fmt: skip
def test_an_event_with_a_member_of_another_form_is_not_from_kojikey(more: dict[str, Any]) -> None:
    with pytest.raises(RecordChanged) as caught:
        readable({**EVENT, **more})
    assert caught.value.where == "of an event"
    assert not is_readable({**EVENT, **more})


@each("member", list(EVENT))
def test_an_event_without_one_of_its_members_is_not_from_kojikey(member: str) -> None:
    assert not is_readable({name: value for name, value in EVENT.items() if name != member})


@each(
    ("event", "unsigned", "lost"),
    [
        ({"signed": True}, False, False),
        ({"signed": False}, True, False),
        ({}, True, False),
        ({"signed": 1}, True, False),
        ({"signed": True, "origin": {"unsigned": True}}, True, False),
        ({"signed": True, "origin": {"lost": True}}, False, True),
        ({"signed": True, "origin": {"unsigned": 1, "lost": "yes"}}, False, False),
        ({"signed": True, "origin": "lost"}, False, False),
        ({"signed": True, "origin": None}, False, False),
    ],
)
def test_only_a_mark_that_is_true_makes_a_copied_event_unsigned_or_lost(
    event: dict[str, Any], unsigned: bool, lost: bool
) -> None:
    assert (is_unsigned(event), is_lost(event)) == (unsigned, lost)


def test_events_since_a_moment_are_those_at_it_and_later() -> None:
    sample_store = SampleStore.in_memory()
    sample_store.add()
    (event,) = sample_store.events()
    at = parsed(event["time"])
    for since, count in ((at - timedelta(seconds=1), 1), (at, 1), (at + timedelta(seconds=1), 0)):
        listed = auditing.events(sample_store.opener(), account=ACCOUNT, since=since)
        assert len(listed.events) == count
