"""The tables of the SQLite store and the statements on them, except the paged ones.

Owns: the format of the file. Must not: open a file, or interpret a result.
"""

from __future__ import annotations

from kojikey.stores.base import Change, Query

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID = 0x6B6A6B79  # "kjky", at offset 68 of the file: distinguishes stores from other databases
PAGE = 200  # rows per statement of a scan, which holds no lock in between

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE header (one INTEGER PRIMARY KEY CHECK (one = 1), revision TEXT NOT NULL, document TEXT NOT NULL)",
        "CREATE TABLE accounts (account TEXT PRIMARY KEY NOT NULL, revision TEXT NOT NULL, document TEXT NOT NULL)",
        "CREATE TABLE keys (account TEXT NOT NULL, provider TEXT NOT NULL, tested_at TEXT, slot INTEGER NOT NULL,"
        " revision TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (account, provider))",
        "CREATE TABLE events (account TEXT NOT NULL, seq INTEGER NOT NULL, document TEXT NOT NULL,"
        " PRIMARY KEY (account, seq))",
    ),
)
"""Item n migrates a file from format n (``user_version``) to n + 1. Items are never changed, only added."""

TABLES = {"header", "accounts", "keys", "events"}
ADD_EVENT = "INSERT INTO events (account, seq, document) VALUES (:account, :seq, :document) ON CONFLICT DO NOTHING"
# by kind of document:
READ = {
    "header": "SELECT document, revision FROM header",
    "account": "SELECT document, revision FROM accounts WHERE account = :account",
    "key": "SELECT document, revision FROM keys WHERE account = :account AND provider = :provider",
}
READ_WITH_ACCOUNT = (
    "SELECT k.document, k.revision, a.document, a.revision FROM (SELECT 1)"
    " LEFT JOIN keys k ON k.account = :account AND k.provider = :provider LEFT JOIN accounts a ON a.account = :account"
)
REVISIONS = (
    "SELECT (SELECT revision FROM keys WHERE account = :account AND provider = :provider),"
    " (SELECT revision FROM accounts WHERE account = :account)"
)
ADD = {
    "header": "INSERT INTO header (one, revision, document) VALUES (1, :revision, :document) ON CONFLICT DO NOTHING",
    "account": "INSERT INTO accounts (account, revision, document) VALUES (:account, :revision, :document)"
    " ON CONFLICT DO NOTHING",
    "key": "INSERT INTO keys (account, provider, tested_at, slot, revision, document)"
    " VALUES (:account, :provider, :tested_at, :slot, :revision, :document) ON CONFLICT DO NOTHING",
}
SWAP = {
    "header": "UPDATE header SET revision = :revision, document = :document WHERE revision = :before",
    "account": "UPDATE accounts SET revision = :revision, document = :document"
    " WHERE account = :account AND revision = :before",
    "key": "UPDATE keys SET tested_at = :tested_at, slot = :slot, revision = :revision, document = :document"
    " WHERE account = :account AND provider = :provider AND revision = :before",
}
KEEP = {
    "header": "SELECT 1 FROM header WHERE revision = :before",
    "account": "SELECT 1 FROM accounts WHERE account = :account AND revision = :before",
    "key": "SELECT 1 FROM keys WHERE account = :account AND provider = :provider AND revision = :before",
}
DROP = {
    "header": "DELETE FROM header WHERE revision = :before",
    "account": "DELETE FROM accounts WHERE account = :account AND revision = :before",
    "key": "DELETE FROM keys WHERE account = :account AND provider = :provider AND revision = :before",
}


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Migrate a file from format ``version`` (0: empty) to the present one, in the caller's transaction."""
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def statement(change: Change) -> str:
    """Return the statement that makes a change; it affects no row if the document has another revision."""
    if change.keeps:
        return KEEP[change.ref.kind]
    if change.document is None:
        return DROP[change.ref.kind]
    return (ADD if change.if_revision is None else SWAP)[change.ref.kind]


def reading_accounts(count: int) -> str:
    """Return the statement that reads so many accounts by their names."""
    return f"SELECT account, document, revision FROM accounts WHERE account IN ({', '.join('?' * count)})"  # noqa: S608


def conditions(query: Query) -> tuple[str, tuple[str | int, ...]]:
    """Return the SQL conditions of a query on ``keys`` (the same as :meth:`.Query.takes`) and their values."""
    text = ""
    values: list[str | int] = []
    if query.account is not None:
        text += " AND account = ?"
        values.append(query.account)
    if query.providers:
        text += f" AND provider IN ({', '.join('?' * len(query.providers))})"
        values += query.providers
    if query.not_tested_since is not None:
        text += " AND (tested_at IS NULL OR tested_at < ?)"
        values.append(query.not_tested_since)
    if query.shard is not None:
        text += " AND slot % ? = ?"
        values += [query.shard[1], query.shard[0] - 1]
    return text, tuple(values)
