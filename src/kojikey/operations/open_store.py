"""An open store, with its KEKs and the data keys of its accounts.

Owns: the header, account documents and data keys in memory. Must not: change a store; the ledger and the operations do.
`kojikey run` imports this: nothing here may be slow to load.
"""

from __future__ import annotations

from _thread import allocate_lock  # importing threading takes longer

from kojikey.model.errors import (
    AccountNotFound,
    CannotOpen,
    NotFound,
    RecordChanged,
)
from kojikey.model.plain_text import is_text
from kojikey.model.ref import Document, account_ref, key_ref
from kojikey.operations.known_kek import ensure_known
from kojikey.operations.record_checks import check_account, checked_header, is_well_formed
from kojikey.sealing.envelope import Sealer
from kojikey.sealing.kek.base import Kek, KekInputs, asks_person
from kojikey.sealing.kek.registry import load_for_use, wrapped_kid
from kojikey.stores.base import Query, Store, Stored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TypeVar

    from kojikey.model.key import Key, Version
    from kojikey.model.secret import HiddenBytes, Secret

    _Result = TypeVar("_Result")

_REMEMBERED = 256  # accounts


class OpenStore:
    """An open store, its KEKs, and the data keys that were unwrapped so far."""

    def __init__(self, store: Store, header: Document, inputs: KekInputs, *, actor: str) -> None:
        self.store, self.header, self.actor = store, checked_header(header, store.place), actor
        self.store_id: str = header["store_id"]
        self._inputs, self.known_keks = inputs, inputs.known
        self._keks: dict[str, Kek] = {}
        self._loading = allocate_lock()
        self._sealers: dict[str, tuple[str, Sealer]] = {}  # by account, with the wrapped data key that each is for
        self._accounts: dict[str, Stored | None] = {}

    def find_key(self, account: str, provider: str) -> Stored | None:
        """Return the document of an account's key at a provider, None if it has none.

        ``provider`` may be any word of a command line. No store can look for one whose bytes are not text.
        """
        return self.store.read(key_ref(account, provider)) if is_text(provider) else None

    def find_key_with_account(self, account: str, provider: str) -> tuple[Stored | None, Stored | None]:
        """Return the current documents of a key and of its account, and remember the account's.

        Raises:
            RecordChanged: the account's document was changed or moved outside kojikey.
        """
        key, owner = self.store.read_with_account(account, provider)
        if owner is not None:
            check_account(owner)
        self._remember_account(account, owner)
        return key, owner

    def kek(self, kid: str | None = None) -> Kek:
        """Return the KEK with an id (during a re-keying there are two), by default the one that wraps new accounts.

        Raises:
            CannotOpen: the KEK is missing or wrong, or no KEK of this store has that id.
        """
        kek = self._kek_for_use(kid or str(self.target_spec.get("kid")))
        kek.confirm()
        return kek

    def _kek_for_use(self, kid: str) -> Kek:
        """Return a KEK as :meth:`kek` does, without checking its id: a wrong KEK fails when it unwraps a data key.

        `kojikey run` has no time for both checks.
        """
        # For an unknown id the store's own KEK is returned, which fails then.
        spec = self._spec_of(kid) or self.target_spec
        known = str(spec.get("kid"))
        if known not in self._keks:
            with self._loading:  # only one thread loads a KEK: deriving it from a passphrase takes 64 MiB
                if known not in self._keks:
                    kek = load_for_use(spec, self.inputs_for(spec))
                    ensure_known(self.known_keks, self.store, self.header, spec, kek)
                    self._keks[known] = kek
        return self._keks[known]

    def inputs_for(self, spec: Document) -> KekInputs:
        """Return the inputs for the KEK source that a spec names."""
        # During a re-keying, prompts and errors have to say which of two passphrases they mean.
        announced = self.header.get("next_kek")
        if not announced:
            return self._inputs
        return self._inputs._replace(which="announced" if spec == announced else "old")

    @property
    def target_spec(self) -> Document:
        """The spec of the KEK that new accounts are wrapped with: during a re-keying, of the new one."""
        spec: Document = self.header.get("next_kek") or self.header["kek"]
        return spec

    def _spec_of(self, kid: str) -> Document | None:
        specs = (self.header["kek"], self.header.get("next_kek"), *self.header.get("given_up", ()))
        return next((spec for spec in specs if spec and spec.get("kid") == kid), None)

    def use_header(self, header: Document) -> None:
        """Use a header that was just written."""
        self.header = header

    def adopt(self, kek: Kek) -> None:
        """Use a KEK that was just created, instead of asking its source for it."""
        self._keks[kek.kid] = kek

    def sealer(self, account: str) -> Sealer:
        """Return the sealer of an account, which seals and opens its keys.

        Raises:
            AccountNotFound: the store has no record of this account.
            CannotOpen: the KEK is missing or wrong, or the wrapped data key was changed or removed outside kojikey.
        """
        stored = self._account(account)
        try:
            return self._sealer_of(account, stored)
        except (NotFound, CannotOpen):
            fresh = self.find_account(account)
            if fresh == stored:
                raise
        # The remembered document is older than a re-keying, or than the account's creation.
        self._accounts[account] = fresh
        return self._sealer_of(account, fresh)

    def _sealer_of(self, account: str, stored: Stored | None) -> Sealer:
        if stored is None or stored.document["wrapped"] is None:
            raise self.missing_account(account)
        return self.sealer_for(account, stored.document)

    def open(self, key: Key, version: Version) -> Secret:
        """Return the plaintext of a version of a key.

        Raises:
            CannotOpen: the KEK is missing or wrong, or the record was changed or moved outside kojikey.
        """
        return self.sealer(key.account).open(
            version.sealed, provider=key.provider, version=version.number, base_url=version.base_url
        )

    def prepare(self, account: str) -> None:
        """Unwrap the data key of an account, or load the KEK for a new one, before anybody is asked for a key.

        Raises:
            CannotOpen: the KEK is missing or wrong, or the account's record was changed outside kojikey.
        """
        if self.has_account(account):
            self.sealer(account)
        else:
            self.kek()

    def ask_now(self) -> None:
        """Ask now for each passphrase that the store needs, and never again: other threads, which cannot ask, follow.

        Raises:
            CannotOpen: a passphrase is wrong or missing.
        """
        for spec in self.specs_in_use():
            if asks_person(spec, self.inputs_for(spec)):
                self.kek(str(spec.get("kid")))
        self._inputs = self._inputs._replace(ask_passphrase=None, ask_identity=None)

    def specs_in_use(self) -> list[Document]:
        """Return the specs of the KEKs that accounts are wrapped with: more than one only during a re-keying."""
        if not self.header.get("next_kek"):
            return [self.header["kek"]]
        records = (stored.document.get("wrapped") for stored in self.store.accounts() if is_well_formed(stored))
        kids = {wrapped_kid(record) for record in records if record is not None} | {str(self.target_spec.get("kid"))}
        return [spec for spec in map(self._spec_of, sorted(kids)) if spec is not None]

    def has_account(self, account: str) -> bool:
        """Return whether the store has this account; False for a removed one."""
        stored = self._account(account)
        return stored is not None and stored.document["wrapped"] is not None

    def is_disabled(self, account: str) -> bool:
        """Return whether an account is disabled: its own keys are not used then."""
        stored = self._account(account)
        return stored is not None and stored.document.get("disabled") is True

    def _account(self, account: str) -> Stored | None:
        # Remembered, because `run` needs several keys of one account; bounded, because `test` reads thousands.
        if account not in self._accounts:
            self._remember_account(account, self.find_account(account))
        return self._accounts[account]

    def _remember_account(self, account: str, stored: Stored | None) -> None:
        _make_room(self._accounts)
        self._accounts[account] = stored

    def find_account(self, account: str) -> Stored | None:
        """Return an account's current document, None if the store never had the account.

        Raises:
            RecordChanged: the document was changed or moved outside kojikey.
        """
        stored = self.store.read(account_ref(account))
        if stored is not None:
            check_account(stored)
        return stored

    def find_accounts(self, names: Sequence[str]) -> dict[str, Stored]:
        """Return the current documents of accounts by name, without the accounts that the store never had.

        Raises:
            RecordChanged: a document was changed or moved outside kojikey.
        """
        found = self.store.read_accounts(names)
        for stored in found.values():
            check_account(stored)
        return found

    def read_ahead(self, names: Iterable[str]) -> None:
        """Read the documents of up to some hundred accounts with one request, for keys that are opened next.

        A damaged document is read again when a key of its account is opened, and reported then.
        """
        wanted = [name for name in dict.fromkeys(names) if name not in self._accounts]
        for name, stored in self.store.read_accounts(wanted).items() if wanted else ():
            if is_well_formed(stored):
                self._remember_account(name, stored)

    def missing_account(self, account: str) -> NotFound | CannotOpen:
        """Return the error for an account without a data key: there is no such account, or its document was removed."""
        if next(self.store.scan(Query(account=account)), None) is None:
            return AccountNotFound(account)
        return RecordChanged(str(account_ref(account)), "is gone, though the account has keys")

    def sealer_for(self, account: str, document: Document) -> Sealer:
        """Return the sealer of an account, given its document. Raises the errors of :meth:`data_key`."""
        wrapped = document["wrapped"]
        remembered = self._sealers.get(account)
        if remembered is None or remembered[0] != wrapped:
            return self.remember(account, wrapped, self.data_key(account, wrapped))
        return remembered[1]

    def remember(self, account: str, wrapped: str, data_key: bytes) -> Sealer:
        """Return the sealer with a data key, and remember it for the account."""
        sealer = Sealer(data_key, store=self.store_id, account=account)
        _make_room(self._sealers)
        self._sealers[account] = wrapped, sealer
        return sealer

    def share_keys(self, other: OpenStore) -> None:
        """Share KEKs and data keys with another connection to the same store: each uses what the other unwrapped."""
        self._keks, self._sealers, self._loading = other._keks, other._sealers, other._loading

    def forget(self, account: str) -> None:
        """Forget the account's document, so that it is read again before a change."""
        self._accounts.pop(account, None)

    def data_key(self, account: str, wrapped: str) -> HiddenBytes:
        """Unwrap a data key. If that fails and a re-keying has changed the header meanwhile, try the header's new KEK.

        Raises:
            CannotOpen: the KEK is not available or wrong, or the data key was changed outside kojikey.
        """
        if not self.header.get("next_kek") and not self.header.get("given_up"):
            # With only one KEK, unwrapping shows whether it is the right one, so the record is parsed only once.
            try:
                return self._kek_for_use(str(self.target_spec.get("kid"))).unwrap(
                    wrapped, store=self.store_id, account=account
                )
            except CannotOpen:
                if not self._refresh_header():
                    raise
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
        """Read the header again; return whether it was changed, for example by a re-keying."""
        before = self.header
        return self.refreshed_header().document != before

    def refreshed_header(self) -> Stored:
        """Read the header again, keep it, and return it.

        Raises:
            RecordChanged, RecordUnsupported: the header is damaged, or belongs to another store than the opened one.
            StoreVersion: a newer kojikey wrote it.
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
    # Only the oldest entries are dropped: keys of the others may be in use, and unwrapping may be a request to a KMS.
    # Several threads may share the dict: list() copies its names in one step, and a missing name is no error.
    for name in list(remembered)[: len(remembered) + 1 - _REMEMBERED] if len(remembered) >= _REMEMBERED else ():
        remembered.pop(name, None)
