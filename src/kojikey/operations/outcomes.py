"""Keeping the outcomes of many tests: one commit for many keys of many accounts, one by one where that is lost.

Owns: what goes into that commit. Must not: record an outcome on another version than the one that was tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kojikey.model.errors import AccountNotFound, CannotOpen, Conflict, KekMissing, KekUnavailable
from kojikey.model.key import Key, Version
from kojikey.model.ref import Document, account_ref
from kojikey.model.verdict import Verdict
from kojikey.operations.adding import event_draft, tested
from kojikey.operations.open_store import EventDraft, OpenStore
from kojikey.operations.recording import keep_outcome
from kojikey.stores.base import Change, Stored

BATCH = 32
"""Keys in a commit. Each is a document, and with an event three; a DynamoDB transaction takes 100 items."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the test of a saved key found, with the key as it was read before."""

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
    """Whether an outcome was saved; ``why`` not, where that is nothing about the key."""

    is_saved: bool
    why: str = ""


def keep_outcomes(open_store: OpenStore, found: Sequence[Found]) -> list[Kept]:
    """Save the outcomes, each with an event where it differs from the last one; tell for each whether it was saved.

    It is not where the key was rotated away, removed or damaged meanwhile, or where no request was made at all:
    nothing was learned then, and the key is still to be tested.

    Raises:
        StoreUnavailable: the store went away. What is not saved is as it was.
    """
    learned = [item for item in found if item.verdict.attempts]
    if len(learned) > 1 and _are_kept_together(open_store, learned):
        return [Kept(bool(item.verdict.attempts)) for item in found]
    return [_kept(open_store, item) if item.verdict.attempts else Kept(False) for item in found]


def keep_none(_: OpenStore, found: Sequence[Found]) -> list[Kept]:
    """Save nothing: the outcomes are those of other tests than the keys' own."""
    return [Kept(False, "it is about the --model and --capability of this run") for _ in found]


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
        told, events = _told(open_store, news)
        open_store.store.commit((*changes, *told), events)
    except (Conflict, CannotOpen, AccountNotFound):
        return False
    return True


def _told(open_store: OpenStore, news: dict[str, list[EventDraft]]) -> tuple[list[Change], list[Document]]:
    """Return the events of each account with the change of its document that they need."""
    changes: list[Change] = []
    events: list[Document] = []
    for account, drafts in news.items():
        stored = open_store.account(account)
        if stored is None or stored.document["wrapped"] is None:
            raise AccountNotFound(account)
        sealer = open_store.unwrapped(account, stored.document)
        chained, audit = open_store.chained(account, stored.document["audit"], drafts, sealer)
        changes.append(Change(account_ref(account), {**stored.document, "audit": audit}, stored.revision))
        events += chained
    return changes, events
