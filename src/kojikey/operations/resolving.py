"""What to authenticate with at a provider: the hot path of ``kojikey run`` and of :func:`kojikey.resolve`.

Must not import anything expensive: programs start through this.
"""

from __future__ import annotations

from kojikey.model.allocation import source_without_key
from kojikey.model.credential import Credential
from kojikey.model.errors import RecordChanged
from kojikey.operations.open_store import OpenStore
from kojikey.stores.base import Stored


def resolve(open_store: OpenStore, *, account: str, provider: str) -> Credential:
    """Return the account's own key at the provider, or word that it has none: the built-in allocation is used there.

    At a provider without a built-in allocation there is nothing then. An account whose BYOK is disabled keeps its
    keys, and is answered as one without them.

    Raises:
        StoreUnavailable: the store could not be read.
        CannotOpen: the KEK is missing or wrong, or the record was changed from outside.
    """
    stored = open_store.held(account, provider)
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
