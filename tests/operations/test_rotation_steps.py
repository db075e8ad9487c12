"""The steps of a rotation in the right and the wrong order, and when somebody else is at it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec import structs

from kojikey.model.errors import AlreadyStaged, ChangedMeanwhile, KeyExists, KeyNotFound, VersionNotFound
from kojikey.model.key import Key, Stage, Version
from kojikey.model.management_errors import MintUnfinished, NotRetired
from kojikey.model.minting import MintIntent, RemoteId
from kojikey.model.ref import key_ref
from kojikey.model.secret import Secret
from kojikey.model.verdict import Reason
from kojikey.operations import removing, revealing, rotating
from kojikey.operations.adding import NewKey
from kojikey.operations.key_records import key_of
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Target
from kojikey.operations.results import ChangeResult
from kojikey.stores.base import Change
from support import rotation
from support.rotation import add
from support.sample_store import (
    ACCOUNT,
    BASE_URL,
    MOMENTS,
    NEW,
    OLD,
    PROVIDER,
    THIRD,
    FakeTester,
    Held,
    SampleStore,
    no,
    verdict,
)

Step = Callable[[OpenStore], ChangeResult]


def resume(open_store: OpenStore, test: FakeTester | None = None) -> ChangeResult:
    return rotation.resume(open_store, account=ACCOUNT, provider=PROVIDER, test=test or FakeTester(), approve=no)


def rollback(open_store: OpenStore) -> ChangeResult:
    return rotation.rollback(open_store, account=ACCOUNT, provider=PROVIDER, test=FakeTester(), approve=no)


def abort(open_store: OpenStore) -> ChangeResult:
    return rotation.abort(open_store, account=ACCOUNT, provider=PROVIDER)


def retire(open_store: OpenStore) -> ChangeResult:
    return rotation.retire(open_store, account=ACCOUNT, provider=PROVIDER, test=FakeTester(Reason.REVOKED))


def remove(open_store: OpenStore) -> ChangeResult:
    return removing.remove(open_store, account=ACCOUNT, provider=PROVIDER)


INTENT = MintIntent("kojikey acme v2 0a1b2c3d", "0a1b2c3d", MOMENTS[0], "", "", None, None, None, False, "proof")


def ensure_unstaged(sample_store: SampleStore) -> Key:
    return rotating.ensure_unstaged(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER)


def change(sample_store: SampleStore, to: Callable[[Key], Key]) -> None:
    """Write the key's document as no step of a rotation does."""
    store = sample_store.opener()
    stored = store.read(key_ref(ACCOUNT, PROVIDER))
    assert stored is not None
    store.commit((Change(stored.ref, to(key_of(stored)).as_document(), stored.revision),), ())


def with_remote(key: Key, remote: RemoteId) -> Version:
    previous = key.version(Stage.PREVIOUS)
    assert previous is not None
    return structs.replace(previous, at_provider=remote)


STEPS = {"resume": resume, "abort": abort, "rollback": rollback, "retire": retire}


@pytest.mark.parametrize("step", [*STEPS.values(), remove])
def test_every_step_needs_a_key(sample_store: SampleStore, step: Step) -> None:
    with pytest.raises(KeyNotFound):
        step(sample_store.open_store())
    with pytest.raises(KeyNotFound):
        sample_store.rotate()
    with pytest.raises(KeyNotFound):
        revealing.reveal(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER)
    assert sample_store.events() == []


@pytest.mark.parametrize("name", STEPS)
def test_a_step_without_the_version_that_it_needs_names_the_stage_and_changes_nothing(
    sample_store: SampleStore, name: str
) -> None:
    sample_store.add()
    with pytest.raises(VersionNotFound) as caught:
        STEPS[name](sample_store.open_store())
    stage = "staged" if name in {"resume", "abort"} else "previous"
    assert (caught.value.account, caught.value.provider, caught.value.stage) == (ACCOUNT, PROVIDER, stage)
    assert sample_store.held() == Held(OLD)
    assert sample_store.actions() == ["added"]


def test_a_second_key_is_refused_before_it_is_tested(sample_store: SampleStore) -> None:
    sample_store.add()
    test = FakeTester()
    with pytest.raises(KeyExists) as caught:
        sample_store.add(NEW, test=test)
    assert (caught.value.account, caught.value.provider) == (ACCOUNT, PROVIDER)
    assert test.asked == []
    assert sample_store.held() == Held(OLD)


