"""Opens a saved version, and checks the plain-text members beside it.

Owns: that a version's fingerprint and tail are those of the key that is sealed in it. Must not: read a store. ``kojikey
run`` does not use this: it only has time to open the sealed record.
"""

from __future__ import annotations

from collections.abc import Iterator

from kojikey.model.errors import CannotOpen, RecordChanged
from kojikey.model.key import Key, Version
from kojikey.model.masking import tail_of
from kojikey.model.secret import Secret
from kojikey.sealing.envelope import Sealer


def opened(sealer: Sealer, provider: str, version: Version) -> Secret:
    """Return the plaintext of a version.

    Raises:
        RecordChanged: it was changed or moved outside kojikey, or its fingerprint or tail belongs to another key.
        RecordUnsupported: this version of kojikey does not read its form.
    """
    secret = sealer.open(version.sealed, provider=provider, version=version.number, base_url=version.base_url)
    if sealer.fingerprint(secret) != version.fingerprint or tail_of(secret.reveal()) != version.tail:
        raise RecordChanged(
            sealer.place_of(provider, version.number), "does not belong to the key that is shown beside it"
        )
    return secret


def refused(sealer: Sealer, key: Key) -> Iterator[CannotOpen]:
    """Yield the error for each version of a key that does not open, in the order of their numbers."""
    for version in key.versions:
        try:
            opened(sealer, key.provider, version)
        except CannotOpen as error:
            yield error
