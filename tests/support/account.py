"""An account as a whole: reading it for tests, and changing it as somebody with access to its store would."""

from __future__ import annotations

from kojikey.model.ref import account_ref, key_ref
from kojikey.operations.resolving import resolve
from kojikey.operations.results import AccountRow
from kojikey.operations.store_admin import accounts
from kojikey.stores.base import Change, Store, Stored
from support.sample_store import ACCOUNT, PROVIDER, SampleStore, refuse

OTHER = "globex"


def document_of(sample_store: SampleStore, account: str = ACCOUNT) -> Stored:
    stored = sample_store.opener().read(account_ref(account))
    assert stored is not None
    return stored


def write_account(sample_store: SampleStore, **members: object) -> None:
    """Write an account's document as somebody with access to the store would."""
    stored = document_of(sample_store)
    sample_store.opener().commit((Change(stored.ref, {**stored.document, **members}, stored.revision),))


def rows(sample_store: SampleStore) -> list[AccountRow]:
    return list(accounts.list_accounts(sample_store.opener(), damaged=refuse))


def disable(sample_store: SampleStore) -> bool:
    return accounts.set_disabled(sample_store.open_store(), account=ACCOUNT, disabled=True).changed


def enable(sample_store: SampleStore) -> bool:
    return accounts.set_disabled(sample_store.open_store(), account=ACCOUNT, disabled=False).changed


def remove(sample_store: SampleStore) -> tuple[int, bool]:
    return accounts.remove_account(sample_store.open_store(), account=ACCOUNT)


def source_of(sample_store: SampleStore) -> str:
    return resolve(sample_store.open_store(), account=ACCOUNT, provider=PROVIDER).source


def revision_of(store: Store, provider: str) -> str:
    stored = store.read(key_ref(ACCOUNT, provider))
    assert stored is not None
    return stored.revision
