"""Deletes or disables a version's key at its provider, and tests that the provider refuses it afterwards.

Owns: that only versions of this store are deleted there, and the one in use only by ``remove --revoke``. Must not: drop
a version from the store that still works (:mod:`.rotating` decides that by its test).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import structs

from kojikey.model.errors import Conflict, Effect, VersionNotFound
from kojikey.model.key import Key, Stage, Version
from kojikey.model.management_errors import ManagementRefused, Refusal
from kojikey.model.minting import RemoteId
from kojikey.model.verdict import Outcome
from kojikey.operations import rotating
from kojikey.operations.key_records import key_of, stored_key
from kojikey.operations.ledger import Ledger, Plan, event_draft
from kojikey.operations.minting.minting import ensure_not_copy
from kojikey.operations.minting.provider_ids import remote_id_of, remote_key, unproved_id
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Probe, Target
from kojikey.operations.results import ChangeResult, ProviderReport
from kojikey.operations.sealed_versions import opened
from kojikey.providers.management.base import KeyManagement, RemoteKey

_NO_ID = RemoteId("", "", "", "", is_minted=False, proof="")
"""Stands for the id at a provider whose keys have none: its API takes the value."""

Confirm = Callable[[Version, RemoteId], bool]
"""Decides whether a previous key is deleted at its provider."""


@dataclass(frozen=True, slots=True)
class Revoker:
    """The management API with which keys are deleted, the probes that test them, and the decision.

    ``test`` tests a key once; ``until_refused`` repeats the test until the provider refuses a deleted key.
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
    """Delete the previous key at the provider if its id is known, and drop it from the store if it is refused there.

    Raises:
        VersionNotFound: there is no previous version. ManagementRefused, ManagementUnavailable: nothing was changed.
        Conflict: at the provider it is the key in use, or the key was copied from another store.
    """
    key = key_of(stored_key(open_store, account=account, provider=provider))
    previous = key.version(Stage.PREVIOUS)
    if previous is None:
        raise VersionNotFound(account, provider, Stage.PREVIOUS.value)
    ensure_not_copy(key)
    remote_id = await _found_id(open_store, revoker.keys, key, previous)
    test = revoker.test
    if remote_id is not None and revoker.confirm(previous, remote_id):
        await revoke(open_store, revoker.keys, key, previous, remote_id)
        test = revoker.until_refused
    result = await rotating.retire(open_store, account=account, provider=provider, test=test, is_forced=is_forced)
    return structs.replace(result, at_provider=ProviderReport.of(remote_id))


async def revoke(open_store: OpenStore, keys: KeyManagement, key: Key, version: Version, remote_id: RemoteId) -> None:
    """Delete a version's key at its provider, or disable it if the provider cannot delete, and record an event.

    Raises:
        Conflict: at the provider it is the key in use. ManagementRefused, ManagementUnavailable: it still exists.
    """
    sealer = open_store.sealer(key.account)
    if version.stage is not Stage.CURRENT:
        current = remote_id_of(open_store, key, key.current)
        is_current = current is not None and current.key_id and current.key_id == remote_id.key_id
        if is_current or version.fingerprint == key.current.fingerprint:
            raise Conflict("at the provider, that key is the one in use", effect=Effect.NOTHING_REMOVED)
    remote = remote_key(remote_id)
    if keys.ability.deletes:
        await keys.delete(remote, opened(sealer, key.provider, version))
    elif keys.ability.disables:
        await _disable(keys, remote)
    draft = event_draft("revoked_at_provider", key.provider, version)
    Ledger(open_store).record(key.account, Plan((), (draft,)))


async def revoke_all(open_store: OpenStore, keys: KeyManagement, key: Key, test: Probe) -> tuple[Version, ...]:
    """Delete every version whose id is known at the provider, the one in use last; return the other versions.

    A key that manages itself is refused as an admin key after it was deleted, for example by an earlier run that was
    killed. Its ``test`` shows then whether a version is deleted; one that still works is returned.

    Raises:
        ManagementRefused, ManagementUnavailable: a version was not deleted, or no test could show whether it was. The
            versions before it are deleted, and the store is unchanged.
        Conflict: the key was copied from another store.
    """
    ensure_not_copy(key)
    left = []
    for version in sorted(key.versions, key=lambda each: each.stage is Stage.CURRENT):
        remote_id = _NO_ID if keys.ability.by_value else remote_id_of(open_store, key, version)
        if remote_id is None:
            left.append(version)
            continue
        try:
            await revoke(open_store, keys, key, version, remote_id)
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


async def _found_id(open_store: OpenStore, keys: KeyManagement, key: Key, version: Version) -> RemoteId | None:
    """Return the id of a version at its provider: the saved one, else that of the only key in the list that fits."""
    known = remote_id_of(open_store, key, version)
    if known is not None:
        return known
    if keys.ability.by_value:
        return _NO_ID
    secret = opened(open_store.sealer(key.account), key.provider, version)
    fitting = await keys.find_by_value(secret)
    return unproved_id(fitting[0]) if len(fitting) == 1 else None
