"""The store interface and the promises of each verb, which the conformance suite tests.

Owns: the form of a change and of a query, and the rule that an adapter raises only kojikey's own errors: the public
verbs are here, an adapter implements the verbs with ``_`` and :meth:`Store._translate`.
Must not: know the meaning of a document, or see plaintext.

A store has one header, one document for each account, and one for each key (account and provider); a store with
database roles also has a grant for each account and role. All are JSON objects of at most :data:`DOCUMENT_LIMIT` bytes.
Each has a revision, an opaque text that differs after every write, also after a deletion and a new creation, so that a
change can depend on "unchanged since I read it".
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from itertools import islice

from kojikey.model.errors import KojikeyError, StoreCorrupt
from kojikey.model.fast_namedtuple import NamedTuple
from kojikey.model.ref import HEADER, Document, Ref, account_ref, key_ref
from kojikey.stores.stored import DOCUMENT_LIMIT as DOCUMENT_LIMIT
from kojikey.stores.stored import EventRow as EventRow
from kojikey.stores.stored import Row as Row
from kojikey.stores.stored import Stored as Stored
from kojikey.stores.stored import account_in as account_in
from kojikey.stores.stored import both_of as both_of
from kojikey.stores.stored import encoded as encoded
from kojikey.stores.stored import event_in
from kojikey.stores.stored import key_in as key_in
from kojikey.stores.stored import name_in as name_in
from kojikey.stores.stored import stored_of as stored_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, ClassVar

_PAGE = 200  # rows of a page, for engines without pages of their own
_UNKNOWN = (
    "interrupted in the middle of a change: it is not known whether it was made; history and audit show it once the "
    "store answers"
)


class Change(NamedTuple):
    """One document to write (or, with ``document=None``, to delete), if it still has a revision.

    ``if_revision=None`` means "if it does not exist yet". With ``keeps`` the document is not written: the other changes
    of the commit are made only if nobody changed it. Concurrent commits that keep the same document do not conflict.
    """

    ref: Ref
    document: Document | None
    if_revision: str | None
    keeps: bool = False


class Query(NamedTuple):
    """The keys that a scan yields. ``not_tested_since`` (RFC 3339): without keys that were tested at or after it.

    ``shard`` is ``(k, n)``, the k-th (from 1) of n parts by :func:`slot_of` (but see :attr:`Store.partitioned`).
    """

    account: str | None = None
    providers: tuple[str, ...] = ()
    not_tested_since: str | None = None
    shard: tuple[int, int] | None = None

    def takes(self, stored: Stored) -> bool:
        """Return whether a key's document matches, for stores that cannot filter.

        Someone may have changed a document: a ``tested_at`` that is not text leaves no key out.
        """
        ref, tested_at = stored.ref, stored.document.get("tested_at")
        return (
            (self.account is None or ref.account == self.account)
            and (not self.providers or ref.provider in self.providers)
            and (self.not_tested_since is None or not isinstance(tested_at, str) or tested_at < self.not_tested_since)
            and (self.shard is None or slot_of(ref) % self.shard[1] == self.shard[0] - 1)
        )


class Description(NamedTuple):
    """The description of a store. ``place`` has no credentials; ``details`` is for people, in order."""

    engine: str
    place: str
    details: tuple[tuple[str, str], ...] = ()


def slot_of(ref: Ref) -> int:
    """Return the 32-bit number that decides a key's shard, the same on every machine."""
    import hashlib

    return int.from_bytes(hashlib.sha256(f"{ref.account}/{ref.provider}".encode()).digest()[:4], "big")


def new_revision() -> str:
    """Return a revision that no document has had."""
    return os.urandom(8).hex()


