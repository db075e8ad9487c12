"""The PostgreSQL store (14 or newer): a schema ``kojikey`` in a database that several machines share.

Owns: the verbs. ``schema.py`` has the statements, ``access.py`` the rules for access, ``address.py`` the URL,
``connection.py`` the connection, ``errors.py`` the errors.
Must not: create a store when opening one, or keep a transaction open while its caller does something else.

A change is one transaction (READ COMMITTED): each document is replaced WHERE it has its revision, or added ON CONFLICT
DO NOTHING; a statement that affects no row means that somebody else changed the document. Rows are locked in one order
(that of refs, then events), so that two changes never wait for each other.

A scan reads one page per statement, by key. A server-side cursor would need a transaction during the whole scan (hours,
if each key is tested in between): the server could not clean up deleted rows, a lost connection would end the scan, and
a pooler could not share the session.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, LiteralString, NamedTuple

from kojikey.model.errors import ChangedMeanwhile, KojikeyError, StoreCorrupt, StoreExists, StoreNotFound, UsageError
from kojikey.model.next_step import next_step
from kojikey.model.ref import Document, Ref, account_ref, grant_ref
from kojikey.stores.base import (
    Change,
    Description,
    EventRow,
    Query,
    Row,
    Store,
    Stored,
    account_in,
    both_of,
    encoded,
    key_in,
    new_revision,
    stored_of,
)

try:
    import psycopg
except ImportError:  # also if psycopg finds no libpq
    raise UsageError(
        "PostgreSQL stores need psycopg, which is not installed here", hint="pip install 'kojikey[postgres]'"
    ) from None

from psycopg import Connection

from kojikey.stores.postgres.access import (
    AS_OWNER,
    ROLE_IN_STORE,
    follow_grants,
    is_owner,
    lacking,
    refuse_role,
    secure,
)
from kojikey.stores.postgres.address import Address, read_address
from kojikey.stores.postgres.connection import Rows, ServerConnection
from kojikey.stores.postgres.schema import (
    ADD,
    ADD_EVENT,
    BEFORE_A_CHANGE,
    EVENT_REVISION,
    EVENTS_OF_ONE,
    GRANTS,
    LEDGER,
    MIGRATIONS,
    PAGE,
    READ,
    READ_ACCOUNTS,
    READ_WITH_ACCOUNT,
    REVISIONS,
    TAKE,
    VERSION,
    all_accounts,
    all_events,
    counting,
    line_of,
    migrate,
    place,
    row_of,
    scanning,
    statement,
)

_Connection = Connection[tuple[Any, ...]]
# the errors when another process creates the store at the same time
_CREATED_MEANWHILE = (
    psycopg.errors.DuplicateSchema, psycopg.errors.DuplicateTable, psycopg.errors.UniqueViolation,
)  # fmt: skip


class _Work(NamedTuple):
    """A commit. A repeated attempt has the same revisions, which show whether an earlier one was made."""

    changes: tuple[Change, ...]
    rows: tuple[dict[str, Any], ...]
    lines: tuple[dict[str, Any], ...]

    @property
    def needs_owner(self) -> bool:
        """Whether it changes the header or grants: only the owner may, and earlier releases lock these differently."""
        return any(change.ref.kind in ("header", "grant") and not change.keeps for change in self.changes)

    @property
    def is_of_grants(self) -> bool:
        """Whether it changes grants, and with them privileges."""
        return any(change.ref.kind == "grant" for change in self.changes)


class PostgresStore(Store):
    """A store in a database. The first verb connects, also after :meth:`close`.

    ``lock_timeout``: the seconds that a change waits for another one. ``patience``: those that a statement waits for a
    server that says nothing.
    """

    has_roles = True
    shared_by = next_step("store grant", "ACCOUNT", "ROLE")

    def __init__(self, address: Address, *, lock_timeout: float = 5.0, patience: float = 30.0) -> None:
        self.place = address.place
        self._address = address
        self._server = ServerConnection(address, lock_timeout=lock_timeout, patience=patience)

    def close(self) -> None:
        """Release all resources. Safe to repeat."""
        self._guard(self._server.drop)

    def leave_to_parent(self) -> None:
        """See :meth:`Store.leave_to_parent`."""
        self._server.leave_to_parent()

    def _create(self, header: Document) -> None:
        row = {"revision": new_revision(), "document": encoded(header, self.place)}
        try:
            try:
                self._build(row)
            except _CREATED_MEANWHILE:
                self._build(row)  # raises StoreExists
        except psycopg.errors.InsufficientPrivilege:
            from kojikey.stores.postgres.errors import no_schema_created

            raise no_schema_created(self._address, self._role_now()) from None
        except psycopg.Error as error:
            if not self._server.is_lost(error):
                raise
            self._server.drop()
            try:
                if self._open().revision != row["revision"]:
                    raise StoreExists(self.place)
            except StoreNotFound:
                self._build(row)

    def _build(self, row: dict[str, Any]) -> None:
        with self._server.transaction() as connection:
            # if two processes create the store, the second waits here for the schema, or for its first table below
            if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'kojikey'").fetchall():
                self._refuse_strangers(connection)
                connection.execute(AS_OWNER)
            else:
                connection.execute("CREATE SCHEMA kojikey")
            for command in LEDGER:
                connection.execute(command)
            migrate(connection, 0)
            secure(connection)
            connection.execute(ADD["header"], row)

    def _refuse_strangers(self, connection: _Connection) -> None:
        """Check that an existing schema is empty; an administrator may have prepared it."""
        tables = {
            name
            for (name,) in connection.execute(
                "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'kojikey'"
            ).fetchall()
        }
        if {"header", "migrations"} <= tables:
            raise StoreExists(self.place)
        if tables:
            raise StoreCorrupt(self.place, "has a schema kojikey that does not belong to a store; it was left as it is")

    def _upgrade(self) -> None:
        if self._server.version() is None:
            return
        with self._server.transaction() as connection:
            if not is_owner(connection):
                return
            connection.execute(AS_OWNER)
            connection.execute(TAKE)
            # the version is read again, because another process may have migrated while this one waited
            version = connection.execute(VERSION).fetchall()[0][0] or 0
            if version <= len(MIGRATIONS):
                migrate(connection, version)
                secure(connection)
        self._server.drop()  # the next use checks the version again

    def _read(self, ref: Ref) -> Stored | None:
        rows = self._server.rows(READ[ref.kind], {"account": ref.account, "provider": ref.provider})
        if ref.kind == "grant" and not rows:
            refuse_role(ref.provider, self._server.rows(ROLE_IN_STORE, (ref.provider,))[0])
        return stored_of(ref, rows[0][0], rows[0][1], self.place) if rows else None

    def _read_with_account(self, account: str, provider: str) -> tuple[Stored | None, Stored | None]:
        names = {"account": account, "provider": provider}
        return both_of(account, provider, *self._server.rows(READ_WITH_ACCOUNT, names))

    def _read_accounts(self, accounts: Sequence[str]) -> dict[str, Stored]:
        rows = self._server.rows(READ_ACCOUNTS, {"accounts": list(accounts)})
        return {row[0]: account_in(row, self.place) for row in rows}

    def _revisions(self, account: str, provider: str) -> tuple[str | None, str | None]:
        key, owner = self._server.rows(REVISIONS, {"account": account, "provider": provider})[0]
        return key, owner

    def _commit(self, changes: Sequence[Change], events: Sequence[Document]) -> tuple[str, ...]:
        rows = tuple(row_of(change, self.place) for change in changes)
        revision = new_revision()
        work = _Work(tuple(changes), rows, tuple(line_of(event, self.place, revision) for event in events))
        try:
            self._attempt_at_primary(work)
        except psycopg.errors.InsufficientPrivilege:
            if work.needs_owner:
                from kojikey.stores.postgres.errors import owner_alone

                raise owner_alone(self._address, self._role_now()) from None
            raise
        except psycopg.Error as error:
            if isinstance(error, psycopg.errors.ReadOnlySqlTransaction) or not self._server.is_lost(error):
                raise
            self._settle(work)
        return tuple(row["revision"] for row in rows)

    def _attempt_at_primary(self, work: _Work) -> None:
        try:
            self._attempt(work)
        except psycopg.errors.ReadOnlySqlTransaction:
            # the server is a standby now and changed nothing; a new connection finds the primary
            self._server.drop()
            self._attempt(work)
        except psycopg.errors.InsufficientPrivilege:
            # after a migration, a role has fewer privileges and needs other statements
            if self._server.checked_version() == self._server.version():
                raise
            self._server.drop()
            self._attempt(work)

    def _attempt(self, work: _Work) -> None:
        # a pipeline: one round trip for all statements; nothing is committed before all results were checked
        version = self._server.checked_version()
        if work.needs_owner:
            self._server.require_present_version()
        with self._server.checked().pipeline() as pipeline, self._server.transaction() as connection:
            settings = connection.execute(BEFORE_A_CHANGE)
            if work.is_of_grants:
                connection.execute(TAKE)
            touched = {
                index: connection.execute(statement(work.changes[index], version=version), work.rows[index])
                for index in sorted(range(len(work.changes)), key=lambda index: work.changes[index].ref)
            }
            added = [
                (line["account"], connection.execute(ADD_EVENT, line))
                for line in sorted(work.lines, key=lambda line: (line["account"], line["seq"]))
            ]
            pipeline.sync()
            self._server.refuse_other_version(settings.fetchall()[0][0])
            for index, change in enumerate(work.changes):
                if touched[index].rowcount != 1:
                    raise ChangedMeanwhile(change.ref)
            for account, cursor in added:
                if cursor.rowcount != 1:
                    raise ChangedMeanwhile(account_ref(account))
            follow_grants(connection, work.changes)

    def _settle(self, work: _Work) -> None:
        """Find out on a new connection whether a change was made, and make it if it was not.

        Raises:
            ChangedMeanwhile: it was not made, and somebody else changed a document. StoreUnreachable: it is not known.
        """
        from kojikey.stores.postgres.errors import unknown_outcome

        self._server.drop()
        try:
            if self._was_made(work) or self._is_made_now(work):
                return
        except ChangedMeanwhile:
            raise
        except (psycopg.Error, KojikeyError):
            raise unknown_outcome(self._address) from None
        raise unknown_outcome(self._address)

    def _is_made_now(self, work: _Work) -> bool:
        """Make a change that was not found; return False if it is not known whether it was made before.

        Raises:
            ChangedMeanwhile: it was made neither before nor now.
        """
        try:
            self._attempt(work)
        except ChangedMeanwhile:
            # the first attempt may have been committed while this one waited for its locks
            if self._was_made(work):
                return True
            if work.lines:
                raise
            return False
        return True

    def _was_made(self, work: _Work) -> bool:
        """Return whether a change was made, by the revision of its event, or of a document if it has no events."""
        if work.lines:
            return self._server.rows(EVENT_REVISION, work.lines[0]) == [(work.lines[0]["revision"],)]
        return any(
            row["revision"] and (stored := self._read(change.ref)) is not None and stored.revision == row["revision"]
            for change, row in zip(work.changes, work.rows, strict=True)
        )

    def _scan(self, query: Query) -> Iterator[Stored]:
        return (key_in(row, self.place) for page in self._pages(query) for row in page)

    def _pages(self, query: Query) -> Iterator[list[Row]]:
        limited = self._is_limited(query.account)
        select, values = scanning(query, limited=limited)
        yield from self._paged(select, ("", ""), values, limited=limited)

    def _counts(self, query: Query) -> dict[str, int]:
        return dict(self._server.rows(*counting(query, limited=self._is_limited(query.account))))

    def _accounts(self) -> Iterator[Stored]:
        limited = self._is_limited(None)
        rows = chain.from_iterable(self._paged(all_accounts(limited=limited), ("",), [], limited=limited))
        yield from (account_in(row, self.place) for row in rows)

    def _events(self, account: str | None) -> Iterator[EventRow]:
        limited = self._is_limited(account)
        select = EVENTS_OF_ONE if account is not None else all_events(limited=limited)
        yield from chain.from_iterable(self._paged(select, (account or "", -1), [], limited=limited))

    def _is_limited(self, account: str | None) -> bool:
        """Return whether a statement is for all accounts while our role sees only some."""
        return account is None and not self._sees_every_account()

    def _grants(self, account: str, inherited_by: str | None) -> Iterator[Stored]:
        for role, text, revision in self._server.rows(GRANTS, {"account": account, "inherited_by": inherited_by}):
            yield stored_of(grant_ref(account, role), text, revision, self.place)

    def _paged(
        self, select: LiteralString, first: tuple[Any, ...], values: list[Any], *, limited: bool
    ) -> Iterator[Rows]:
        after, page = first, select + " LIMIT %s"
        while True:
            rows = self._server.rows(page, [*place(after, limited=limited), *values, PAGE])
            yield rows
            if len(rows) < PAGE:
                return
            after = rows[-1][: len(first)]

    def _role(self) -> str:
        return str(self._server.rows("SELECT current_user")[0][0])

    def _sees_every_account(self) -> bool:
        _, administers, exempt = self._server.rows(ROLE_IN_STORE, (None,))[0]
        return bool(administers or exempt)

    def _describe(self) -> Description:
        from kojikey.stores.postgres.report import report

        engine, details = report(self._server, guard=self._guard)
        return Description(engine, self.place, details)

    def _translate(self, error: Exception) -> KojikeyError | None:
        from kojikey.stores.postgres.errors import denied, translated

        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            try:
                with self._server.transaction() as connection:
                    return denied(self._address, self._role_now(), lacking(connection))
            except (psycopg.Error, KojikeyError):
                return translated(error, self._address)
        return translated(error, self._address)

    def _role_now(self) -> str:
        return str(self._server.connected().execute("SELECT current_user").fetchall()[0][0])


def from_url(url: str) -> PostgresStore:
    """Return the store for ``postgresql://USER@HOST[:PORT][,…]/DATABASE[?OPTION=…]``; the options are libpq's.

    Raises:
        UsageError: as :func:`~kojikey.stores.postgres.address.read_address`.
    """
    return PostgresStore(read_address(url))
