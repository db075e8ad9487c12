"""A PostgreSQL store with two accounts, its owner, and a role with a grant for one of them, as SQL sessions and stores.

Owns: the fixtures, which test files import. Must not: assert what the server allows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
import pytest

from kojikey.model.ref import account_ref, grant_ref, key_ref
from kojikey.stores.base import Change
from kojikey.stores.postgres.address import read_address
from kojikey.stores.postgres.store import PostgresStore
from support.servers.postgres import Server

Role = psycopg.Connection[tuple[Any, ...]]
ACME, BETA = ("acme", "beta")
TABLES = ("migrations", "header", "accounts", "keys", "events", "grants")


def event(account: str, seq: int) -> dict[str, object]:
    return {"account": account, "seq": seq, "provider": "elevenlabs", "time": "2026-11-23T04:47:00Z"}


def counted(account: str, seq: object, **more: object) -> dict[str, object]:
    """Return the members of an account's document that the server reads."""
    audit = {"seq": seq, "mac": "m", "head": None}
    return {"account": account, "wrapped": "w", "audit": audit, **more}


@contextmanager
def owned(server: Server, database: str) -> Iterator[str]:
    """Make a role that owns the database; it is no superuser, because policies do not apply to superusers."""
    with server.temporary_role() as name:
        server.sql(f"ALTER DATABASE {database} OWNER TO {name}")
        yield name
        server.sql(f"ALTER DATABASE {database} OWNER TO postgres")


@contextmanager
def created(server: Server, database: str, owner: str) -> Iterator[PostgresStore]:
    """Create a store with two accounts, opened as its owner."""
    store = PostgresStore(read_address(server.url(database, owner)))
    store.create({"format": 1})
    for account in (ACME, BETA):
        changes = [Change(account_ref(account), counted(account, 2), None)]
        changes += [Change(key_ref(account, provider), {"is": account}, None) for provider in ("elevenlabs", "other")]
        store.commit(changes, [event(account, 1), event(account, 2)])
    yield store
    store.close()


@contextmanager
def granted(server: Server, store: PostgresStore) -> Iterator[str]:
    """Make a role with a grant for one account."""
    with server.temporary_role() as name:
        store.commit([Change(grant_ref(ACME, name), {}, None)])
        yield name


@pytest.fixture
def owner(postgres: Server, database: str) -> Iterator[str]:
    with owned(postgres, database) as name:
        yield name


@pytest.fixture
def store(postgres: Server, database: str, owner: str) -> Iterator[PostgresStore]:
    with created(postgres, database, owner) as store:
        yield store


@pytest.fixture
def role(postgres: Server, store: PostgresStore) -> Iterator[str]:
    with granted(postgres, store) as name:
        yield name


@pytest.fixture
def sql(postgres: Server, database: str, role: str) -> Iterator[Role]:
    """Return an SQL session of the role."""
    with psycopg.connect(postgres.url(database, role), autocommit=True) as connection:
        yield connection


class Refused(NamedTuple):
    """A store that the tests of a module share, because each of them shows that it cannot change it."""

    database: str
    role: str
    sql: Role


@pytest.fixture(scope="module")
def refused(postgres: Server) -> Iterator[Refused]:
    with (
        postgres.database() as database,
        owned(postgres, database) as owner,
        created(postgres, database, owner) as store,
        granted(postgres, store) as role,
        psycopg.connect(postgres.url(database, role), autocommit=True) as connection,
    ):
        yield Refused(database, role, connection)


def all_rows(postgres: Server, database: str) -> list[list[tuple[object, ...]]]:
    """Return all rows, as a superuser sees them."""
    return [postgres.sql(f"SELECT * FROM kojikey.{table} t ORDER BY t", database=database) for table in TABLES]
