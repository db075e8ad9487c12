"""An account as a whole, as the tests look at it and as somebody with access to its store would change it."""

from __future__ import annotations

from kojikey.model.ref import account_ref, key_ref
from kojikey.operations import accounts
from kojikey.operations.resolving import resolve
from kojikey.operations.results import AccountRow
from kojikey.stores.base import Change, Store, Stored
from support.vault import ACCOUNT, PROVIDER, Vault, refuse

OTHER = "globex"


def document_of(vault: Vault, account: str = ACCOUNT) -> Stored:
    stored = vault.opener().read(account_ref(account))
    assert stored is not None
    return stored


def write_account(vault: Vault, **members: object) -> None:
    """Write an account's document as somebody with access to the store would."""
    stored = document_of(vault)
    vault.opener().commit((Change(stored.ref, {**stored.document, **members}, stored.revision),))


def rows(vault: Vault) -> list[AccountRow]:
    return list(accounts.list_accounts(vault.opener(), damaged=refuse))


def disable(vault: Vault) -> bool:
    return accounts.set_disabled(vault.custody(), account=ACCOUNT, disabled=True).changed


def enable(vault: Vault) -> bool:
    return accounts.set_disabled(vault.custody(), account=ACCOUNT, disabled=False).changed


def remove(vault: Vault) -> tuple[int, bool]:
    return accounts.remove_account(vault.custody(), account=ACCOUNT)


def source_of(vault: Vault) -> str:
    return resolve(vault.custody(), account=ACCOUNT, provider=PROVIDER).source


def revision_of(store: Store, provider: str) -> str:
    stored = store.read(key_ref(ACCOUNT, provider))
    assert stored is not None
    return stored.revision
