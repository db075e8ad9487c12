"""The id of a version at its provider, and the intent to create a key there: kept in plain text, with a proof.

Owns: computing and checking the proofs. An id or intent that fails its check is never used: otherwise a writer of the
store could make kojikey delete another key at the provider.
"""

from __future__ import annotations

from msgspec import structs

from kojikey.model.errors import RecordChanged
from kojikey.model.key import Key, Version
from kojikey.model.minting import MintIntent, RemoteId
from kojikey.operations.key_records import key_of
from kojikey.operations.open_store import OpenStore
from kojikey.providers.management.base import RemoteKey
from kojikey.sealing.audit_chain import same
from kojikey.sealing.envelope import Sealer

_INTENT = "minting"


def proved_id(sealer: Sealer, provider: str, number: int, remote_id: RemoteId) -> RemoteId:
    """Return the id of a version at its provider, with its proof."""
    return remote_id.with_proof(sealer.proof(_purpose(number), provider, remote_id.content()))


def proved_intent(sealer: Sealer, provider: str, intent: MintIntent) -> MintIntent:
    """Return the intent to create a key, with its proof."""
    return intent.with_proof(sealer.proof(_INTENT, provider, intent.content()))


def remote_id_of(open_store: OpenStore, key: Key, version: Version) -> RemoteId | None:
    """Return the id of a version at its provider, with its proof checked; None if it is not known.

    Raises:
        RecordChanged: kojikey did not write the id that the store has.
    """
    if version.at_provider is None:
        return None
    return _checked_id(open_store.sealer(key.account), key, version, version.at_provider)


def unproved_id(found: RemoteKey, *, is_minted: bool = False) -> RemoteId:
    """Return the id of a key that the provider lists, without a proof."""
    return RemoteId(found.key_id, found.parent, found.owner, found.name, is_minted, "")


def remote_key(remote_id: RemoteId) -> RemoteKey:
    """Return the key with an id, for a request to its provider."""
    return RemoteKey(remote_id.key_id, remote_id.name, remote_id.parent, remote_id.owner)


def checked_intent(open_store: OpenStore, key: Key, intent: MintIntent) -> MintIntent:
    """Return an intent of a key's document unchanged, after checking its proof.

    Raises:
        RecordChanged: kojikey did not write the intent.
    """
    sealer = open_store.sealer(key.account)
    if not same(intent.proof, sealer.proof(_INTENT, key.provider, intent.content())):
        raise RecordChanged(
            f"key/{key.account}/{key.provider}", "names a key at the provider that does not belong to it"
        )
    return intent


def named_admin_account(open_store: OpenStore, *, account: str, provider: str) -> str | None:
    """Return the account whose admin key was named for an unfinished mint, None if there is no such account.

    Raises:
        RecordChanged: kojikey did not write the intent.
    """
    stored = open_store.find_key(account, provider)
    key = key_of(stored) if stored else None
    if key is None or key.minting is None:
        return None
    return checked_intent(open_store, key, key.minting).admin_account


def with_new_proofs(opening: Sealer, sealer: Sealer, key: Key) -> Key:
    """Return a key that is copied from another store, with proofs for this store.

    ``opening`` is the account's sealer in the other store, with which the proofs there are checked.

    Raises:
        RecordChanged: a proof in the other store is wrong.
    """
    versions = []
    for version in key.versions:
        remote_id = version.at_provider
        if remote_id is not None:
            checked = _checked_id(opening, key, version, remote_id)
            remote_id = proved_id(sealer, key.provider, version.number, checked)
        versions.append(structs.replace(version, at_provider=remote_id))
    return structs.replace(key, versions=tuple(versions))


def _checked_id(sealer: Sealer, key: Key, version: Version, remote_id: RemoteId) -> RemoteId:
    if not same(remote_id.proof, sealer.proof(_purpose(version.number), key.provider, remote_id.content())):
        raise RecordChanged(
            sealer.place_of(key.provider, version.number), "has an id at the provider that does not belong to it"
        )
    return remote_id


def _purpose(number: int) -> str:
    return f"at_provider {number}"
