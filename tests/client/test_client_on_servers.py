"""``kojikey.Client`` on PostgreSQL: connections are kept, a lost one is replaced, and a child has its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from kojikey import Client
from kojikey.model.errors import StoreUnavailable
from support.in_store import in_store
from support.program import Program
from support.servers.postgres import Server, database, postgres

__all__ = ["database", "postgres"]

FORKING = """
import os, sys, kojikey
client = kojikey.Client(cache=0)
key = client.resolve("elevenlabs").secret.reveal()
child = os.fork()
if child == 0:
    same = client.resolve("elevenlabs").secret.reveal() == key
    sys.exit(0 if same else 3)  # with everything that Python does at its end
_, status = os.waitpid(child, 0)
before = client._idle[0].store._server._connection
client.resolve("elevenlabs")
assert client._idle[0].store._server._connection is before, "the child ended the parent's connection"
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.fixture
def url(postgres: Server, database: str) -> str:
    """Return the URL of an empty database."""
    return postgres.url(database)


@pytest.fixture
def here(kojikey: Program, url: str) -> Iterator[Program]:
    """Return the program with a key in a store on PostgreSQL, in whose environment this process is."""
    with in_store(kojikey, url):
        yield kojikey


def backends(postgres: Server, database: str) -> list[object]:
    return [pid for (pid,) in postgres.sql(f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}'")]


def test_threads_share_a_few_connections(here: Program, postgres: Server, database: str) -> None:
    with Client(cache=0) as client, ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: client.resolve("elevenlabs").source, range(200))) == {"byok"}
        assert 1 <= len(client._idle) <= 8
        assert len(backends(postgres, database)) >= len(client._idle)
    assert client._idle == []


def test_a_connection_closed_by_the_server_is_replaced_without_an_error(
    here: Program, postgres: Server, database: str
) -> None:
    with Client(cache=0) as client:
        client.resolve("elevenlabs")
        for pid in backends(postgres, database):
            postgres.sql(f"SELECT pg_terminate_backend({pid}, 5000)")
        assert client.resolve("elevenlabs").source == "byok"


def test_a_forked_child_opens_its_own_connections_and_does_not_touch_the_parents(here: Program) -> None:
    ended = subprocess.run([sys.executable, "-c", FORKING], env=here.environ, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_an_unreachable_store_is_an_error_only_without_a_cached_credential(
    here: Program, postgres: Server, database: str
) -> None:
    with Client(cache=3600) as kept, Client(cache=0) as never:
        assert kept.resolve("elevenlabs").source == never.resolve("elevenlabs").source == "byok"
        postgres.sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        try:
            postgres.sql(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database}'")
            assert kept.resolve("elevenlabs").source == "byok"
            with pytest.raises(StoreUnavailable):
                never.resolve("elevenlabs")
        finally:
            postgres.sql(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")
        assert never.resolve("elevenlabs").source == "byok"
