"""The SQLite adapter passes the conformance suite. The ``test_sqlite_*`` files test its own behaviour."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from kojikey.stores.sqlite.store import SqliteStore
from kojikey.testing.conformance import Maker, SharedStoreConformance


class TestSqliteStore(SharedStoreConformance):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> Maker:
        return lambda: SqliteStore(str(tmp_path / "keys.db"), busy_timeout=30)

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite://{tmp_path}/keys.db"

    @pytest.fixture
    def engine_errors(self) -> tuple[Exception, ...]:
        kinds = (sqlite3.Error, sqlite3.OperationalError, sqlite3.DatabaseError, sqlite3.IntegrityError)
        return tuple(kind("what a row says") for kind in kinds)


@pytest.mark.exhaustive
class TestLargeSqliteStore(TestSqliteStore):
    """The conformance suite's tests of a large store."""

    few, many = 1_000, 100_000
