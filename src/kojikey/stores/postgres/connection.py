"""The connection of a PostgreSQL store: opened at the first use, and again after it was lost.

Owns: connecting, checking the store's version, and the one safe retry of reads. Must not: change anything, or know
documents.
"""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg.waiting import Ready, Wait

from kojikey.model.errors import Effect, StoreCorrupt, StoreNotFound, StoreVersion
from kojikey.model.next_step import Hint, next_step
from kojikey.stores.postgres.address import Address
from kojikey.stores.postgres.schema import GUARDED, MIGRATIONS, OLDEST, VERSION

if TYPE_CHECKING:
    from typing import TypeVar

    from psycopg.abc import PQGen

    _Result = TypeVar("_Result")

Rows = list[tuple[Any, ...]]
# psycopg logs broken connections, which Python prints to stderr if there is no handler
logging.getLogger("psycopg").addHandler(logging.NullHandler())

_LOST = ("08", "57P", "25P03", "25006")
"""SQLSTATEs after which a new connection may succeed. 25006: the former primary is a standby now."""


class _PatientConnection(Connection[tuple[Any, ...]]):
    """A connection that closes itself after ``patience`` seconds in which a statement waits and the server is silent.

    A server that is frozen, or that waits for its disk or for a synchronous standby, keeps its connections open. Its
    own time limits do not end then, and the network notices nothing.

    It also sends the rest of a long change while psycopg waits for the answer: in a pipeline psycopg sends what the
    network takes at that moment, and a server that does not have the whole change may say nothing.
    """

    patience: float

    def wait(self, gen: PQGen[_Result], *arguments: Any, **settings: Any) -> _Result:
        """Do a step of the protocol. Raises ``OperationalError`` if the server is silent for too long."""
        return super().wait(self._watched(gen), *arguments, **settings)

    def _watched(self, gen: PQGen[_Result]) -> PQGen[_Result]:
        heard = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                is_unsent = wanted == Wait.R and self._has_unsent()
                ready = yield Wait.RW if is_unsent else wanted  # nothing is ready: psycopg asks ten times a second
                if ready:
                    heard = time.monotonic()
                    if is_unsent and ready == Ready.W:
                        continue
                elif time.monotonic() - heard > self.patience:
                    self.pgconn.finish()
                    raise psycopg.OperationalError("the server is silent")
                wanted = gen.send(ready)
        except StopIteration as end:
            result: _Result = end.value
            return result

    def _has_unsent(self) -> bool:
        """Send what the network takes, and return whether something is left."""
        try:
            return self.pgconn.flush() == 1
        except psycopg.OperationalError:
            return False  # the answer says why


class ServerConnection:
    """One connection at a time. After :meth:`drop` the next use opens another.

    ``lock_timeout``: the seconds that a statement waits for a lock. ``patience``: see :class:`_PatientConnection`.
    """

    def __init__(self, address: Address, *, lock_timeout: float = 5.0, patience: float = 30.0) -> None:
        self.address, self._patience = address, patience
        self._lock_timeout = f"{round(lock_timeout * 1000)}ms"
        self._connection: Connection[tuple[Any, ...]] | None = None
        self._closing: weakref.finalize[..., ServerConnection] | None = None
        self._checked_version: int | None = None  # the version of the store's schema

    def drop(self) -> None:
        """Close the connection. Safe to repeat."""
        closing, self._closing, self._connection, self._checked_version = self._closing, None, None, None
        if closing is not None:
            closing()

    def leave_to_parent(self) -> None:
        """Do not close the connection at the end of this process, which shares it with its parent."""
        if self._closing is not None:
            self._closing.detach()

    def connected(self) -> Connection[tuple[Any, ...]]:
        """Return a connection to the database, even if there is no store.

        Raises:
            StoreUnavailable: the server cannot be reached, or refused. StoreNotFound: there is no such database.
        """
        if self._connection is None:
            try:
                # prepare_threshold: a pooler may run each statement in another session
                connection = _PatientConnection.connect(
                    self.address.conninfo.reveal(), autocommit=True, prepare_threshold=None
                )
            except (psycopg.Error, OSError) as error:
                from kojikey.stores.postgres.errors import not_connected

                raise not_connected(error, self.address) from None
            connection.patience = self._patience
            # in a stricter level, which may be the database's default, a change that came second would be an error of
            # the server, not a conflict
            connection.isolation_level = IsolationLevel.READ_COMMITTED
            self._connection = connection
            # a command ends without closing its store, and psycopg warns of a connection that was not closed
            self._closing = weakref.finalize(self, self._connection.close)
        return self._connection

    def checked(self) -> Connection[tuple[Any, ...]]:
        """Return a connection to a store whose version this kojikey can read.

        Raises:
            StoreNotFound: there is none. StoreVersion: it is newer. Otherwise as :meth:`connected`.
        """
        connection = self.connected()
        if self._checked_version is None:
            version = self.version()
            if version is None:
                raise StoreNotFound(
                    self.address.place,
                    f"there is no store at {self.address.place}: its database has none yet",
                    hint=next_step("store init", "URL", "--kek", "SOURCE"),
                )
            self.refuse_other_version(version)
            self._checked_version = version
        return connection

    def checked_version(self) -> int:
        """Return the version of the schema when it was checked. Raises as :meth:`checked`."""
        self.checked()
        return self._checked_version or len(MIGRATIONS)

    @contextmanager
    def transaction(self) -> Iterator[Connection[tuple[Any, ...]]]:
        """Yield the connection in a transaction, even if there is no store. In a pipeline it needs no round trip.

        Raises:
            StoreUnavailable, StoreNotFound: as :meth:`connected`.
        """
        connection = self.connected()
        with connection.transaction():
            connection.execute(GUARDED, (self._lock_timeout,))
            yield connection

    def version(self) -> int | None:
        """Return the present version of the schema, None if there is none."""
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
        """Check that this kojikey can read the version.

        Raises:
            StoreVersion: it cannot.
        """
        if version is None or not OLDEST <= version <= len(MIGRATIONS):
            raise StoreVersion(
                self.address.place,
                f"was created by a newer kojikey (schema version {version}, here {len(MIGRATIONS)})",
                hint="upgrade kojikey",
                effect=Effect.NOTHING_CHANGED,
            )

    def require_present_version(self) -> None:
        """Check that the schema has the newest version, for changes that are not safe in an older one.

        Raises:
            StoreVersion: it is older.
        """
        version = self.checked_version()
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
        """Return the result of a read, which is repeated if the connection was lost."""
        try:
            self.checked()
            return self._asked(select, values)
        except psycopg.Error as error:
            if not self.is_lost(error):
                raise
        self.drop()
        self.checked()
        return self._asked(select, values)

    def _asked(self, select: LiteralString, values: Any) -> Rows:
        # a pipeline: one round trip for the whole transaction
        with self.connected().pipeline(), self.transaction() as connection:
            found = connection.execute(select, values)
        return found.fetchall()

    def is_lost(self, error: psycopg.Error) -> bool:
        """Return whether the cause of an error is the connection, not the statement."""
        broken = self._connection is None or self._connection.closed
        return broken or (error.sqlstate or "").startswith(_LOST)
