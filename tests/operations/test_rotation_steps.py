"""The steps of a rotation in the right and in the wrong order, and what a rotation does to a key's settings."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kojikey.model.errors import AlreadyStaged, ChangedMeanwhile, KeyExists, KeyNotFound, VersionNotFound
from kojikey.model.secret import Secret
from kojikey.model.verdict import Reason
from kojikey.operations import removing, revealing, rotating
from kojikey.operations.adding import NewKey, add
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.open_store import Custody
from kojikey.operations.probing import Target
from kojikey.operations.results import ChangeResult
from support.vault import ACCOUNT, BASE_URL, NEW, OLD, PROVIDER, THIRD, FakeTester, Held, Vault, no

Step = Callable[[Custody], ChangeResult]


def resume(custody: Custody, test: FakeTester | None = None) -> ChangeResult:
    return rotating.resume(custody, account=ACCOUNT, provider=PROVIDER, test=test or FakeTester(), approve=no)


def rollback(custody: Custody) -> ChangeResult:
    return rotating.rollback(custody, account=ACCOUNT, provider=PROVIDER, test=FakeTester(), approve=no)


def abort(custody: Custody) -> ChangeResult:
    return rotating.abort(custody, account=ACCOUNT, provider=PROVIDER)


def retire(custody: Custody) -> ChangeResult:
    return rotating.retire(custody, account=ACCOUNT, provider=PROVIDER, test=FakeTester(Reason.REVOKED))


def remove(custody: Custody) -> ChangeResult:
    return removing.remove(custody, account=ACCOUNT, provider=PROVIDER)


STEPS = {"resume": resume, "abort": abort, "rollback": rollback, "retire": retire}


@pytest.mark.parametrize("step", [*STEPS.values(), remove])
def test_without_a_key_there_is_nothing_to_do_it_to(vault: Vault, step: Step) -> None:
    with pytest.raises(KeyNotFound):
        step(vault.custody())
    with pytest.raises(KeyNotFound):
        vault.rotate()
    with pytest.raises(KeyNotFound):
        revealing.reveal(vault.custody(), account=ACCOUNT, provider=PROVIDER)
    assert vault.events() == []


@pytest.mark.parametrize("step", STEPS.values())
def test_a_step_without_the_version_that_it_needs_changes_nothing(vault: Vault, step: Step) -> None:
    vault.add()
    with pytest.raises(VersionNotFound):
        step(vault.custody())
    assert vault.held() == Held(OLD)
    assert vault.actions() == ["added"]


def test_a_key_is_added_once(vault: Vault) -> None:
    vault.add()
    with pytest.raises(KeyExists):
        vault.add(NEW)
    assert vault.held() == Held(OLD)


def test_a_key_that_someone_adds_during_the_test_stands(vault: Vault) -> None:
    with pytest.raises(KeyExists):
        vault.add(NEW, test=FakeTester(meanwhile=lambda: vault.add(OLD)))
    assert vault.held() == Held(OLD)
    assert vault.actions() == ["added"]


def test_a_second_rotation_waits_for_the_first(vault: Vault) -> None:
    vault.add()
    vault.stage()
    with pytest.raises(AlreadyStaged):
        vault.rotate(THIRD)
    assert vault.held() == Held(OLD, NEW)


def test_the_same_key_again_makes_no_version(vault: Vault) -> None:
    vault.add()
    test = FakeTester()
    result = vault.rotate(OLD, test=test)
    assert (result.action, result.version) == ("unchanged", 1)
    assert test.asked == []
    assert vault.actions() == ["added"]


def test_two_rollbacks_swap_back(vault: Vault) -> None:
    vault.add()
    vault.rotate()
    rollback(vault.custody())
    assert vault.held() == Held(OLD, None, NEW)
    rollback(vault.custody())
    assert vault.held() == Held(NEW, None, OLD)
    assert vault.actions() == ["added", "staged", "promoted", "rolled_back", "rolled_back"]


def test_a_rollback_leaves_what_is_staged_alone(vault: Vault) -> None:
    vault.add()
    vault.rotate()
    vault.stage(THIRD)
    rollback(vault.custody())
    assert vault.held() == Held(OLD, THIRD, NEW)
    resume(vault.custody())
    assert vault.held() == Held(THIRD, None, OLD)


def test_numbers_of_versions_are_not_used_again(vault: Vault) -> None:
    vault.add()
    vault.stage()
    abort(vault.custody())
    result = vault.rotate(THIRD)
    assert result.version == 3
    retire(vault.custody())
    assert vault.rotate(NEW).version == 4


def test_each_step_leaves_its_event(vault: Vault) -> None:
    vault.add(test=FakeTester())
    vault.stage()
    abort(vault.custody())
    vault.rotate(test=FakeTester())
    retire(vault.custody())
    vault.rotate(THIRD, test=FakeTester(Reason.EXPIRED))
    revealing.reveal(vault.custody(), account=ACCOUNT, provider=PROVIDER)
    remove(vault.custody())
    told = [(event["action"], event["version"], event["reason"]) for event in vault.events()]
    assert told == [
        ("added", 1, "ok"),
        ("staged", 2, None), ("tested", 2, "unreachable"), ("aborted", 2, None),
        ("staged", 3, None), ("promoted", 3, "ok"), ("retired", 1, "revoked"),
        ("staged", 4, None), ("aborted", 4, "expired"),
        ("revealed", 3, None), ("removed", 3, None),
    ]  # fmt: skip
    assert {event["actor"] for event in vault.events()} == {"somebody@somewhere"}
    assert OLD not in str(vault.events())


# somebody else is at it during the test


def test_what_was_aborted_during_its_test_is_not_promoted(vault: Vault) -> None:
    vault.add()
    with pytest.raises(ChangedMeanwhile):
        vault.rotate(test=FakeTester(meanwhile=lambda: abort(vault.custody())))
    assert vault.held() == Held(OLD)


def test_of_two_that_resume_one_promotes_and_the_other_is_told(vault: Vault) -> None:
    vault.add()
    vault.stage()
    with pytest.raises(ChangedMeanwhile):
        resume(vault.custody(), FakeTester(meanwhile=lambda: resume(vault.custody())))
    assert vault.held() == Held(NEW, None, OLD)
    assert vault.actions().count("promoted") == 1


def test_what_was_promoted_during_its_test_is_not_called_staged(vault: Vault) -> None:
    vault.add()
    with pytest.raises(ChangedMeanwhile):
        vault.rotate(test=FakeTester(Reason.TIMEOUT, meanwhile=lambda: resume(vault.custody())))
    assert vault.held() == Held(NEW, None, OLD)


def test_what_was_removed_and_added_again_during_a_test_is_another_key(vault: Vault) -> None:
    def replaced() -> None:
        remove(vault.custody())
        vault.add(THIRD)
        vault.stage(OLD)

    vault.add()
    for reason in (Reason.OK, Reason.INVALID_KEY, Reason.TIMEOUT):
        with pytest.raises(ChangedMeanwhile):
            vault.rotate(test=FakeTester(reason, meanwhile=replaced))
        assert vault.held() == Held(THIRD, OLD)
        abort(vault.custody())


def test_a_rollback_during_a_test_is_kept_for_undo(vault: Vault) -> None:
    vault.add()
    vault.rotate()
    vault.rotate(THIRD, test=FakeTester(meanwhile=lambda: rollback(vault.custody())))
    assert vault.held() == Held(THIRD, None, OLD)


# settings


GIVEN = KeySettings(
    base_url="https://api.eu.residency.elevenlabs.io",
    models=("m1", "m2"),
    capabilities=("voices_read",),
    label="for the tests",
    expires_at="2027-01-31T23:59:59Z",
    rotate_after_days=30,
)


def settings_of(vault: Vault) -> tuple[object, ...]:
    key = vault.key()
    assert key is not None
    current = key.current
    return key.models, key.capabilities, key.label, key.rotate_after_days, current.base_url, current.expires_at


AS_GIVEN = (
    ("m1", "m2"), ("voices_read",), "for the tests", 30,
    "https://api.eu.residency.elevenlabs.io", "2027-01-31T23:59:59Z",
)  # fmt: skip
DEFAULT = ((), (), None, 90, BASE_URL, None)


def test_a_new_key_has_the_settings_that_were_given(vault: Vault) -> None:
    vault.add(settings=GIVEN)
    assert settings_of(vault) == AS_GIVEN


def test_settings_of_a_rotation_wait_for_the_promotion_and_are_what_the_test_checks(vault: Vault) -> None:
    vault.add()
    vault.stage(settings=GIVEN)
    assert settings_of(vault) == DEFAULT
    test = FakeTester()
    resume(vault.custody(), test)
    expected = Target(PROVIDER, "https://api.eu.residency.elevenlabs.io", ("m1", "m2"), ("voices_read",))
    assert test.asked == [(NEW, expected)]
    assert settings_of(vault) == AS_GIVEN


def test_settings_of_what_is_discarded_are_forgotten(vault: Vault) -> None:
    vault.add()
    vault.rotate(settings=GIVEN, test=FakeTester(Reason.INVALID_KEY))
    vault.stage(settings=GIVEN)
    abort(vault.custody())
    vault.rotate(THIRD)
    assert settings_of(vault) == DEFAULT


def test_a_rotation_without_settings_leaves_them_as_they_are(vault: Vault) -> None:
    vault.add(settings=GIVEN)
    test = FakeTester()
    vault.rotate(test=test)
    assert settings_of(vault) == (*AS_GIVEN[:-1], None)  # when the old value expires says nothing of the new one
    assert test.asked[0][1].base_url == GIVEN.base_url


def test_never_to_rotate_is_a_setting(vault: Vault) -> None:
    vault.add(settings=KeySettings(rotate_after_days=0))
    assert settings_of(vault)[3] is None
    vault.rotate(settings=KeySettings(rotate_after_days=7))
    assert settings_of(vault)[3] == 7
    vault.rotate(THIRD, settings=KeySettings(rotate_after_days=0))
    assert settings_of(vault)[3] is None


def test_each_version_is_tested_and_used_at_its_own_base_url(vault: Vault) -> None:
    vault.add()
    vault.rotate(settings=KeySettings(base_url="https://api.us.elevenlabs.io"))
    assert settings_of(vault)[4] == "https://api.us.elevenlabs.io"
    test = FakeTester()
    rotating.rollback(vault.custody(), account=ACCOUNT, provider=PROVIDER, test=test, approve=no)
    assert [(value, target.base_url) for value, target in test.asked] == [(OLD, BASE_URL)]
    assert settings_of(vault)[4] == BASE_URL


def test_a_new_account_can_be_made_while_others_are(vault: Vault) -> None:
    def another() -> None:
        vault.add(THIRD, account="other")

    target = Target(PROVIDER, BASE_URL)
    new = NewKey(ACCOUNT, target, Secret(OLD), KeySettings())
    add(vault.custody(), new, test=FakeTester(meanwhile=another), approve=no)
    assert vault.held() == Held(OLD)
    assert vault.held("other") == Held(THIRD)
