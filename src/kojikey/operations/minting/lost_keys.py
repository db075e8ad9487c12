"""Deletes keys that kojikey created at the provider and whose answers were lost: only their names are known.

Owns: searching for them by name, and repeating a search without a result for 24 hours, because a provider may list a
new key late. Must not: delete a key that is a version of the store's key, whatever its name is.
"""

from __future__ import annotations

from datetime import timedelta

from msgspec import structs

from kojikey.model.errors import ChangedMeanwhile
from kojikey.model.key import Key
from kojikey.model.minting import MintIntent
from kojikey.model.timestamps import now, parsed
from kojikey.operations.key_records import key_of
from kojikey.operations.minting.provider_ids import checked_intent, remote_id_of
from kojikey.operations.open_store import OpenStore
from kojikey.providers.management.base import KeyManagement, RemoteKey, Wanted
from kojikey.stores.base import Change

LOOKED_FOR = timedelta(hours=24)
_MOST = 20


def remembered(key: Key, intent: MintIntent) -> Key:
    """Return the key with an intent added to those that are searched for again."""
    others = tuple(each for each in key.unfound if each.name != intent.name)
    return structs.replace(key, unfound=(*others, intent)[-_MOST:])


async def orphans_of(keys: KeyManagement, open_store: OpenStore, key: Key, intent: MintIntent) -> tuple[RemoteKey, ...]:
    """Return the keys at the provider that have an intent's name and are not versions of the store's key."""
    known = {remote_id.key_id for version in key.versions if (remote_id := remote_id_of(open_store, key, version))}
    wanted = Wanted(intent.name, intent.token, intent.parent, intent.owner)
    return tuple(found for found in await keys.find_named(wanted) if found.key_id not in known or not found.key_id)


async def tidy(keys: KeyManagement, open_store: OpenStore, key: Key) -> int:
    """Search again for each name that was not found, delete the keys that exist, and return how many those were.

    Raises:
        ManagementRefused, ManagementUnavailable: the remaining names are searched for another time.
    """
    deleted, done = 0, []
    for intent in key.unfound if keys.ability.lists else ():
        for orphan in await orphans_of(keys, open_store, key, checked_intent(open_store, key, intent)):
            await keys.delete(orphan)
            deleted += 1
            done.append(intent.name)
        if parsed(now()) - parsed(intent.begun_at) >= LOOKED_FOR:
            done.append(intent.name)
    if done:
        _forget(open_store, key, done)
    return deleted


def _forget(open_store: OpenStore, key: Key, names: list[str]) -> None:
    stored = open_store.find_key(key.account, key.provider)
    if stored is None:
        return
    found = key_of(stored)
    left = tuple(intent for intent in found.unfound if intent.name not in names)
    try:
        document = structs.replace(found, unfound=left).as_document()
        open_store.store.commit((Change(stored.ref, document, stored.revision),))
    except ChangedMeanwhile:
        return  # the names stay, and are searched for again, which does no harm
