"""Keeping the outcome of a test with the version that was tested, and with no other."""

from __future__ import annotations

from functools import partial

from kojikey.model.key import Key, Version
from kojikey.model.ref import account_ref
from kojikey.model.verdict import Verdict
from kojikey.operations.adding import event_draft, tested
from kojikey.operations.compare_and_swap import retry_on_conflict
from kojikey.operations.listing import key_of
from kojikey.operations.open_store import OpenStore, Plan
from kojikey.stores.base import Change, Stored


def keep_outcome(open_store: OpenStore, stored: Stored, number: int, verdict: Verdict) -> Key | None:
    """Save the outcome on the version with that number, with an event where it differs from the last one.

    ``stored`` is the key as it was read before the test. A key that changed meanwhile is read again: where its
    version is still there the outcome is kept on it, where it was rotated away or removed, nothing is saved and
    None is returned.

    Raises:
        StoreUnavailable, CannotOpen: the outcome could not be saved; the key is as it was.
    """
    seen = _version_of(stored, number)

    def attempt(found: Stored | None) -> Key | None:
        version = _version_of(found, number)
        if found is None or version is None or seen is None or version.sealed != seen.sealed:
            return None  # a key that was removed and added again has a version of the same number
        changed = key_of(found).with_version(tested(version, verdict))
        _save(open_store, found, changed, version, verdict)
        return changed

    refs = (stored.ref, account_ref(stored.ref.account))
    first: Stored | None = stored
    return retry_on_conflict(attempt, first, partial(open_store.store.read, stored.ref), refs=refs)


def _version_of(stored: Stored | None, number: int) -> Version | None:
    versions = key_of(stored).versions if stored else ()
    return next((version for version in versions if version.number == number), None)


def _save(open_store: OpenStore, stored: Stored, changed: Key, version: Version, verdict: Verdict) -> None:
    change = Change(stored.ref, changed.as_document(), stored.revision)
    last = version.last_test
    if last and (last.outcome, last.reason) == (verdict.outcome.value, verdict.reason.value):
        open_store.store.commit((change,))
        return
    draft = event_draft("tested", stored.ref.provider, version, verdict)
    open_store.record(stored.ref.account, lambda _: Plan((change,), (draft,)))
