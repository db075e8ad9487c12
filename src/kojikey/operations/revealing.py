"""Returns the plaintexts of keys, and records an event for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kojikey.model.secret import Secret
from kojikey.operations.key_records import key_of, stored_key
from kojikey.operations.ledger import Ledger, Plan, event_draft
from kojikey.operations.open_store import OpenStore


@dataclass(frozen=True, slots=True)
class Revealed:
    """A key's plaintext and the version that it belongs to."""

    provider: str
    secret: Secret
    version: int
    base_url: str


def reveal(open_store: OpenStore, *, account: str, provider: str) -> Revealed:
    """Return the value in use at one provider. Raises the errors of :func:`reveal_all`."""
    (revealed,) = reveal_all(open_store, account=account, providers=(provider,))
    return revealed


def reveal_all(open_store: OpenStore, *, account: str, providers: Sequence[str]) -> tuple[Revealed, ...]:
    """Return the values in use at several providers: all or none of them.

    All events are saved before anything is returned.

    Raises:
        KeyNotFound: the account has no key at one of them. CannotOpen, StoreUnavailable: nothing was revealed.
    """
    keys = [key_of(stored_key(open_store, account=account, provider=provider)) for provider in providers]
    revealed = tuple(
        Revealed(key.provider, open_store.open(key, key.current), key.current.number, key.current.base_url)
        for key in keys
    )
    drafts = tuple(event_draft("revealed", key.provider, key.current) for key in keys)
    Ledger(open_store).record(account, Plan((), drafts))
    return revealed
