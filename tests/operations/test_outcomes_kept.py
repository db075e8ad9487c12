"""The outcome of a test is saved with the tested version, and earlier knowledge is not lost."""

from __future__ import annotations

import pytest
from msgspec import structs

from kojikey.model.key import TestRecord as Record
from kojikey.model.ref import account_ref, key_ref
from kojikey.model.verdict import OUTCOME_OF, Outcome, Reason, Verdict
from kojikey.operations import outcomes, removing
from kojikey.operations.key_records import key_of
from kojikey.operations.open_store import OpenStore
from kojikey.operations.outcomes import Found, Kept
from kojikey.stores.base import Change, Stored
from support import rotation
from support.sample_store import (
    ACCOUNT,
    MOMENTS,
    NEW,
    PROVIDER,
    THIRD,
    FakeTester,
    SampleStore,
    no,
    verdict,
)

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


@pytest.mark.parametrize("is_reported", [True, False])
def test_an_outcome_is_saved_as_reported_by_a_program_or_as_tested(
    sample_store: SampleStore, is_reported: bool
) -> None:
    sample_store.add()
    outcomes.keep_outcome(sample_store.open_store(), stored(sample_store), 1, verdict(), reported=is_reported)
    found = last_test(sample_store)
    assert found is not None
    assert found.reported is is_reported
    event = sample_store.events()[-1]
    assert (event["action"], event["provider"], event["version"]) == ("tested", PROVIDER, 1)


# the outcomes of several keys


@pytest.fixture
def tested_together() -> SampleStore:
    """Return a store with a key in each of three accounts, tested once."""
    sample_store = SampleStore.in_memory()
    for account in ("a1", "a2", "a3"):
        sample_store.add(account=account, test=FakeTester())
    return sample_store


def found_for(sample_store: SampleStore, account: str, outcome: Verdict) -> Found:
    document = sample_store.opener().read(key_ref(account, PROVIDER))
    assert document is not None
    key = key_of(document)
    return Found(document, key, key.current, outcome)


def reasons(sample_store: SampleStore) -> list[str | None]:
    """Return the reason of the last test of each key."""
    keys = [sample_store.key(account) for account in ("a1", "a2", "a3")]
    return [key.current.last_test.reason if key and key.current.last_test else None for key in keys]


def damage_account(sample_store: SampleStore, account: str) -> None:
    store = sample_store.opener()
    document = store.read(account_ref(account))
    assert document is not None
    store.commit((Change(document.ref, {**document.document, "wrapped": 1}, document.revision),), ())


def all_of(sample_store: SampleStore, reason: Reason = Reason.BILLING) -> list[Found]:
    return [found_for(sample_store, account, verdict(reason, at=LATER)) for account in ("a1", "a2", "a3")]


def keep_all(open_store: OpenStore, found: list[Found]) -> list[tuple[bool, str]]:
    return [(each.is_saved, each.why) for each in outcomes.keep_outcomes(open_store, found)]


def test_outcomes_of_many_keys_are_saved_with_an_event_for_each_that_is_news(tested_together: SampleStore) -> None:
    found = all_of(tested_together)
    found[1] = found_for(tested_together, "a2", verdict(at=LATER))
    assert keep_all(tested_together.open_store(), found) == [(True, "")] * 3
    assert reasons(tested_together) == ["billing", "ok", "billing"]
    assert [tested_together.actions(account) for account in ("a1", "a2", "a3")] == [
        ["added", "tested"], ["added"], ["added", "tested"],
    ]  # fmt: skip
    event = tested_together.events("a3")[-1]
    assert (event["provider"], event["version"], event["outcome"], event["reason"]) == (
        PROVIDER, 1, "limited", "billing",
    )  # fmt: skip


def test_of_many_keys_those_without_a_request_are_not_saved(tested_together: SampleStore) -> None:
    unasked = structs.replace(verdict(Reason.NETWORK_BLOCKED), attempts=0)
    for position in range(3):
        found = all_of(tested_together, (Reason.BILLING, Reason.TIMEOUT, Reason.REVOKED)[position])
        found[position] = found_for(tested_together, f"a{position + 1}", unasked)
        before = reasons(tested_together)[position]
        assert keep_all(tested_together.open_store(), found) == [(each != position, "") for each in range(3)]
        assert reasons(tested_together)[position] == before
    only = [found_for(tested_together, "a1", unasked)]
    assert keep_all(tested_together.open_store(), only) == [(False, "")]


def test_the_key_of_a_damaged_account_is_not_saved_and_the_others_are(tested_together: SampleStore) -> None:
    damage_account(tested_together, "a2")
    assert keep_all(tested_together.open_store(), all_of(tested_together)) == [(True, ""), (False, ""), (True, "")]
    assert reasons(tested_together) == ["billing", "ok", "billing"]


def test_two_outcomes_of_one_key_are_saved_one_after_the_other(tested_together: SampleStore) -> None:
    first, second = (
        found_for(tested_together, "a1", verdict(reason, at=LATER)) for reason in (Reason.BILLING, Reason.TIMEOUT)
    )
    assert keep_all(tested_together.open_store(), [first, second]) == [(True, ""), (True, "")]
    assert [event["reason"] for event in tested_together.events("a1")] == ["ok", "billing", "timeout"]


def test_an_outcome_whose_event_cannot_be_signed_is_not_saved_and_the_reason_is_named(
    tested_together: SampleStore,
) -> None:
    open_store = tested_together.open_store(environ={})
    found = all_of(tested_together)
    found[1] = found_for(tested_together, "a2", verdict(at=LATER))  # no news needs no event, and no KEK
    (saved, why), second, third = keep_all(open_store, found)
    assert not saved
    assert "KOJIKEY_KEK" in why
    assert (second, third) == ((True, ""), (False, why))
    assert reasons(tested_together) == ["ok", "ok", "ok"]


def test_the_outcomes_of_a_run_with_its_own_models_are_not_saved_and_the_options_are_named(
    tested_together: SampleStore,
) -> None:
    why = "it depends on the --model and --capability of this run"
    kept = outcomes.keep_none(tested_together.open_store(), all_of(tested_together))
    assert kept == [Kept(is_saved=False, why=why)] * 3
    assert [each.is_saved for each in kept] == [False] * 3
    assert reasons(tested_together) == ["ok", "ok", "ok"]
