"""Handing out a key's plaintext to be shown, with an event that says so."""

from __future__ import annotations

from dataclasses import dataclass

from kojikey.model.secret import Secret
from kojikey.operations.adding import event_draft
from kojikey.operations.listing import key_of
from kojikey.operations.open_store import OpenStore, Plan
from kojikey.operations.rotating import stored_key


@dataclass(frozen=True, slots=True)
class Revealed:
    """A key's value, about to be shown."""

    secret: Secret
    version: int


def reveal(open_store: OpenStore, *, account: str, provider: str) -> Revealed:
    """Return the current version's value. The event comes first: what cannot be recorded is not revealed.

    Raises:
        KeyNotFound: the account has no key there. CannotOpen, StoreUnavailable: nothing was revealed.
    """
    version = key_of(stored_key(open_store, account=account, provider=provider)).current
    secret = open_store.sealer(account).open(
        version.sealed, provider=provider, version=version.number, base_url=version.base_url
    )
    open_store.record(account, lambda _: Plan((), (event_draft("revealed", provider, version),)))
    return Revealed(secret, version.number)
