"""Two processes that add a key for one account at the same time: the same key is unchanged, another one exists."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kojikey.model.errors import KeyExists
from kojikey.model.secret import Secret
from kojikey.model.verdict import Reason
from kojikey.operations.adding import Destination, NewKey, add_or_keep
from kojikey.operations.importing import Import, import_all, intend
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Target
from kojikey.operations.results import ChangeResult
from kojikey.operations.rotating_many import RunSettings
from support.sample_store import ACCOUNT, ADAPTERS, BASE_URL, NEW, OLD, PROVIDER, SETTINGS, FakeTester, SampleStore, no


@pytest.fixture(params=ADAPTERS)
def sample_store(request: pytest.FixtureRequest, tmp_path: Path) -> SampleStore:
    return SampleStore.made(ADAPTERS[request.param](tmp_path))


def new_key() -> NewKey:
    return NewKey(ACCOUNT, Target(PROVIDER, BASE_URL, (), ()), Secret(OLD), SETTINGS)


def while_added(sample_store: SampleStore, value: str) -> FakeTester:
    """Return a tester during which another process adds a key."""
    return FakeTester(meanwhile=lambda: sample_store.add(value))


def added(sample_store: SampleStore, meanwhile: str) -> ChangeResult:
    destination, test = Destination(sample_store.open_store()), while_added(sample_store, meanwhile)
    return asyncio.run(add_or_keep(destination, new_key(), test=test, approve=no))


def imported(sample_store: SampleStore, meanwhile: str) -> Import:
    item, open_store = Import(new_key()), sample_store.open_store()
    intend(open_store, item, may_rotate=False)
    settings = RunSettings(while_added(sample_store, meanwhile), no, concurrency=1)
    asyncio.run(import_all(Destination(open_store), [item], settings))
    return item


def test_the_same_key_that_another_process_added_during_the_test_is_unchanged(sample_store: SampleStore) -> None:
    assert added(sample_store, OLD).action == "unchanged"
    assert sample_store.actions() == ["added"]


def test_another_key_that_another_process_added_during_the_test_exists(sample_store: SampleStore) -> None:
    with pytest.raises(KeyExists) as caught:
        added(sample_store, NEW)
    assert (caught.value.account, caught.value.provider) == (ACCOUNT, PROVIDER)
    assert sample_store.held() == (NEW, None, None)


def test_a_key_that_is_there_is_unchanged_with_its_tail_and_its_version_and_is_not_tested(
    sample_store: SampleStore,
) -> None:
    sample_store.add(NEW)
    sample_store.rotate(OLD)
    test = FakeTester()
    result = asyncio.run(add_or_keep(Destination(sample_store.open_store()), new_key(), test=test, approve=no))
    assert result == ChangeResult(ACCOUNT, PROVIDER, "unchanged", OLD[-4:], 2, key=sample_store.key())
    assert test.asked == []


def test_a_store_is_created_with_the_first_key_that_is_saved(sample_store: SampleStore) -> None:
    created: list[OpenStore] = []

    def create() -> OpenStore:
        created.append(sample_store.open_store())
        return created[-1]

    destination = Destination(sample_store.open_store(), create)
    asyncio.run(add_or_keep(destination, new_key(), test=FakeTester(Reason.REVOKED), approve=no))
    assert created == []
    asyncio.run(add_or_keep(destination, new_key(), test=FakeTester(), approve=no))
    assert destination.created() is destination.open_store is created[0]
    assert len(created) == 1
    assert sample_store.held() == (OLD, None, None)


@pytest.mark.parametrize("is_approved", [True, False])
def test_a_limited_key_is_added_if_it_is_approved(sample_store: SampleStore, is_approved: bool) -> None:
    destination, test = Destination(sample_store.open_store()), FakeTester(Reason.BILLING)
    result = asyncio.run(add_or_keep(destination, new_key(), test=test, approve=lambda _: is_approved))
    assert result.action == ("added" if is_approved else None)


@pytest.mark.parametrize(("meanwhile", "action"), [(OLD, "unchanged"), (NEW, None)])
def test_an_import_says_so_too(sample_store: SampleStore, meanwhile: str, action: str | None) -> None:
    item = imported(sample_store, meanwhile)
    assert (item.result.action if item.result else None) == action
    assert isinstance(item.error, KeyExists) == (action is None)
