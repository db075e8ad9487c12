"""The ledger of an open store: changes a key, its account and its audit trail in one commit.

Owns: the chaining of events, new accounts, and the only retry that is safe: after another change of the same account.
Must not: decide what a change means; each operation does.
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

_RARE = ("role", "others", "settings", "recipient")  # an event has these members only if they have a value
_OUTLIVES = ("disabled", "copied_from")  # members that stay after a removal: adding a key again must not undo them


class EventDraft(NamedTuple):
    """The content of an event that is not yet in its account's chain."""

    action: str
    provider: str | None = None
    version: int | None = None
    fingerprint: str | None = None
    outcome: str | None = None
    reason: str | None = None
    role: str | None = None  # of a grant
    others: Document | None = None  # of a copied key: version and fingerprint in each stage but the current one
    settings: list[str] | None = None  # the names of the changed settings
    recipient: str | None = None  # the removed recipient, if the account was wrapped again for that

    def content(self) -> Document:
        """Return the members of the event, without its place in the chain."""
        members = self._asdict()
        return {name: value for name, value in members.items() if name not in _RARE or value is not None}


class Plan(NamedTuple):
    """Changes that are made in one commit, and the events about them."""

    changes: tuple[Change, ...]
    drafts: tuple[EventDraft, ...] = ()


def event_draft(action: str, provider: str, version: Version, verdict: Verdict | None = None) -> EventDraft:
    """Return the draft of an event about a version and, if there was one, about its test."""
    outcome, reason = (verdict.outcome.value, verdict.reason.value) if verdict else (None, None)
    return EventDraft(action, provider, version.number, version.fingerprint, outcome, reason)


