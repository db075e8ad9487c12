"""The versions that a key should have by its account's events, stage by stage."""

from __future__ import annotations

from typing import Any

import pytest

from kojikey.model.errors import AuditBroken
from kojikey.model.key import Key, Stage, Version
from kojikey.operations.audit.expected_keys import ExpectedKeys
from support.each import each
from support.sample_store import ACCOUNT, BASE_URL, MOMENTS, PROVIDER

END = 9
FROM_NOWHERE = "was added outside kojikey: no event says where it is from"
Stages = dict[Stage, int]
Event = dict[str, Any]


def key(versions: Stages, provider: str = PROVIDER) -> Key:
    """Return a key with the versions of these numbers; the fingerprint of version 1 is ``f1``."""
    made = tuple(
        Version(number, stage, "sealed", "tail", f"f{number}", BASE_URL, MOMENTS[0], None, None, None, None)
        for stage, number in versions.items()
    )
    return Key(ACCOUNT, provider, made, 9, MOMENTS[0], None, (), (), 90, None)


def followed(*events: Event) -> ExpectedKeys:
    expected = ExpectedKeys(ACCOUNT)
    for seq, event in enumerate(events, start=1):
        expected.follow({"seq": seq, "provider": PROVIDER, **event})
    return expected


def about(action: str, number: int | None = None, **more: Any) -> Event:
    return {"action": action, "version": number, "fingerprint": f"f{number}" if number else None, **more}


def misplaced(expected: ExpectedKeys, versions: Stages, provider: str = PROVIDER) -> list[str]:
    errors = list(expected.misplaced(key(versions, provider), end=END))
    assert all((error.account, error.seq) == (ACCOUNT, END + 1) for error in errors)
    return [error.message.split("is missing, or the ")[1] for error in errors]


CURRENT, PREVIOUS, STAGED = Stage.CURRENT, Stage.PREVIOUS, Stage.STAGED
ADDED, SECOND = about("added", 1), about("staged", 2)
ROTATED = (ADDED, SECOND, about("promoted", 2))
HISTORIES: list[tuple[tuple[Event, ...], Stages]] = [
    ((ADDED,), {CURRENT: 1}),
    ((ADDED, SECOND), {CURRENT: 1, STAGED: 2}),
    ((ADDED, about("minted", 2)), {CURRENT: 1, STAGED: 2}),
    ((ADDED, about("minted")), {CURRENT: 1}),
    ((ADDED, SECOND, about("aborted", 2)), {CURRENT: 1}),
    (ROTATED, {CURRENT: 2, PREVIOUS: 1}),
    ((*ROTATED, about("rolled_back", 1)), {CURRENT: 1, PREVIOUS: 2}),
    ((*ROTATED, about("staged", 3), about("rolled_back", 1)), {CURRENT: 1, PREVIOUS: 2, STAGED: 3}),
    ((*ROTATED, about("retired", 1)), {CURRENT: 2}),
    ((*ROTATED, about("staged", 3), about("retired", 1)), {CURRENT: 2, STAGED: 3}),
    ((*ROTATED, about("tested", 1), about("revealed", 2), about("changed", 2)), {CURRENT: 2, PREVIOUS: 1}),
    ((*ROTATED, about("removed", 2), about("added", 1)), {CURRENT: 1}),
    ((*ROTATED, about("copied", 4, others={})), {CURRENT: 4}),
    (
        (about("copied", 4, others={"previous": {"version": 3, "fingerprint": "f3"}}),),
        {CURRENT: 4, PREVIOUS: 3},
    ),
    (
        (about("copied", 4, others={"staged": {"version": 5, "fingerprint": "f5"}}),),
        {CURRENT: 4, STAGED: 5},
    ),
    ((ADDED, about("promoted", 7, origin={"seq": 1}, signed=True)), {CURRENT: 1}),
]


