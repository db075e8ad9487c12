"""Finds the credential of an account at a provider, for ``kojikey run`` and :func:`kojikey.resolve`.

Programs are started through this: nothing here may be slow to load.
"""

from __future__ import annotations

from kojikey.model.allocation import source_without_key
from kojikey.model.credential import Credential
from kojikey.model.errors import RecordChanged
from kojikey.operations.open_store import OpenStore
from kojikey.stores.base import Stored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

Revisions: TypeAlias = "tuple[str | None, str | None]"
"""The revisions of a key's and its account's documents, None for a document that does not exist."""


def resolve(open_store: OpenStore, *, account: str, provider: str) -> Credential:
    """Return the account's own key at the provider, or a credential without a secret if it has none.

    A disabled account keeps its keys, and gets the same answer as an account without keys.

    Raises:
        StoreUnavailable: the store cannot be read.
        CannotOpen: the KEK is missing or wrong, or the record was changed outside kojikey.
    """
    return resolve_now(open_store, account=account, provider=provider)[0]


def resolve_now(open_store: OpenStore, *, account: str, provider: str) -> tuple[Credential, Revisions]:
    """Return the credential as :func:`resolve` does, and the revisions of the documents that it was read from."""
    stored, owner = open_store.find_key_with_account(account, provider)
    revisions = stored.revision if stored else None, owner.revision if owner else None
    return _credential(open_store, stored, account=account, provider=provider), revisions


def _credential(open_store: OpenStore, stored: Stored | None, *, account: str, provider: str) -> Credential:
    if stored is None or open_store.is_disabled(account):
        return Credential(provider, account, source_without_key(provider), None, None, ())
    sealed, number, base_url, models = _current(stored)
    secret = open_store.sealer(account).open(sealed, provider=provider, version=number, base_url=base_url)
    return Credential(provider, account, "byok", secret, base_url, models)


def _current(stored: Stored) -> tuple[str, int, str, tuple[str, ...]]:
    """Return the sealed record, number and base URL of a key's current version, and the key's models.

    Raises:
        RecordChanged: kojikey cannot have written the document.
    """
    try:
        models = tuple(stored.document["models"])
        (version,) = (version for version in stored.document["versions"] if version["stage"] == "current")
        found = version["sealed"], version["number"], version["base_url"], models
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RecordChanged(str(stored.ref)) from None
    texts = (found[0], found[2], *models)
    if type(found[1]) is not int or not all(isinstance(text, str) and text.isprintable() for text in texts):
        raise RecordChanged(str(stored.ref))
    return found
