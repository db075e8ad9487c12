"""What to authenticate with at a provider: the hot path of ``kojikey run`` and of :func:`kojikey.resolve`.

Must not import anything expensive: programs start through this.
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
"""Those of a key and of its account, None for what is not there."""


def resolve(open_store: OpenStore, *, account: str, provider: str) -> Credential:
    """Return the account's own key at the provider, or word that it has none: the built-in allocation is used there.

    At a provider without a built-in allocation there is nothing then. An account whose BYOK is disabled keeps its
    keys, and is answered as one without them.

    Raises:
        StoreUnavailable: the store could not be read.
        CannotOpen: the KEK is missing or wrong, or the record was changed outside kojikey.
    """
    return resolve_now(open_store, account=account, provider=provider)[0]


def resolve_now(open_store: OpenStore, *, account: str, provider: str) -> tuple[Credential, Revisions]:
    """Do as :func:`resolve`, and tell for which revisions of the key and of its account that holds."""
    stored, owner = open_store.held_with_account(account, provider)
    revisions = stored.revision if stored else None, owner.revision if owner else None
    return _credential(open_store, stored, account=account, provider=provider), revisions


def _credential(open_store: OpenStore, stored: Stored | None, *, account: str, provider: str) -> Credential:
    if stored is None or open_store.is_disabled(account):
        return Credential(provider, account, source_without_key(provider), None, None, ())
    sealed, number, base_url, models = _current(stored)
    secret = open_store.sealer(account).open(sealed, provider=provider, version=number, base_url=base_url)
    return Credential(provider, account, "byok", secret, base_url, models)


def _current(stored: Stored) -> tuple[str, int, str, tuple[str, ...]]:
    """Return what opens a key's current version, and its models; falling back in place of a damaged key is no choice.

    Raises:
        RecordChanged: the document is not one of ours.
    """
    try:
        models = tuple(stored.document["models"])
        (version,) = (version for version in stored.document["versions"] if version["stage"] == "current")
        found = version["sealed"], version["number"], version["base_url"], models
    except (KeyError, TypeError, ValueError, AttributeError):
        raise RecordChanged(str(stored.ref)) from None
    if type(found[1]) is not int or not all(isinstance(text, str) for text in (found[0], found[2], *models)):
        raise RecordChanged(str(stored.ref))
    return found
