"""Rotates a key without losing one: staged → current → previous, each step one compare-and-swap.

The new value is sealed and stored before its test, so that a crash, a lost connection or Ctrl-C loses neither the old
key nor the new one. Every step is safe to repeat (after the rotation template of AWS Secrets Manager).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from msgspec import structs

from kojikey.model.errors import (
    AlreadyStaged,
    AuditBroken,
    CannotOpen,
    ChangedMeanwhile,
    Effect,
    KojikeyError,
    StoreUnavailable,
    VersionNotFound,
)
from kojikey.model.key import Key, Stage, Version
from kojikey.model.management_errors import NotRetired
from kojikey.model.next_step import Hint, next_step
from kojikey.model.secret import Secret
from kojikey.model.timestamps import now
from kojikey.model.verdict import Outcome, Verdict
from kojikey.operations.audit.audit_verification import ensure_in_trail
from kojikey.operations.key_document import change_key
from kojikey.operations.key_records import ensure_not_minting, key_of, sealed_version, stored_key, tested
from kojikey.operations.key_settings import KeySettings, settled
from kojikey.operations.ledger import EventDraft, event_draft
from kojikey.operations.open_store import OpenStore
from kojikey.operations.outcomes import keep_outcome
from kojikey.operations.probing import Approve, Probe, Target, accepted
from kojikey.operations.results import Action, ChangeResult
from kojikey.operations.sealed_versions import opened
from kojikey.operations.store_calls import StoreCalls, in_place
from kojikey.sealing.envelope import Sealer
from kojikey.stores.base import Stored


@dataclass(frozen=True, slots=True)
class Replacement:
    """The new value of a key, and the settings that were given with it."""

    account: str
    provider: str
    secret: Secret
    settings: KeySettings


class _Chosen(NamedTuple):
    """A version of a key, with the key's document as it was last read or written: the next step changes it."""

    stored: Stored
    key: Key
    version: Version


def ensure_unstaged(open_store: OpenStore, *, account: str, provider: str) -> Key:
    """Return a key after checking that its rotation may begin, before anybody is asked for a value.

    Raises:
        KeyNotFound: there is no key. AlreadyStaged, MintUnfinished: a rotation is under way.
        NotRetired: the previous version was minted and still exists at the provider.
    """
    key = key_of(stored_key(open_store, account=account, provider=provider))
    _ensure_may_stage(key)
    return key


def _ensure_may_stage(key: Key) -> None:
    ensure_not_minting(key)
    if key.version(Stage.STAGED):
        raise AlreadyStaged(key.account, key.provider)
    previous = key.version(Stage.PREVIOUS)
    if previous is not None and previous.is_minted:
        raise NotRetired(key.account, key.provider)  # a rotation would drop it, and its id at the provider with it


async def rotate(
    open_store: OpenStore, new: Replacement, *, test: Probe | None, approve: Approve, in_store: StoreCalls = in_place
) -> ChangeResult:
    """Stage a new value, test it, and promote it if the outcome allows that; ``test=None`` promotes it untested.

    A rejected value is discarded; a limited or indeterminate one stays staged unless it is approved. The value that is
    in use already is ``unchanged``.

    Raises:
        KeyNotFound, AlreadyStaged, MintUnfinished, NotRetired: nothing was changed.
        ChangedMeanwhile: somebody else changed the key. Their change stands, and this step was not made.
        StoreUnavailable, CannotOpen: this step was not made. A staged value stays staged, and the error says so.
    """
    begun = await in_store(lambda: _begin(open_store, new))
    if isinstance(begun, ChangeResult):
        return begun
    try:
        return await _test_and_promote(open_store, begun, test=test, approve=approve, in_store=in_store)
    except (StoreUnavailable, CannotOpen) as error:
        _add_that_it_is_staged(error, new, begun.version)
        raise


def _begin(open_store: OpenStore, new: Replacement) -> _Chosen | ChangeResult:
    """Stage a new value, or return the result ``unchanged`` if it is the value in use."""
    stored = stored_key(open_store, account=new.account, provider=new.provider)
    key = key_of(stored)
    _ensure_may_stage(key)
    if open_store.sealer(new.account).fingerprint(new.secret) == key.current.fingerprint:
        return _result(key, "unchanged", key.current)
    return _stage(open_store, new, stored)


def _add_that_it_is_staged(error: KojikeyError, new: Replacement, staged: Version) -> None:
    """Replace the effect and the hint of an error after staging: that its own step changed nothing would mislead."""
    saved = f"the new key was staged before that, as version {staged.number}, and is not lost"
    resume = next_step("rotate", new.provider, "--resume", account=new.account)
    if error.effect != Effect.OUTCOME_UNKNOWN:
        error.effect, error.hint = saved, resume
        return
    error.effect = f"{Effect.OUTCOME_UNKNOWN}, but {saved}"
    look = next_step("history", new.provider, account=new.account)
    error.hint = Hint(look, " shows which version is in use; if the new one still is staged: ", resume)


