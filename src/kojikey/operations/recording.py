"""Keeping the outcome of a test with the version that was tested, and with no other."""

from __future__ import annotations

from kojikey.model.errors import ChangedMeanwhile
from kojikey.model.key import Key, Version
from kojikey.model.verdict import Verdict
from kojikey.operations.adding import happened, tested
from kojikey.operations.custody import Custody, Plan
from kojikey.operations.listing import key_of
from kojikey.stores.base import Change, Stored

_ATTEMPTS = 10


def keep_outcome(custody: Custody, stored: Stored, number: int, verdict: Verdict) -> Key | None:
    """Save the outcome on the version with that number, with an event where it differs from the last one.

    ``stored`` is the key as it was read before the test. A key that changed meanwhile is read again: where its
    version is still there the outcome is kept on it, where it was rotated away or removed, nothing is saved and
    None is returned.

    Raises:
        StoreUnavailable, CannotOpen: the outcome could not be saved; the key is as it was.
    """
    sealed: str | None = None
    for _ in range(_ATTEMPTS):
        key = key_of(stored)
        version = next((version for version in key.versions if version.number == number), None)
        if version is None or sealed not in (None, version.sealed):
            return None  # a key that was removed and added again has a version of the same number
        sealed = version.sealed
        after = tested(version, verdict)
        changed = key.with_version(after)
        try:
            _save(custody, stored, changed, version, verdict)
        except ChangedMeanwhile:
            fresh = custody.store.read(stored.ref)
            if fresh is None:
                return None
            stored = fresh
            continue
        return changed
    raise ChangedMeanwhile(stored.ref)


def _save(custody: Custody, stored: Stored, changed: Key, version: Version, verdict: Verdict) -> None:
    change = Change(stored.ref, changed.as_document(), stored.revision)
    last = version.last_test
    if last and (last.outcome, last.reason) == (verdict.outcome.value, verdict.reason.value):
        custody.store.commit((change,))
        return
    happening = happened("tested", stored.ref.provider, version, verdict)
    custody.record(stored.ref.account, lambda _: Plan((change,), (happening,)))
