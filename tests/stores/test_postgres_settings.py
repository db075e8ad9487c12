"""A role's own settings do not change what a PostgreSQL store does, and a silent server does not stop it for ever."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from kojikey.model.errors import ChangedMeanwhile, StoreUnreachable
from kojikey.model.ref import key_ref
from kojikey.stores.base import DOCUMENT_LIMIT, Change
from kojikey.stores.postgres.address import read_address
from kojikey.stores.postgres.connection import ServerConnection
from kojikey.stores.postgres.store import PostgresStore
from support.servers.granted import ACME, event
from support.servers.granted import owner as owner
from support.servers.granted import store as store
from support.servers.lossy import Lossy
from support.servers.postgres import Server

KEY = key_ref(ACME, "elevenlabs")
TEXT = {"text": "\\' ☃"}
PATIENCE, BUFFER = 0.2, 4096


@pytest.mark.parametrize(
    "setting",
    [
        "row_security = off",
        "default_transaction_isolation = serializable",
        "default_transaction_deferrable = on",
        "standard_conforming_strings = off",
        "transform_null_equals = on",
        "search_path = public",
        "client_encoding = latin1",
    ],
)
def test_a_roles_own_settings_change_nothing(store: PostgresStore, postgres: Server, owner: str, setting: str) -> None:
    postgres.sql(f"ALTER ROLE {owner} SET {setting}")
    store.close()  # the next use connects with the setting
    before = store.read(KEY)
    assert before is not None
    store.commit([Change(KEY, TEXT, before.revision)], [event(ACME, 3)])
    assert [found.document for found in store.scan() if found.ref == KEY] == [TEXT]
    assert len(list(store.events())) == 5
    with pytest.raises(ChangedMeanwhile):
        store.commit([Change(KEY, {}, before.revision)])


def test_a_change_sees_what_was_committed_before_it_waited_whatever_the_default_isolation(
    store: PostgresStore, postgres: Server, database: str, owner: str
) -> None:
    # Asked of the server itself: in a stricter level, the second of two changes is an error, not a conflict.
    postgres.sql(
        f"ALTER ROLE {owner} SET default_transaction_isolation = 'repeatable read';"
        " CREATE TABLE public.seen (setting text);"
        " CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN"
        " INSERT INTO public.seen VALUES (current_setting('transaction_isolation')); RETURN NEW; END $$;"
        " CREATE TRIGGER see AFTER INSERT ON kojikey.keys FOR EACH ROW EXECUTE FUNCTION public.see()",
        database=database,
    )
    store.close()
    store.commit([Change(key_ref(ACME, "third"), {}, None)])
    assert postgres.sql("SELECT setting FROM public.seen", database=database) == [("read committed",)]


@pytest.fixture
def silent(store: PostgresStore, postgres: Server, database: str, owner: str) -> Iterator[PostgresStore]:
    """Return a store whose server never finishes the addition of an event, as if its disk had stopped."""
    postgres.sql(
        "CREATE FUNCTION public.wait() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_catalog.pg_sleep(100000); RETURN NEW; END $$;"
        " CREATE TRIGGER wait BEFORE INSERT ON kojikey.events FOR EACH ROW EXECUTE FUNCTION public.wait()",
        database=database,
    )
    impatient = PostgresStore(read_address(postgres.url(database, owner)), lock_timeout=0.05, patience=PATIENCE)
    yield impatient
    impatient.close()
    postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")


def test_a_change_at_a_silent_server_ends_and_its_outcome_is_unknown(silent: PostgresStore) -> None:
    before = silent.read(KEY)
    assert before is not None
    with pytest.raises(StoreUnreachable, match="it is not known whether the change was made") as raised:
        silent.commit([Change(KEY, {}, before.revision)], [event(ACME, 3)])
    assert "no change is made in part" in str(raised.value.hint)
    assert silent.read(KEY) == before


def at_port(port: int, database: str, owner: str) -> PostgresStore:
    return PostgresStore(read_address(f"postgresql://{owner}@127.0.0.1:{port}/{database}"), patience=2)


def test_a_long_change_over_a_slow_network_is_sent_whole(
    store: PostgresStore, postgres: Server, database: str, owner: str
) -> None:
    with Lossy(postgres.port, buffer=BUFFER) as slow, closing(at_port(slow.port, database, owner)) as far:
        far.open()
        with socket.socket(fileno=os.dup(far._server.connected().fileno())) as sending:
            sending.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        document = {"text": "x" * (DOCUMENT_LIMIT - 20)}
        far.commit([Change(key_ref(ACME, "long"), document, None)], [event(ACME, 3)])
        assert slow.connections == 1  # not by a second attempt
    written = store.read(key_ref(ACME, "long"))
    assert written is not None
    assert written.document == document


def test_a_read_at_a_silent_server_ends_with_a_closed_connection(postgres: Server, database: str) -> None:
    server = ServerConnection(read_address(postgres.url(database)), patience=PATIENCE)
    connection = server.connected()
    with pytest.raises(psycopg.OperationalError, match="silent") as raised:
        connection.execute("SELECT pg_catalog.pg_sleep(100000)")
    assert connection.closed
    assert server.is_lost(raised.value)
    server.drop()
