"""The store interface and the promises of each verb, which the conformance suite tests.

Owns: the form of a change and of a query, and the rule that only our own errors leave an adapter: the public
verbs are fixed here, an adapter fills in the ``_`` verbs and :meth:`Store._translate`.
Must not: know the meaning of a document, or see plaintext.

A store holds three kinds of documents: one header, one document an account, one an account and provider. (A store with
database roles holds grants besides, one an account and role.) All are JSON objects of at most :data:`DOCUMENT_LIMIT`
bytes. Each has a revision, an opaque text that differs after every write, also after a delete and a new creation, so
that "unchanged since I read it" can be asked of any store.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from itertools import islice

from kojikey.model.errors import KojikeyError
from kojikey.model.fast_namedtuple import NamedTuple
from kojikey.model.ref import HEADER, Document, Ref, account_ref, key_ref
from kojikey.stores.stored import DOCUMENT_LIMIT as DOCUMENT_LIMIT
from kojikey.stores.stored import Row as Row
from kojikey.stores.stored import Stored as Stored
from kojikey.stores.stored import account_in as account_in
from kojikey.stores.stored import both_of as both_of
from kojikey.stores.stored import decoded as decoded
from kojikey.stores.stored import encoded as encoded
from kojikey.stores.stored import key_in as key_in
from kojikey.stores.stored import name_in as name_in
from kojikey.stores.stored import stored_of as stored_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, ClassVar

_PAGE = 200  # rows of a page, of an engine that does not say
_UNKNOWN = (
    "interrupted in the middle of a change: it is not known whether it was made; history and audit show it once the "
    "store answers"
)


class Change(NamedTuple):
    """One document to write (or, with ``document=None``, to delete), if it is still at a revision.

    ``if_revision=None`` means "if it does not exist yet". With ``keeps`` the document stays as it is: the other changes
    are made only if nobody changed it, and many that keep the same document do not get into each other's way.
    """

    ref: Ref
    document: Document | None
    if_revision: str | None
    keeps: bool = False


class Query(NamedTuple):
    """Which keys a scan yields. ``not_tested_since`` is a stamp: keys tested at or after it are left out.

    ``shard`` is ``(k, n)``, the k-th (from 1) of n parts by :func:`slot_of` (but see :attr:`Store.partitioned`).
    """

    account: str | None = None
    providers: tuple[str, ...] = ()
    not_tested_since: str | None = None
    shard: tuple[int, int] | None = None

    def takes(self, stored: Stored) -> bool:
        """Return whether a key's document matches: the meaning of a query, for stores that cannot filter.

        Documents can have any form, because somebody may have changed them: what is no moment leaves none out.
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
    """Return the stable 32-bit number by which keys are divided into shards (the same on every machine)."""
    import hashlib

    return int.from_bytes(hashlib.sha256(f"{ref.account}/{ref.provider}".encode()).digest()[:4], "big")


def new_revision() -> str:
    """Return a revision that no document has had."""
    return os.urandom(8).hex()


