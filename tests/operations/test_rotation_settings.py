"""The settings of a rotated key: when they take effect, and which version they belong to."""

from __future__ import annotations

from kojikey.model.verdict import Reason
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.probing import Target
from support import rotation
from support.sample_store import ACCOUNT, BASE_URL, NEW, OLD, PROVIDER, THIRD, FakeTester, Held, SampleStore, no

GIVEN = KeySettings(
    base_url="https://api.eu.residency.elevenlabs.io",
    models=("m1", "m2"),
    capabilities=("voices_read",),
    label="for the tests",
    expires_at="2027-01-31T23:59:59Z",
    rotate_after_days=30,
)


def settings_of(sample_store: SampleStore) -> tuple[object, ...]:
    key = sample_store.key()
    assert key is not None
    current = key.current
    return key.models, key.capabilities, key.label, key.rotate_after_days, current.base_url, current.expires_at


AS_GIVEN = (
    ("m1", "m2"), ("voices_read",), "for the tests", 30,
    "https://api.eu.residency.elevenlabs.io", "2027-01-31T23:59:59Z",
)  # fmt: skip
DEFAULT = ((), (), None, 90, BASE_URL, None)


def test_a_new_key_has_the_settings_that_were_given(sample_store: SampleStore) -> None:
    sample_store.add(settings=GIVEN)
    assert settings_of(sample_store) == AS_GIVEN


def test_settings_of_a_rotation_are_tested_and_take_effect_at_the_promotion(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.stage(settings=GIVEN)
    assert settings_of(sample_store) == DEFAULT
    test = FakeTester()
    rotation.resume(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER, test=test, approve=no)
    expected = Target(PROVIDER, "https://api.eu.residency.elevenlabs.io", ("m1", "m2"), ("voices_read",))
    assert test.asked == [(NEW, expected)]
    assert settings_of(sample_store) == AS_GIVEN


def test_settings_of_a_discarded_version_have_no_effect(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.rotate(settings=GIVEN, test=FakeTester(Reason.INVALID_KEY))
    sample_store.stage(settings=GIVEN)
    rotation.abort(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER)
    sample_store.rotate(THIRD)
    assert settings_of(sample_store) == DEFAULT


def test_a_rotation_without_settings_keeps_the_settings(sample_store: SampleStore) -> None:
    sample_store.add(settings=GIVEN)
    test = FakeTester()
    sample_store.rotate(test=test)
    assert settings_of(sample_store) == (*AS_GIVEN[:-1], None)  # when the old value expires says nothing of the new one
    assert test.asked[0][1].base_url == GIVEN.base_url


def test_rotate_after_can_be_never(sample_store: SampleStore) -> None:
    sample_store.add(settings=KeySettings(rotate_after_days=0))
    assert settings_of(sample_store)[3] is None
    sample_store.rotate(settings=KeySettings(rotate_after_days=7))
    assert settings_of(sample_store)[3] == 7
    sample_store.rotate(THIRD, settings=KeySettings(rotate_after_days=0))
    assert settings_of(sample_store)[3] is None


def test_each_version_is_tested_and_used_at_its_own_base_url(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.rotate(settings=KeySettings(base_url="https://api.us.elevenlabs.io"))
    assert settings_of(sample_store)[4] == "https://api.us.elevenlabs.io"
    test = FakeTester()
    rotation.rollback(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER, test=test, approve=no)
    assert [(value, target.base_url) for value, target in test.asked] == [(OLD, BASE_URL)]
    assert settings_of(sample_store)[4] == BASE_URL


def test_settings_of_an_earlier_rotation_do_not_come_back_with_a_rollback(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.rotate(settings=KeySettings(label="second"))
    sample_store.rotate(THIRD, settings=KeySettings(label="third"))
    rotation.rollback(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER, test=None, approve=no)
    assert sample_store.held() == Held(NEW, None, THIRD)
    assert settings_of(sample_store)[2] == "third"
