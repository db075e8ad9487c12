"""Keys that are read from their documents, one at a time or in pages, and the outcome of a test on a version."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from msgspec import structs

from kojikey.model.errors import KeyNotFound, RecordChanged
from kojikey.model.key import Key, Stage
from kojikey.model.key_reading import read_keys
from kojikey.model.management_errors import MintUnfinished
from kojikey.model.minting import MintIntent
from kojikey.model.ref import Ref, key_ref
from kojikey.model.verdict import Reason
from kojikey.operations import key_records
from kojikey.operations.key_records import ensure_not_minting, key_of, scan_keys, stored_key
from kojikey.stores import base
from kojikey.stores.base import Change, Query, Stored
from support.sample_store import ACCOUNT, MOMENTS, PROVIDER, SampleStore, verdict

INTENT = MintIntent("kojikey a1 v2 0a1b2c3d", "0a1b2c3d", MOMENTS[0], "", "", None, None, None, False, "proof")
ACCOUNTS = ("a1", "a2", "a3", "a4", "a5")


@pytest.fixture
def sample_store(monkeypatch: pytest.MonkeyPatch) -> SampleStore:
    """Return a store with five keys, whose pages have two."""
    monkeypatch.setattr(base, "_PAGE", 2)
    sample_store = SampleStore.in_memory()
    for account in ACCOUNTS:
        sample_store.add(account=account)
    return sample_store


def saved_key(sample_store: SampleStore, account: str = "a1") -> Key:
    key = sample_store.key(account)
    assert key is not None
    return key


def scanned(sample_store: SampleStore) -> tuple[list[str], list[tuple[Ref, str]]]:
    """Return the accounts whose keys were read, and the place of each damaged record, from callback and error."""
    damaged: list[tuple[Ref, str]] = []
    found = scan_keys(sample_store.opener(), Query(), damaged=lambda ref, error: damaged.append((ref, error.where)))
    return [key.account for key in found], damaged


def damage(sample_store: SampleStore, account: str, change: Callable[[Key], Key] | None = None) -> Ref:
    """Replace the document of a key by one without members, or by that of a changed key."""
    ref, store = key_ref(account, PROVIDER), sample_store.opener()
    stored = store.read(ref)
    assert stored is not None
    store.commit((Change(ref, change(key_of(stored)).as_document() if change else {}, stored.revision),), ())
    return ref


def test_a_key_in_the_place_of_another_is_named_by_that_place(sample_store: SampleStore) -> None:
    document, place = saved_key(sample_store).as_document(), key_ref("globex", PROVIDER)
    with pytest.raises(RecordChanged) as caught:
        key_of(Stored(place, document, "r"))
    assert caught.value.where == str(place)
    assert caught.value.message.endswith(" is stored under another name than its own")


def test_a_damaged_record_is_named_and_the_keys_of_its_page_and_of_later_pages_are_read(
    sample_store: SampleStore,
) -> None:
    place = damage(sample_store, "a2")
    assert scanned(sample_store) == (["a1", "a3", "a4", "a5"], [(place, str(place))])


@pytest.mark.parametrize("member", ["account", "provider"])
def test_a_key_in_the_place_of_another_is_named_by_that_place_in_a_scan_too(
    sample_store: SampleStore, member: str
) -> None:
    place = damage(sample_store, "a3", lambda key: structs.replace(key, **{member: "globex"}))
    assert scanned(sample_store) == (["a1", "a2", "a4", "a5"], [(place, str(place))])


def test_a_scan_reads_the_documents_of_a_page_once_and_together(
    sample_store: SampleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def counted(texts: Sequence[str]) -> Sequence[Key | None]:
        sizes.append(len(texts))
        return read_keys(texts)

    monkeypatch.setattr(key_records, "read_keys", counted)
    assert scanned(sample_store) == (list(ACCOUNTS), [])
    assert sizes == [2, 2, 1]


def test_a_key_that_is_not_there_is_named_by_account_and_provider(sample_store: SampleStore) -> None:
    with pytest.raises(KeyNotFound) as caught:
        stored_key(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER)
    assert (caught.value.account, caught.value.provider) == (ACCOUNT, PROVIDER)


def test_an_unfinished_mint_is_named_by_account_and_provider(sample_store: SampleStore) -> None:
    key = structs.replace(saved_key(sample_store), minting=INTENT)
    with pytest.raises(MintUnfinished) as caught:
        ensure_not_minting(key)
    assert (caught.value.account, caught.value.provider) == ("a1", PROVIDER)


def test_an_expiry_that_the_provider_reports_is_kept_only_if_none_was_given(sample_store: SampleStore) -> None:
    version = saved_key(sample_store).current
    given, reported = structs.replace(version, expires_at=MOMENTS[2]), structs.replace(verdict(), expires_at=MOMENTS[1])
    kept = [key_records.tested(each, found).expires_at for each in (version, given) for found in (reported, verdict())]
    assert kept == [MOMENTS[1], None, MOMENTS[2], MOMENTS[2]]


def test_an_outcome_that_a_program_reported_is_kept_as_reported(sample_store: SampleStore) -> None:
    version = saved_key(sample_store).current
    for is_reported in (True, False):
        kept = key_records.tested(version, verdict(Reason.BILLING), reported=is_reported).last_test
        assert kept is not None
        assert kept.reported is is_reported


def test_a_version_that_was_not_tested_is_unchanged(sample_store: SampleStore) -> None:
    version = saved_key(sample_store).current
    assert key_records.tested(version, None) is version
    assert version.stage is Stage.CURRENT
