"""The ledger of an open store: where a key, its account and its audit trail change as one.

Owns: the chaining of events, new accounts, and the one retry that is safe (another change of the same account came
first). Must not: decide what a change means; that is each operation's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TypeVar

from kojikey.model.errors import AccountNotFound, CannotOpen, ChangedMeanwhile, RecordChanged
from kojikey.model.fast_namedtuple import NamedTuple
from kojikey.model.key import Version
from kojikey.model.ref import HEADER, Document, account_ref
from kojikey.model.timestamps import now
from kojikey.model.verdict import Verdict
from kojikey.operations.compare_and_swap import retry_on_conflict
from kojikey.operations.open_store import OpenStore
from kojikey.operations.record_checks import chain_head
from kojikey.sealing.audit_chain import NO_LINK, unsigned_link
from kojikey.sealing.envelope import Sealer, new_data_key
from kojikey.sealing.kek.registry import wrapped_kid
from kojikey.stores.base import Change, Query, Stored

_Result = TypeVar("_Result")

_RARE = ("role", "others", "settings", "recipient")  # members that an event has only where they say something
_OUTLIVES = ("disabled", "copied_from")  # of an account that was removed: what its owner cannot undo by beginning anew


class EventDraft(NamedTuple):
    """What an event will say, before it has a place in its account's chain."""

    action: str
    provider: str | None = None
    version: int | None = None
    fingerprint: str | None = None
    outcome: str | None = None
    reason: str | None = None
    role: str | None = None  # of a grant, and only there a member of the event
    others: Document | None = None  # of a copy: the version and fingerprint of the stages beside the current one
    settings: list[str] | None = None  # the names of those that were changed
    recipient: str | None = None  # who left, where the account was wrapped anew for that

    def content(self) -> Document:
        """Return the members of the event that say what happened."""
        members = self._asdict()
        return {name: value for name, value in members.items() if name not in _RARE or value is not None}


class Plan(NamedTuple):
    """The changes that belong together, and what to tell the audit trail of them."""

    changes: tuple[Change, ...]
    drafts: tuple[EventDraft, ...] = ()


def event_draft(action: str, provider: str, version: Version, verdict: Verdict | None = None) -> EventDraft:
    """Return what an event will say of a version and, where there was one, of its test."""
    outcome, reason = (verdict.outcome.value, verdict.reason.value) if verdict else (None, None)
    return EventDraft(action, provider, version.number, version.fingerprint, outcome, reason)


