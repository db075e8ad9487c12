"""Removing an account deletes everything of it in one step, and no backup opens any more; and removing a single key."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec import structs

from kojikey.model.errors import (
    AccountNotFound,
    ChangedMeanwhile,
    KekMissing,
    RecordChanged,
    StoreFull,
    WrongKek,
)
from kojikey.model.management_errors import MintUnfinished
from kojikey.model.minting import MintIntent
from kojikey.model.ref import Document, key_ref
from kojikey.operations import removing
from kojikey.operations.resolving import resolve
from kojikey.operations.store_admin import accounts
from kojikey.stores.base import Change, Query, Store
from support.account import OTHER, document_of, remove, revision_of, rows, source_of, write_account
from support.faulty import Crash, FaultyStore
from support.sample_store import ACCOUNT, BASE_URL, MOMENTS, NEW, OLD, PROVIDER, Held, SampleStore

# remove


def test_removing_deletes_the_keys_and_the_data_key_and_keeps_the_events(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.add(NEW, provider="google_gemini")
    assert remove(sample_store) == (2, True)
    assert list(sample_store.opener().scan(Query(account=ACCOUNT))) == []
    assert document_of(sample_store).document["wrapped"] is None
    assert sample_store.actions() == ["added", "added", "removed"]
    last = sample_store.events()[-1]
    assert (last["provider"], last["version"], last["fingerprint"], last["signed"]) == (None, None, None, True)
    assert rows(sample_store) == []
    assert source_of(sample_store) == "built_in"


def test_removing_one_account_leaves_the_others_alone(sample_store: SampleStore) -> None:
    sample_store.add()
    sample_store.add(account=OTHER)
    remove(sample_store)
    assert sample_store.held(OTHER) == Held(OLD)
    assert [row.account for row in rows(sample_store)] == [OTHER]


@pytest.mark.parametrize("after", [False, True])
def test_removing_is_one_commit(sample_store: SampleStore, after: bool) -> None:
    sample_store.add()
    sample_store.add(NEW, provider="google_gemini")
    faulty = FaultyStore(sample_store.opener(), Crash(), at=1, after=after)
    with pytest.raises(Crash):
        accounts.remove_account(sample_store.open_store(faulty), account=ACCOUNT)
    keys = [sample_store.opener().read(key_ref(ACCOUNT, provider)) for provider in (PROVIDER, "google_gemini")]
    gone = (
        document_of(sample_store).document["wrapped"] is None,
        *(key is None for key in keys),
        len(sample_store.events()) == 3,
    )
    assert gone == (after,) * 4
    sample_store.verify()


def test_a_store_that_fails_leaves_the_account_whole(sample_store: SampleStore) -> None:
    sample_store.add()
    faulty = FaultyStore(sample_store.opener(), StoreFull("here", "is full"), at=1)
    with pytest.raises(StoreFull):
        accounts.remove_account(sample_store.open_store(faulty), account=ACCOUNT)
    assert sample_store.held() == Held(OLD)


def test_an_old_backup_of_the_sealed_records_no_longer_opens(sample_store: SampleStore) -> None:
    sample_store.add()
    backup = sample_store.opener().read(key_ref(ACCOUNT, PROVIDER))
    wrapped = document_of(sample_store).document["wrapped"]
    assert backup is not None
    remove(sample_store)

    left = [document_of(sample_store).document, sample_store.opener().header().document, *sample_store.events()]
    assert wrapped not in str(left)  # nothing that is left can be unwrapped to what opens the backup
    (version,) = backup.document["versions"]
    with pytest.raises(AccountNotFound):
        sample_store.open_store().sealer(ACCOUNT)

    sample_store.opener().commit((Change(backup.ref, backup.document, None),))  # put back into the store
    with pytest.raises(RecordChanged, match="is gone, though the account has keys"):
        resolve(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER)
    sample_store.opener().commit((Change(backup.ref, None, revision_of(sample_store.opener(), PROVIDER)),))

    sample_store.add(NEW)  # and a data key that is made later does not open it either
    with pytest.raises(RecordChanged):
        sample_store.open_store().sealer(ACCOUNT).open(
            version["sealed"], provider=PROVIDER, version=1, base_url=BASE_URL
        )


@pytest.mark.parametrize("environ", [{}, {"KOJIKEY_KEK": "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="}])
def test_removing_works_without_the_kek_and_records_an_unsigned_event(
    sample_store: SampleStore, environ: dict[str, str]
) -> None:
    sample_store.add()
    open_store = sample_store.open_store(environ=environ)
    with pytest.raises((KekMissing, WrongKek)):
        open_store.sealer(ACCOUNT)
    assert accounts.remove_account(open_store, account=ACCOUNT) == (1, False)
    assert document_of(sample_store).document["wrapped"] is None
    assert sample_store.events()[-1]["signed"] is False
    result = sample_store.verify()
    assert (result.verified, result.unsigned, result.lost) == ((ACCOUNT,), 1, 2)


def test_removing_works_with_a_damaged_data_key(sample_store: SampleStore) -> None:
    sample_store.add()
    write_account(sample_store, wrapped=document_of(sample_store).document["wrapped"][:-4] + "AAAA")
    assert remove(sample_store) == (1, False)


def test_a_removed_or_unknown_account_cannot_be_removed(sample_store: SampleStore) -> None:
    sample_store.add()
    remove(sample_store)
    before = document_of(sample_store)
    for account in (ACCOUNT, OTHER):
        with pytest.raises(AccountNotFound):
            accounts.remove_account(sample_store.open_store(), account=account)
        with pytest.raises(AccountNotFound):
            accounts.set_disabled(sample_store.open_store(), account=account, disabled=True)
    assert document_of(sample_store) == before


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


def touch(sample_store: SampleStore) -> None:
    """Change a key and nothing else, as a test with the same outcome does."""
    stored = sample_store.opener().read(key_ref(ACCOUNT, PROVIDER))
    assert stored is not None
    sample_store.opener().commit((Change(stored.ref, stored.document, stored.revision),))


@pytest.mark.parametrize("what", ["add", "rotate", "remove", "touch"])
def test_a_change_of_the_account_during_its_removal_is_removed_too(sample_store: SampleStore, what: str) -> None:
    sample_store.add()

    acts = {
        "add": lambda: sample_store.add(NEW, provider="google_gemini"),
        "rotate": lambda: sample_store.rotate(),
        "remove": lambda: removing.remove(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER),
        "touch": lambda: touch(sample_store),
    }
    keys, signed = accounts.remove_account(
        sample_store.open_store(Meanwhile(sample_store.opener(), acts[what])), account=ACCOUNT
    )
    assert (keys, signed) == ({"add": 2, "rotate": 1, "remove": 0, "touch": 1}[what], True)
    assert list(sample_store.opener().scan(Query(account=ACCOUNT))) == []
    assert sample_store.actions()[-1] == "removed"
    sample_store.verify()


@pytest.mark.parametrize("has_damaged_account", [False, True])
def test_a_mint_that_begins_during_the_removal_stops_it(sample_store: SampleStore, has_damaged_account: bool) -> None:
    sample_store.add()
    if has_damaged_account:
        write_account(sample_store, audit="damaged")
    intent = MintIntent("kojikey acme v2 0a1b2c3d", "0a1b2c3d", MOMENTS[0], "", "", None, None, None, False, "proof")

    def begin_mint() -> None:  # as a mint does: the intent changes the key, and leaves no event
        stored, key = sample_store.opener().read(key_ref(ACCOUNT, PROVIDER)), sample_store.key()
        assert stored is not None
        assert key is not None
        changed = structs.replace(key, minting=intent)
        sample_store.opener().commit((Change(stored.ref, changed.as_document(), stored.revision),))

    store = Meanwhile(sample_store.opener(), begin_mint)
    with pytest.raises(MintUnfinished):
        accounts.remove_account(sample_store.open_store(store), account=ACCOUNT)
    key = sample_store.key()
    assert key is not None
    assert key.minting == intent
    assert "removed" not in sample_store.actions()


def test_the_second_of_two_removals_finds_no_account(sample_store: SampleStore) -> None:
    sample_store.add()
    store = Meanwhile(sample_store.opener(), lambda: remove(sample_store))
    with pytest.raises(AccountNotFound):
        accounts.remove_account(sample_store.open_store(store), account=ACCOUNT)
    assert sample_store.actions() == ["added", "removed"]


# a key


@pytest.mark.parametrize("trouble", ["", "no KEK", "damaged account"])
def test_a_key_that_is_tested_during_its_removal_is_removed(sample_store: SampleStore, trouble: str) -> None:
    sample_store.add()
    if trouble == "damaged account":
        write_account(sample_store, audit="damaged")
    store = Meanwhile(sample_store.opener(), lambda: touch(sample_store))
    open_store = sample_store.open_store(store, environ={} if trouble == "no KEK" else None)
    result = removing.remove(open_store, account=ACCOUNT, provider=PROVIDER)
    assert (result.action, result.unsigned, result.unrecorded) == (
        "removed", bool(trouble), trouble == "damaged account",
    )  # fmt: skip
    assert sample_store.key() is None


@pytest.mark.parametrize("what", ["rotate", "remove"])
def test_a_key_that_is_rotated_or_removed_during_its_removal_is_a_conflict(
    sample_store: SampleStore, what: str
) -> None:
    sample_store.add()
    acts = {
        "rotate": lambda: sample_store.rotate(),
        "remove": lambda: removing.remove(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER),
    }
    store = Meanwhile(sample_store.opener(), acts[what])
    with pytest.raises(ChangedMeanwhile):
        removing.remove(sample_store.open_store(store), account=ACCOUNT, provider=PROVIDER)
    assert (sample_store.key() is None) == (what == "remove")
    sample_store.verify()
