"""The connection of a PostgreSQL store: opened when it is first needed, and again after it was lost.

Owns: connecting, checking that there is a store of this version, and the one safe retry of reads.
Must not: change anything, or know what a document is.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import Connection

from kojikey.model.errors import Effect, StoreCorrupt, StoreNotFound, StoreVersion
from kojikey.model.next_step import Hint, next_step
from kojikey.stores.postgres.address import Address
from kojikey.stores.postgres.schema import GUARDED, MIGRATIONS, OLDEST, VERSION

Rows = list[tuple[Any, ...]]
# psycopg logs what becomes of a connection that broke. Without a handler Python would print it on stderr.
logging.getLogger("psycopg").addHandler(logging.NullHandler())

_LOST = ("08", "57P", "25P03", "25006")
"""SQLSTATEs after which another connection may do better. 25006: what was the primary is a standby now."""


class Link:
    """One connection at a time. After :meth:`drop` the next use makes another.

    ``lock_timeout`` is how many seconds anything waits for somebody else's lock.
    """

    def __init__(self, address: Address, *, lock_timeout: float = 5.0) -> None:
        self.address = address
        self._lock_timeout = f"{round(lock_timeout * 1000)}ms"
        self._connection: Connection[tuple[Any, ...]] | None = None
        self._closing: weakref.finalize[..., Link] | None = None
        self._proven: int | None = None  # the version of the schema that was met

    def drop(self) -> None:
        """Close what is open. Safe to repeat."""
        closing, self._closing, self._connection, self._proven = self._closing, None, None, None
        if closing is not None:
            closing()

    def leave_to_parent(self) -> None:
        """Do not close the connection at the end of this process: its socket is that of the one it was forked from."""
        if self._closing is not None:
            self._closing.detach()

    def connected(self) -> Connection[tuple[Any, ...]]:
        """Return a connection to the database, whether or not there is a store.

        Raises:
            StoreUnavailable: there is no connection. StoreNotFound: there is no such database.
        """
        if self._connection is None:
            try:
                # prepare_threshold: a pooler between here and the server may hand each statement to another session.
                self._connection = psycopg.connect(
                    self.address.conninfo.reveal(), autocommit=True, prepare_threshold=None
                )
            except (psycopg.Error, OSError) as error:
                from kojikey.stores.postgres.errors import not_connected

                raise not_connected(error, self.address) from None
            # A command ends without closing its store; psycopg would warn of a connection that nobody closed.
            self._closing = weakref.finalize(self, self._connection.close)
        return self._connection

    def proven(self) -> Connection[tuple[Any, ...]]:
        """Return a connection to a store of a version that is read here.

        Raises:
            StoreNotFound: there is none. StoreVersion: it is newer. Otherwise as :meth:`connected`.
        """
        connection = self.connected()
        if self._proven is None:
            version = self.version()
            if version is None:
                raise StoreNotFound(
                    self.address.place,
                    f"there is no store at {self.address.place}: its database has none yet",
                    hint=next_step("store init", "URL", "--kek", "SOURCE"),
                )
            self.refuse_other_version(version)
            self._proven = version
        return connection

    def proven_version(self) -> int:
        """Return the version of the schema that was met. Raises as :meth:`proven`."""
        self.proven()
        return self._proven or len(MIGRATIONS)

    @contextmanager
    def transaction(self) -> Iterator[Connection[tuple[Any, ...]]]:
        """Give the connection for one transaction, whether or not there is a store. Within a pipeline it costs nothing.

        Raises:
            StoreUnavailable, StoreNotFound: as :meth:`connected`.
        """
        connection = self.connected()
        with connection.transaction():
            connection.execute(GUARDED, (self._lock_timeout,))
            yield connection

    def version(self) -> int | None:
        """Return the version of the schema, None where there is none."""
        try:
            found = self._asked(VERSION, ())
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return None
        version: int | None = found[0][0]
        if version is None:
            raise StoreCorrupt(
                self.address.place,
                "has lost the record of its version; it was left as it is",
                hint="restore it from a backup; kojikey does not replace it",
            )
        return version

    def refuse_other_version(self, version: int | None) -> None:
        """Check that the schema is of a version that this code reads.

        Raises:
            StoreVersion: it is not.
        """
        if version is None or not OLDEST <= version <= len(MIGRATIONS):
            raise StoreVersion(
                self.address.place,
                f"was created by a newer kojikey (schema version {version}, here {len(MIGRATIONS)})",
                hint="upgrade kojikey",
                effect=Effect.NOTHING_CHANGED,
            )

    def require_present_version(self) -> None:
        """Check that the schema is of the present version, for what an older one cannot do safely.

        Raises:
            StoreVersion: it is older.
        """
        version = self.proven_version()
        if version < len(MIGRATIONS):
            raise StoreVersion(
                self.address.place,
                f"is of an earlier release (schema version {version}, here {len(MIGRATIONS)}), which does not support "
                "this",
                hint=Hint(
                    "its owner runs ",
                    next_step("store init", "URL"),
                    ", which brings it up to date; then upgrade every kojikey",
                ),
                effect=Effect.NOTHING_CHANGED,
            )

    def rows(self, select: LiteralString, values: Any = ()) -> Rows:
        """Return the result of a read, which is repeated where the connection was lost."""
        try:
            self.proven()
            return self._asked(select, values)
        except psycopg.Error as error:
            if not self.is_lost(error):
                raise
        self.drop()
        self.proven()
        return self._asked(select, values)

    def _asked(self, select: LiteralString, values: Any) -> Rows:
        # A pipeline: the transaction around the question goes in the same round trip.
        with self.connected().pipeline(), self.transaction() as connection:
            found = connection.execute(select, values)
        return found.fetchall()

    def is_lost(self, error: psycopg.Error) -> bool:
        """Return whether an error is that of the connection, and not of what was asked."""
        broken = self._connection is None or self._connection.closed
        return broken or (error.sqlstate or "").startswith(_LOST)