class Store(ABC):
    """A store of sealed documents. One thread at a time uses an instance; :meth:`close` closes it.

    Every verb raises only :class:`~kojikey.model.errors.KojikeyError`: ``StoreUnavailable`` and its subclasses for
    problems of the store, ``Conflict`` and ``NotFound`` where documented.
    """

    place: str
    """The place of the store for messages, without credentials."""

    has_roles: ClassVar[bool] = False
    """Whether the engine has roles that see only granted accounts; grants are then documents of the store."""

    partitioned: ClassVar[bool] = False
    """Whether the engine divides its content by account.

    Iterators over all accounts then yield whole accounts in the engine's order, and shards are the engine's own parts,
    each of whole accounts. Within one account the order is the usual one.
    """

    shared_by: ClassVar[str | None] = None
    """The command that allows someone else a single account, None if the engine cannot limit access to one."""

    def owner_policy(self, account: str) -> Document | None:  # noqa: ARG002 - for the engines that have one
        """Return the platform's policy that limits an account's owner to the account, None if there is none.

        Raises:
            StoreNotFound: there is no store. StoreUnavailable: the platform cannot be reached, or refused.
        """
        return None

    def create(self, header: Document) -> None:
        """Create the store with this header, durably and atomically: if killed at any point, there is a store or none.

        Raises:
            StoreExists: there is a store already; it was not changed.
        """
        self._guard(self._create, header)

    def open(self) -> Stored:
        """Check that there is a store which this version can read, and return its header. Never creates one.

        Raises:
            StoreNotFound: there is none. StoreCorrupt, StoreVersion, UnsafePermissions: the store cannot be used.
        """
        stored: Stored = self._guard(self._open)
        return stored

    def read(self, ref: Ref) -> Stored | None:
        """Return the document with every change that was acknowledged before, None if there is none."""
        stored: Stored | None = self._guard(self._read, ref)
        return stored

    def read_with_account(self, account: str, provider: str) -> tuple[Stored | None, Stored | None]:
        """Return the documents of a key and of its account, which are needed to open it, in one request if possible."""
        found: tuple[Stored | None, Stored | None] = self._guard(self._read_with_account, account, provider)
        return found

    def _read_with_account(self, account: str, provider: str) -> tuple[Stored | None, Stored | None]:
        return self._read(key_ref(account, provider)), self._read(account_ref(account))

    def read_accounts(self, accounts: Sequence[str]) -> dict[str, Stored]:
        """Return the documents of some accounts (at most some hundred) by name, in one request if possible.

        An account that does not exist is left out.
        """
        found: dict[str, Stored] = self._guard(self._read_accounts, accounts)
        return found

    def _read_accounts(self, accounts: Sequence[str]) -> dict[str, Stored]:
        read = {account: self._read(account_ref(account)) for account in accounts}
        return {account: stored for account, stored in read.items() if stored is not None}

    def revisions(self, account: str, provider: str) -> tuple[str | None, str | None]:
        """Return the present revisions of a key and of its account, None for a document that does not exist.

        A program sees from them whether its copies are up to date, which is cheaper than reading them again.
        """
        found: tuple[str | None, str | None] = self._guard(self._revisions, account, provider)
        return found

    def _revisions(self, account: str, provider: str) -> tuple[str | None, str | None]:
        key, owner = self._read(key_ref(account, provider)), self._read(account_ref(account))
        return key.revision if key else None, owner.revision if owner else None

    def commit(self, changes: Sequence[Change], events: Sequence[Document] = ()) -> tuple[str, ...]:
        """Make all changes and append all events, or none of them; durable on return.

        Returns the new revisions in the order of ``changes`` (``""`` for a deletion). Events are documents with at
        least ``account``, ``seq``, ``provider`` and ``time``; an event whose account and seq exist already is a
        conflict. There is at most one change for a ref, and deleting a document that does not exist is a conflict.

        Raises:
            ChangedMeanwhile: a document does not have its ``if_revision``, or an event exists already; its ``ref`` is
                that of the first such change (of the account, for an event). Nothing was changed.
            KeyboardInterrupt: its text says that the change may have been made, because there is no answer.
        """
        try:
            revisions: tuple[str, ...] = self._guard(self._commit, changes, events)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_UNKNOWN) from None
        return revisions

    def scan(self, query: Query = Query()) -> Iterator[Stored]:  # noqa: B008 - a Query is immutable
        """Yield the keys of a query in order of account and provider, without keeping them all in memory.

        (For the order in a :attr:`partitioned` store, also of :meth:`accounts` and :meth:`events`, see there.) A key
        that is written during the scan may be missing; a key that exists during the whole scan is yielded once. The
        caller may change the store between two items.
        """
        yield from self._guarded_iterator(self._scan(query))

    def pages(self, query: Query = Query()) -> Iterator[Sequence[Row]]:  # noqa: B008 - a Query is immutable
        """Yield the keys of :meth:`scan` as pages of rows, for callers that check many documents at once."""
        yield from self._guarded_iterator(self._pages(query))

    def counts(self, query: Query = Query()) -> dict[str, int]:  # noqa: B008 - a Query is immutable
        """Return the number of a query's keys by provider; an engine that can count sends no documents."""
        found: dict[str, int] = self._guard(self._counts, query)
        return found

    def accounts(self) -> Iterator[Stored]:
        """Yield the accounts' documents in order of name, as :meth:`scan` does."""
        yield from self._guarded_iterator(self._accounts())

    def events(self, account: str | None = None) -> Iterator[Document]:
        """Yield the events of an account (or of all) in order of account and seq; a damaged or moved one as ``{}``."""
        yield from map(event_in, self._guarded_iterator(self._events(account)))

    def grants(self, account: str, *, inherited_by: str | None = None) -> Iterator[Stored]:
        """Yield the grants of an account in order of role; none for an engine without roles.

        With ``inherited_by``, only those of other roles from which that role inherits access to the account.
        """
        yield from self._guarded_iterator(self._grants(account, inherited_by))

    def upgrade(self) -> None:
        """Bring an existing store to this version's format, if opening it does not do that already."""
        self._guard(self._upgrade)

    def leave_to_parent(self) -> None:  # noqa: B027 - most engines have nothing to do
        """In a forked process: do not use or close connections of the parent process, not even at exit."""

    def role(self) -> str | None:
        """Return our role in the engine, None for an engine without roles. Raises as :meth:`open`."""
        role: str | None = self._guard(self._role)
        return role

    def sees_every_account(self) -> bool:
        """Return whether our role in the engine sees all accounts. Raises as :meth:`open`."""
        sees: bool = self._guard(self._sees_every_account)
        return sees

    def describe(self) -> Description:
        """Return the description of the store, also if it does not exist."""
        description: Description = self._guard(self._describe)
        return description

    def is_in_place(self) -> bool:
        """Return whether the open store is still the one at its place: someone may have replaced an open file."""
        return True

    def close(self) -> None:  # noqa: B027 - some adapters have nothing to release
        """Release all resources. Safe to repeat."""

    def header(self) -> Stored:
        """Return the present header. Raises as :meth:`open`."""
        stored = self.read(HEADER)
        return stored if stored is not None else self.open()

    @abstractmethod
    def _create(self, header: Document) -> None: ...

    def _open(self) -> Stored:
        """Return the header, in an engine whose ``_read`` refuses a store that does not exist."""
        header = self._read(HEADER)
        if header is None:
            raise StoreCorrupt(self.place, "has lost its header; it was left as it is")
        return header

    @abstractmethod
    def _read(self, ref: Ref) -> Stored | None: ...

    @abstractmethod
    def _commit(self, changes: Sequence[Change], events: Sequence[Document]) -> tuple[str, ...]: ...

    @abstractmethod
    def _scan(self, query: Query) -> Iterator[Stored]: ...

    def _pages(self, query: Query) -> Iterator[Sequence[Row]]:
        found = self._scan(query)
        while page := [
            (each.ref.account, each.ref.provider, each.text, each.revision) for each in islice(found, _PAGE)
        ]:
            yield page

    def _counts(self, query: Query) -> dict[str, int]:
        counts: dict[str, int] = {}
        for stored in self._scan(query):
            counts[stored.ref.provider] = counts.get(stored.ref.provider, 0) + 1
        return counts

    @abstractmethod
    def _accounts(self) -> Iterator[Stored]: ...

    @abstractmethod
    def _events(self, account: str | None) -> Iterator[EventRow]: ...

    def _grants(self, account: str, inherited_by: str | None) -> Iterator[Stored]:  # noqa: ARG002
        return iter(())

    def _upgrade(self) -> None:
        return

    def _role(self) -> str | None:
        return None

    def _sees_every_account(self) -> bool:
        return True

    @abstractmethod
    def _describe(self) -> Description: ...

    @abstractmethod
    def _translate(self, error: Exception) -> KojikeyError | None:
        """Return our error for an error of the engine, None for any other error (a bug, which is not caught)."""

    def _guard(self, verb: Any, *arguments: Any) -> Any:
        try:
            return verb(*arguments)
        except KojikeyError:
            raise
        except Exception as error:
            raise self._ours(error) from None

    def _guarded_iterator(self, items: Iterator[Any]) -> Iterator[Any]:
        try:
            yield from items
        except KojikeyError:
            raise
        except Exception as error:
            raise self._ours(error) from None

    def _ours(self, error: Exception) -> Exception:
        # `from None` above: the text of an engine's exception can contain a connection string or a row
        return self._translate(error) or error
