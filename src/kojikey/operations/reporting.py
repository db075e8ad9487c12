"""Records the outcome of a program's own request on the version of the key that the program used.

Owns: finding that version, and deciding whether the outcome is saved. Must not: discard or promote a version, or raise
an error about a problem that the program cannot fix.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from kojikey.model.credential import Credential
from kojikey.model.errors import CannotOpen, Conflict, NotFound, StoreUnavailable
from kojikey.model.key import Version
from kojikey.model.timestamps import parsed
from kojikey.model.verdict import Verdict
from kojikey.operations.key_records import key_of
from kojikey.operations.open_store import OpenStore
from kojikey.operations.outcomes import keep_outcome

PAUSE = timedelta(minutes=1)
"""The shortest time between two saved reports about a key."""


def keep_report(open_store: OpenStore, credential: Credential, verdict: Verdict) -> bool:
    """Save a changed outcome as reported, with an event; return whether it was saved.

    It is not saved if the key was rotated or removed meanwhile, if the last report was saved less than a minute ago, or
    if the store or its KEK is not available.
    """
    try:
        return _kept(open_store, credential, verdict)
    except (StoreUnavailable, CannotOpen, Conflict, NotFound):
        return False


def _kept(open_store: OpenStore, credential: Credential, verdict: Verdict) -> bool:
    stored = open_store.find_key(credential.account, credential.provider)
    if stored is None or credential.secret is None:
        return False
    # Found by its fingerprint: a key that was removed and added again has a version of the same number.
    fingerprint = open_store.sealer(credential.account).fingerprint(credential.secret)
    versions = key_of(stored).versions
    version = next((version for version in versions if version.fingerprint == fingerprint), None)
    if version is None or not _is_worth_it(version, verdict):
        return False
    return keep_outcome(open_store, stored, version.number, verdict, reported=True) is not None


def _is_worth_it(version: Version, verdict: Verdict) -> bool:
    last = version.last_test
    if last is None:
        return True
    if (last.outcome, last.reason) == (verdict.outcome.value, verdict.reason.value):
        return False
    return not last.reported or datetime.now(UTC) - parsed(last.tested_at) >= PAUSE