async def resume(
    open_store: OpenStore,
    *,
    account: str,
    provider: str,
    test: Probe | None,
    approve: Approve,
    in_store: StoreCalls = in_place,
) -> ChangeResult:
    """Test the staged value and promote it if the outcome allows that.

    Raises:
        KeyNotFound, VersionNotFound: nothing is staged. AuditBroken: by the audit trail, another value is staged.
        ChangedMeanwhile, StoreUnavailable, CannotOpen: as for :func:`rotate`.
    """
    staged = await in_store(lambda: _checked_by_trail(open_store, _find(open_store, account, provider, Stage.STAGED)))
    return await _test_and_promote(open_store, staged, test=test, approve=approve, in_store=in_store)


def abort(open_store: OpenStore, *, account: str, provider: str, is_revoked: bool = False) -> ChangeResult:
    """Discard the staged value; ``is_revoked``: it was deleted at the provider. Raises the errors of :func:`resume`."""
    staged = _find(open_store, account, provider, Stage.STAGED)
    before = (event_draft("revoked_at_provider", provider, staged.version),) if is_revoked else ()
    return _discard(open_store, staged, action="aborted", verdict=None, before=before)


async def rollback(
    open_store: OpenStore,
    *,
    account: str,
    provider: str,
    test: Probe | None,
    approve: Approve,
    in_store: StoreCalls = in_place,
) -> ChangeResult:
    """Make the previous version current again, after testing it; the current one becomes the previous.

    Raises:
        KeyNotFound, VersionNotFound: there is no previous version. MintUnfinished: a key is being created there.
        AuditBroken: by the audit trail, another version is the previous one.
        ChangedMeanwhile, StoreUnavailable, CannotOpen: as for :func:`rotate`.
    """
    previous = await in_store(lambda: _to_roll_back(open_store, account, provider))
    verdict = await _tested(open_store, previous, test, in_store)
    if not accepted(verdict, approve):
        return await in_store(lambda: _keep(open_store, previous, None, verdict))
    return await in_store(lambda: _promote(open_store, previous, action="rolled_back", verdict=verdict))


async def retire(
    open_store: OpenStore,
    *,
    account: str,
    provider: str,
    test: Probe,
    is_forced: bool = False,
    in_store: StoreCalls = in_place,
) -> ChangeResult:
    """Test the previous version, and drop it if the provider rejects it; ``is_forced`` drops it in any case.

    Raises:
        KeyNotFound, VersionNotFound: there is no previous version.
        ChangedMeanwhile, StoreUnavailable, CannotOpen: as for :func:`rotate`.
    """
    previous = await in_store(lambda: _find(open_store, account, provider, Stage.PREVIOUS))
    verdict = await _tested(open_store, previous, test, in_store)
    if is_forced or (verdict is not None and verdict.outcome is Outcome.REJECTED):
        return await in_store(lambda: _discard(open_store, previous, action="retired", verdict=verdict))
    return await in_store(lambda: _keep(open_store, previous, None, verdict))


def _stage(open_store: OpenStore, new: Replacement, seen: Stored) -> _Chosen:
    """Save the new value as staged, unless somebody else rotated the key after it was read."""
    current = key_of(seen).current

    def may_stage(key: Key) -> bool:
        _ensure_may_stage(key)
        return key.current.sealed == current.sealed

    def with_staged(key: Key, sealer: Sealer) -> tuple[Key, tuple[EventDraft, ...]]:
        version = sealed_version(
            sealer, new.secret, provider=new.provider, number=key.next_version, stage=Stage.STAGED,
            base_url=new.settings.base_url or key.current.base_url, expires_at=new.settings.expires_at,
        )  # fmt: skip
        version = structs.replace(version, pending=new.settings.pending())
        return key.with_version(version), (event_draft("staged", new.provider, version),)

    written, key = change_key(open_store, seen, with_staged, may_repeat=may_stage)
    return _in_stage(written, key, Stage.STAGED)


async def _test_and_promote(
    open_store: OpenStore, staged: _Chosen, *, test: Probe | None, approve: Approve, in_store: StoreCalls
) -> ChangeResult:
    verdict = await _tested(open_store, staged, test, in_store)
    if accepted(verdict, approve):
        return await in_store(lambda: _promote(open_store, staged, action="rotated", verdict=verdict))
    # A minted key stays staged: it exists at the provider, and may not be known everywhere there yet.
    if verdict is not None and verdict.outcome is Outcome.REJECTED and not staged.version.is_minted:
        return await in_store(lambda: _discard(open_store, staged, action="aborted", verdict=verdict))
    return await in_store(lambda: _keep(open_store, staged, "staged", verdict))


async def _tested(open_store: OpenStore, chosen: _Chosen, test: Probe | None, in_store: StoreCalls) -> Verdict | None:
    """Open a version, test it and return the verdict; without a ``test`` only open it, and return None.

    Raises:
        CannotOpen: the version does not open, so it must not become current.
    """
    key, version = settled(chosen.key, chosen.version.pending), chosen.version
    secret = await in_store(lambda: opened(open_store.sealer(key.account), key.provider, version))
    target = Target(key.provider, version.base_url, key.models, key.capabilities)
    return await test(secret, target) if test else None


