"""The outcome of a test is saved with the tested version, and earlier knowledge is not lost."""

from __future__ import annotations

import pytest

from kojikey.model.key import TestRecord as Record
from kojikey.model.ref import key_ref
from kojikey.model.verdict import OUTCOME_OF, Outcome, Reason, Verdict
from kojikey.operations import outcomes, removing
from kojikey.stores.base import Stored
from support import rotation
from support.sample_store import ACCOUNT, MOMENTS, NEW, PROVIDER, THIRD, FakeTester, SampleStore, no, verdict

LATER = MOMENTS[1]
UNSETTLED = [reason for reason in Reason if OUTCOME_OF[reason] is Outcome.INDETERMINATE]


def stored(sample_store: SampleStore) -> Stored:
    found = sample_store.opener().read(key_ref(ACCOUNT, PROVIDER))
    assert found is not None
    return found


def last_test(sample_store: SampleStore) -> Record | None:
    key = sample_store.key()
    assert key is not None
    return key.current.last_test


def keep(sample_store: SampleStore, found: Verdict, *, before: Stored | None = None, number: int = 1) -> bool:
    kept = outcomes.keep_outcome(sample_store.open_store(), before or stored(sample_store), number, found)
    return kept is not None


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.OK], ids=str)
def test_no_failure_overwrites_when_the_key_was_last_valid(sample_store: SampleStore, reason: Reason) -> None:
    sample_store.add(test=FakeTester())
    assert keep(sample_store, verdict(reason, at=LATER))
    assert last_test(sample_store) == Record(OUTCOME_OF[reason].value, reason.value, LATER, MOMENTS[0])


def test_a_valid_test_sets_the_time_of_the_last_valid_one(sample_store: SampleStore) -> None:
    sample_store.add(test=FakeTester(Reason.TIMEOUT), approve=lambda _: True)
    assert last_test(sample_store) == Record("indeterminate", "timeout", MOMENTS[0], None)
    keep(sample_store, verdict(at=LATER))
    assert last_test(sample_store) == Record("valid", "ok", LATER, LATER)


@pytest.mark.parametrize("reason", UNSETTLED, ids=str)
def test_a_version_keeps_the_time_of_its_last_valid_test_in_every_stage(
    sample_store: SampleStore, reason: Reason
) -> None:
    sample_store.add(test=FakeTester())
    sample_store.rotate(test=FakeTester())
    test = FakeTester(reason, at=LATER)
    rotation.rollback(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER, test=test, approve=no)
    key = sample_store.key()
    assert key is not None
    found = {version.number: version.last_test for version in key.versions}
    assert found == {
        1: Record("indeterminate", reason.value, LATER, MOMENTS[0]),
        2: Record("valid", "ok", MOMENTS[0], MOMENTS[0]),
    }


def test_only_an_outcome_that_differs_records_an_event(sample_store: SampleStore) -> None:
    sample_store.add()
    found = (Reason.OK, Reason.OK, Reason.TIMEOUT, Reason.TIMEOUT, Reason.UNREACHABLE, Reason.OK)
    for number, reason in enumerate(found):
        keep(sample_store, verdict(reason, at=f"2026-11-23T04:47:0{number}Z"))
        record = last_test(sample_store)
        assert record is not None
        assert record.tested_at == f"2026-11-23T04:47:0{number}Z"
    told = [event["reason"] for event in sample_store.events() if event["action"] == "tested"]
    assert told == ["ok", "timeout", "unreachable", "ok"]
    sample_store.verify()


def test_the_outcome_of_the_test_before_adding_needs_no_second_event(sample_store: SampleStore) -> None:
    sample_store.add(test=FakeTester())
    keep(sample_store, verdict(at=LATER))
    assert sample_store.actions() == ["added"]


def test_the_outcome_of_a_key_that_was_rotated_during_its_test_stays_with_its_version(
    sample_store: SampleStore,
) -> None:
    sample_store.add()
    before = stored(sample_store)
    sample_store.rotate(test=FakeTester())
    assert keep(sample_store, verdict(Reason.REVOKED, at=LATER), before=before)
    key = sample_store.key()
    assert key is not None
    found = {version.number: version.last_test.reason if version.last_test else None for version in key.versions}
    assert found == {1: "revoked", 2: "ok"}


def test_the_outcome_of_a_version_that_is_gone_is_not_saved(sample_store: SampleStore) -> None:
    sample_store.add()
    before = stored(sample_store)
    sample_store.rotate()
    sample_store.rotate(THIRD)
    after = stored(sample_store)
    assert not keep(sample_store, verdict(Reason.REVOKED), before=before)
    assert stored(sample_store) == after


def test_the_outcome_of_a_removed_key_is_not_saved(sample_store: SampleStore) -> None:
    sample_store.add()
    before = stored(sample_store)
    removing.remove(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER)
    assert not keep(sample_store, verdict(), before=before)
    assert sample_store.key() is None


def test_the_outcome_of_a_removed_key_is_not_saved_on_one_that_was_added_since(
    sample_store: SampleStore,
) -> None:
    sample_store.add()
    before = stored(sample_store)
    removing.remove(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER)
    sample_store.add(NEW)
    assert not keep(sample_store, verdict(Reason.REVOKED), before=before)
    assert last_test(sample_store) is None
