"""Removing an account shreds it: in one step, with all that it has, so that no backup of it opens any more."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kojikey.model.errors import (
    AccountNotFound,
    KekMissing,
    RecordChanged,
    StoreFull,
    WrongKek,
)
from kojikey.model.ref import Document, key_ref
from kojikey.operations import accounts, removing
from kojikey.operations.resolving import resolve
from kojikey.stores.base import Change, Query, Store
from support.account import OTHER, document_of, remove, revision_of, rows, source_of, write_account
from support.faulty import Crash, FaultyStore
from support.vault import ACCOUNT, BASE_URL, NEW, OLD, PROVIDER, Held, Vault

# remove


def test_removing_takes_the_keys_and_the_data_key_and_leaves_the_events(vault: Vault) -> None:
    vault.add()
    vault.add(NEW, provider="google_gemini")
    assert remove(vault) == (2, True)
    assert list(vault.opener().scan(Query(account=ACCOUNT))) == []
    assert document_of(vault).document["wrapped"] is None
    assert vault.actions() == ["added", "added", "removed"]
    last = vault.events()[-1]
    assert (last["provider"], last["version"], last["fingerprint"], last["signed"]) == (None, None, None, True)
    assert rows(vault) == []
    assert source_of(vault) == "built_in"


def test_removing_one_account_leaves_the_others_alone(vault: Vault) -> None:
    vault.add()
    vault.add(account=OTHER)
    remove(vault)
    assert vault.held(OTHER) == Held(OLD)
    assert [row.account for row in rows(vault)] == [OTHER]


@pytest.mark.parametrize("after", [False, True])
def test_removing_is_one_commit(vault: Vault, after: bool) -> None:
    vault.add()
    vault.add(NEW, provider="google_gemini")
    faulty = FaultyStore(vault.opener(), Crash(), at=1, after=after)
    with pytest.raises(Crash):
        accounts.remove_account(vault.custody(faulty), account=ACCOUNT)
    keys = [vault.opener().read(key_ref(ACCOUNT, provider)) for provider in (PROVIDER, "google_gemini")]
    gone = (document_of(vault).document["wrapped"] is None, *(key is None for key in keys), len(vault.events()) == 3)
    assert gone == (after,) * 4
    vault.verify()


def test_a_store_that_fails_leaves_the_account_whole(vault: Vault) -> None:
    vault.add()
    faulty = FaultyStore(vault.opener(), StoreFull("here", "is full"), at=1)
    with pytest.raises(StoreFull):
        accounts.remove_account(vault.custody(faulty), account=ACCOUNT)
    assert vault.held() == Held(OLD)


def test_an_old_backup_of_the_sealed_records_does_not_open_any_more(vault: Vault) -> None:
    vault.add()
    backup = vault.opener().read(key_ref(ACCOUNT, PROVIDER))
    wrapped = document_of(vault).document["wrapped"]
    assert backup is not None
    remove(vault)

    left = [document_of(vault).document, vault.opener().header().document, *vault.events()]
    assert wrapped not in str(left)  # nothing that is left can be unwrapped to what opens the backup
    (version,) = backup.document["versions"]
    with pytest.raises(AccountNotFound):
        vault.custody().sealer(ACCOUNT)

    vault.opener().commit((Change(backup.ref, backup.document, None),))  # put back into the store
    with pytest.raises(RecordChanged, match="is gone, though the account has keys"):
        resolve(vault.custody(), account=ACCOUNT, provider=PROVIDER)
    vault.opener().commit((Change(backup.ref, None, revision_of(vault.opener(), PROVIDER)),))

    vault.add(NEW)  # and a data key that is made later does not open it either
    with pytest.raises(RecordChanged):
        vault.custody().sealer(ACCOUNT).open(version["sealed"], provider=PROVIDER, version=1, base_url=BASE_URL)


@pytest.mark.parametrize("environ", [{}, {"KOJIKEY_KEK": "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="}])
def test_removing_works_without_the_kek_and_leaves_an_unsigned_event(vault: Vault, environ: dict[str, str]) -> None:
    vault.add()
    custody = vault.custody(environ=environ)
    with pytest.raises((KekMissing, WrongKek)):
        custody.sealer(ACCOUNT)
    assert accounts.remove_account(custody, account=ACCOUNT) == (1, False)
    assert document_of(vault).document["wrapped"] is None
    assert vault.events()[-1]["signed"] is False
    result = vault.verify()
    assert (result.verified, result.unsigned, result.lost) == ((ACCOUNT,), 1, 2)


def test_removing_works_with_a_data_key_that_was_damaged(vault: Vault) -> None:
    vault.add()
    write_account(vault, wrapped=document_of(vault).document["wrapped"][:-4] + "AAAA")
    assert remove(vault) == (1, False)


def test_a_removed_or_unknown_account_can_not_be_removed(vault: Vault) -> None:
    vault.add()
    remove(vault)
    before = document_of(vault)
    for account in (ACCOUNT, OTHER):
        with pytest.raises(AccountNotFound):
            accounts.remove_account(vault.custody(), account=account)
        with pytest.raises(AccountNotFound):
            accounts.set_disabled(vault.custody(), account=account, disabled=True)
    assert document_of(vault) == before


class Meanwhile(FaultyStore):
    """Does something else once, just before the first commit."""

    def __init__(self, inner: Store, act: object) -> None:
        super().__init__(inner, Crash())
        self.act = act

    def _commit(self, changes: Sequence[Change], events: Sequence[Document]) -> tuple[str, ...]:
        act, self.act = self.act, None
        if callable(act):
            act()
        return super()._commit(changes, events)


@pytest.mark.parametrize("what", ["add", "rotate", "remove", "touch"])
def test_what_happens_to_the_account_meanwhile_goes_with_it(vault: Vault, what: str) -> None:
    vault.add()

    def touch() -> None:  # a test with the same outcome changes a key and nothing else
        stored = vault.opener().read(key_ref(ACCOUNT, PROVIDER))
        assert stored is not None
        vault.opener().commit((Change(stored.ref, stored.document, stored.revision),))

    acts = {
        "add": lambda: vault.add(NEW, provider="google_gemini"),
        "rotate": lambda: vault.rotate(),
        "remove": lambda: removing.remove(vault.custody(), account=ACCOUNT, provider=PROVIDER),
        "touch": touch,
    }
    keys, signed = accounts.remove_account(vault.custody(Meanwhile(vault.opener(), acts[what])), account=ACCOUNT)
    assert (keys, signed) == ({"add": 2, "rotate": 1, "remove": 0, "touch": 1}[what], True)
    assert list(vault.opener().scan(Query(account=ACCOUNT))) == []
    assert vault.actions()[-1] == "removed"
    vault.verify()


def test_of_two_removals_one_finds_nothing_left(vault: Vault) -> None:
    vault.add()
    store = Meanwhile(vault.opener(), lambda: remove(vault))
    with pytest.raises(AccountNotFound):
        accounts.remove_account(vault.custody(store), account=ACCOUNT)
    assert vault.actions() == ["added", "removed"]