class Ledger:
    """The recording side of an open store."""

    def __init__(self, open_store: OpenStore) -> None:
        self._open_store, self._store = open_store, open_store.store
        self._unsaved: tuple[str, str] | None = None  # a new account, and its wrapped data key

    def record(self, account: str, plan: Callable[[Sealer], Plan]) -> tuple[Stored, ...]:
        """Make a plan's changes, append its events to the account's chain, and bind the chain's end, as one commit.

        ``plan`` is called with the account's sealer, again where another change of the same account came first; a
        new account gets its data key here. Returns the plan's documents as they now are, in the order of its changes.

        Raises:
            ChangedMeanwhile: one of the plan's own documents changed; nothing was done.
            CannotOpen: the KEK is needed and not available.
        """

        def attempt(stored: Stored | None) -> tuple[Stored, ...]:
            document, unmoved = self._living(account, stored)
            sealer = self._open_store.sealer_for(account, document)
            made = plan(sealer)
            whole = made._replace(changes=(*made.changes, *unmoved))
            written = self.commit(account, whole, document, stored.revision if stored else None, sealer)
            return written[: len(made.changes)]

        return self.retried(account, attempt)

    def record_unsigned(self, account: str, made: Plan) -> None:
        """Do as :meth:`record` without the KEK: the events are marked unsigned, the chain goes on through them.

        Raises:
            AccountNotFound: the store has nothing of this account. ChangedMeanwhile: as for :meth:`record`.
        """

        def attempt(stored: Stored | None) -> None:
            if stored is None:
                raise self._open_store.nothing_of(account)
            self.commit(account, made, stored.document, stored.revision, None)

        self.retried(account, attempt)

    def record_signed_or_not(self, account: str, made: Plan) -> bool:
        """Record a change that needs no KEK, with unsigned events where there is none; return whether they are signed.

        Raises: as :meth:`record_unsigned`.
        """
        try:
            self.record(account, lambda _: made)
        except CannotOpen:
            self.record_unsigned(account, made)
            return False
        return True

    def append(self, account: str, contents: Callable[[Document], tuple[Sequence[Document], Document]]) -> None:
        """Append events that were made elsewhere, signed anew; what they say stays as it is.

        ``contents`` is called with the account's document, again where another change of the account came first, and
        returns the events without their place in the chain, and members to set in the document.
        """

        def attempt(stored: Stored | None) -> None:
            document, unmoved = self._living(account, stored)
            sealer = self._open_store.sealer_for(account, document)
            found, members = contents(document)
            events, audit = _chained(account, document["audit"], found, sealer)
            changed = {**document, **members, "audit": audit}
            change = Change(account_ref(account), changed, stored.revision if stored else None)
            self._store.commit((change, *unmoved), events)

        self.retried(account, attempt)

    def record_together(self, changes: Sequence[Change], drafts: Mapping[str, Sequence[EventDraft]]) -> None:
        """Make changes of many accounts with the events of each, as one commit that is tried once.

        Raises:
            AccountNotFound, CannotOpen, ChangedMeanwhile: nothing was done.
        """
        documents: list[Change] = []
        events: list[Document] = []
        for account, happened in drafts.items():
            stored = self._open_store.account(account)
            if stored is None or stored.document["wrapped"] is None:
                raise AccountNotFound(account)
            sealer = self._open_store.sealer_for(account, stored.document)
            found, audit = _chained(account, stored.document["audit"], self._contents(account, happened), sealer)
            documents.append(Change(account_ref(account), {**stored.document, "audit": audit}, stored.revision))
            events += found
        self._store.commit((*changes, *documents), events)

    def retried(self, account: str, attempt: Callable[[Stored | None], _Result]) -> _Result:
        """Try again while only the account's own document changed: its audit trail grew, or it was wrapped anew."""
        self._open_store.forget(account)
        self._unsaved = None
        again = partial(self._open_store.account, account)
        return retry_on_conflict(attempt, again(), again, refs=(account_ref(account), HEADER))

    def commit(
        self, account: str, made: Plan, document: Document, revision: str | None, sealer: Sealer | None
    ) -> tuple[Stored, ...]:
        """Make a plan's changes with its events, and the account's document at a revision with the new chain end.

        Returns the plan's documents as they now are; of a deletion an empty one.
        """
        if made.drafts:
            events, audit = _chained(account, document["audit"], self._contents(account, made.drafts), sealer)
            changed: Document = {**document, "audit": audit}
            revisions = self._store.commit((*made.changes, Change(account_ref(account), changed, revision)), events)
        else:
            revisions = self._store.commit(made.changes)
        return tuple(
            Stored(change.ref, change.document or {}, now) for change, now in zip(made.changes, revisions, strict=False)
        )

    def _contents(self, account: str, drafts: Iterable[EventDraft]) -> Iterator[Document]:
        actor = self._open_store.actor
        return ({"time": now(), "actor": actor, "account": account, **draft.content()} for draft in drafts)

    def _living(self, account: str, stored: Stored | None) -> tuple[Document, tuple[Change, ...]]:
        """Return the account's document, and for a new data key what must not have changed when it is saved.

        An account that was removed begins anew, and its audit trail goes on.
        """
        if stored is not None and stored.document["wrapped"] is not None:
            return stored.document, ()
        self._ensure_nothing_left(account, stored)
        document, unmoved = self._new_account(account)
        if stored is not None:
            document |= {name: stored.document[name] for name in _OUTLIVES if name in stored.document}
            audit = stored.document["audit"]
            document["audit"] = {**audit, "from": audit["seq"]}
        return document, (unmoved,)

    def _ensure_nothing_left(self, account: str, stored: Stored | None) -> None:
        """Check that an account begins with nothing but the events of one that was removed."""
        left: object = next(self._store.scan(Query(account=account)), None)
        if stored is None and left is None:
            left = next(self._store.events(account), None)
        if left is None:
            return
        if self._open_store.account(account) != stored:
            raise ChangedMeanwhile(account_ref(account))  # somebody made it just now
        what = "keys or events" if stored is None else "keys"
        raise RecordChanged(str(account_ref(account)), f"is gone, though the account has {what}")

    def _new_account(self, account: str) -> tuple[Document, Change]:
        # Made only while the header stays as it is: a re-keying that began meanwhile would not see an account that is
        # wrapped with the KEK it does away with.
        header = self._open_store.refreshed_header()
        wrapped = self._new_data_key(account)
        audit = {"seq": 0, "mac": NO_LINK, "head": None}
        document = {"account": account, "wrapped": wrapped, "created_at": now(), "audit": audit}
        return document, Change(HEADER, header.document, header.revision, keeps=True)

    def _new_data_key(self, account: str) -> str:
        """Return a wrapped data key, the same one while a change is tried again: wrapping may be a request to a KMS."""
        opened = self._open_store
        kid = str(opened.target_spec.get("kid"))
        if self._unsaved is None or self._unsaved[0] != account or wrapped_kid(self._unsaved[1]) != kid:
            data_key = new_data_key()
            wrapped = opened.kek().wrap(data_key, store=opened.store_id, account=account)
            self._unsaved = account, wrapped
            opened.remember(account, wrapped, data_key)
        return self._unsaved[1]


def _chained(
    account: str, audit: Document, contents: Iterable[Document], sealer: Sealer | None
) -> tuple[list[Document], Document]:
    """Return events, each linked to the one before, and the account's new chain end."""
    events: list[Document] = []
    for content in contents:
        event, audit = _linked(account, audit, content, sealer)
        events.append(event)
    return events, audit


def _linked(account: str, audit: Document, content: Document, sealer: Sealer | None) -> tuple[Document, Document]:
    """Return one event with its place in the account's chain, and the chain's new end."""
    seq = audit["seq"] + 1
    event: Document = {"seq": seq, **content, "account": account, "signed": sealer is not None}
    mac = sealer.link(audit["mac"], event) if sealer else unsigned_link(audit["mac"], event)
    # Without the KEK the head stays bound to the last event that was signed: a cut before that is still found.
    head = chain_head(sealer, seq, mac, audit) if sealer else audit["head"]
    return {**event, "mac": mac}, {**audit, "seq": seq, "mac": mac, "head": head}
