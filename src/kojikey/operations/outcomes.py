"""Saves the outcomes of tests: those of many keys in one commit, or one by one if that commit fails.

Owns: what is saved about a test, and with which event. Must not: save an outcome on a version that was not tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from kojikey.model.errors import AccountNotFound, CannotOpen, Conflict, KekMissing, KekUnavailable
from kojikey.model.key import Key, Version
from kojikey.model.ref import account_ref
from kojikey.model.verdict import Verdict
from kojikey.operations.compare_and_swap import retry_on_conflict
from kojikey.operations.key_records import key_of, tested
from kojikey.operations.ledger import EventDraft, Ledger, Plan, event_draft
from kojikey.operations.open_store import OpenStore
from kojikey.stores.base import Change, Stored

BATCH = 32
"""Keys in one commit. A key is one item, or three with an event; a DynamoDB transaction takes at most 100 items."""


@dataclass(frozen=True, slots=True)
class Found:
    """The verdict on a saved key, with the key as it was read before the test."""

    stored: Stored
    key: Key
    version: Version
    verdict: Verdict

    @property
    def is_news(self) -> bool:
        """Whether the outcome differs from that of the last test."""
        last, verdict = self.version.last_test, self.verdict
        return last is None or (last.outcome, last.reason) != (verdict.outcome.value, verdict.reason.value)


class Kept(NamedTuple):
    """Whether an outcome was saved. ``why`` says why not, if the reason is not a change of the key."""

    is_saved: bool
    why: str = ""


def keep_outcomes(open_store: OpenStore, found: Sequence[Found]) -> list[Kept]:
    """Save the outcomes, with an event for each that differs from the last one; return for each whether it was saved.

    An outcome is not saved if the key was rotated, removed or damaged meanwhile, or if no request was made.

    Raises:
        StoreUnavailable: the store went away. The keys whose outcomes were not saved are unchanged.
    """
    learned = [item for item in found if item.verdict.attempts]
    if len(learned) > 1 and _are_kept_together(open_store, learned):
        return [Kept(bool(item.verdict.attempts)) for item in found]
    return [_kept(open_store, item) if item.verdict.attempts else Kept(False) for item in found]


def keep_none(_: OpenStore, found: Sequence[Found]) -> list[Kept]:
    """Save nothing: the tests were made with other models or capabilities than the keys' own."""
    return [Kept(False, "it depends on the --model and --capability of this run") for _ in found]


def _kept(open_store: OpenStore, item: Found) -> Kept:
    try:
        return Kept(keep_outcome(open_store, item.stored, item.version.number, item.verdict) is not None)
    except (KekMissing, KekUnavailable) as error:
        return Kept(False, str(error))  # the event could not be signed
    except (Conflict, CannotOpen, AccountNotFound):
        return Kept(False)


def _are_kept_together(open_store: OpenStore, found: Sequence[Found]) -> bool:
    changes: list[Change] = []
    news: dict[str, list[EventDraft]] = {}
    for item in found:
        after = item.key.with_version(tested(item.version, item.verdict))
        changes.append(Change(item.stored.ref, after.as_document(), item.stored.revision))
        if item.is_news:
            draft = event_draft("tested", item.key.provider, item.version, item.verdict)
            news.setdefault(item.key.account, []).append(draft)
    if len({change.ref for change in changes}) < len(changes):
        return False
    try:
        Ledger(open_store).record_together(changes, news)
    except (Conflict, CannotOpen, AccountNotFound):
        return False
    return True


def keep_outcome(
    open_store: OpenStore, stored: Stored, number: int, verdict: Verdict, *, reported: bool = False
) -> Key | None:
    """Save an outcome on the version with a number, with an event if it differs from the last one; return the key.

    ``stored`` is the key's document as it was read before the test. If the key changed meanwhile, it is read again: if
    it still has the version, in any stage, the outcome is saved there; otherwise nothing is saved and None is returned.

    Raises:
        StoreUnavailable, CannotOpen: the outcome was not saved, and the key is unchanged.
    """
    seen = _version_of(stored, number)

    def attempt(found: Stored | None) -> Key | None:
        version = _version_of(found, number)
        if found is None or version is None or seen is None or version.sealed != seen.sealed:
            return None  # also where the key was removed and added again: a new version has the same number
        changed = key_of(found).with_version(tested(version, verdict, reported=reported))
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
    Ledger(open_store).record(stored.ref.account, Plan((change,), (draft,)))
