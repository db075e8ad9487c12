"""An open store together with what opens its records: where a key, its account and its audit trail change as one.

Owns: account documents, data keys in memory, the chaining of events, and the one retry that is safe (another change
of the same account came first). Must not: decide what a change means; that is each operation's. On the hot path of
``kojikey run``: nothing expensive is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from kojikey.model.errors import (
    AccountNotFound,
    CannotOpen,
    ChangedMeanwhile,
    NotFound,
    RecordChanged,
)
from kojikey.model.fast_namedtuple import NamedTuple
from kojikey.model.ref import HEADER, Document, account_ref, key_ref
from kojikey.operations.compare_and_swap import retry_on_conflict
from kojikey.operations.record_checks import FORMAT as FORMAT
from kojikey.operations.record_checks import chain_head, check_account, checked_header, is_well_formed
from kojikey.sealing.audit_chain import NO_LINK
from kojikey.sealing.envelope import Sealer, new_data_key
from kojikey.sealing.kek.base import Kek, KekInputs, asks_person
from kojikey.sealing.kek.registry import load_for_use, wrapped_kid
from kojikey.stores.base import Change, Query, Store, Stored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from kojikey.model.secret import HiddenBytes

    _Result = TypeVar("_Result")

_REMEMBERED = 256  # accounts
_RARE = ("role", "others", "settings")  # members that an event has only where they say something
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

    def content(self) -> Document:
        """Return the members of the event that say what happened."""
        members = self._asdict()
        return {name: value for name, value in members.items() if name not in _RARE or value is not None}


class Plan(NamedTuple):
    """The changes that belong together, and what to tell the audit trail of them."""

    changes: tuple[Change, ...]
    drafts: tuple[EventDraft, ...] = ()


class OpenStore:
    """A store, its KEKs and the data keys that were unwrapped so far."""

    def __init__(self, store: Store, header: Document, inputs: KekInputs, *, actor: str) -> None:
        self.store, self.header, self.actor = store, checked_header(header, store.place), actor
        self.store_id: str = header["store_id"]
        self._inputs = inputs
        self._keks: dict[str, Kek] = {}
        self._sealers: dict[str, tuple[str, Sealer]] = {}  # of an account: its wrapped data key, and what that opens
        self._accounts: dict[str, Stored | None] = {}
        self._unsaved: tuple[str, str] | None = None  # a new account, and its wrapped data key

    def held(self, account: str, provider: str) -> Stored | None:
        """Return the document of an account's key at a provider, None where it has none."""
        return self.store.read(key_ref(account, provider))

    def kek(self, kid: str | None = None) -> Kek:
        """Return the KEK with that id (during a re-keying there are two), by default the one that wraps new accounts.

        Raises:
            CannotOpen: it is missing, wrong, or no source of this store has that id.
        """
        kek = self._kek_for_use(kid or str(self.target_spec.get("kid")))
        kek.confirm()
        return kek

    def _kek_for_use(self, kid: str) -> Kek:
        """Do as :meth:`kek`, but leave it to the use to tell that it is another one: `run` has no time for both."""
        # Of an unknown id the store's own KEK says, when it is used, that it is not the one.
        spec = self._spec_of(kid) or self.target_spec
        known = str(spec.get("kid"))
        if known not in self._keks:
            self._keks[known] = load_for_use(spec, self.inputs_for(spec))
        return self._keks[known]

    def inputs_for(self, spec: Document) -> KekInputs:
        """Return what the source of a spec's KEK may ask."""
        # While a re-keying is under way it has to be clear which of two passphrases is asked for, or is wrong.
        announced = self.header.get("next_kek")
        if not announced:
            return self._inputs
        return self._inputs._replace(which="announced" if spec == announced else "old")

    @property
    def target_spec(self) -> Document:
        """The KEK that accounts are, or are being, wrapped with."""
        spec: Document = self.header.get("next_kek") or self.header["kek"]
        return spec

    def _spec_of(self, kid: str) -> Document | None:
        specs = (self.header["kek"], self.header.get("next_kek"), *self.header.get("given_up", ()))
        return next((spec for spec in specs if spec and spec.get("kid") == kid), None)

    def adopt(self, kek: Kek) -> None:
        """Use a KEK that was just made, instead of asking its source for it."""
        self._keks[kek.kid] = kek

    def sealer(self, account: str) -> Sealer:
        """Return what seals and opens an account's keys.

        Raises:
            AccountNotFound: the store has nothing of this account.
            CannotOpen: the KEK is missing or wrong, or the wrapped data key was changed or removed from outside.
        """
        stored = self._account(account)
        try:
            return self._sealer_of(account, stored)
        except (NotFound, CannotOpen):
            fresh = self.account(account)
            if fresh == stored:
                raise
        # What was remembered is from before a re-keying, or from before the account was made.
        self._accounts[account] = fresh
        return self._sealer_of(account, fresh)

    def _sealer_of(self, account: str, stored: Stored | None) -> Sealer:
        if stored is None or stored.document["wrapped"] is None:
            raise self.nothing_of(account)
        return self.unwrapped(account, stored.document)

    def prepare(self, account: str) -> None:
        """Open what a change of an account needs, before anybody is asked for a key.

        Raises:
            CannotOpen: the KEK is missing or wrong, or the account's record was changed from outside.
        """
        if self.has_account(account):
            self.sealer(account)
        else:
            self.kek()

    def ask_now(self) -> None:
        """Ask now for each passphrase that will be needed, for none later: other threads follow. Raises CannotOpen."""
        for spec in self.specs_in_use():
            if asks_person(spec, self.inputs_for(spec)):
                self.kek(str(spec.get("kid")))
        self._inputs = self._inputs._replace(ask_passphrase=None)

    def specs_in_use(self) -> list[Document]:
        """Return the KEKs that accounts are wrapped with; there is more than one only during a re-keying."""
        if not self.header.get("next_kek"):
            return [self.header["kek"]]
        records = (stored.document.get("wrapped") for stored in self.store.accounts() if is_well_formed(stored))
        kids = {wrapped_kid(record) for record in records if record is not None} | {str(self.target_spec.get("kid"))}
        return [spec for spec in map(self._spec_of, sorted(kids)) if spec is not None]

    def has_account(self, account: str) -> bool:
        """Tell whether the store knows this account; one that was removed begins anew."""
        stored = self._account(account)
        return stored is not None and stored.document["wrapped"] is not None

    def is_disabled(self, account: str) -> bool:
        """Tell whether the account's own keys are set aside, so that it falls back to the built-in allocation."""
        stored = self._account(account)
        return stored is not None and stored.document.get("disabled") is True

    def _account(self, account: str) -> Stored | None:
        # Remembered, because `run` asks for several keys of one account; bounded, because `test` asks for thousands.
        if account not in self._accounts:
            _make_room(self._accounts)
            self._accounts[account] = self.account(account)
        return self._accounts[account]

    def account(self, account: str) -> Stored | None:
        """Return an account's document as it now is, None where the store never had the account.

        Raises:
            RecordChanged: it was changed or moved from outside.
        """
        stored = self.store.read(account_ref(account))
        if stored is not None:
            check_account(stored)
        return stored

    def nothing_of(self, account: str) -> NotFound | CannotOpen:
        """Return what to say where an account has no data key: that it is unknown, or that somebody took it away."""
        if next(self.store.scan(Query(account=account)), None) is None:
            return AccountNotFound(account)
        return RecordChanged(str(account_ref(account)), "is gone, though the account has keys")

    def unwrapped(self, account: str, document: Document) -> Sealer:
        """Return what seals and opens an account's keys, for its document as it was just read. Raises CannotOpen."""
        wrapped = document["wrapped"]
        remembered = self._sealers.get(account)
        if remembered is None or remembered[0] != wrapped:
            return self._remembered(account, wrapped, self.data_key(account, wrapped))
        return remembered[1]

    def _remembered(self, account: str, wrapped: str, data_key: bytes) -> Sealer:
        sealer = Sealer(data_key, store=self.store_id, account=account)
        _make_room(self._sealers)
        self._sealers[account] = wrapped, sealer
        return sealer

    def data_key(self, account: str, wrapped: str) -> HiddenBytes:
        """Unwrap a data key; where a re-keying has moved on since the header was read, with what it says now.

        Raises:
            CannotOpen: the KEK that wraps it cannot be had, or it was changed from outside.
        """
        kid = wrapped_kid(wrapped, account=account)
        is_known = self._spec_of(kid) is not None
        if not is_known:
            self.refreshed_header()
        try:
            return self._kek_for_use(kid).unwrap(wrapped, store=self.store_id, account=account)
        except CannotOpen:
            if not is_known or not self._refresh_header():
                raise
        return self._kek_for_use(kid).unwrap(wrapped, store=self.store_id, account=account)

    def _refresh_header(self) -> bool:
        """Read the header again (a re-keying may have moved on meanwhile); tell whether it changed."""
        before = self.header
        return self.refreshed_header().document != before

    def refreshed_header(self) -> Stored:
        """Read the header again, use it from now on, and return it.

        Raises:
            RecordChanged: it is damaged, or of another store than the one that was opened.
        """
        stored = self.store.header()
        if checked_header(stored.document, self.store.place)["store_id"] != self.store_id:
            raise RecordChanged("header", "is of another store than the one that was opened")
        self.header = stored.document
        return stored

    def record(self, account: str, plan: Callable[[Sealer], Plan]) -> tuple[Stored, ...]:
        """Make a plan's changes, append its events to the account's chain, and bind the chain's end, as one commit.

        ``plan`` is called with the account's sealer, again where another change of the same account came first; a
        new account gets its data key here. Returns the plan's documents as they now are, in the order of its changes.

        Raises:
            ChangedMeanwhile: one of the plan's own documents changed; nothing was done.
            CannotOpen: the KEK is needed and cannot be had.
        """

        def attempt(stored: Stored | None) -> tuple[Stored, ...]:
            document, unmoved = self.living(account, stored)
            sealer = self.unwrapped(account, document)
            made = plan(sealer)
            whole = made._replace(changes=(*made.changes, *unmoved))
            return self.commit(account, whole, document, stored.revision if stored else None, sealer)[
                : len(made.changes)
            ]

        return self.retried(account, attempt)

    def record_unsigned(self, account: str, made: Plan) -> None:
        """Do as :meth:`record` without the KEK: the events are marked unsigned, the chain goes on through them.

        Raises:
            AccountNotFound: the store has nothing of this account. ChangedMeanwhile: as for :meth:`record`.
        """

        def attempt(stored: Stored | None) -> None:
            if stored is None:
                raise self.nothing_of(account)
            self.commit(account, made, stored.document, stored.revision, None)

        self.retried(account, attempt)

    def retried(self, account: str, attempt: Callable[[Stored | None], _Result]) -> _Result:
        """Try again while only the account's own document changed: its audit trail grew, or it was wrapped anew."""
        self._accounts.pop(account, None)
        self._unsaved = None
        again = partial(self.account, account)
        return retry_on_conflict(attempt, again(), again, refs=(account_ref(account), HEADER))

    def commit(
        self, account: str, made: Plan, document: Document, revision: str | None, sealer: Sealer | None
    ) -> tuple[Stored, ...]:
        """Make a plan's changes with its events, and the account's document at a revision with the new chain end.

        Returns the plan's documents as they now are; of a deletion an empty one.
        """
        if made.drafts:
            events, audit = self.chained(account, document["audit"], made.drafts, sealer)
            changed: Document = {**document, "audit": audit}
            revisions = self.store.commit((*made.changes, Change(account_ref(account), changed, revision)), events)
        else:
            revisions = self.store.commit(made.changes)
        return tuple(
            Stored(change.ref, change.document or {}, now) for change, now in zip(made.changes, revisions, strict=False)
        )

    def chained(
        self, account: str, audit: Document, drafts: Sequence[EventDraft], sealer: Sealer | None
    ) -> tuple[list[Document], Document]:
        """Return the events for some happenings, each linked to the one before, and the account's new chain end."""
        from kojikey.model.timestamps import now

        events: list[Document] = []
        for draft in drafts:
            content = {"time": now(), "actor": self.actor, "account": account, **draft.content()}
            event, audit = self.linked(account, audit, content, sealer)
            events.append(event)
        return events, audit

    def linked(
        self, account: str, audit: Document, content: Document, sealer: Sealer | None
    ) -> tuple[Document, Document]:
        """Return one event with its place in the account's chain, and the chain's new end."""
        from kojikey.sealing.audit_chain import unsigned_link

        seq = audit["seq"] + 1
        event: Document = {"seq": seq, **content, "account": account, "signed": sealer is not None}
        mac = sealer.link(audit["mac"], event) if sealer else unsigned_link(audit["mac"], event)
        # Without the KEK the head stays bound to the last event that was signed: a cut before that shows all the same.
        head = chain_head(sealer, seq, mac, audit) if sealer else audit["head"]
        return {**event, "mac": mac}, {**audit, "seq": seq, "mac": mac, "head": head}

    def living(self, account: str, stored: Stored | None) -> tuple[Document, tuple[Change, ...]]:
        """Return the account's document, and for a new data key what must not have changed when it is saved.

        An account that was removed begins anew, and its story goes on.
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
        left: object = next(self.store.scan(Query(account=account)), None)
        if stored is None and left is None:
            left = next(self.store.events(account), None)
        if left is None:
            return
        if self.account(account) != stored:
            raise ChangedMeanwhile(account_ref(account))  # somebody made it just now
        what = "keys or events" if stored is None else "keys"
        raise RecordChanged(str(account_ref(account)), f"is gone, though the account has {what}")

    def _new_account(self, account: str) -> tuple[Document, Change]:
        from kojikey.model.timestamps import now

        # Made only while the header stays as it is: a re-keying that began meanwhile would not see an account that is
        # wrapped with the KEK it does away with.
        header = self.refreshed_header()
        wrapped = self._new_data_key(account)
        audit = {"seq": 0, "mac": NO_LINK, "head": None}
        document = {"account": account, "wrapped": wrapped, "created_at": now(), "audit": audit}
        return document, Change(HEADER, header.document, header.revision, keeps=True)

    def _new_data_key(self, account: str) -> str:
        """Return a wrapped data key, the same one while a change is tried again: wrapping may be a request to a KMS."""
        kid = str(self.target_spec.get("kid"))
        if self._unsaved is None or self._unsaved[0] != account or wrapped_kid(self._unsaved[1]) != kid:
            data_key = new_data_key()
            wrapped = self.kek().wrap(data_key, store=self.store_id, account=account)
            self._unsaved = account, wrapped
            self._remembered(account, wrapped, data_key)
        return self._unsaved[1]

    def close(self) -> None:
        """Release the store."""
        self.store.close()


def _make_room(remembered: dict[str, _Result]) -> None:
    # Only the oldest goes: of the others, keys may be under way, and to unwrap may be a request to a KMS.
    while len(remembered) >= _REMEMBERED:
        del remembered[next(iter(remembered))]
