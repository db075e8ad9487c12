"""An open store together with what opens its records: its KEKs, and the data keys of its accounts.

Owns: the header, account documents and data keys in memory. Must not: change a store; the ledger and the operations do.
On the hot path of ``kojikey run``: nothing expensive is imported here.
"""

from __future__ import annotations

from _thread import allocate_lock  # threading costs a start more

from kojikey.model.errors import (
    AccountNotFound,
    CannotOpen,
    NotFound,
    RecordChanged,
)
from kojikey.model.ref import Document, account_ref, key_ref
from kojikey.operations.known_kek import ensure_known
from kojikey.operations.record_checks import FORMAT as FORMAT
from kojikey.operations.record_checks import check_account, checked_header, is_well_formed
from kojikey.sealing.envelope import Sealer
from kojikey.sealing.kek.base import Kek, KekInputs, asks_person
from kojikey.sealing.kek.registry import load_for_use, wrapped_kid
from kojikey.stores.base import Query, Store, Stored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from kojikey.model.key import Key, Version
    from kojikey.model.secret import HiddenBytes, Secret

    _Result = TypeVar("_Result")

_REMEMBERED = 256  # accounts


class OpenStore:
    """A store, its KEKs and the data keys that were unwrapped so far."""

    def __init__(self, store: Store, header: Document, inputs: KekInputs, *, actor: str) -> None:
        self.store, self.header, self.actor = store, checked_header(header, store.place), actor
        self.store_id: str = header["store_id"]
        self._inputs, self.known = inputs, inputs.known
        self._keks: dict[str, Kek] = {}
        self._loading = allocate_lock()
        self._sealers: dict[str, tuple[str, Sealer]] = {}  # of an account: its wrapped data key, and what that opens
        self._accounts: dict[str, Stored | None] = {}

    def held(self, account: str, provider: str) -> Stored | None:
        """Return the document of an account's key at a provider, None where it has none."""
        return self.store.read(key_ref(account, provider))

    def held_with_account(self, account: str, provider: str) -> tuple[Stored | None, Stored | None]:
        """Return the documents of a key and of its account as they now are, and remember the account's.

        Raises:
            RecordChanged: the account's was changed or moved outside kojikey.
        """
        key, owner = self.store.read_with_account(account, provider)
        if owner is not None:
            check_account(owner)
        self._remember_account(account, owner)
        return key, owner

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
            with self._loading:  # of threads that share them, one makes a KEK, which may take 64 MiB for a moment
                if known not in self._keks:
                    kek = load_for_use(spec, self.inputs_for(spec))
                    ensure_known(self.known, self.store, self.header, spec, kek)
                    self._keks[known] = kek
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

    def use_header(self, header: Document) -> None:
        """Use a header that was just written, from now on."""
        self.header = header

    def adopt(self, kek: Kek) -> None:
        """Use a KEK that was just made, instead of asking its source for it."""
        self._keks[kek.kid] = kek

    def sealer(self, account: str) -> Sealer:
        """Return what seals and opens an account's keys.

        Raises:
            AccountNotFound: the store has nothing of this account.
            CannotOpen: the KEK is missing or wrong, or the wrapped data key was changed or removed outside kojikey.
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
        return self.sealer_for(account, stored.document)

    def open(self, key: Key, version: Version) -> Secret:
        """Return the value that is sealed in a version of a key.

        Raises:
            CannotOpen: the KEK is missing or wrong, or the record was changed or moved outside kojikey.
        """
        return self.sealer(key.account).open(
            version.sealed, provider=key.provider, version=version.number, base_url=version.base_url
        )

    def prepare(self, account: str) -> None:
        """Open what a change of an account needs, before anybody is asked for a key.

        Raises:
            CannotOpen: the KEK is missing or wrong, or the account's record was changed outside kojikey.
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
        self._inputs = self._inputs._replace(ask_passphrase=None, ask_identity=None)

    def specs_in_use(self) -> list[Document]:
        """Return the KEKs that accounts are wrapped with; there is more than one only during a re-keying."""
        if not self.header.get("next_kek"):
            return [self.header["kek"]]
        records = (stored.document.get("wrapped") for stored in self.store.accounts() if is_well_formed(stored))
        kids = {wrapped_kid(record) for record in records if record is not None} | {str(self.target_spec.get("kid"))}
        return [spec for spec in map(self._spec_of, sorted(kids)) if spec is not None]

    def has_account(self, account: str) -> bool:
        """Return whether the store knows this account; one that was removed begins anew."""
        stored = self._account(account)
        return stored is not None and stored.document["wrapped"] is not None

    def is_disabled(self, account: str) -> bool:
        """Return whether the account's own keys are disabled, so that it falls back to the built-in allocation."""
        stored = self._account(account)
        return stored is not None and stored.document.get("disabled") is True

    def _account(self, account: str) -> Stored | None:
        # Remembered, because `run` asks for several keys of one account; bounded, because `test` asks for thousands.
        if account not in self._accounts:
            self._remember_account(account, self.account(account))
        return self._accounts[account]

    def _remember_account(self, account: str, stored: Stored | None) -> None:
        _make_room(self._accounts)
        self._accounts[account] = stored

    def account(self, account: str) -> Stored | None:
        """Return an account's document as it now is, None where the store never had the account.

        Raises:
            RecordChanged: it was changed or moved outside kojikey.
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

    def sealer_for(self, account: str, document: Document) -> Sealer:
        """Return what seals and opens an account's keys, for its document as it was just read. Raises CannotOpen."""
        wrapped = document["wrapped"]
        remembered = self._sealers.get(account)
        if remembered is None or remembered[0] != wrapped:
            return self.remember(account, wrapped, self.data_key(account, wrapped))
        return remembered[1]

    def remember(self, account: str, wrapped: str, data_key: bytes) -> Sealer:
        """Return what seals and opens with a data key, and remember it for the account."""
        sealer = Sealer(data_key, store=self.store_id, account=account)
        _make_room(self._sealers)
        self._sealers[account] = wrapped, sealer
        return sealer

    def share_keys(self, other: OpenStore) -> None:
        """Use the KEKs and data keys that another connection to the same store unwraps, and the other way round."""
        self._keks, self._sealers, self._loading = other._keks, other._sealers, other._loading

    def forget(self, account: str) -> None:
        """Read an account's document again when it is asked for next: it is about to be changed."""
        self._accounts.pop(account, None)

    def data_key(self, account: str, wrapped: str) -> HiddenBytes:
        """Unwrap a data key; where a re-keying has moved on since the header was read, with what it says now.

        Raises:
            CannotOpen: the KEK that wraps it is not available, or it was changed outside kojikey.
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
        """Read the header again (a re-keying may have moved on meanwhile); return whether it changed."""
        before = self.header
        return self.refreshed_header().document != before

    def refreshed_header(self) -> Stored:
        """Read the header again, use it from now on, and return it.

        Raises:
            RecordChanged: it is damaged, or of another store than the one that was opened.
        """
        stored = self.store.header()
        if checked_header(stored.document, self.store.place)["store_id"] != self.store_id:
            raise RecordChanged("header", "belongs to another store than the one that was opened")
        self.header = stored.document
        return stored

    def close(self) -> None:
        """Release the store."""
        self.store.close()


def _make_room(remembered: dict[str, _Result]) -> None:
    # Only the oldest goes: of the others, keys may be under way, and to unwrap may be a request to a KMS.
    # Several threads may share what is remembered: the list is made in one step, and what is gone already is no error.
    for name in list(remembered)[: len(remembered) + 1 - _REMEMBERED] if len(remembered) >= _REMEMBERED else ():
        remembered.pop(name, None)