@each(("events", "versions"), HISTORIES)
def test_a_key_agrees_with_its_events_in_each_stage(events: tuple[Event, ...], versions: Stages) -> None:
    expected = followed(*events)
    assert misplaced(expected, versions) == []
    assert list(expected.missing({PROVIDER}, end=END)) == []
    for stage in Stage:
        expected.ensure_expected(key(versions), stage, end=END)
        other = {**versions, stage: 8}
        (problem,) = misplaced(expected, other)
        name = "" if stage is CURRENT else f"{stage.value} version of the "
        assert problem.startswith(f"{name}{PROVIDER} key was ")
        with pytest.raises(AuditBroken) as caught:
            expected.ensure_expected(key(other), stage, end=END)
        assert caught.value.message.endswith(problem)
        assert (caught.value.account, caught.value.seq) == (ACCOUNT, END + 1)


def test_a_difference_names_the_last_event_about_the_stage() -> None:
    expected = followed(*ROTATED)
    last = "event 3 (promoted) is the last one about"
    assert misplaced(expected, {CURRENT: 1, PREVIOUS: 1}) == [
        f"{PROVIDER} key was changed outside kojikey: {last} the key, and names another version"
    ]
    assert misplaced(expected, {CURRENT: 2}) == [
        f"previous version of the {PROVIDER} key was removed outside kojikey: event 1 (added) is the last one about it"
    ]
    assert misplaced(expected, {CURRENT: 2, PREVIOUS: 1, STAGED: 3}) == [
        f"staged version of the {PROVIDER} key {FROM_NOWHERE}"
    ]


def test_the_same_number_with_another_value_is_a_difference() -> None:
    expected = followed({**ADDED, "fingerprint": "other"})
    assert len(misplaced(expected, {CURRENT: 1})) == 1


def test_a_key_without_an_event_is_not_from_kojikey() -> None:
    expected = followed(ADDED)
    assert misplaced(expected, {CURRENT: 1}, "openai") == [f"openai key {FROM_NOWHERE}"]
    with pytest.raises(AuditBroken, match=FROM_NOWHERE):
        expected.ensure_expected(key({CURRENT: 1}, "openai"), CURRENT, end=END)
    expected.ensure_expected(key({CURRENT: 1}, "openai"), PREVIOUS, end=END)


def test_a_key_that_is_gone_is_missing_unless_an_event_removed_it() -> None:
    (error,) = followed(*ROTATED).missing({"openai"}, end=END)
    assert (error.account, error.seq) == (ACCOUNT, END + 1)
    assert error.message.endswith(
        f"the {PROVIDER} key was removed outside kojikey: event 3 (promoted) is the last one about it"
    )
    assert list(followed(*ROTATED, about("removed", 2)).missing(set(), end=END)) == []
    assert list(followed(ADDED, {"action": "removed", "provider": None}).missing(set(), end=END)) == []
    assert len(list(followed(ADDED, {"action": "removed", "provider": "openai"}).missing(set(), end=END))) == 1


@each("others", [None, 7, "x"])
def test_of_a_key_copied_by_an_earlier_release_only_the_current_version_is_known(others: object) -> None:
    event = about("copied", 4) if others is None else about("copied", 4, others=others)
    expected = followed(event)
    for versions in ({CURRENT: 4}, {CURRENT: 4, PREVIOUS: 3, STAGED: 5}):
        assert misplaced(expected, versions) == []
    assert len(misplaced(expected, {CURRENT: 3})) == 1


@each("told", [7, "x", None])
def test_a_stage_about_which_a_copy_says_nothing_readable_is_not_compared(told: object) -> None:
    expected = followed(about("copied", 4, others={"previous": told}))
    assert misplaced(expected, {CURRENT: 4, PREVIOUS: 3}) == []
    assert len(misplaced(expected, {CURRENT: 4, STAGED: 5})) == 1


def test_an_unsigned_event_of_another_store_is_no_excuse() -> None:
    expected = followed(ADDED, about("promoted", 7, origin={"seq": 1}, signed=False))
    assert len(misplaced(expected, {CURRENT: 1})) == 2
