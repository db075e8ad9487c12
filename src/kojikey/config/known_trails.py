"""Remembers the end of each account's audit trail when it was last verified: one SQLite file per store.

Owns: these files, in the data folder. Must not: decide what a rollback is (``operations/audit/known_trail.py`` does).

SQLite, because 100,000 accounts are read and updated one by one, possibly by two processes at the same time. The files
contain the names of accounts, and numbers, links and times of events, but no key and no fingerprint.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress

from kojikey.model import validators
from kojikey.model.atomic_file import make_private
from kojikey.model.errors import Effect, FileUnwritable, UnsafeConfig
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ownership import foreign_writer
from kojikey.model.private_folder import make_private_folder
from kojikey.model.trail_end import TrailEnd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_FOLDER = "known-trails"
_TABLE = "CREATE TABLE trails (account TEXT PRIMARY KEY, seq INTEGER, link TEXT, time TEXT) WITHOUT ROWID"
_MOVE_ON = (
    "INSERT INTO trails VALUES (?, ?, ?, ?) ON CONFLICT (account) DO UPDATE"
    " SET seq = excluded.seq, link = excluded.link, time = excluded.time WHERE excluded.seq > trails.seq"
)
_REPLACE = "INSERT OR REPLACE INTO trails VALUES (?, ?, ?, ?)"
_AT_ONCE = 1000  # accounts, in one transaction


class KnownTrailFile:
    """Remembers the ends of the trails of one store. If they cannot be written, there is one warning.

    They are written in batches, the last one by :meth:`close`.

    Raises:
        UnsafeConfig: (from each method that reads) the file is damaged, or others can write it. It is not treated as
            missing.
    """

    def __init__(self, data: str, store_id: str, warn: Callable[[str], None] | None) -> None:
        # Hashed, because the store's id comes from the store and may be any text.
        name = hashlib.sha256(store_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        self.path = os.path.join(data, _FOLDER, f"{name}.db")
        self._warn = warn
        self._connection: sqlite3.Connection | None = None
        self._recalled: tuple[str, TrailEnd | None] | None = None
        self._unwritten: dict[str, TrailEnd] = {}

    def recall(self, account: str) -> TrailEnd | None:
        """Return the remembered end of an account's trail, None if there is none."""
        rows = self._rows("SELECT seq, link, time FROM trails WHERE account = ?", account)
        try:
            end = TrailEnd.checked(*rows[0]) if rows else None
        except ValueError:
            raise self._damaged("an entry is not the end of a trail") from None
        self._recalled = account, end
        return end

    def accounts(self) -> Iterator[str]:
        """Yield the accounts with a remembered end."""
        for (name,) in self._rows("SELECT account FROM trails ORDER BY account"):
            try:
                yield validators.account(name)
            except ValueError:
                raise self._damaged("an entry is not the name of an account") from None

    def remember(self, account: str, end: TrailEnd) -> None:
        """Remember the end of an account's trail, unless a later one is remembered."""
        if self._recalled != (account, end):  # an unchanged end is not written: the file may be read-only
            self._unwritten[account] = end
        if len(self._unwritten) >= _AT_ONCE:
            self._flush()

    def replace(self, account: str, end: TrailEnd | None) -> None:
        """Remember an end in place of any other one; None forgets the account.

        Raises:
            FileUnwritable: the end before is still remembered.
        """
        try:
            if end is None:
                self._write("DELETE FROM trails WHERE account = ?", [(account,)])
            else:
                self._write(_REPLACE, [(account, *end)])
        except (OSError, sqlite3.Error) as error:
            raise FileUnwritable(
                self.path, _reason(error), hint="make it writable, then run the command again", effect=Effect.LEFT_AS_IS
            ) from None

    def close(self) -> None:
        """Write the ends that are not written yet, and close the file."""
        try:
            self._flush()
        finally:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def _flush(self) -> None:
        rows = [(account, *end) for account, end in self._unwritten.items()]
        self._unwritten = {}
        try:
            if rows:
                self._write(_MOVE_ON, rows)
        except (OSError, sqlite3.Error) as error:
            if self._warn is not None:
                self._warn(
                    f"what was verified cannot be remembered in {self.path} ({_reason(error)}); a later rollback to "
                    "before it will not be found here"
                )
            self._warn = None  # once

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        connection = self._opened() or self._created()
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany(statement, rows)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            connection = self._opened()
            return connection.execute(statement, values).fetchall() if connection is not None else []
        except (OSError, sqlite3.Error) as error:
            raise self._damaged(_reason(error)) from None

    def _opened(self) -> sqlite3.Connection | None:
        """Return the open database, None if there is no file, or an empty one."""
        if self._connection is None and self._is_there():
            connection = sqlite3.connect(self.path, isolation_level=None)
            try:
                is_begun = self._is_begun(connection)
            except BaseException:
                connection.close()
                raise
            if is_begun:
                self._connection = connection
            else:
                connection.close()
        return self._connection

    def _is_there(self) -> bool:
        for path in (os.path.dirname(self.path), self.path):
            try:
                found = os.stat(path)
            except (FileNotFoundError, NotADirectoryError):
                return False
            problem = foreign_writer(found, path)
            if problem is not None:
                raise UnsafeConfig(path, problem[0], hint=problem[1])
        if not stat.S_ISREG(found.st_mode):
            raise self._damaged("that is not a file")
        return True

    def _is_begun(self, connection: sqlite3.Connection) -> bool:
        """Check that the database has no other table than ours; return whether it has ours."""
        for setting in ("trusted_schema = OFF", "cell_size_check = ON"):
            connection.execute(f"PRAGMA {setting}")
        tables = connection.execute("SELECT sql FROM sqlite_master").fetchall()
        if tables not in ([], [(_TABLE,)]):
            raise self._damaged("it has other tables")
        return bool(tables)

    def _created(self) -> sqlite3.Connection:
        folder = os.path.dirname(self.path)
        make_private_folder(folder)
        # An empty file is a database without tables: a process that is killed here leaves nothing half done.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        make_private(descriptor)
        os.close(descriptor)
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            connection.execute(_TABLE.replace("TABLE", "TABLE IF NOT EXISTS", 1))
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _damaged(self, reason: str) -> UnsafeConfig:
        return UnsafeConfig(
            self.path,
            f"cannot be read as the record of verified audit trails ({reason})",
            hint=Hint(
                "restore it, or remove it: ", next_step("audit", "--verify"), " then remembers the present state"
            ),
        )


def _reason(error: OSError | sqlite3.Error) -> str:
    """Return the reason of an error in fixed words of the system or of SQLite: its text may quote the file."""
    if isinstance(error, OSError):
        return os.strerror(error.errno or 0)
    return getattr(error, "sqlite_errorname", "an entry is not text")
