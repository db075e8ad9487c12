"""Rotation that can not lose a key: staged → current → previous, each step one compare-and-swap.

The new value is sealed and stored before it is tested, so that a crash, a lost connection or Ctrl-C loses neither the
old key nor the new one. Every step is safe to repeat (after the rotation template of AWS Secrets Manager).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from kojikey.model.errors import (
    AlreadyStaged,
    CannotOpen,
    ChangedMeanwhile,
    KeyNotFound,
    KojikeyError,
    StoreUnavailable,
    VersionNotFound,
)
from kojikey.model.key import Key, Stage, Version
from kojikey.model.moment import now
from kojikey.model.ref import key_ref
from kojikey.model.secret import Secret
from kojikey.model.verdict import Outcome, Verdict
from kojikey.operations.adding import happened, sealed_version, tested
from kojikey.operations.custody import Custody, Happening, Plan
from kojikey.operations.listing import key_of
from kojikey.operations.recording import keep_outcome
from kojikey.operations.results import Action, ChangeResult
from kojikey.operations.settings import KeySettings, settled
from kojikey.operations.trial import Approve, Target, Tester, accepted
from kojikey.sealing.envelope import Sealer
from kojikey.stores.base import Change, Stored

_DENIALS = ("; nothing was changed", "; the change was not made", "; this change was not made", "; nothing was written")
_ATTEMPTS = 10  # of a step whose version stayed as it was, while something else of the key changed


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
        StoreUnavailable, CannotOpen: this step was not made; a value that was staged stays staged, and it says so.
    """
    key = ensure_unstaged(custody, account=new.account, provider=new.provider)
    if custody.sealer(new.account).fingerprint(new.secret) == key.current.fingerprint:
        return _result(key, "unchanged", key.current)
    staged = _stage(custody, new, key)
    try:
        return _try(custody, new.account, new.provider, staged, test=test, approve=approve)
    except (StoreUnavailable, CannotOpen) as error:
        _say_staged(error, new.provider, staged)
        raise


def _say_staged(error: KojikeyError, provider: str, staged: Version) -> None:
    """Make an error say what holds of the whole rotation: that its last step changed nothing is half of it."""
    told = str(error)
    for denial in _DENIALS:
        told = told.replace(denial, "")
    error.args = (f"{told}; the new key was staged before that, as version {staged.number}, and is not lost",)
    error.hint = f"kojikey rotate {provider} --resume"


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


def retire(custody: Custody, *, account: str, provider: str, test: Tester, is_forced: bool = False) -> ChangeResult:
    """Test the previous version, and drop it once the provider has stopped accepting it; forced, whatever it says.

    Raises:
        KeyNotFound, VersionNotFound: there is no previous version. Otherwise as :func:`rotate`.
    """
    previous = _version(custody, account, provider, Stage.PREVIOUS)
    verdict = _tested(custody, account, provider, previous, test)
    if is_forced or (verdict is not None and verdict.outcome is Outcome.REJECTED):
        return _discard(custody, account, provider, previous, action="retired", verdict=verdict)
    key = _keep(custody, account, provider, previous, verdict)
    return _result(key, None, previous, verdict)


def _stage(custody: Custody, new: Replacement, seen: Key) -> Version:
    """Save the new value, unless somebody else rotated the key since it was seen."""
    for _ in range(_ATTEMPTS):
        stored = stored_key(custody, account=new.account, provider=new.provider)
        key = key_of(stored)
        if key.version(Stage.STAGED):
            raise AlreadyStaged(new.account, new.provider)
        if key.current.sealed != seen.current.sealed:
            raise ChangedMeanwhile(stored.ref)
        try:
            return _staged(custody, new, stored, key)
        except ChangedMeanwhile as lost:
            if lost.ref != stored.ref:
                raise
    raise ChangedMeanwhile(key_ref(new.account, new.provider))


def _staged(custody: Custody, new: Replacement, stored: Stored, key: Key) -> Version:
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
    """Open a version, also where it is not tested: what does not open is never made current. Return its test's verdict.

    Raises:
        CannotOpen: it does not open.
    """
    key = settled(key_of(stored_key(custody, account=account, provider=provider)), version.pending)
    secret = custody.sealer(account).open(
        version.sealed, provider=provider, version=version.number, base_url=version.base_url
    )
    return test(secret, Target(provider, version.base_url, key.models, key.capabilities)) if test else None


def _keep(custody: Custody, account: str, provider: str, version: Version, verdict: Verdict | None) -> Key:
    """Save the outcome of a test that changes no stage. Raises as :func:`_still_there`."""
    stored, key, _ = _still_there(custody, account, provider, version)
    kept = keep_outcome(custody, stored, version.number, verdict) if verdict else key
    if kept is None:
        raise ChangedMeanwhile(stored.ref)
    return kept


def _promote(
    custody: Custody, account: str, provider: str, version: Version, *, action: Action, verdict: Verdict | None
) -> ChangeResult:
    """Make a staged or previous version the current one; the current one becomes the previous."""
    moment = now()

    def promoted(key: Key, chosen: Version) -> Key:
        fresh = replace(tested(chosen, verdict), stage=Stage.CURRENT, promoted_at=moment, pending=None)
        demoted = replace(key.current, stage=Stage.PREVIOUS)
        rest = key.without(Stage.CURRENT).without(chosen.stage)
        after = settled(rest.with_version(fresh).with_version(demoted), chosen.pending)
        return replace(after, rotated_at=moment)

    happening = happened("promoted" if action == "rotated" else action, provider, version, verdict)
    after = _changed(custody, account, version, promoted, happening)
    return _result(after, action, after.current, verdict)


def _discard(
    custody: Custody, account: str, provider: str, version: Version, *, action: Action, verdict: Verdict | None
) -> ChangeResult:
    happening = happened(action, provider, version, verdict)
    after = _changed(custody, account, version, lambda key, chosen: key.without(chosen.stage), happening)
    return _result(after, action, version, verdict)


def _changed(
    custody: Custody, account: str, version: Version, change: Callable[[Key, Version], Key], happening: Happening
) -> Key:
    """Change the key of a version, again where only something else of it was changed first (a test was recorded).

    Raises:
        ChangedMeanwhile: the version is gone or has moved on.
    """
    provider = str(happening.provider)
    for _ in range(_ATTEMPTS):
        stored, key, chosen = _still_there(custody, account, provider, version)
        after = change(key, chosen)
        plan = Plan((Change(stored.ref, after.as_document(), stored.revision),), (happening,))
        try:
            custody.record(account, lambda _, plan=plan: plan)  # type: ignore[misc]
        except ChangedMeanwhile as lost:
            if lost.ref != stored.ref:
                raise
        else:
            return after
    raise ChangedMeanwhile(key_ref(account, provider))


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
    stored = custody.held(account, provider)
    key = key_of(stored) if stored else None
    found = key.version(version.stage) if key else None
    # The record tells it from a version of the same number, of a key that was removed and added again meanwhile.
    if stored is None or key is None or found is None or found.sealed != version.sealed:
        raise ChangedMeanwhile(key_ref(account, provider))
    return stored, key, found


def _result(key: Key, action: Action | None, version: Version, verdict: Verdict | None = None) -> ChangeResult:
    return ChangeResult(key.account, key.provider, action, version.tail, version.number, key=key, verdict=verdict)
