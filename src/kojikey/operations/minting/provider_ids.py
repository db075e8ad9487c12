"""The id of a version at its provider, and the name of a key being created: kept in plain text, with a proof.

Owns: making and checking the proofs. What fails its check is never used: a writer of the store could otherwise
have kojikey delete another key at the provider.
"""

from __future__ import annotations

from msgspec import structs

from kojikey.model.errors import RecordChanged
from kojikey.model.key import Key, Version
from kojikey.model.minting import AtProvider, MintIntent
from kojikey.operations.key_records import key_of
from kojikey.operations.open_store import OpenStore
from kojikey.sealing.audit_chain import same
from kojikey.sealing.envelope import Sealer

_INTENT = "minting"


def proved_place(sealer: Sealer, provider: str, number: int, place: AtProvider) -> AtProvider:
    """Return where a version is at its provider, with its proof."""
    return place.with_proof(sealer.proof(_purpose(number), provider, place.content()))


def proved_intent(sealer: Sealer, provider: str, intent: MintIntent) -> MintIntent:
    """Return the intent to make a key, with its proof."""
    return intent.with_proof(sealer.proof(_INTENT, provider, intent.content()))


def place_of(open_store: OpenStore, key: Key, version: Version) -> AtProvider | None:
    """Return where a version is at its provider, None where that is not known.

    Raises:
        RecordChanged: what the store says was not written by kojikey.
    """
    place = version.at_provider
    if place is None:
        return None
    return _checked_place(open_store.sealer(key.account), key, version, place)


def checked_intent(open_store: OpenStore, key: Key, intent: MintIntent) -> MintIntent:
    """Return an intent of a key's document as it is.

    Raises:
        RecordChanged: it was not written by kojikey.
    """
    sealer = open_store.sealer(key.account)
    if not same(intent.proof, sealer.proof(_INTENT, key.provider, intent.content())):
        raise RecordChanged(
            f"key/{key.account}/{key.provider}", "names a key at the provider that does not belong to it"
        )
    return intent


def named_admin_account(open_store: OpenStore, *, account: str, provider: str) -> str | None:
    """Return whose admin key was named for the key that is being made, None where none was.

    Raises:
        RecordChanged: what the store says was not written by kojikey.
    """
    stored = open_store.held(account, provider)
    key = key_of(stored) if stored else None
    if key is None or key.minting is None:
        return None
    return checked_intent(open_store, key, key.minting).admin_account


def copied_places(opening: Sealer, sealer: Sealer, key: Key) -> Key:
    """Return a key of another store with the proofs of this one; the source's were checked.

    Raises:
        RecordChanged: one of the source's proofs is wrong.
    """
    versions = []
    for version in key.versions:
        place = version.at_provider
        if place is not None:
            checked = _checked_place(opening, key, version, place)
            place = proved_place(sealer, key.provider, version.number, checked)
        versions.append(structs.replace(version, at_provider=place))
    return structs.replace(key, versions=tuple(versions))


def _checked_place(sealer: Sealer, key: Key, version: Version, place: AtProvider) -> AtProvider:
    if not same(place.proof, sealer.proof(_purpose(version.number), key.provider, place.content())):
        raise RecordChanged(
            sealer.place_of(key.provider, version.number), "has an id at the provider that does not belong to it"
        )
    return place


def _purpose(number: int) -> str:
    return f"at_provider {number}"
