"""The outcome of a test is kept with the version that was tested, and what was known before is not lost with it."""

from __future__ import annotations

import pytest

from kojikey.model.key import TestRecord as Record
from kojikey.model.ref import key_ref
from kojikey.model.verdict import OUTCOME_OF, Outcome, Reason, Verdict
from kojikey.operations import recording, removing, rotating
from kojikey.stores.base import Stored
from support.vault import ACCOUNT, MOMENTS, NEW, PROVIDER, THIRD, FakeTester, Vault, no, verdict

LATER = MOMENTS[1]
UNSETTLED = [reason for reason in Reason if OUTCOME_OF[reason] is Outcome.INDETERMINATE]


def stored(vault: Vault) -> Stored:
    found = vault.opener().read(key_ref(ACCOUNT, PROVIDER))
    assert found is not None
    return found


def last_test(vault: Vault) -> Record | None:
    key = vault.key()
    assert key is not None
    return key.current.last_test


def keep(vault: Vault, found: Verdict, *, before: Stored | None = None, number: int = 1) -> bool:
    kept = recording.keep_outcome(vault.custody(), before or stored(vault), number, found)
    return kept is not None


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.OK], ids=str)
def test_no_failure_overwrites_when_the_key_was_last_valid(vault: Vault, reason: Reason) -> None:
    vault.add(test=FakeTester())
    assert keep(vault, verdict(reason, at=LATER))
    assert last_test(vault) == Record(OUTCOME_OF[reason].value, reason.value, LATER, MOMENTS[0])


def test_a_valid_test_is_the_last_valid_one(vault: Vault) -> None:
    vault.add(test=FakeTester(Reason.TIMEOUT), approve=lambda _: True)
    assert last_test(vault) == Record("indeterminate", "timeout", MOMENTS[0], None)
    keep(vault, verdict(at=LATER))
    assert last_test(vault) == Record("valid", "ok", LATER, LATER)


@pytest.mark.parametrize("reason", UNSETTLED, ids=str)
def test_what_is_promoted_or_left_keeps_when_it_was_valid(vault: Vault, reason: Reason) -> None:
    vault.add(test=FakeTester())
    vault.rotate(test=FakeTester())
    test = FakeTester(reason, at=LATER)
    rotating.rollback(vault.custody(), account=ACCOUNT, provider=PROVIDER, test=test, approve=no)
    key = vault.key()
    assert key is not None
    found = {version.number: version.last_test for version in key.versions}
    assert found == {
        1: Record("indeterminate", reason.value, LATER, MOMENTS[0]),
        2: Record("valid", "ok", MOMENTS[0], MOMENTS[0]),
    }


def test_an_event_tells_only_of_an_outcome_that_differs(vault: Vault) -> None:
    vault.add()
    found = (Reason.OK, Reason.OK, Reason.TIMEOUT, Reason.TIMEOUT, Reason.UNREACHABLE, Reason.OK)
    for number, reason in enumerate(found):
        keep(vault, verdict(reason, at=f"2026-11-23T04:47:0{number}Z"))
        record = last_test(vault)
        assert record is not None
        assert record.tested_at == f"2026-11-23T04:47:0{number}Z"
    told = [event["reason"] for event in vault.events() if event["action"] == "tested"]
    assert told == ["ok", "timeout", "unreachable", "ok"]
    vault.verify()


def test_the_outcome_of_the_test_before_adding_needs_no_second_event(vault: Vault) -> None:
    vault.add(test=FakeTester())
    keep(vault, verdict(at=LATER))
    assert vault.actions() == ["added"]


def test_the_outcome_of_a_key_that_was_rotated_during_its_test_stays_with_its_version(vault: Vault) -> None:
    vault.add()
    before = stored(vault)
    vault.rotate(test=FakeTester())
    assert keep(vault, verdict(Reason.REVOKED, at=LATER), before=before)
    key = vault.key()
    assert key is not None
    found = {version.number: version.last_test.reason if version.last_test else None for version in key.versions}
    assert found == {1: "revoked", 2: "ok"}


def test_the_outcome_of_a_version_that_is_gone_is_not_kept(vault: Vault) -> None:
    vault.add()
    before = stored(vault)
    vault.rotate()
    vault.rotate(THIRD)
    after = stored(vault)
    assert not keep(vault, verdict(Reason.REVOKED), before=before)
    assert stored(vault) == after


def test_the_outcome_of_a_key_that_was_removed_is_not_kept(vault: Vault) -> None:
    vault.add()
    before = stored(vault)
    removing.remove(vault.custody(), account=ACCOUNT, provider=PROVIDER)
    assert not keep(vault, verdict(), before=before)
    assert vault.key() is None


def test_the_outcome_of_a_key_that_was_removed_is_not_kept_with_the_one_that_was_added_since(vault: Vault) -> None:
    vault.add()
    before = stored(vault)
    removing.remove(vault.custody(), account=ACCOUNT, provider=PROVIDER)
    vault.add(NEW)
    assert not keep(vault, verdict(Reason.REVOKED), before=before)
    assert last_test(vault) is None