class Store(ABC):
    """Where sealed documents live. One instance is used from one thread at a time and closed by :meth:`close`.

    Every verb raises only :class:`~kojikey.model.errors.KojikeyError`: ``StoreUnavailable`` and its subclasses for what
    is wrong with the store, ``Conflict`` and ``NotFound`` where said.
    """

    place: str
    """Where it is, without credentials, as messages name it."""

    has_roles: ClassVar[bool] = False
    """Whether its engine has roles that see only what they were granted: then it takes grants as documents."""

    partitioned: ClassVar[bool] = False
    """Whether the engine itself divides what it holds, by account.

    Then what goes over all accounts comes account by account, but these in the engine's order, and shards are the
    engine's own parts, each of whole accounts. Queries for one account are in order in any case.
    """

    shared_by: ClassVar[str | None] = None
    """The command that lets somebody see one account alone, None where the engine cannot hold them to that."""

    def owner_policy(self, account: str) -> Document | None:  # noqa: ARG002 - for the engines that have one
        """Return the policy of the engine's platform that holds an account's owner to the account, None without one.

        Raises:
            StoreNotFound: there is no store. StoreUnavailable: the platform was not reached, or refused.
        """
        return None

    def create(self, header: Document) -> None:
        """Create the store with this header, durably and whole: killed at any point, there is a store or none.

        Raises:
            StoreExists: there is a store already; it was not touched.
        """
        self._guard(self._create, header)

    def open(self) -> Stored:
        """Check that this is a store that this version reads, and return its header. Never creates one.

        Raises:
            StoreNotFound: there is none. StoreCorrupt, StoreVersion, UnsafePermissions: it is not usable as it is.
        """
        stored: Stored = self._guard(self._open)
        return stored

    def read(self, ref: Ref) -> Stored | None:
        """Return the present document, with every change that was acknowledged before; None where there is none."""
        stored: Stored | None = self._guard(self._read, ref)
        return stored

    def read_with_account(self, account: str, provider: str) -> tuple[Stored | None, Stored | None]:
        """Return the documents of a key and of its account: what opens it, in one request where possible."""
        found: tuple[Stored | None, Stored | None] = self._guard(self._read_with_account, account, provider)
        return found

    def _read_with_account(self, account: str, provider: str) -> tuple[Stored | None, Stored | None]:
        return self._read(key_ref(account, provider)), self._read(account_ref(account))

    def read_accounts(self, accounts: Sequence[str]) -> dict[str, Stored]:
        """Return the documents of these accounts (some hundreds at most) by name, in one request where possible.

        Each is as :meth:`read` returns it; an account that is not there is left out.
        """
        found: dict[str, Stored] = self._guard(self._read_accounts, accounts)
        return found

    def _read_accounts(self, accounts: Sequence[str]) -> dict[str, Stored]:
        read = {account: self._read(account_ref(account)) for account in accounts}
        return {account: stored for account, stored in read.items() if stored is not None}

    def revisions(self, account: str, provider: str) -> tuple[str | None, str | None]:
        """Return the revisions that a key and its account have now, None for what is not there.

        It tells a program that what it read before is still so, for less than reading it again.
        """
        found: tuple[str | None, str | None] = self._guard(self._revisions, account, provider)
        return found

    def _revisions(self, account: str, provider: str) -> tuple[str | None, str | None]:
        key, owner = self._read(key_ref(account, provider)), self._read(account_ref(account))
        return key.revision if key else None, owner.revision if owner else None

    def commit(self, changes: Sequence[Change], events: Sequence[Document] = ()) -> tuple[str, ...]:
        """Make all changes and append all events, or none of it; durable on return.

        Returns the revisions from then on, in the order of ``changes`` (``""`` for a deletion). Events are documents
        with at least ``account``, ``seq``, ``provider`` and ``time``; one whose account and seq are taken is a
        conflict. There is at most one change for a ref, and to delete what is not there is a conflict.

        Raises:
            ChangedMeanwhile: a document is not at its ``if_revision``, or an event's place is taken; its ``ref`` is
                that of the first such change (of the account, for an event). Nothing was changed.
            KeyboardInterrupt: says that the change may have been made: the engine's answer did not come.
        """
        try:
            revisions: tuple[str, ...] = self._guard(self._commit, changes, events)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_UNKNOWN) from None
        return revisions

    def scan(self, query: Query = Query()) -> Iterator[Stored]:  # noqa: B008 - a Query is immutable
        """Yield the keys that a query takes, in order of account and provider, without holding them all.

        (Of a :attr:`partitioned` store: account by account. The same goes for :meth:`accounts` and :meth:`events`.)
        A key written during the scan may or may not be seen; one that is there from beginning to end is seen once.
        The store may be changed between two items.
        """
        yield from self._guarded_iterator(self._scan(query))

    def pages(self, query: Query = Query()) -> Iterator[Sequence[Row]]:  # noqa: B008 - a Query is immutable
        """Yield what :meth:`scan` yields as rows, many at once, for who checks the form of many documents at once."""
        yield from self._guarded_iterator(self._pages(query))

    def counts(self, query: Query = Query()) -> dict[str, int]:  # noqa: B008 - a Query is immutable
        """Return how many keys a query takes, by provider; an engine that counts sends no documents for it."""
        found: dict[str, int] = self._guard(self._counts, query)
        return found

    def accounts(self) -> Iterator[Stored]:
        """Yield the accounts' documents in order of name, as :meth:`scan` does."""
        yield from self._guarded_iterator(self._accounts())

    def events(self, account: str | None = None) -> Iterator[Document]:
        """Yield the events of an account (or of all) in order of account and seq."""
        yield from self._guarded_iterator(self._events(account))

    def grants(self, account: str, *, inherited_by: str | None = None) -> Iterator[Stored]:
        """Yield the grants of an account in order of role: none where the engine has no roles.

        With ``inherited_by``, only those of other roles through which that role still sees the account.
        """
        yield from self._guarded_iterator(self._grants(account, inherited_by))

    def upgrade(self) -> None:
        """Bring an existing store to this version's format, where opening it does not; otherwise do nothing."""
        self._guard(self._upgrade)

    def leave_to_parent(self) -> None:  # noqa: B027 - most engines have nothing to do
        """Keep hands off connections that belong to the process that this one was forked from, also at the end."""

    def role(self) -> str | None:
        """Return our role in the engine, None where it has no roles. Raises as :meth:`open`."""
        role: str | None = self._guard(self._role)
        return role

    def sees_every_account(self) -> bool:
        """Return whether our role in the engine sees every account, not only some. Raises as :meth:`open`."""
        sees: bool = self._guard(self._sees_every_account)
        return sees

    def describe(self) -> Description:
        """Return the description of the store; works for a store that does not exist."""
        description: Description = self._guard(self._describe)
        return description

    def is_in_place(self) -> bool:
        """Return whether what is open is still the store of this place: an open file may have been replaced."""
        return True

    def close(self) -> None:  # noqa: B027 - an adapter that holds nothing has nothing to release
        """Release all resources. Safe to repeat."""

    def header(self) -> Stored:
        """Return the header as it is now. Raises as :meth:`open`."""
        stored = self.read(HEADER)
        return stored if stored is not None else self.open()

    @abstractmethod
    def _create(self, header: Document) -> None: ...

    @abstractmethod
    def _open(self) -> Stored: ...

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
    def _events(self, account: str | None) -> Iterator[Document]: ...

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
        """Return our error for one of the engine's, None for any other (a bug, which is not caught)."""

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
        # `from None` above: an engine's exception text can hold a connection string or a row.
        return self._translate(error) or error
