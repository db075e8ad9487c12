"""What to authenticate with at a provider: the hot path of ``kojikey run`` and of :func:`kojikey.resolve`.

Must not import anything expensive: programs start through this.
"""

from __future__ import annotations

from kojikey.model.credential import Credential
from kojikey.model.errors import RecordChanged
from kojikey.model.ref import Document
from kojikey.operations.custody import Custody


def resolve(custody: Custody, *, account: str, provider: str) -> Credential:
    """Return the account's own key at the provider, or word that it falls back to the built-in allocation.

    An account whose BYOK is disabled keeps its keys, and falls back all the same.

    Raises:
        StoreUnavailable: the store could not be read.
        CannotOpen: the KEK is missing or wrong, or the record was changed from outside.
    """
    stored = custody.held(account, provider)
    current = current_version(stored.document) if stored else None
    if stored is None or current is None or custody.is_disabled(account):
        return Credential(provider, account, "built_in", None, None, ())
    secret = custody.sealer(account).open(
        current["sealed"], provider=provider, version=current["number"], base_url=current["base_url"]
    )
    return Credential(provider, account, "byok", secret, current["base_url"], tuple(stored.document["models"]))


def current_version(document: Document) -> Document | None:
    """Return the document of a key's current version, None where it has none."""
    try:
        return next((version for version in document["versions"] if version["stage"] == "current"), None)
    except (KeyError, TypeError):
        raise RecordChanged(f"{document.get('account')}/{document.get('provider')}") from None
