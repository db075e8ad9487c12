"""The SQLite store: one file, the default.

Owns: the verbs. ``schema.py`` has the statements, ``file.py`` the file, ``errors.py`` the errors.
Must not: create a file when opening one, or hold a lock while its caller does something else.

Settings (https://www.sqlite.org/pragma.html): ``synchronous=EXTRA`` makes a commit durable on return (with FULL, a
power cut may undo the last one), ``secure_delete`` overwrites deleted content, and with ``trusted_schema=OFF`` a
foreign file's schema runs no functions.
"""

from __future__ import annotations

import os
from itertools import chain

from kojikey.model.errors import (
    ChangedMeanwhile,
    Effect,
    KojikeyError,
    StoreCorrupt,
    StoreVersion,
    UsageError,
)
from kojikey.model.ref import Document, Ref, account_ref
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
    name_in,
    new_revision,
    slot_of,
    stored_of,
)
from kojikey.stores.sqlite.file import FileIdentity, checked_file, identity_of
from kojikey.stores.sqlite.schema import (
    ADD,
    ADD_EVENT,
    APPLICATION_ID,
    MIGRATIONS,
    PAGE,
    READ,
    READ_WITH_ACCOUNT,
    REVISIONS,
    TABLES,
    conditions,
    migrate,
    reading_accounts,
    statement,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from typing import Any
else:
    import _sqlite3 as sqlite3  # `sqlite3` also imports datetime, which is a twentieth of the time of `run`

_LEAST = -(2**63)  # SQLite's smallest integer


class SqliteStore(Store):
    """A store in one file. The first verb opens the file, also after :meth:`close`.

    Several threads may use it, one at a time. ``busy_timeout``: the seconds to wait for another process's change.
    """

    def __init__(self, path: str, *, busy_timeout: float = 5.0) -> None:
        if not path or "\0" in path:
            raise UsageError("that is not the path of a file")
        self._path = os.path.abspath(path)
        self._busy_timeout = busy_timeout
        self._connection: sqlite3.Connection | None = None
        self._opened_file: FileIdentity | None = None
        # a path may contain bytes that are not UTF-8, which cannot be printed
        self.place = os.fsencode(self._path).decode("utf-8", "backslashreplace")

    def close(self) -> None:
        """Release all resources. Safe to repeat."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._guard(connection.close)

    def is_in_place(self) -> bool:
        """Return whether the file of this path is the one that is open, with the owner and mode that were checked."""
        return self._connection is None or self._opened_file == identity_of(self._path)

    def _create(self, header: Document) -> None:
        from kojikey.stores.sqlite.file import created_whole

        text = encoded(header, self.place)
        created_whole(self._path, self.place, lambda path: self._build(path, text))

    def _build(self, path: str, header: str) -> None:
        connection = self._connect(path)
        try:
            _set(connection)
            connection.execute("PRAGMA journal_mode = MEMORY")  # needs no second file, and nobody else uses this one
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            migrate(connection, 0)
            connection.execute(ADD["header"], {"revision": new_revision(), "document": header})
            connection.execute("COMMIT")
        finally:
            connection.close()

    def _read(self, ref: Ref) -> Stored | None:
        place = {"account": ref.account, "provider": ref.provider}
        # all rows, because a statement that is not finished keeps its lock
        rows = self._opened().execute(READ[ref.kind], place).fetchall()
        return stored_of(ref, rows[0][0], rows[0][1], self.place) if rows else None

    def _read_with_account(self, account: str, provider: str) -> tuple[Stored | None, Stored | None]:
        place = {"account": account, "provider": provider}
        return both_of(account, provider, *self._opened().execute(READ_WITH_ACCOUNT, place).fetchall())

    def _read_accounts(self, accounts: Sequence[str]) -> dict[str, Stored]:
        rows = self._opened().execute(reading_accounts(len(accounts)), tuple(accounts)).fetchall()
        return {row[0]: account_in(row, self.place) for row in rows}

    def _revisions(self, account: str, provider: str) -> tuple[str | None, str | None]:
        (found,) = self._opened().execute(REVISIONS, {"account": account, "provider": provider}).fetchall()
        return found[0], found[1]

    def _commit(self, changes: Sequence[Change], events: Sequence[Document]) -> tuple[str, ...]:
        rows = [self._row(change) for change in changes]
        lines = [{**event, "document": encoded(event, self.place)} for event in events]
        connection = self._opened()
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._refuse_other_format(connection)
            _apply(connection, changes, rows)
            _append(connection, lines)
            connection.execute("COMMIT")
        except BaseException:
            self._roll_back(connection)
            raise
        return tuple(row["revision"] for row in rows)

    def _scan(self, query: Query) -> Iterator[Stored]:
        return (key_in(row, self.place) for page in self._pages(query) for row in page)

    def _pages(self, query: Query) -> Iterator[list[Row]]:
        wanted, values = conditions(query)
        select = (
            "SELECT account, provider, document, revision FROM keys"  # noqa: S608 - made of the constants below
            f" WHERE (account, provider) > (?, ?){wanted} ORDER BY account, provider LIMIT {PAGE}"
        )
        yield from self._paged(select, ("", ""), values)

    def _counts(self, query: Query) -> dict[str, int]:
        wanted, values = conditions(query)
        select = f"SELECT provider, count(*) FROM keys WHERE true{wanted} GROUP BY provider"  # noqa: S608
        return {name_in(provider, self.place): count for provider, count in self._opened().execute(select, values)}

    def _accounts(self) -> Iterator[Stored]:
        select = f"SELECT account, document, revision FROM accounts WHERE account > ? ORDER BY account LIMIT {PAGE}"  # noqa: S608
        return (account_in(row, self.place) for row in chain.from_iterable(self._paged(select, ("",), ())))

    def _events(self, account: str | None) -> Iterator[EventRow]:
        if account is None:
            place, first = "(account, seq) > (?, ?)", ("", _LEAST)
        else:
            place, first = "account = ? AND seq > ?", (account, _LEAST)
        select = f"SELECT account, seq, document FROM events WHERE {place} ORDER BY account, seq LIMIT {PAGE}"  # noqa: S608
        return chain.from_iterable(self._paged(select, first, ()))

    def _describe(self) -> Description:
        details = [("file", self.place)]
        try:
            connection: sqlite3.Connection = self._guard(self._opened)
            details += [("format", str(_version(connection))), ("readable by", "its owner alone")]
        except KojikeyError as error:
            details += [("state", str(error))]
        return Description(f"SQLite {sqlite3.sqlite_version}", self.place, tuple(details))

    def _translate(self, error: Exception) -> KojikeyError | None:
        from kojikey.stores.sqlite.errors import translated

        return translated(error, self.place)

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            opened_file = identity_of(self._path)
            connection = self._connect(checked_file(self._path, self.place))
            try:
                _set(connection)
                self._check_content(connection)
            except BaseException:
                connection.close()
                raise
            self._connection, self._opened_file = connection, opened_file
        return self._connection

    def _connect(self, path: str) -> sqlite3.Connection:
        # mode=rw never creates a file, and only reads if the file is write-protected. Not mode=ro, with which an
        # unfinished change of a killed process could not be rolled back.
        escaped = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23").replace(os.sep, "/")
        return sqlite3.connect(
            f"file:///{escaped.lstrip('/')}?mode=rw",
            uri=True,
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
        )

    def _check_content(self, connection: sqlite3.Connection) -> None:
        if connection.execute("PRAGMA application_id").fetchall() != [(APPLICATION_ID,)]:
            raise StoreCorrupt(self.place, "is a database, but not a store of kojikey; it was left as it is")
        if 0 < _version(connection) < len(MIGRATIONS):
            self._migrate(connection)
        else:
            self._refuse_other_format(connection)
        objects = connection.execute("SELECT type, name, sql LIKE 'CREATE TABLE %' FROM sqlite_master").fetchall()
        has_tables = {("table", name, 1) for name in TABLES} <= set(objects)  # and none is virtual
        if not has_tables or any(kind in {"view", "trigger"} for kind, *_ in objects):
            raise StoreCorrupt(self.place, "does not have the tables of a store; it was left as it is")

    def _refuse_other_format(self, connection: sqlite3.Connection) -> None:
        version = _version(connection)
        if version != len(MIGRATIONS):
            raise StoreVersion(
                self.place,
                f"is of format {version}, and this kojikey knows 1 to {len(MIGRATIONS)}",
                hint="upgrade kojikey",
                effect=Effect.NOTHING_CHANGED,
            )

    def _migrate(self, connection: sqlite3.Connection) -> None:
        try:
            connection.execute("BEGIN IMMEDIATE")
            # the version is read again, because another process may have migrated while this one waited
            migrate(connection, _version(connection))
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            self._roll_back(connection)
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
                raise
            raise StoreVersion(
                self.place,
                "was created by an older kojikey and cannot be brought up to date because it is read-only",
                hint="run any kojikey command once where the file and its folder are writable",
            ) from None

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self.close()  # the next process that opens the file rolls back from the journal

    def _row(self, change: Change) -> dict[str, Any]:
        row = {"account": change.ref.account, "provider": change.ref.provider, "before": change.if_revision}
        if change.keeps:
            return {**row, "revision": change.if_revision}
        if change.document is None:
            return {**row, "revision": ""}
        tested_at, slot = change.document.get("tested_at"), slot_of(change.ref)
        text = encoded(change.document, self.place)
        return {**row, "tested_at": tested_at, "slot": slot, "document": text, "revision": new_revision()}

    def _paged(self, select: str, first: tuple[Any, ...], values: tuple[Any, ...]) -> Iterator[list[Any]]:
        after = first
        while True:
            rows = self._opened().execute(select, (*after, *values)).fetchall()
            yield rows
            if len(rows) < PAGE:
                return
            after = rows[-1][: len(first)]


def from_url(url: str) -> SqliteStore:
    """Return the store for ``sqlite:///PATH``. PATH is absolute, with three slashes or four.

    (In SQLAlchemy three slashes mean a relative path; then a store would depend on the working directory.)
    Percent-escapes are bytes of the path; a ``~`` at its beginning is the user's home folder.

    Raises:
        UsageError: the URL has a host or options, or no path.
    """
    hint = "write sqlite:///, then the whole path, for example sqlite:///home/me/keys.db (%3F for ? and %23 for #)"
    rest = url.partition("://")[2]
    if not rest.startswith("/"):
        raise UsageError("the URL of an SQLite store has three slashes and then a whole path", hint=hint)
    if "?" in rest or "#" in rest:
        raise UsageError("the URL of an SQLite store takes no options", hint=hint)
    path = "/" + rest.lstrip("/")
    if "%" in path:
        from urllib.parse import unquote_to_bytes

        path = os.fsdecode(unquote_to_bytes(os.fsencode(path)))
    if path.startswith("/~"):
        from kojikey.model.home import expanded

        path = expanded(path[1:], what="the URL of the store")
    if path == "/":
        raise UsageError("the URL of an SQLite store names no file", hint=hint)
    return SqliteStore(path[1:] if os.name == "nt" else path)


def _set(connection: sqlite3.Connection) -> None:
    for setting in ("trusted_schema = OFF", "cell_size_check = ON", "secure_delete = ON", "synchronous = EXTRA"):
        connection.execute(f"PRAGMA {setting}")


def _apply(connection: sqlite3.Connection, changes: Sequence[Change], rows: Sequence[dict[str, Any]]) -> None:
    for change, row in zip(changes, rows, strict=True):
        done = connection.execute(statement(change), row)
        if (len(done.fetchall()) if change.keeps else done.rowcount) != 1:
            raise ChangedMeanwhile(change.ref)


def _append(connection: sqlite3.Connection, lines: Sequence[dict[str, Any]]) -> None:
    for line in lines:
        if connection.execute(ADD_EVENT, line).rowcount != 1:
            raise ChangedMeanwhile(account_ref(line["account"]))


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchall()[0][0]
    return version
