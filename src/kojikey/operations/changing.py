"""Changes the settings of a key, without a new value.

Owns: that a change is one compare-and-swap which fails if the value in use was replaced meanwhile, and that a key gets
another base URL only after a test there. Must not: know a default of a provider, or ask a person.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec import structs
from msgspec.structs import replace

from kojikey.model.errors import AlreadyStaged, ChangedMeanwhile
from kojikey.model.key import Key, Stage
from kojikey.model.secret import Secret
from kojikey.model.verdict import Verdict
from kojikey.operations.compare_and_swap import retry_on_conflict
from kojikey.operations.key_records import ensure_not_minting, key_of, stored_key, tested
from kojikey.operations.key_settings import SettingsChange, changed_settings
from kojikey.operations.ledger import Ledger, Plan, event_draft
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Approve, Probe, Target, accepted
from kojikey.operations.results import ChangeResult
from kojikey.operations.sealed_versions import opened
from kojikey.stores.base import Change, Stored


async def change_settings(
    open_store: OpenStore, wanted: SettingsChange, *, account: str, provider: str, test: Probe | None, approve: Approve
) -> ChangeResult:
    """Change a key's settings. If the base URL is one of them, test the key there first, and change all or nothing.

    ``test=None`` skips that test. Settings other than the base URL need no KEK: without it the event is unsigned, and
    the result says so. The result is ``unchanged`` if the settings have these values already.

    Raises:
        KeyNotFound: there is no key. AlreadyStaged: the base URL would change during a rotation.
        MintUnfinished: a key is being created at the provider.
        ChangedMeanwhile: somebody else rotated or removed the key; nothing was changed.
        StoreUnavailable, CannotOpen: nothing was changed.
    """
    stored = stored_key(open_store, account=account, provider=provider)
    key = key_of(stored)
    ensure_not_minting(key)
    if wanted.base_url in (None, key.current.base_url):
        return _changed(open_store, stored, wanted.applied_to)
    _ensure_unstaged(key)
    secret = opened(open_store.sealer(account), provider, key.current)
    verdict = await _tested_there(key, wanted, secret, test)
    if not accepted(verdict, approve):
        return ChangeResult(account, provider, None, key.current.tail, key.current.number, key=key, verdict=verdict)
    move = partial(_moved, open_store, wanted=wanted, secret=secret, verdict=verdict)
    return _changed(open_store, stored, move, verdict=verdict)


async def _tested_there(key: Key, wanted: SettingsChange, secret: Secret, test: Probe | None) -> Verdict | None:
    """Test the key at its new base URL, with its new models and capabilities."""
    after = wanted.applied_to(key)
    target = Target(key.provider, str(wanted.base_url), after.models, after.capabilities)
    return await test(secret, target) if test else None


def _ensure_unstaged(key: Key) -> None:
    if key.version(Stage.STAGED):
        raise AlreadyStaged(key.account, key.provider)


def _moved(open_store: OpenStore, key: Key, *, wanted: SettingsChange, secret: Secret, verdict: Verdict | None) -> Key:
    """Return the key with the version in use sealed again, for the new base URL; the version keeps its number."""
    _ensure_unstaged(key)
    after = wanted.applied_to(key)
    current, base_url = after.current, str(wanted.base_url)
    sealed = open_store.sealer(key.account).seal(
        secret, provider=key.provider, version=current.number, base_url=base_url
    )
    return after.with_version(tested(structs.replace(current, sealed=sealed, base_url=base_url), verdict))


def _changed(
    open_store: OpenStore, stored: Stored, change: Callable[[Key], Key], *, verdict: Verdict | None = None
) -> ChangeResult:
    """Make a change; repeat it if somebody else changed the key first, but not its value (a test was recorded)."""
    seen = key_of(stored).current

    def again() -> Stored:
        found = stored_key(open_store, account=str(stored.ref.account), provider=str(stored.ref.provider))
        if key_of(found).current.sealed != seen.sealed:
            raise ChangedMeanwhile(stored.ref)
        return found

    def attempt(found: Stored) -> ChangeResult:
        before = key_of(found)
        ensure_not_minting(before)
        after = change(before)
        names, current = changed_settings(before, after), after.current
        result = ChangeResult(
            after.account, after.provider, "unchanged", current.tail, current.number, key=after, verdict=verdict
        )
        if not names:
            return result
        draft = event_draft("changed", after.provider, current, verdict)._replace(settings=list(names))
        plan = Plan((Change(found.ref, after.as_document(), found.revision),), (draft,))
        is_signed = _recorded(open_store, plan, after.account, needs_kek="base-url" in names)
        return replace(result, action="changed", settings=names, unsigned=not is_signed)

    return retry_on_conflict(attempt, stored, again, refs=(stored.ref,))


def _recorded(open_store: OpenStore, plan: Plan, account: str, *, needs_kek: bool) -> bool:
    """Make the change and add its event; return whether the event is signed."""
    if not needs_kek:
        return Ledger(open_store).record_signed_or_not(account, plan)
    Ledger(open_store).record(account, plan)
    return True
