"""Handing out a key's plaintext to be shown, with an event that says so."""

from __future__ import annotations

from dataclasses import dataclass

from kojikey.model.secret import Secret
from kojikey.operations.key_records import key_of, stored_key
from kojikey.operations.ledger import Ledger, Plan, event_draft
from kojikey.operations.open_store import OpenStore


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
    key = key_of(stored_key(open_store, account=account, provider=provider))
    version, secret = key.current, open_store.open(key, key.current)
    Ledger(open_store).record(account, lambda _: Plan((), (event_draft("revealed", provider, version),)))
    return Revealed(secret, version.number)
