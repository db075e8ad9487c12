"""Accounts as a whole: listed, set aside, and used again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from kojikey.model.errors import (
    AccountNotFound,
    KekMissing,
    RecordChanged,
)
from kojikey.model.ref import Document, account_ref, key_ref
from kojikey.operations import accounts, listing, removing, revealing, storing
from kojikey.operations.resolving import resolve
from kojikey.stores.base import Change
from support.account import OTHER, disable, document_of, enable, rows, source_of, write_account
from support.faulty import Crash, FaultyStore
from support.vault import ACCOUNT, NEW, OLD, PROVIDER, THIRD, Held, Vault, refuse

# list


def test_accounts_are_listed_by_name_with_their_keys(vault: Vault) -> None:
    assert rows(vault) == []
    vault.add(account=OTHER)
    vault.add()
    vault.add(NEW, provider="google_gemini")
    disable(vault)
    assert [(row.account, row.keys, row.disabled) for row in rows(vault)] == [(ACCOUNT, 2, True), (OTHER, 1, False)]
    assert all(row.created_at.endswith("Z") for row in rows(vault))


class Counting(FaultyStore):
    """Counts how often a store is asked; says of itself that it is partitioned where told to."""

    def __init__(self, vault: Vault, *, partitioned: bool = False) -> None:
        super().__init__(vault.opener(), Crash(), reads=True)
        self.partitioned = partitioned  # type: ignore[misc]


@pytest.mark.parametrize("look", [accounts.list_accounts, listing.list_all_keys])
def test_however_many_accounts_are_listed_in_two_questions(vault: Vault, look: Callable[..., Iterator[object]]) -> None:
    for number in range(5):
        vault.add(account=f"account-{number}")
    store = Counting(vault)
    assert len(list(look(store, damaged=refuse))) == 5
    assert store.steps == 2


@pytest.mark.parametrize("partitioned", [False, True])
def test_the_keys_of_accounts_are_counted_right_where_some_have_none(vault: Vault, partitioned: bool) -> None:
    for account in ("a-none", "b-one", "c-two", "d-none", "e-one"):
        vault.add(account=account)
    vault.add(NEW, account="c-two", provider="google_gemini")
    for account in ("a-none", "d-none"):
        removing.remove(vault.custody(), account=account, provider=PROVIDER)
    store = Counting(vault, partitioned=partitioned)
    assert [row.keys for row in accounts.list_accounts(store, damaged=refuse)] == [0, 1, 2, 0, 1]


@pytest.mark.parametrize("partitioned", [False, True])
def test_keys_without_an_account_do_not_disturb_the_count_of_the_others(vault: Vault, partitioned: bool) -> None:
    for account in ("a-torn", "b-one", "c-one"):
        vault.add(account=account)
    torn = document_of(vault, "a-torn")
    vault.opener().commit((Change(torn.ref, None, torn.revision),))
    store = Counting(vault, partitioned=partitioned)
    assert [(row.account, row.keys) for row in accounts.list_accounts(store, damaged=refuse)] == [
        ("b-one", 1),
        ("c-one", 1),
    ]


@pytest.mark.parametrize("look", [accounts.list_accounts, listing.list_all_keys])
def test_what_was_changed_from_outside_is_told_and_hides_no_other(
    vault: Vault, look: Callable[..., Iterator[object]]
) -> None:
    for account in ("a", "b", "c"):
        vault.add(account=account)
    found = [vault.opener().read(ref) for ref in (account_ref("b"), key_ref("b", PROVIDER))]
    vault.opener().commit([Change(stored.ref, {}, stored.revision) for stored in found if stored])
    damaged: list[RecordChanged] = []
    assert [getattr(row, "account", "") for row in look(vault.opener(), damaged=damaged.append)] == ["a", "c"]
    assert [error.where.endswith("b" if look is accounts.list_accounts else "b/elevenlabs") for error in damaged] == [
        True
    ]


# disable and enable


def test_a_disabled_account_falls_back_and_keeps_its_keys(vault: Vault) -> None:
    vault.add()
    before = vault.key()
    assert disable(vault)
    credential = resolve(vault.custody(), account=ACCOUNT, provider=PROVIDER)
    assert credential == (PROVIDER, ACCOUNT, "built_in", None, None, ())
    assert vault.key() == before
    assert vault.held() == Held(OLD)


def test_a_disabled_account_falls_back_without_the_kek(vault: Vault) -> None:
    vault.add()
    disable(vault)
    assert resolve(vault.custody(environ={}), account=ACCOUNT, provider=PROVIDER).source == "built_in"


def test_an_enabled_account_uses_its_keys_again(vault: Vault) -> None:
    vault.add()
    disable(vault)
    assert enable(vault)
    credential = resolve(vault.custody(), account=ACCOUNT, provider=PROVIDER)
    assert credential.source == "byok"
    assert credential.secret is not None
    assert credential.secret.reveal() == OLD


def test_disabling_and_enabling_leave_signed_events(vault: Vault) -> None:
    vault.add()
    disable(vault)
    enable(vault)
    assert vault.actions() == ["added", "disabled", "enabled"]
    assert all(event["signed"] for event in vault.events())
    vault.verify()


def test_what_is_so_already_is_not_changed_and_leaves_no_event(vault: Vault) -> None:
    vault.add()
    assert not enable(vault)
    disable(vault)
    before = document_of(vault)
    assert not disable(vault)
    assert document_of(vault) == before
    enable(vault)
    assert not enable(vault)
    assert vault.actions() == ["added", "disabled", "enabled"]


def test_an_account_stays_disabled_through_every_change_of_its_keys(vault: Vault) -> None:
    vault.add()
    disable(vault)
    vault.rotate()
    vault.add(THIRD, provider="google_gemini")
    removing.remove(vault.custody(), account=ACCOUNT, provider="google_gemini")
    revealing.reveal(vault.custody(), account=ACCOUNT, provider=PROVIDER)
    storing.rekey(vault.custody(), source="env:NEW_KEK", new_inputs=vault.inputs())
    assert source_of(vault) == "built_in"
    assert vault.held() == Held(NEW, previous=OLD)
    enable(vault)
    assert source_of(vault) == "byok"


def test_one_disabled_account_leaves_the_others_alone(vault: Vault) -> None:
    vault.add()
    vault.add(account=OTHER)
    disable(vault)
    assert resolve(vault.custody(), account=OTHER, provider=PROVIDER).source == "byok"
    listed = {row.account: row.disabled for row in listing.list_all_keys(vault.opener(), damaged=refuse)}
    assert listed == {ACCOUNT: True, OTHER: False}


def test_the_listing_of_an_account_says_that_it_is_disabled(vault: Vault) -> None:
    vault.add()
    disable(vault)
    listed = list(
        listing.list_keys(vault.opener(), account=ACCOUNT, providers=(PROVIDER, "google_gemini"), damaged=refuse)
    )
    assert [(row.provider, row.key is not None, row.disabled) for row in listed] == [
        (PROVIDER, True, True),
        ("google_gemini", False, True),
    ]


@pytest.mark.parametrize("disabled", [True, False])
def test_an_unknown_account_can_be_neither_disabled_nor_enabled(vault: Vault, disabled: bool) -> None:
    with pytest.raises(AccountNotFound):
        accounts.set_disabled(vault.custody(), account=ACCOUNT, disabled=disabled)
    assert vault.opener().read(account_ref(ACCOUNT)) is None


def test_without_the_kek_nothing_is_disabled(vault: Vault) -> None:
    vault.add()
    before = document_of(vault)
    with pytest.raises(KekMissing):
        accounts.set_disabled(vault.custody(environ={}), account=ACCOUNT, disabled=True)
    assert document_of(vault) == before
    assert vault.actions() == ["added"]


@pytest.mark.parametrize(
    "members", [{"disabled": 1}, {"disabled": None}, {"copied_from": []}, {"copied_from": {"s": "1"}}]
)
def test_a_damaged_document_of_an_account_is_no_bug(vault: Vault, members: Document) -> None:
    vault.add()
    write_account(vault, **members)
    for attempt in (lambda: source_of(vault), lambda: rows(vault), lambda: enable(vault), lambda: vault.rotate()):
        with pytest.raises(RecordChanged):
            attempt()
