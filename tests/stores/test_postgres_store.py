"""The PostgreSQL adapter passes the conformance suite. The ``test_postgres_*`` files test its own behaviour."""

from __future__ import annotations

import psycopg
import pytest

from kojikey.stores.postgres.address import read_address
from kojikey.stores.postgres.store import PostgresStore
from kojikey.testing.conformance import Maker, SharedStoreConformance
from support.servers.postgres import Server


class TestPostgresStore(SharedStoreConformance):
    @pytest.fixture
    def make_store(self, url: str) -> Maker:
        return lambda: PostgresStore(read_address(url), lock_timeout=30)

    @pytest.fixture
    def url(self, postgres: Server, database: str) -> str:
        return postgres.url(database)

    @pytest.fixture
    def engine_errors(self) -> tuple[Exception, ...]:
        kinds = (psycopg.Error, psycopg.OperationalError, psycopg.errors.DiskFull, psycopg.errors.InsufficientPrivilege)
        return tuple(kind("postgresql://koji:secret@db/koji") for kind in kinds)


@pytest.mark.exhaustive
class TestLargePostgresStore(TestPostgresStore):
    """The conformance suite's tests of a large store."""

    few, many = 1_000, 100_000