def test_a_key_that_is_not_added_is_named_and_its_verdict_is_returned(sample_store: SampleStore) -> None:
    result = sample_store.add(test=FakeTester(Reason.REVOKED))
    assert result == ChangeResult(ACCOUNT, PROVIDER, None, OLD[-4:], None, verdict=verdict(Reason.REVOKED))
    assert (result.account, result.provider, result.tail) == (ACCOUNT, PROVIDER, OLD[-4:])


def test_a_key_added_by_somebody_else_during_the_test_stays(sample_store: SampleStore) -> None:
    with pytest.raises(KeyExists):
        sample_store.add(NEW, test=FakeTester(meanwhile=lambda: sample_store.add(OLD)))
    assert sample_store.held() == Held(OLD)
    assert sample_store.actions() == ["added"]


def test_a_second_rotation_is_refused_while_a_version_is_staged(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.stage()
    with pytest.raises(AlreadyStaged) as caught:
        sample_store.rotate(THIRD)
    assert (caught.value.account, caught.value.provider) == (ACCOUNT, PROVIDER)
    assert sample_store.held() == Held(OLD, NEW)


def test_a_rotation_may_begin_only_if_nothing_is_staged_or_being_created(sample_store: SampleStore) -> None:
    with pytest.raises(KeyNotFound):
        ensure_unstaged(sample_store)
    sample_store.add()
    assert ensure_unstaged(sample_store) == sample_store.key()
    change(sample_store, lambda key: structs.replace(key, minting=INTENT))
    with pytest.raises(MintUnfinished):
        ensure_unstaged(sample_store)
    change(sample_store, lambda key: structs.replace(key, minting=None))
    sample_store.stage()
    with pytest.raises(AlreadyStaged) as caught:
        ensure_unstaged(sample_store)
    assert (caught.value.account, caught.value.provider) == (ACCOUNT, PROVIDER)


@pytest.mark.parametrize("is_minted", [True, False])
def test_a_rotation_that_would_drop_a_minted_previous_version_is_refused(
    sample_store: SampleStore, is_minted: bool
) -> None:
    sample_store.add()
    sample_store.rotate()
    remote = RemoteId("id", "", "", "kojikey acme v1 t", is_minted=is_minted, proof="p")
    change(sample_store, lambda key: key.with_version(with_remote(key, remote)))
    if not is_minted:
        assert ensure_unstaged(sample_store) == sample_store.key()
        return
    with pytest.raises(NotRetired) as caught:
        ensure_unstaged(sample_store)
    assert (caught.value.account, caught.value.provider) == (ACCOUNT, PROVIDER)
    with pytest.raises(NotRetired):
        sample_store.rotate(THIRD)
    assert sample_store.held() == Held(NEW, None, OLD)


def test_a_result_names_account_provider_and_version_and_has_the_new_key(sample_store: SampleStore) -> None:
    sample_store.add(account="globex")
    result = sample_store.rotate(account="globex", test=FakeTester())
    assert (result.account, result.provider, result.action) == ("globex", PROVIDER, "rotated")
    assert (result.version, result.tail) == (2, NEW[-4:])
    assert result.key == sample_store.key("globex", PROVIDER)
    assert result.verdict is not None
    assert result.verdict.reason is Reason.OK


def test_rotating_to_the_same_key_adds_no_version(sample_store: SampleStore) -> None:
    sample_store.add()
    test = FakeTester()
    result = sample_store.rotate(OLD, test=test)
    assert (result.action, result.version) == ("unchanged", 1)
    assert test.asked == []
    assert sample_store.actions() == ["added"]


def test_two_rollbacks_restore_the_first_state(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.rotate()
    rollback(sample_store.open_store())
    assert sample_store.held() == Held(OLD, None, NEW)
    rollback(sample_store.open_store())
    assert sample_store.held() == Held(NEW, None, OLD)
    assert sample_store.actions() == ["added", "staged", "promoted", "rolled_back", "rolled_back"]
    assert [event["reason"] for event in sample_store.events()] == [None, None, None, "ok", "ok"]
    key = sample_store.key()
    assert key is not None
    assert [each.last_test.reason if each.last_test else None for each in key.versions] == ["ok", "ok"]


def test_the_times_of_a_promotion_are_saved_with_the_key_and_its_version(
    sample_store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample_store.add()
    key = sample_store.key()
    assert key is not None
    assert (key.rotated_at, key.current.promoted_at) == (None, None)
    sample_store.stage()
    for at, step, numbers in ((MOMENTS[1], resume, (2, 1)), (MOMENTS[2], rollback, (1, 2))):
        monkeypatch.setattr(rotating, "now", lambda at=at: at)
        step(sample_store.open_store())
        key = sample_store.key()
        assert key is not None
        assert (key.rotated_at, key.current.promoted_at) == (at, at)
        assert {each.stage: each.number for each in key.versions} == dict(
            zip((Stage.CURRENT, Stage.PREVIOUS), numbers, strict=True)
        )


def test_a_rollback_does_not_change_the_staged_version(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.rotate()
    sample_store.stage(THIRD)
    rollback(sample_store.open_store())
    assert sample_store.held() == Held(OLD, THIRD, NEW)
    resume(sample_store.open_store())
    assert sample_store.held() == Held(THIRD, None, OLD)


def test_numbers_of_versions_are_not_used_again(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.stage()
    abort(sample_store.open_store())
    result = sample_store.rotate(THIRD)
    assert result.version == 3
    retire(sample_store.open_store())
    assert sample_store.rotate(NEW).version == 4


def test_each_step_records_its_event(sample_store: SampleStore) -> None:
    sample_store.add(test=FakeTester())
    sample_store.stage()
    abort(sample_store.open_store())
    sample_store.rotate(test=FakeTester())
    retire(sample_store.open_store())
    sample_store.rotate(THIRD, test=FakeTester(Reason.EXPIRED))
    revealing.reveal(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER)
    remove(sample_store.open_store())
    told = [(event["action"], event["version"], event["reason"]) for event in sample_store.events()]
    assert told == [
        ("added", 1, "ok"),
        ("staged", 2, None), ("tested", 2, "unreachable"), ("aborted", 2, None),
        ("staged", 3, None), ("promoted", 3, "ok"), ("retired", 1, "revoked"),
        ("staged", 4, None), ("aborted", 4, "expired"),
        ("revealed", 3, None), ("removed", 3, None),
    ]  # fmt: skip
    assert {event["actor"] for event in sample_store.events()} == {"somebody@somewhere"}
    assert OLD not in str(sample_store.events())


# somebody else is at it during the test


def test_a_version_aborted_during_its_test_is_not_promoted(sample_store: SampleStore) -> None:
    sample_store.add()
    with pytest.raises(ChangedMeanwhile):
        sample_store.rotate(test=FakeTester(meanwhile=lambda: abort(sample_store.open_store())))
    assert sample_store.held() == Held(OLD)


def test_of_two_concurrent_resumes_one_promotes_and_the_other_is_a_conflict(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.stage()
    with pytest.raises(ChangedMeanwhile):
        resume(sample_store.open_store(), FakeTester(meanwhile=lambda: resume(sample_store.open_store())))
    assert sample_store.held() == Held(NEW, None, OLD)
    assert sample_store.actions().count("promoted") == 1


def test_a_version_promoted_during_its_test_is_not_reported_as_staged(sample_store: SampleStore) -> None:
    sample_store.add()
    with pytest.raises(ChangedMeanwhile):
        sample_store.rotate(test=FakeTester(Reason.TIMEOUT, meanwhile=lambda: resume(sample_store.open_store())))
    assert sample_store.held() == Held(NEW, None, OLD)


def test_a_key_removed_and_added_again_during_a_test_is_another_key(sample_store: SampleStore) -> None:
    def replaced() -> None:
        remove(sample_store.open_store())
        sample_store.add(THIRD)
        sample_store.stage(OLD)

    sample_store.add()
    for reason in (Reason.OK, Reason.INVALID_KEY, Reason.TIMEOUT):
        with pytest.raises(ChangedMeanwhile):
            sample_store.rotate(test=FakeTester(reason, meanwhile=replaced))
        assert sample_store.held() == Held(THIRD, OLD)
        abort(sample_store.open_store())


def test_a_rollback_during_a_test_keeps_the_version_that_it_replaced(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.rotate()
    sample_store.rotate(THIRD, test=FakeTester(meanwhile=lambda: rollback(sample_store.open_store())))
    assert sample_store.held() == Held(THIRD, None, OLD)


def test_two_new_accounts_can_be_created_concurrently(sample_store: SampleStore) -> None:
    def another() -> None:
        sample_store.add(THIRD, account="other")

    target = Target(PROVIDER, BASE_URL)
    new = NewKey(ACCOUNT, target, Secret(OLD), KeySettings())
    add(sample_store.open_store(), new, test=FakeTester(meanwhile=another), approve=no)
    assert sample_store.held() == Held(OLD)
    assert sample_store.held("other") == Held(THIRD)
