"""Reads and replaces the rows of one account in an SQLite store, like a person who can write the file.

Must not: use kojikey, because that person has no KEK.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, TypeAlias

TABLES = ("accounts", "keys", "events")
Rows: TypeAlias = "dict[str, list[tuple[Any, ...]]]"


def rows_of(path: Path, account: str) -> Rows:
    """Return all rows of an account."""
    with closing(sqlite3.connect(path)) as database:
        return {
            table: database.execute(f"SELECT * FROM {table} WHERE account = ?", (account,)).fetchall()
            for table in TABLES
        }


def put_back(path: Path, account: str, rows: Rows) -> None:
    """Replace the rows of an account; without rows the account is removed."""
    with closing(sqlite3.connect(path)) as database, database:
        for table in TABLES:
            database.execute(f"DELETE FROM {table} WHERE account = ?", (account,))
            for row in rows.get(table, ()):
                database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
