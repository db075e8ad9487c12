"""A key's settings change in one step, on the version that was in use; a new base URL only after a test there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kojikey.model.errors import AlreadyStaged, ChangedMeanwhile, KekMissing, KeyNotFound, StoreUnreachable
from kojikey.model.key import Stage
from kojikey.model.verdict import Reason
from kojikey.operations import removing
from kojikey.operations.key_settings import KeySettings, SettingsChange
from kojikey.operations.open_store import OpenStore
from kojikey.operations.results import ChangeResult
from kojikey.stores.base import Store
from support.faulty import Crash, FaultyStore
from support.rotation import change_settings
from support.sample_store import ACCOUNT, BASE_URL, NEW, OLD, PROVIDER, FakeTester, Held, SampleStore, no, yes

ELSEWHERE = "https://api.eu.residency.elevenlabs.io"
MOVE = SettingsChange(KeySettings(base_url=ELSEWHERE))
LABEL = SettingsChange(KeySettings(label="production"))


def change(
    open_store: OpenStore, wanted: SettingsChange = MOVE, *, test: FakeTester | None = None, approve: object = None
) -> ChangeResult:
    decide = yes if approve else no
    return change_settings(open_store, wanted, account=ACCOUNT, provider=PROVIDER, test=test, approve=decide)


def test_a_key_moves_after_its_test_at_the_new_place_and_keeps_its_number(sample_store: SampleStore) -> None:
    sample_store.add()
    tester = FakeTester()
    result = change(sample_store.open_store(), test=tester)
    assert [(value, target.base_url) for value, target in tester.asked] == [(OLD, ELSEWHERE)]
    assert (result.action, result.version, result.settings) == ("changed", 1, ("base-url",))
    key = sample_store.key()
    assert key is not None
    assert (key.current.base_url, key.current.number, key.current.last_test is not None) == (ELSEWHERE, 1, True)
    assert sample_store.held() == Held(OLD)
    sample_store.verify()


def test_the_previous_version_keeps_its_base_url(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.rotate()
    change(sample_store.open_store(), test=FakeTester())
    key = sample_store.key()
    assert key is not None
    previous = key.version(Stage.PREVIOUS)
    assert previous is not None
    assert (previous.base_url, key.current.base_url) == (BASE_URL, ELSEWHERE)
    assert sample_store.held() == Held(NEW, previous=OLD)
    sample_store.verify()


@pytest.mark.parametrize("reason", [Reason.INVALID_KEY, Reason.MISSING_PERMISSION, Reason.UNREACHABLE])
def test_a_key_that_fails_its_test_at_the_new_place_is_unchanged(sample_store: SampleStore, reason: Reason) -> None:
    sample_store.add()
    before = sample_store.key()
    both = SettingsChange(KeySettings(base_url=ELSEWHERE, label="production"))
    result = change(sample_store.open_store(), both, test=FakeTester(reason))
    assert (result.action, result.verdict is not None) == (None, True)
    assert sample_store.key() == before
    assert sample_store.actions() == ["added"]


def test_a_limited_key_moves_if_approved_and_a_rejected_one_never(sample_store: SampleStore) -> None:
    sample_store.add()
    rejected = change(sample_store.open_store(), test=FakeTester(Reason.INVALID_KEY), approve=True)
    limited = change(sample_store.open_store(), test=FakeTester(Reason.MISSING_PERMISSION), approve=True)
    assert (rejected.action, limited.action) == (None, "changed")


def test_settings_need_no_kek_and_no_test(sample_store: SampleStore) -> None:
    sample_store.add()
    tester = FakeTester()
    result = change(sample_store.open_store(environ={}), LABEL, test=tester)
    assert (result.action, result.unsigned, tester.asked) == ("changed", True, [])
    event = sample_store.events()[-1]
    assert (event["action"], event["settings"], event["signed"]) == ("changed", ["label"], False)
    assert "production" not in str(event)
    sample_store.verify()


def test_a_move_without_the_kek_changes_nothing(sample_store: SampleStore) -> None:
    sample_store.add()
    before = sample_store.key()
    with pytest.raises(KekMissing):
        change(sample_store.open_store(environ={}), test=FakeTester())
    assert sample_store.key() == before


def test_during_a_rotation_other_settings_can_change_and_the_base_url_cannot(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.stage()
    with pytest.raises(AlreadyStaged):
        change(sample_store.open_store(), test=FakeTester())
    assert change(sample_store.open_store(), LABEL).action == "changed"
    assert sample_store.held() == Held(OLD, staged=NEW)


def test_settings_with_the_same_values_are_unchanged_and_record_no_event(sample_store: SampleStore) -> None:
    sample_store.add(settings=KeySettings(label="production"))
    tester = FakeTester(Reason.INVALID_KEY)
    same_place = SettingsChange(KeySettings(base_url=BASE_URL))
    for wanted in (LABEL, same_place, SettingsChange(KeySettings(), frozenset({"expires"}))):
        assert change(sample_store.open_store(), wanted, test=tester).action == "unchanged"
    assert (sample_store.actions(), tester.asked) == (["added"], [])


def test_a_setting_that_is_unset_gets_its_default(sample_store: SampleStore) -> None:
    given = KeySettings(
        label="a", models=("m",), capabilities=("voices_read",), rotate_after_days=7, expires_at="2030-01-01T00:00:00Z"
    )
    sample_store.add(settings=given)
    names = frozenset({"label", "expires", "rotate-after", "model", "capability"})
    result = change(
        sample_store.open_store(), SettingsChange(KeySettings(), names, default_capabilities=("text_to_speech",))
    )
    key = sample_store.key()
    assert key is not None
    assert (key.label, key.current.expires_at, key.rotate_after_days) == (None, None, 90)
    assert (key.models, key.capabilities) == ((), ("text_to_speech",))
    assert set(result.settings) == names


def test_changing_a_key_that_does_not_exist_is_not_found(sample_store: SampleStore) -> None:
    with pytest.raises(KeyNotFound):
        change(sample_store.open_store(), LABEL)


# others at work meanwhile


@pytest.mark.parametrize(
    ("meanwhile", "error"),
    [
        (lambda store: store.rotate(), ChangedMeanwhile),
        (lambda store: store.stage(), AlreadyStaged),
        (
            lambda store: removing.remove(store.open_store(), account=ACCOUNT, provider=PROVIDER),
            KeyNotFound,
        ),
    ],
    ids=["rotated", "staged", "removed"],
)
def test_a_key_that_somebody_else_changed_during_the_test_is_not_moved(
    sample_store: SampleStore, meanwhile: Callable[[SampleStore], object], error: type[Exception]
) -> None:
    sample_store.add()
    with pytest.raises(error):
        change(sample_store.open_store(), test=FakeTester(meanwhile=lambda: meanwhile(sample_store)))
    key = sample_store.key()
    assert key is None or {version.base_url for version in key.versions} == {BASE_URL}
    sample_store.verify()


def test_settings_that_somebody_else_changed_during_the_test_are_kept(sample_store: SampleStore) -> None:
    sample_store.add()
    tester = FakeTester(meanwhile=lambda: change(sample_store.open_store(), LABEL))
    assert change(sample_store.open_store(), test=tester).settings == ("base-url",)
    key = sample_store.key()
    assert key is not None
    assert (key.label, key.current.base_url) == ("production", ELSEWHERE)


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("wanted", [MOVE, LABEL], ids=["move", "label"])
def test_after_a_crash_the_change_is_made_completely_or_not_at_all(
    sample_store: SampleStore, wanted: SettingsChange, is_after: bool
) -> None:
    sample_store.add()
    faulty: Store = FaultyStore(sample_store.opener(), Crash(), at=1, after=is_after)
    with pytest.raises(Crash):
        change(sample_store.open_store(faulty), wanted, test=FakeTester())
    assert sample_store.held() == Held(OLD)
    assert sample_store.actions() == (["added", "changed"] if is_after else ["added"])
    sample_store.verify()


def test_a_store_that_goes_away_is_reported_and_nothing_was_changed(sample_store: SampleStore) -> None:
    sample_store.add()
    before = sample_store.key()
    faulty: Store = FaultyStore(sample_store.opener(), StoreUnreachable("here", "is gone"), at=1)
    with pytest.raises(StoreUnreachable):
        change(sample_store.open_store(faulty), LABEL)
    assert sample_store.key() == before
