"""Creates a new key at the provider and puts it into use; finishes or aborts that after a crash.

Owns: the checks before a run (:mod:`.mint_run`), and the state in which it begins. Must not: carry out a step.
"""

from __future__ import annotations

from msgspec import structs

from kojikey.model.errors import AlreadyStaged, Conflict, Effect, VersionNotFound
from kojikey.model.key import Key, Stage
from kojikey.model.management_errors import MintUnfinished, NotRetired
from kojikey.model.next_step import Hint, next_step
from kojikey.operations import rotating
from kojikey.operations.key_records import key_of, stored_key
from kojikey.operations.minting.mint_planning import Choice
from kojikey.operations.minting.mint_protocol import Goal, Progress, Saved
from kojikey.operations.minting.mint_run import Minter, MintRun, remote_id_in
from kojikey.operations.minting.provider_ids import checked_intent
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Approve, Probe
from kojikey.operations.results import ChangeResult, ProviderReport


def ensure_may_mint(key: Key) -> None:
    """Check that a new key may be created at the provider, before anybody is asked anything.

    Raises:
        MintUnfinished, AlreadyStaged, NotRetired: an earlier rotation has to be finished first.
        Conflict: the key was copied from another store.
    """
    ensure_not_copy(key)
    if key.is_mint_unfinished:
        raise MintUnfinished(key.account, key.provider)
    if key.version(Stage.STAGED):
        raise AlreadyStaged(key.account, key.provider)
    previous = key.version(Stage.PREVIOUS)
    if previous is not None and previous.at_provider is not None:
        raise NotRetired(key.account, key.provider)


def ensure_not_copy(key: Key) -> None:
    """Check that this store, and not the one that the key was copied from, rotates it at its provider.

    Raises:
        Conflict: the key was copied from another store, and ``store use --rotate-here`` was not run since.
    """
    if key.is_copy:
        raise Conflict(
            "the key was copied from another store, which rotates it at the provider",
            effect=Effect.NOTHING_CHANGED,
            hint=Hint(next_step("store use", "NAME", "--rotate-here"), ", if the other store is no longer used"),
        )


async def mint(open_store: OpenStore, minter: Minter, *, account: str, provider: str, choice: Choice) -> ChangeResult:
    """Create a new key at the provider and put it into use.

    Raises:
        KeyNotFound, and the errors of :func:`ensure_may_mint` and :func:`.mint_planning.find_template`: nothing was
            changed. WiderRefused: the new key would be allowed more than the old one; it was not created.
        ManagementRefused: the key was not created.
        ManagementUnavailable, StoreUnavailable: the key may have been created; the hint says how to continue.
    """
    stored = stored_key(open_store, account=account, provider=provider)
    ensure_may_mint(key_of(stored))
    run = MintRun(open_store, minter, stored, choice)
    return await run.to_end(Progress(Goal.MINT))


async def resume(open_store: OpenStore, minter: Minter, *, account: str, provider: str) -> ChangeResult:
    """Finish an unfinished mint: promote a staged key after its test, or delete a lost key and create another one.

    Raises:
        VersionNotFound: no mint is unfinished. Also the errors of :func:`mint`.
    """
    stored = stored_key(open_store, account=account, provider=provider)
    key = key_of(stored)
    ensure_not_copy(key)
    intent = checked_intent(open_store, key, key.minting) if key.minting else None
    choice = Choice(intent.like, intent.chosen_parent) if intent else Choice()
    run = MintRun(open_store, minter, stored, choice)
    return await run.to_end(Progress(Goal.RESUME, _saved(key)))


async def resume_staged(
    open_store: OpenStore, *, account: str, provider: str, test: Probe | None, approve: Approve
) -> ChangeResult:
    """Test and promote a staged minted key, without a management API. Raises the errors of :func:`.rotating.resume`."""
    result = await rotating.resume(open_store, account=account, provider=provider, test=test, approve=approve)
    return structs.replace(result, at_provider=ProviderReport.of(remote_id_in(result), key=result.key))


async def abort(open_store: OpenStore, minter: Minter | None, *, account: str, provider: str) -> ChangeResult:
    """Delete the new key at the provider and drop it from the store; without a ``minter`` only drop it.

    Raises:
        VersionNotFound: no mint is unfinished. ManagementRefused, ManagementUnavailable: nothing was changed.
    """
    stored = stored_key(open_store, account=account, provider=provider)
    key = key_of(stored)
    run = MintRun(open_store, minter, stored, Choice())
    return await run.to_end(Progress(Goal.ABORT, _saved(key), is_cleared=minter is None))


def _saved(key: Key) -> Saved:
    if key.minting is not None:
        return Saved.INTENT
    staged = key.version(Stage.STAGED)
    if staged is None or not staged.is_minted:
        raise VersionNotFound(key.account, key.provider, Stage.STAGED.value)
    return Saved.STAGED