class Ledger:
    """Makes changes in an open store, together with their events."""

    def __init__(self, open_store: OpenStore) -> None:
        self._open_store, self._store = open_store, open_store.store
        self._unsaved: tuple[str, str] | None = None  # a new account's name and its wrapped data key
        self.has_created_account = False
        """Whether the last change by :meth:`record` created its account."""

    def record(self, account: str, plan: Plan | Callable[[Sealer], Plan]) -> tuple[Stored, ...]:
        """Make a plan's changes, append its events to the account's chain, and bind the chain's end, in one commit.

        A plan that seals something is a function: it is called with the account's sealer, and again after each conflict
        with another change of the same account. A new account gets its data key here. Returns the changed documents, in
        the order of the changes.

        Raises:
            ChangedMeanwhile: somebody else changed one of the plan's own documents; nothing was changed.
            CannotOpen: the KEK is not available, or the account's record was changed outside kojikey.
        """

        def attempt(stored: Stored | None) -> tuple[Stored, ...]:
            document, unmoved = self._usable(account, stored)
            sealer = self._open_store.sealer_for(account, document)
            made = plan if isinstance(plan, Plan) else plan(sealer)
            whole = made._replace(changes=(*made.changes, *unmoved))
            written = self.commit(account, whole, document, stored.revision if stored else None, sealer)
            self.has_created_account = bool(unmoved)
            return written[: len(made.changes)]

        return self.retried(account, attempt)

    def record_unsigned(self, account: str, plan: Plan) -> None:
        """Make a plan's changes without the KEK: its events are marked as unsigned, and the chain includes them.

        Raises:
            AccountNotFound: the store has no record of this account. ChangedMeanwhile: as for :meth:`record`.
        """

        def attempt(stored: Stored | None) -> None:
            if stored is None:
                raise self._open_store.missing_account(account)
            self.commit(account, plan, stored.document, stored.revision, None)

        self.retried(account, attempt)

    def record_signed_or_not(self, account: str, plan: Plan) -> bool:
        """Make changes that need no KEK; if it is not available, their events are unsigned.

        Returns whether they are signed. Raises the errors of :meth:`record_unsigned`.
        """
        try:
            self.record(account, plan)
        except CannotOpen:
            self.record_unsigned(account, plan)
            return False
        return True

    def append(self, account: str, contents: Callable[[Document], tuple[Sequence[Document], Document]]) -> None:
        """Append events of another store to the account's chain, with their content unchanged and signed again.

        ``contents`` is called with the account's document, and again after each conflict with another change of the
        account. It returns the events without their place in the chain, and members to set in the document.
        """

        def attempt(stored: Stored | None) -> None:
            document, unmoved = self._usable(account, stored)
            sealer = self._open_store.sealer_for(account, document)
            found, members = contents(document)
            events, audit = _chained(account, document["audit"], found, sealer)
            changed = {**document, **members, "audit": audit}
            change = Change(account_ref(account), changed, stored.revision if stored else None)
            self._store.commit((change, *unmoved), events)

        self.retried(account, attempt)

    def record_together(self, changes: Sequence[Change], drafts: Mapping[str, Sequence[EventDraft]]) -> None:
        """Make changes of many accounts, with the events of each, in one commit that is not repeated.

        Raises:
            AccountNotFound, CannotOpen, ChangedMeanwhile: nothing was changed.
        """
        documents: list[Change] = []
        events: list[Document] = []
        accounts = self._open_store.find_accounts(list(drafts)) if drafts else {}
        for account, account_drafts in drafts.items():
            stored = accounts.get(account)
            if stored is None or stored.document["wrapped"] is None:
                raise AccountNotFound(account)
            sealer = self._open_store.sealer_for(account, stored.document)
            found, audit = _chained(account, stored.document["audit"], self._contents(account, account_drafts), sealer)
            documents.append(Change(account_ref(account), {**stored.document, "audit": audit}, stored.revision))
            events += found
        self._store.commit((*changes, *documents), events)

    def retried(self, account: str, attempt: Callable[[Stored | None], _Result]) -> _Result:
        """Return the result of ``attempt``, called with the account's document, or None for a new account.

        It is repeated while only that document or the header was changed meanwhile.
        """
        self._open_store.forget(account)
        self._unsaved = None
        again = partial(self._open_store.find_account, account)
        return retry_on_conflict(attempt, again(), again, refs=(account_ref(account), HEADER))

    def commit(
        self, account: str, plan: Plan, document: Document, revision: str | None, sealer: Sealer | None
    ) -> tuple[Stored, ...]:
        """Make a plan's changes and append its events; with events, also write the account's document.

        ``document`` was read at ``revision``, and is written with the new end of the chain. Without a sealer the events
        are unsigned. Returns the plan's documents as they are now; a deleted one is empty.
        """
        if plan.drafts:
            events, audit = _chained(account, document["audit"], self._contents(account, plan.drafts), sealer)
            changed: Document = {**document, "audit": audit}
            revisions = self._store.commit((*plan.changes, Change(account_ref(account), changed, revision)), events)
        else:
            revisions = self._store.commit(plan.changes)
        return tuple(
            Stored(change.ref, change.document or {}, new) for change, new in zip(plan.changes, revisions, strict=False)
        )

    def _contents(self, account: str, drafts: Iterable[EventDraft]) -> Iterator[Document]:
        actor = self._open_store.actor
        return ({"time": now(), "actor": actor, "account": account, **draft.content()} for draft in drafts)

    def _usable(self, account: str, stored: Stored | None) -> tuple[Document, tuple[Change, ...]]:
        """Return the document of an account with a data key; that of a new or removed account gets a new one.

        The changes make the commit of a new data key fail if the header was changed meanwhile. The audit trail of a
        removed account is continued.
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
        """Check that a new account has no keys or events, and a removed account no keys.

        Raises:
            RecordChanged: it has some, so its document was removed outside kojikey.
            ChangedMeanwhile: somebody else created the account just now.
        """
        left: object = next(self._store.scan(Query(account=account)), None)
        if stored is None and left is None:
            left = next(self._store.events(account), None)
        if left is None:
            return
        if self._open_store.find_account(account) != stored:
            raise ChangedMeanwhile(account_ref(account))
        what = "keys or events" if stored is None else "keys"
        raise RecordChanged(str(account_ref(account)), f"is gone, though the account has {what}")

    def _new_account(self, account: str) -> tuple[Document, Change]:
        # The account is saved only if the header is unchanged: a re-keying that begins meanwhile may have looked at all
        # accounts already, and would leave this one wrapped with the old KEK.
        header = self._open_store.refreshed_header()
        wrapped = self._new_data_key(account)
        audit = {"seq": 0, "mac": NO_LINK, "head": None}
        document = {"account": account, "wrapped": wrapped, "created_at": now(), "audit": audit}
        return document, Change(HEADER, header.document, header.revision, keeps=True)

    def _new_data_key(self, account: str) -> str:
        """Return a new wrapped data key; the same one when a change is repeated, since a KMS may wrap it."""
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
    """Return the events, each linked to the one before, and the ``audit`` member for the account's document."""
    events: list[Document] = []
    for content in contents:
        event, audit = _linked(account, audit, content, sealer)
        events.append(event)
    return events, audit


def _linked(account: str, audit: Document, content: Document, sealer: Sealer | None) -> tuple[Document, Document]:
    """Return one event, linked to the one before, and the new ``audit`` member."""
    seq = audit["seq"] + 1
    event: Document = {"seq": seq, **content, "account": account, "signed": sealer is not None}
    mac = sealer.link(audit["mac"], event) if sealer else unsigned_link(audit["mac"], event)
    # Without the KEK the head still binds the last signed event, so that removing that one is found.
    head = chain_head(sealer, seq, mac, audit) if sealer else audit["head"]
    return {**event, "mac": mac}, {**audit, "seq": seq, "mac": mac, "head": head}
