"""Deleting a version's key at its provider: never the one in use, and nothing is dropped that may still work."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from msgspec import structs

from kojikey.model.errors import Conflict, VersionNotFound
from kojikey.model.key import Key, Stage, Version
from kojikey.model.management_errors import ManagementRefused, ManagementUnavailable, Refusal
from kojikey.model.minting import RemoteId
from kojikey.model.verdict import Reason
from kojikey.operations.minting import retiring
from kojikey.operations.minting.retiring import Revoker
from kojikey.operations.results import ChangeResult
from support.keys_at_provider import (
    LOST,
    PARENT,
    REFUSED,
    ByValue,
    KeysAtProvider,
    OnlyDisabling,
    change,
    give_ids,
)
from support.sample_store import ACCOUNT, NEW, OLD, PROVIDER, THIRD, FakeTester, Held, SampleStore

IDS = {1: "id-old", 2: "id-new"}


def saved_key(sample_store: SampleStore) -> Key:
    key = sample_store.key()
    assert key is not None
    return key


@pytest.fixture
def sample_store() -> SampleStore:
    """Return a store with a key that has a previous version."""
    return SampleStore.rotated()


def both(keys: KeysAtProvider) -> KeysAtProvider:
    """Return a provider at which both versions exist."""
    keys.put("id-old", OLD)
    keys.put("id-new", NEW)
    return keys


@dataclass
class Decision:
    """Confirms a deletion or not, and records the version and the id that it was asked about."""

    answer: bool = True
    asked: list[tuple[int, str]] = field(default_factory=list)

    def __call__(self, version: Version, remote_id: RemoteId) -> bool:
        self.asked.append((version.number, remote_id.key_id))
        return self.answer


@dataclass
class Retiring:
    """One retirement: its answers, and which of the two probes was used."""

    once: FakeTester = field(default_factory=FakeTester)
    until_refused: FakeTester = field(default_factory=lambda: FakeTester(Reason.REVOKED))
    decision: Decision = field(default_factory=Decision)

    def __call__(self, sample_store: SampleStore, keys: KeysAtProvider, **options: bool) -> ChangeResult:
        revoker = Revoker(keys, self.decision, self.once, self.until_refused)
        work = retiring.retire(sample_store.open_store(), revoker, account=ACCOUNT, provider=PROVIDER, **options)
        return asyncio.run(work)


def test_the_previous_key_is_deleted_at_the_provider_and_dropped_once_it_is_refused(sample_store: SampleStore) -> None:
    give_ids(sample_store, IDS)
    keys, retire = both(KeysAtProvider()), Retiring()
    result = retire(sample_store, keys)
    assert (result.action, result.version) == ("retired", 1)
    assert result.at_provider is not None
    assert (result.at_provider.key_id, result.at_provider.parent) == ("id-old", PARENT)
    assert keys.values == {"id-new": NEW}
    assert retire.decision.asked == [(1, "id-old")]
    assert (retire.once.asked, [value for value, _ in retire.until_refused.asked]) == ([], [OLD])
    assert sample_store.held() == Held(NEW)
    event = sample_store.events()[-2]
    assert (event["action"], event["provider"], event["version"]) == ("revoked_at_provider", PROVIDER, 1)
    assert sample_store.actions()[-2:] == ["revoked_at_provider", "retired"]
    sample_store.verify()


def test_a_deleted_key_that_still_works_is_kept_in_the_store(sample_store: SampleStore) -> None:
    give_ids(sample_store, IDS)
    keys = both(KeysAtProvider())
    assert Retiring(until_refused=FakeTester(Reason.OK))(sample_store, keys).action is None
    assert keys.values == {"id-new": NEW}
    assert sample_store.held() == Held(NEW, None, OLD)


@pytest.mark.parametrize(("reason", "action"), [(Reason.OK, None), (Reason.INVALID_KEY, "retired")])
def test_without_consent_the_previous_key_is_only_tested(
    sample_store: SampleStore, reason: Reason, action: str | None
) -> None:
    give_ids(sample_store, IDS)
    keys, retire = both(KeysAtProvider()), Retiring(once=FakeTester(reason), decision=Decision(answer=False))
    result = retire(sample_store, keys)
    assert result.action == action
    assert result.at_provider is not None
    assert result.at_provider.key_id == "id-old"
    assert keys.requests == []
    assert len(retire.once.asked) == 1
    assert retire.until_refused.asked == []


def test_a_forced_retirement_drops_a_key_that_still_works(sample_store: SampleStore) -> None:
    retire = Retiring(decision=Decision(answer=False))
    assert retire(sample_store, both(KeysAtProvider()), is_forced=True).action == "retired"
    assert sample_store.held() == Held(NEW)


def test_a_key_without_a_saved_id_is_deleted_only_if_exactly_one_fits(sample_store: SampleStore) -> None:
    keys, retire = both(KeysAtProvider()), Retiring()
    keys.keys["id-new"] = keys.put("id-new", NEW, hint="...else")
    for key_id in ("id-old", "id-double"):
        keys.put(key_id, OLD, hint=f"sk_old...{OLD[-4:]}")
    result = retire(sample_store, keys)
    assert (result.action, retire.decision.asked) == (None, [])
    assert result.at_provider is not None
    assert result.at_provider.key_id is None
    assert keys.values.keys() == {"id-new", "id-old", "id-double"}
    del keys.keys["id-double"], keys.values["id-double"]
    keys.forget_lists()
    assert retire(sample_store, keys).action == "retired"
    assert retire.decision.asked == [(1, "id-old")]
    assert keys.values == {"id-new": NEW}


def test_a_key_that_is_its_own_id_is_deleted_by_its_value(sample_store: SampleStore) -> None:
    keys, retire = both(ByValue()), Retiring()
    assert retire(sample_store, keys).action == "retired"
    assert retire.decision.asked == [(1, "")]
    assert keys.values == {"id-new": NEW}


def test_the_key_in_use_at_the_provider_is_never_deleted_as_the_previous_one(sample_store: SampleStore) -> None:
    give_ids(sample_store, {1: "same", 2: "same"})
    keys = both(KeysAtProvider())
    keys.put("same", NEW)
    events = sample_store.events()
    with pytest.raises(Conflict) as caught:
        Retiring()(sample_store, keys)
    assert str(caught.value) == "at the provider, that key is the one in use; nothing was removed"
    assert keys.requests == []
    assert sample_store.events() == events
    assert sample_store.held() == Held(NEW, None, OLD)


def test_the_value_in_use_is_never_deleted_as_the_previous_one(sample_store: SampleStore) -> None:
    give_ids(sample_store, IDS)
    current, previous = saved_key(sample_store).current, saved_key(sample_store).version(Stage.PREVIOUS)
    assert previous is not None
    change(sample_store, versions=(structs.replace(previous, fingerprint=current.fingerprint), current))
    keys = both(KeysAtProvider())
    with pytest.raises(Conflict, match="is the one in use"):
        Retiring()(sample_store, keys)
    assert keys.requests == []


def test_a_key_is_disabled_where_the_provider_deletes_none(sample_store: SampleStore) -> None:
    give_ids(sample_store, IDS)
    keys = both(OnlyDisabling())
    assert Retiring()(sample_store, keys).action == "retired"
    assert {key.key_id: key.is_disabled for key in keys.keys.values()} == {"id-old": True, "id-new": False}


def test_a_key_that_is_gone_need_not_be_disabled(sample_store: SampleStore) -> None:
    give_ids(sample_store, IDS)
    keys = both(OnlyDisabling())
    keys.before["disable"] = ManagementRefused("there is no such key", Refusal.NOT_THERE)
    assert Retiring()(sample_store, keys).action == "retired"


@pytest.mark.parametrize("keys_of", [KeysAtProvider, OnlyDisabling])
@pytest.mark.parametrize("error", [REFUSED, LOST])
def test_a_deletion_that_fails_changes_nothing_in_the_store(
    sample_store: SampleStore, keys_of: type[KeysAtProvider], error: ManagementRefused
) -> None:
    give_ids(sample_store, IDS)
    keys, retire, events = both(keys_of()), Retiring(), sample_store.events()
    keys.before = {"delete": error, "disable": error}
    with pytest.raises((ManagementRefused, ManagementUnavailable)):
        retire(sample_store, keys)
    assert (retire.once.asked, retire.until_refused.asked) == ([], [])
    assert sample_store.held() == Held(NEW, None, OLD)
    assert sample_store.events() == events


def test_a_copied_key_is_not_retired_here(sample_store: SampleStore) -> None:
    give_ids(sample_store, IDS)
    change(sample_store, is_copy=True)
    keys = both(KeysAtProvider())
    with pytest.raises(Conflict, match="was copied from another store"):
        Retiring()(sample_store, keys)
    assert keys.requests == []


def test_a_key_without_a_previous_version_is_not_retired() -> None:
    sample_store = SampleStore.in_memory()
    sample_store.add()
    with pytest.raises(VersionNotFound) as caught:
        Retiring()(sample_store, both(KeysAtProvider()))
    assert (caught.value.account, caught.value.provider, caught.value.stage) == (ACCOUNT, PROVIDER, "previous")


# remove --revoke


def revoke_all(sample_store: SampleStore, keys: KeysAtProvider, test: FakeTester | None = None) -> list[int]:
    key = saved_key(sample_store)
    left = asyncio.run(retiring.revoke_all(sample_store.open_store(), keys, key, test or FakeTester()))
    return [version.number for version in left]


def test_all_versions_are_deleted_and_the_one_in_use_is_the_last(sample_store: SampleStore) -> None:
    sample_store.stage(THIRD)
    give_ids(sample_store, {**IDS, 3: "id-third"})
    keys = both(KeysAtProvider())
    keys.put("id-third", THIRD)
    assert revoke_all(sample_store, keys) == []
    assert keys.requests == ["delete id-old", "delete id-third", "delete id-new"]
    revoked = [event["version"] for event in sample_store.events() if event["action"] == "revoked_at_provider"]
    assert revoked == [1, 3, 2]


def test_versions_without_a_known_id_are_returned_and_the_others_deleted(sample_store: SampleStore) -> None:
    sample_store.stage(THIRD)
    give_ids(sample_store, {2: "id-new"})
    keys = both(KeysAtProvider())
    assert revoke_all(sample_store, keys) == [1, 3]
    assert keys.values == {"id-old": OLD}


def test_all_versions_that_are_their_own_ids_are_deleted(sample_store: SampleStore) -> None:
    keys = both(ByValue())
    assert revoke_all(sample_store, keys) == []
    assert keys.values == {}


def test_a_key_that_manages_itself_and_is_refused_is_tested_with_its_own_settings(sample_store: SampleStore) -> None:
    change(sample_store, models=("m1",), capabilities=("voices_read",))
    keys, test = both(ByValue()), FakeTester(Reason.REVOKED)
    keys.before["delete"] = ManagementRefused("not accepted", Refusal.ADMIN_KEY)
    assert revoke_all(sample_store, keys, test) == []
    assert [(value, target.provider, target.models, target.capabilities) for value, target in test.asked] == [
        (value, PROVIDER, ("m1",), ("voices_read",)) for value in (OLD, NEW)
    ]
    assert {target.base_url for _, target in test.asked} == {saved_key(sample_store).current.base_url}


def test_another_refusal_than_that_of_the_credential_stands(sample_store: SampleStore) -> None:
    keys = both(ByValue())
    keys.before["delete"] = REFUSED
    with pytest.raises(ManagementRefused):
        revoke_all(sample_store, keys, FakeTester(Reason.REVOKED))


def test_a_copied_key_is_not_revoked_here(sample_store: SampleStore) -> None:
    give_ids(sample_store, IDS)
    change(sample_store, is_copy=True)
    keys = both(KeysAtProvider())
    with pytest.raises(Conflict, match="was copied from another store"):
        revoke_all(sample_store, keys)
    assert keys.requests == []
