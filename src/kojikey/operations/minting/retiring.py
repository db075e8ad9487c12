"""Deleting or disabling a version's key at its provider, and proving that the provider refuses it from then on.

Owns: that nothing is deleted there but a version of this store, and never the one in use. Must not: drop a version
from the store that still works (:mod:`.rotating` decides that by its test).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import structs

from kojikey.model.errors import Conflict, Effect, VersionNotFound
from kojikey.model.key import Key, Stage, Version
from kojikey.model.management_errors import ManagementRefused, Refusal
from kojikey.model.minting import AtProvider
from kojikey.model.verdict import Outcome
from kojikey.operations import rotating
from kojikey.operations.key_records import key_of, stored_key
from kojikey.operations.ledger import Ledger, Plan, event_draft
from kojikey.operations.minting.minting import ensure_not_copy
from kojikey.operations.minting.provider_ids import place_of
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Probe, Target
from kojikey.operations.results import ChangeResult, ProviderReport
from kojikey.operations.sealed_versions import opened
from kojikey.providers.management.base import KeyManagement, RemoteKey

Confirm = Callable[[Version, AtProvider], bool]
"""Decides whether a previous key is deleted at its provider; of the place it shows whether kojikey made the key."""


@dataclass(frozen=True, slots=True)
class Revoker:
    """With which management API keys are deleted, and who decides it.

    ``test`` tests a key once; ``until_refused`` gives the provider time to forget one that was deleted.
    """

    keys: KeyManagement
    confirm: Confirm
    test: Probe
    until_refused: Probe


async def retire(
    open_store: OpenStore,
    revoker: Revoker,
    *,
    account: str,
    provider: str,
    is_forced: bool = False,
) -> ChangeResult:
    """Delete the previous key at the provider where its id is known, then drop it once the provider refuses it.

    Raises:
        VersionNotFound: there is no previous version. ManagementRefused, ManagementUnavailable: nothing was changed.
        Conflict: the provider knows it as the key in use, or this store is a copy.
    """
    key = key_of(stored_key(open_store, account=account, provider=provider))
    previous = key.version(Stage.PREVIOUS)
    if previous is None:
        raise VersionNotFound(account, provider, Stage.PREVIOUS.value)
    ensure_not_copy(key)
    place = await _place(open_store, revoker.keys, key, previous)
    test = revoker.test
    if place is not None and revoker.confirm(previous, place):
        await revoke(open_store, revoker.keys, key, previous, place)
        test = revoker.until_refused
    result = await rotating.retire(open_store, account=account, provider=provider, test=test, is_forced=is_forced)
    return structs.replace(result, at_provider=ProviderReport.of(place))


async def revoke(open_store: OpenStore, keys: KeyManagement, key: Key, version: Version, place: AtProvider) -> None:
    """Delete a version's key at its provider, or disable it where that is all there is, and leave an event of it.

    Raises:
        Conflict: the provider knows it as the key in use. ManagementRefused, ManagementUnavailable: it still exists.
    """
    sealer = open_store.sealer(key.account)
    if version.stage is not Stage.CURRENT:
        current = place_of(open_store, key, key.current)
        is_current = current is not None and current.key_id and current.key_id == place.key_id
        if is_current or version.fingerprint == key.current.fingerprint:
            raise Conflict("at the provider, that key is the one in use", effect=Effect.NOTHING_REMOVED)
    remote = RemoteKey(place.key_id, place.name, place.parent, place.owner)
    if keys.ability.deletes:
        await keys.delete(remote, opened(sealer, key.provider, version))
    elif keys.ability.disables:
        await _disable(keys, remote)
    draft = event_draft("revoked_at_provider", key.provider, version)
    Ledger(open_store).record(key.account, lambda _: Plan((), (draft,)))


async def revoke_all(open_store: OpenStore, keys: KeyManagement, key: Key, test: Probe) -> tuple[Version, ...]:
    """Delete every version whose id is known at the provider, the one in use last; return those that were not.

    A key that manages itself may have been deleted by an earlier run, which was killed then: it cannot say so any more,
    and its ``test`` does.

    Raises:
        ManagementRefused, ManagementUnavailable: the first that still exists; the store is as it was.
        Conflict: this store is a copy.
    """
    ensure_not_copy(key)
    left = []
    for version in sorted(key.versions, key=lambda each: each.stage is Stage.CURRENT):
        place = AtProvider.unproved("") if keys.ability.by_value else place_of(open_store, key, version)
        if place is None:
            left.append(version)
            continue
        try:
            await revoke(open_store, keys, key, version, place)
        except ManagementRefused as refused:
            if not (refused.refusal is Refusal.ADMIN_KEY and keys.ability.admin == key.provider):
                raise
            outcome = await _outcome(open_store, key, version, test)
            if outcome is Outcome.INDETERMINATE:
                raise
            if outcome is not Outcome.REJECTED:
                left.append(version)
    return tuple(left)


async def _outcome(open_store: OpenStore, key: Key, version: Version, test: Probe) -> Outcome:
    secret = opened(open_store.sealer(key.account), key.provider, version)
    verdict = await test(secret, Target(key.provider, version.base_url, key.models, key.capabilities))
    return verdict.outcome


async def _disable(keys: KeyManagement, remote: RemoteKey) -> None:
    try:
        await keys.disable(remote)
    except ManagementRefused as refused:
        if refused.refusal is not Refusal.NOT_THERE:
            raise


async def _place(open_store: OpenStore, keys: KeyManagement, key: Key, version: Version) -> AtProvider | None:
    """Return where a version is at its provider: as it was saved, else by the one hint in the list that fits."""
    known = place_of(open_store, key, version)
    if known is not None:
        return known
    if keys.ability.by_value:
        return AtProvider.unproved("")
    secret = opened(open_store.sealer(key.account), key.provider, version)
    fitting = await keys.find_by_value(secret)
    if len(fitting) != 1:
        return None
    found = fitting[0]
    return AtProvider.unproved(found.key_id, found.parent, found.owner, found.name)
