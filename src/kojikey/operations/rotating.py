"""Rotation that can not lose a key: staged → current → previous, each step one compare-and-swap.

The new value is sealed and stored before it is tested, so that a crash, a lost connection or Ctrl-C loses neither the
old key nor the new one. Every step is safe to repeat (after the rotation template of AWS Secrets Manager).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kojikey.model.errors import AlreadyStaged, KeyNotFound, VersionNotFound
from kojikey.model.key import Key, Stage, Version
from kojikey.model.moment import now
from kojikey.model.secret import Secret
from kojikey.model.verdict import Outcome, Verdict
from kojikey.operations.adding import happened, sealed_version, tested
from kojikey.operations.custody import Custody, Plan
from kojikey.operations.listing import key_of
from kojikey.operations.recording import keep_outcome
from kojikey.operations.results import Action, ChangeResult
from kojikey.operations.settings import KeySettings, settled
from kojikey.operations.trial import Approve, Target, Tester, accepted
from kojikey.sealing.envelope import Sealer
from kojikey.stores.base import Change, Stored


@dataclass(frozen=True, slots=True)
class Replacement:
    """The new value of a key, and the settings given with it."""

    account: str
    provider: str
    secret: Secret
    settings: KeySettings


def stored_key(custody: Custody, *, account: str, provider: str) -> Stored:
    """Return the key's document, as a rotation begins from it.

    Raises:
        KeyNotFound: the account has no key there.
    """
    stored = custody.held(account, provider)
    if stored is None:
        raise KeyNotFound(account, provider)
    return stored


def ensure_unstaged(custody: Custody, *, account: str, provider: str) -> Key:
    """Return the key where a rotation may begin, before anybody is asked for a value.

    Raises:
        KeyNotFound: there is nothing to rotate. AlreadyStaged: a rotation is under way.
    """
    key = key_of(stored_key(custody, account=account, provider=provider))
    if key.version(Stage.STAGED):
        raise AlreadyStaged(account, provider)
    return key


def rotate(custody: Custody, new: Replacement, *, test: Tester | None, approve: Approve) -> ChangeResult:
    """Stage a new value, test it, and promote it where the outcome allows; ``test=None`` promotes it untested.

    A rejected value is discarded; one that is limited or could not be judged stays staged unless approved. The value
    that is in use already is ``unchanged``.

    Raises:
        KeyNotFound, AlreadyStaged: nothing was changed.
        ChangedMeanwhile: someone else changed the key; their change stands, this step was not made.
        StoreUnavailable, CannotOpen: this step was not made; a value that was staged stays staged.
    """
    key = ensure_unstaged(custody, account=new.account, provider=new.provider)
    if custody.sealer(new.account).fingerprint(new.secret) == key.current.fingerprint:
        return _result(key, "unchanged", key.current)
    staged = _stage(custody, new)
    return _try(custody, new.account, new.provider, staged, test=test, approve=approve)


def resume(custody: Custody, *, account: str, provider: str, test: Tester | None, approve: Approve) -> ChangeResult:
    """Test the staged value and promote it where the outcome allows.

    Raises:
        KeyNotFound, VersionNotFound: nothing is staged. Otherwise as :func:`rotate`.
    """
    staged = _version(custody, account, provider, Stage.STAGED)
    return _try(custody, account, provider, staged, test=test, approve=approve)


def abort(custody: Custody, *, account: str, provider: str) -> ChangeResult:
    """Discard the staged value. Raises as :func:`resume`."""
    staged = _version(custody, account, provider, Stage.STAGED)
    return _discard(custody, account, provider, staged, action="aborted", verdict=None)


def rollback(custody: Custody, *, account: str, provider: str, test: Tester | None, approve: Approve) -> ChangeResult:
    """Make the previous version current again, after testing it; the current one becomes the previous.

    Raises:
        KeyNotFound, VersionNotFound: there is no previous version. Otherwise as :func:`rotate`.
    """
    previous = _version(custody, account, provider, Stage.PREVIOUS)
    verdict = _tested(custody, account, provider, previous, test)
    if not accepted(verdict, approve):
        key = _keep(custody, account, provider, previous, verdict)
        return _result(key, None, previous, verdict)
    return _promote(custody, account, provider, previous, action="rolled_back", verdict=verdict)


def retire(custody: Custody, *, account: str, provider: str, test: Tester) -> ChangeResult:
    """Test the previous version, and drop it once the provider has stopped accepting it.

    Raises:
        KeyNotFound, VersionNotFound: there is no previous version. Otherwise as :func:`rotate`.
    """
    previous = _version(custody, account, provider, Stage.PREVIOUS)
    verdict = _tested(custody, account, provider, previous, test)
    if verdict is not None and verdict.outcome is Outcome.REJECTED:
        return _discard(custody, account, provider, previous, action="retired", verdict=verdict)
    key = _keep(custody, account, provider, previous, verdict)
    return _result(key, None, previous, verdict)


def _stage(custody: Custody, new: Replacement) -> Version:
    stored = stored_key(custody, account=new.account, provider=new.provider)
    key = key_of(stored)
    if key.version(Stage.STAGED):
        raise AlreadyStaged(new.account, new.provider)
    made: list[Version] = []

    def plan(sealer: Sealer) -> Plan:
        version = sealed_version(
            sealer, new.secret, provider=new.provider, number=key.next_version, stage=Stage.STAGED,
            base_url=new.settings.base_url or key.current.base_url, expires_at=new.settings.expires_at,
        )  # fmt: skip
        version = replace(version, pending=new.settings.pending())
        made[:] = [version]
        change = Change(stored.ref, key.with_version(version).as_document(), stored.revision)
        return Plan((change,), (happened("staged", new.provider, version),))

    custody.record(new.account, plan)
    return made[0]


def _try(
    custody: Custody, account: str, provider: str, staged: Version, *, test: Tester | None, approve: Approve
) -> ChangeResult:
    verdict = _tested(custody, account, provider, staged, test)
    if verdict is not None and verdict.outcome is Outcome.REJECTED:
        return _discard(custody, account, provider, staged, action="aborted", verdict=verdict)
    if accepted(verdict, approve):
        return _promote(custody, account, provider, staged, action="rotated", verdict=verdict)
    key = _keep(custody, account, provider, staged, verdict)
    return _result(key, "staged", staged, verdict)


def _tested(custody: Custody, account: str, provider: str, version: Version, test: Tester | None) -> Verdict | None:
    if test is None:
        return None
    key = settled(key_of(stored_key(custody, account=account, provider=provider)), version.pending)
    secret = custody.sealer(account).open(
        version.sealed, provider=provider, version=version.number, base_url=version.base_url
    )
    return test(secret, Target(provider, version.base_url, key.models, key.capabilities))


def _keep(custody: Custody, account: str, provider: str, version: Version, verdict: Verdict | None) -> Key:
    stored = stored_key(custody, account=account, provider=provider)
    kept = keep_outcome(custody, stored, version.number, verdict) if verdict else None
    return kept or key_of(stored_key(custody, account=account, provider=provider))


def _promote(
    custody: Custody, account: str, provider: str, version: Version, *, action: Action, verdict: Verdict | None
) -> ChangeResult:
    """Make a staged or previous version the current one; the current one becomes the previous."""
    stored, key, chosen = _still_there(custody, account, provider, version)
    moment = now()
    promoted = replace(tested(chosen, verdict), stage=Stage.CURRENT, promoted_at=moment, pending=None)
    demoted = replace(key.current, stage=Stage.PREVIOUS)
    rest = key.without(Stage.CURRENT).without(chosen.stage)
    after = settled(rest.with_version(promoted).with_version(demoted), chosen.pending)
    after = replace(after, rotated_at=moment)
    change = Change(stored.ref, after.as_document(), stored.revision)
    event = "promoted" if action == "rotated" else action
    custody.record(account, lambda _: Plan((change,), (happened(event, provider, promoted, verdict),)))
    return _result(after, action, promoted, verdict)


def _discard(
    custody: Custody, account: str, provider: str, version: Version, *, action: Action, verdict: Verdict | None
) -> ChangeResult:
    stored, key, chosen = _still_there(custody, account, provider, version)
    after = key.without(chosen.stage)
    change = Change(stored.ref, after.as_document(), stored.revision)
    custody.record(account, lambda _: Plan((change,), (happened(action, provider, chosen, verdict),)))
    return _result(after, action, chosen, verdict)


def _version(custody: Custody, account: str, provider: str, stage: Stage) -> Version:
    version = key_of(stored_key(custody, account=account, provider=provider)).version(stage)
    if version is None:
        raise VersionNotFound(account, provider, stage.value)
    return version


def _still_there(custody: Custody, account: str, provider: str, version: Version) -> tuple[Stored, Key, Version]:
    """Read the key again and find the version in the stage that it had before its test.

    Raises:
        ChangedMeanwhile: it is gone or has moved on: somebody else rotated, aborted or removed meanwhile.
    """
    from kojikey.model.errors import ChangedMeanwhile
    from kojikey.model.ref import key_ref

    stored = custody.held(account, provider)
    key = key_of(stored) if stored else None
    found = key.version(version.stage) if key else None
    if stored is None or key is None or found is None or found.number != version.number:
        raise ChangedMeanwhile(key_ref(account, provider))
    return stored, key, found


def _result(key: Key, action: Action | None, version: Version, verdict: Verdict | None = None) -> ChangeResult:
    return ChangeResult(key.account, key.provider, action, version.tail, version.number, key=key, verdict=verdict)