def _keep(open_store: OpenStore, chosen: _Chosen, action: Action | None, verdict: Verdict | None) -> ChangeResult:
    """Save the outcome of a test that changes no stage, and return the result.

    Raises:
        ChangedMeanwhile: the version is gone, or in another stage.
    """
    key = keep_outcome(open_store, chosen.stored, chosen.version.number, verdict) if verdict else chosen.key
    if key is None or not _is_in_stage(key, chosen.version):
        raise ChangedMeanwhile(chosen.stored.ref)
    return _result(key, action, chosen.version, verdict)


def _promote(open_store: OpenStore, chosen: _Chosen, *, action: Action, verdict: Verdict | None) -> ChangeResult:
    """Make a staged or previous version the current one; the current one becomes the previous."""
    moment = now()

    def promoted(key: Key, version: Version) -> Key:
        fresh = structs.replace(tested(version, verdict), stage=Stage.CURRENT, promoted_at=moment, pending=None)
        demoted = structs.replace(key.current, stage=Stage.PREVIOUS)
        after = settled(key.with_version(fresh).with_version(demoted), version.pending)
        return structs.replace(after, rotated_at=moment)

    event = "promoted" if action == "rotated" else action
    draft = event_draft(event, chosen.key.provider, chosen.version, verdict)
    after = _change(open_store, chosen, promoted, (draft,))
    return _result(after, action, after.current, verdict)


def _discard(
    open_store: OpenStore,
    chosen: _Chosen,
    *,
    action: Action,
    verdict: Verdict | None,
    before: tuple[EventDraft, ...] = (),
) -> ChangeResult:
    draft = event_draft(action, chosen.key.provider, chosen.version, verdict)
    after = _change(open_store, chosen, lambda key, version: key.without(version.stage), (*before, draft))
    return _result(after, action, chosen.version, verdict)


def _change(
    open_store: OpenStore, chosen: _Chosen, change: Callable[[Key, Version], Key], drafts: tuple[EventDraft, ...]
) -> Key:
    """Change the key of a version; repeat it if somebody else changed the key, but not this version's stage.

    Raises:
        ChangedMeanwhile: the version is gone, or in another stage.
    """

    def changed(key: Key, _: Sealer) -> tuple[Key, tuple[EventDraft, ...]]:
        return change(key, key.version(chosen.version.stage) or chosen.version), drafts

    _, after = change_key(open_store, chosen.stored, changed, may_repeat=lambda key: _is_in_stage(key, chosen.version))
    return after


def _find(open_store: OpenStore, account: str, provider: str, stage: Stage) -> _Chosen:
    stored = stored_key(open_store, account=account, provider=provider)
    return _in_stage(stored, key_of(stored), stage)


def _in_stage(stored: Stored, key: Key, stage: Stage) -> _Chosen:
    version = key.version(stage)
    if version is None:
        raise VersionNotFound(key.account, key.provider, stage.value)
    return _Chosen(stored, key, version)


def _to_roll_back(open_store: OpenStore, account: str, provider: str) -> _Chosen:
    stored = stored_key(open_store, account=account, provider=provider)
    key = key_of(stored)
    ensure_not_minting(key)  # checked first: this error helps more than that of a missing version
    return _checked_by_trail(open_store, _in_stage(stored, key, Stage.PREVIOUS))


def _checked_by_trail(open_store: OpenStore, chosen: _Chosen) -> _Chosen:
    """Return a version after checking that it is in this stage by the audit trail.

    A writer of the store could put an old version back, and that opens, because it is genuine.

    Raises:
        AuditBroken: by the trail, it is not in this stage. ChangedMeanwhile: somebody changed the key just now.
    """
    stage = chosen.version.stage
    try:
        ensure_in_trail(open_store, chosen.key, stage)
    except AuditBroken as error:
        _ensure_still_there(open_store, chosen)
        error.effect = Effect.NOTHING_CHANGED
        error.hint = next_step("audit", "--verify", "--account", chosen.key.account)
        raise
    return chosen


def _ensure_still_there(open_store: OpenStore, chosen: _Chosen) -> None:
    """Read the key again, and check that the version still is in the same stage.

    Raises:
        ChangedMeanwhile: it is gone, or in another stage: somebody else rotated, aborted or removed meanwhile.
    """
    stored = open_store.store.read(chosen.stored.ref)
    if stored is None or not _is_in_stage(key_of(stored), chosen.version):
        raise ChangedMeanwhile(chosen.stored.ref)


def _is_in_stage(key: Key, version: Version) -> bool:
    """Return whether a key still has a version in the stage of that version.

    The sealed records are compared, because a key that was removed and added again has a version of the same number.
    """
    found = key.version(version.stage)
    return found is not None and found.sealed == version.sealed


def _result(key: Key, action: Action | None, version: Version, verdict: Verdict | None = None) -> ChangeResult:
    return ChangeResult(key.account, key.provider, action, version.tail, version.number, key=key, verdict=verdict)
