"""Accounts as a whole: which there are, setting their own keys aside, and shredding all that is theirs."""

from __future__ import annotations

from collections.abc import Iterator

from kojikey.model.errors import AccountNotFound, CannotOpen
from kojikey.operations.custody import Custody, Happening, Plan
from kojikey.operations.results import AccountRow
from kojikey.operations.soundness import sound_accounts
from kojikey.stores.base import Change, Query, Store


def list_accounts(store: Store) -> Iterator[AccountRow]:
    """Yield the accounts in order of name; one that was removed is not there any more."""
    for stored in sound_accounts(store):
        document = stored.document
        if document["wrapped"] is not None:
            keys = sum(1 for _ in store.scan(Query(account=stored.ref.account)))
            disabled = document.get("disabled") is True
            yield AccountRow(stored.ref.account, keys, disabled, str(document.get("created_at")))


def set_disabled(custody: Custody, *, account: str, disabled: bool) -> bool:
    """Set an account's own keys aside, or use them again; tell whether that changed anything. Its keys stay.

    Raises:
        AccountNotFound: the store has nothing of this account. CannotOpen: the event could not be signed.
    """
    custody.sealer(account)
    happening = Happening("disabled" if disabled else "enabled")
    return custody.change_account(account, {"disabled": disabled}, happening)


def remove_account(custody: Custody, *, account: str) -> tuple[int, bool]:
    """Delete an account's keys and its wrapped data key in one step; return how many keys, and whether it was signed.

    Without the data key no backup of the sealed records opens again. The events stay, and so does the number of the
    last one. Works without the KEK, as ``remove`` does.

    Raises:
        AccountNotFound: the store has nothing of this account. ChangedMeanwhile: a key was changed; nothing was done.
    """
    stored = custody.account(account)
    if stored is None or stored.document["wrapped"] is None:
        raise AccountNotFound(account)
    keys = list(custody.store.scan(Query(account=account)))
    plan = Plan(tuple(Change(key.ref, None, key.revision) for key in keys), (Happening("removed"),))
    try:
        sealer = custody.sealer(account)
    except CannotOpen:
        sealer = None
    custody.shred(account, plan, sealer)
    return len(keys), sealer is not None
