"""Accounts as a whole: listed, disabled, and enabled again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from kojikey.model.errors import (
    AccountNotFound,
    KekMissing,
    RecordChanged,
)
from kojikey.model.ref import Document, account_ref, key_ref
from kojikey.operations import listing, removing, revealing
from kojikey.operations.resolving import resolve
from kojikey.operations.store_admin import accounts, rekeying
from kojikey.stores.base import Change
from support.account import OTHER, disable, document_of, enable, rows, source_of, write_account
from support.faulty import Crash, FaultyStore
from support.sample_store import ACCOUNT, NEW, OLD, PROVIDER, THIRD, Held, SampleStore, refuse

# list


def test_accounts_are_listed_by_name_with_their_keys(sample_store: SampleStore) -> None:
    assert rows(sample_store) == []
    sample_store.add(account=OTHER)
    sample_store.add()
    sample_store.add(NEW, provider="google_gemini")
    disable(sample_store)
    assert [(row.account, row.keys, row.disabled) for row in rows(sample_store)] == [
        (ACCOUNT, 2, True),
        (OTHER, 1, False),
    ]
    assert all(row.created_at.endswith("Z") for row in rows(sample_store))


class Counting(FaultyStore):
    """Counts how often a store is asked; says of itself that it is partitioned where told to."""

    def __init__(self, sample_store: SampleStore, *, partitioned: bool = False) -> None:
        super().__init__(sample_store.opener(), Crash(), reads=True)
        self.partitioned = partitioned  # type: ignore[misc]


@pytest.mark.parametrize("look", [accounts.list_accounts, listing.list_all_keys])
def test_listing_accounts_takes_two_queries_however_many_they_are(
    sample_store: SampleStore, look: Callable[..., Iterator[object]]
) -> None:
    for number in range(5):
        sample_store.add(account=f"account-{number}")
    store = Counting(sample_store)
    assert len(list(look(store, damaged=refuse))) == 5
    assert store.steps == 2


@pytest.mark.parametrize("partitioned", [False, True])
def test_keys_are_counted_correctly_if_some_accounts_have_none(sample_store: SampleStore, partitioned: bool) -> None:
    for account in ("a-none", "b-one", "c-two", "d-none", "e-one"):
        sample_store.add(account=account)
    sample_store.add(NEW, account="c-two", provider="google_gemini")
    for account in ("a-none", "d-none"):
        removing.remove(sample_store.open_store(), account=account, provider=PROVIDER)
    store = Counting(sample_store, partitioned=partitioned)
    assert [row.keys for row in accounts.list_accounts(store, damaged=refuse)] == [0, 1, 2, 0, 1]


@pytest.mark.parametrize("partitioned", [False, True])
def test_keys_without_an_account_do_not_change_the_counts_of_others(
    sample_store: SampleStore, partitioned: bool
) -> None:
    for account in ("a-torn", "b-one", "c-one"):
        sample_store.add(account=account)
    torn = document_of(sample_store, "a-torn")
    sample_store.opener().commit((Change(torn.ref, None, torn.revision),))
    store = Counting(sample_store, partitioned=partitioned)
    assert [(row.account, row.keys) for row in accounts.list_accounts(store, damaged=refuse)] == [
        ("b-one", 1),
        ("c-one", 1),
    ]


@pytest.mark.parametrize("look", [accounts.list_accounts, listing.list_all_keys])
def test_a_record_changed_outside_kojikey_is_reported_and_the_others_are_listed(
    sample_store: SampleStore, look: Callable[..., Iterator[object]]
) -> None:
    for account in ("a", "b", "c"):
        sample_store.add(account=account)
    found = [sample_store.opener().read(ref) for ref in (account_ref("b"), key_ref("b", PROVIDER))]
    sample_store.opener().commit([Change(stored.ref, {}, stored.revision) for stored in found if stored])
    damaged: list[RecordChanged] = []
    assert [getattr(row, "account", "") for row in look(sample_store.opener(), damaged=damaged.append)] == ["a", "c"]
    assert [error.where.endswith("b" if look is accounts.list_accounts else "b/elevenlabs") for error in damaged] == [
        True
    ]


# disable and enable


def test_a_disabled_account_uses_the_built_in_allocation_and_keeps_its_keys(sample_store: SampleStore) -> None:
    sample_store.add()
    before = sample_store.key()
    assert disable(sample_store)
    credential = resolve(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER)
    assert credential == (PROVIDER, ACCOUNT, "built_in", None, None, ())
    assert sample_store.key() == before
    assert sample_store.held() == Held(OLD)


def test_a_disabled_account_uses_the_built_in_allocation_without_the_kek(sample_store: SampleStore) -> None:
    sample_store.add()
    disable(sample_store)
    assert resolve(sample_store.open_store(environ={}), account=ACCOUNT, provider=PROVIDER).source == "built_in"


def test_an_enabled_account_uses_its_keys_again(sample_store: SampleStore) -> None:
    sample_store.add()
    disable(sample_store)
    assert enable(sample_store)
    credential = resolve(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER)
    assert credential.source == "byok"
    assert credential.secret is not None
    assert credential.secret.reveal() == OLD


def test_disabling_and_enabling_record_signed_events(sample_store: SampleStore) -> None:
    sample_store.add()
    disable(sample_store)
    enable(sample_store)
    assert sample_store.actions() == ["added", "disabled", "enabled"]
    assert all(event["signed"] for event in sample_store.events())
    sample_store.verify()


def test_disabling_a_disabled_account_changes_nothing_and_records_no_event(sample_store: SampleStore) -> None:
    sample_store.add()
    assert not enable(sample_store)
    disable(sample_store)
    before = document_of(sample_store)
    assert not disable(sample_store)
    assert document_of(sample_store) == before
    enable(sample_store)
    assert not enable(sample_store)
    assert sample_store.actions() == ["added", "disabled", "enabled"]


def test_an_account_stays_disabled_after_every_change_of_its_keys(sample_store: SampleStore) -> None:
    sample_store.add()
    disable(sample_store)
    sample_store.rotate()
    sample_store.add(THIRD, provider="google_gemini")
    removing.remove(sample_store.open_store(), account=ACCOUNT, provider="google_gemini")
    revealing.reveal(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER)
    rekeying.rekey(sample_store.open_store(), source="env:NEW_KEK", new_inputs=sample_store.inputs())
    assert source_of(sample_store) == "built_in"
    assert sample_store.held() == Held(NEW, previous=OLD)
    enable(sample_store)
    assert source_of(sample_store) == "byok"


def test_one_disabled_account_leaves_the_others_alone(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.add(account=OTHER)
    disable(sample_store)
    assert resolve(sample_store.open_store(), account=OTHER, provider=PROVIDER).source == "byok"
    listed = {row.account: row.disabled for row in listing.list_all_keys(sample_store.opener(), damaged=refuse)}
    assert listed == {ACCOUNT: True, OTHER: False}


def test_the_list_says_that_an_account_is_disabled(sample_store: SampleStore) -> None:
    sample_store.add()
    disable(sample_store)
    listed = list(
        listing.list_keys(sample_store.opener(), account=ACCOUNT, providers=(PROVIDER, "google_gemini"), damaged=refuse)
    )
    assert [(row.provider, row.key is not None, row.disabled) for row in listed] == [
        (PROVIDER, True, True),
        ("google_gemini", False, True),
    ]


@pytest.mark.parametrize("disabled", [True, False])
def test_an_unknown_account_can_be_neither_disabled_nor_enabled(sample_store: SampleStore, disabled: bool) -> None:
    with pytest.raises(AccountNotFound):
        accounts.set_disabled(sample_store.open_store(), account=ACCOUNT, disabled=disabled)
    assert sample_store.opener().read(account_ref(ACCOUNT)) is None


def test_without_the_kek_nothing_is_disabled(sample_store: SampleStore) -> None:
    sample_store.add()
    before = document_of(sample_store)
    with pytest.raises(KekMissing):
        accounts.set_disabled(sample_store.open_store(environ={}), account=ACCOUNT, disabled=True)
    assert document_of(sample_store) == before
    assert sample_store.actions() == ["added"]


@pytest.mark.parametrize(
    "members", [{"disabled": 1}, {"disabled": None}, {"copied_from": []}, {"copied_from": {"s": "1"}}]
)
def test_a_damaged_account_document_is_an_error_of_kojikey_and_not_a_bug(
    sample_store: SampleStore, members: Document
) -> None:
    sample_store.add()
    write_account(sample_store, **members)
    for attempt in (
        lambda: source_of(sample_store),
        lambda: rows(sample_store),
        lambda: enable(sample_store),
        lambda: sample_store.rotate(),
    ):
        with pytest.raises(RecordChanged):
            attempt()
