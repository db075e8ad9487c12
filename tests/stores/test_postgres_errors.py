"""Each failure of a PostgreSQL store has its own error, with a real server; and only KojikeyErrors are raised."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import psycopg
import pytest

from kojikey.model.errors import (
    KojikeyError,
    StoreCorrupt,
    StoreDenied,
    StoreExists,
    StoreLocked,
    StoreNotFound,
    StoreReadOnly,
    StoreUnreachable,
    StoreVersion,
    UsageError,
)
from kojikey.model.ref import key_ref
from kojikey.stores.base import Change, Store
from kojikey.stores.postgres.address import read_address
from kojikey.stores.postgres.store import PostgresStore
from support.servers.postgres import Server, running

KEY = key_ref("acme", "elevenlabs")
USES: tuple[Callable[[Store], object], ...] = (
    lambda store: store.open(),
    lambda store: store.read(KEY),
    lambda store: store.commit([Change(KEY, {}, None)]),
    lambda store: list(store.scan()),
    lambda store: list(store.accounts()),
    lambda store: list(store.events()),
)


@pytest.fixture
def store(postgres: Server, database: str) -> Iterator[PostgresStore]:
    store = PostgresStore(read_address(postgres.url(database)), lock_timeout=0.1)
    store.create({"format": 1})
    yield store
    store.close()


def at(url: str) -> PostgresStore:
    return PostgresStore(read_address(url))


def refused(store: Store, kind: type[KojikeyError], words: str) -> None:
    """Check that every use is refused with that text and a hint, and that the store can still be described."""
    for use in USES:
        with pytest.raises(kind, match=words) as raised:
            use(store)
        assert type(raised.value) is kind
        assert raised.value.hint
        assert not str(raised.value).endswith(".")
    assert "state" in dict(store.describe().details)
    store.close()


def test_without_a_server_the_store_is_unreachable() -> None:
    refused(at("postgresql://127.0.0.1:1/keys"), StoreUnreachable, "no server answers")
    refused(at("postgresql://%2Fnone/keys"), StoreUnreachable, "no server answers")
    refused(at("postgresql://127.0.0.1:1,127.0.0.1:2/keys"), StoreUnreachable, "no server answers")


def test_a_missing_database_is_reported_as_missing(postgres: Server) -> None:
    refused(at(postgres.url("none")), StoreNotFound, "no such database")


def test_a_database_without_a_store_is_reported_as_such(postgres: Server, database: str) -> None:
    for use in USES:
        store = at(postgres.url(database))
        with pytest.raises(StoreNotFound, match="has none yet") as raised:
            use(store)
        assert "store init" in str(raised.value.hint)
        store.close()


def test_a_missing_role_or_one_that_may_not_log_in_is_denied(postgres: Server, database: str) -> None:
    refused(at(postgres.url(database, "nobody_there")), StoreDenied, "the role nobody_there: it does not exist")
    with postgres.temporary_role("NOLOGIN") as role:
        refused(at(postgres.url(database, role)), StoreDenied, f"the role {role}: it does not exist there or may not")


def test_a_role_without_privileges_is_told_which_it_lacks(
    store: PostgresStore, postgres: Server, database: str
) -> None:
    with postgres.temporary_role() as role:
        refused(at(postgres.url(database, role)), StoreDenied, f"the role {role}, which lacks USAGE on schema kojikey")
        postgres.sql(
            f"GRANT USAGE ON SCHEMA kojikey TO {role}; GRANT SELECT ON kojikey.migrations, kojikey.header TO {role}",
            database=database,
        )
        theirs = at(postgres.url(database, role))
        with pytest.raises(StoreDenied, match=f"{role}, which lacks SELECT on table kojikey.accounts, "):
            list(theirs.scan())
        theirs.close()


def test_a_role_that_may_not_create_a_store_leaves_no_half_store(postgres: Server, database: str) -> None:
    with postgres.temporary_role() as role:
        theirs = at(postgres.url(database, role))
        with pytest.raises(StoreDenied, match=f"the role {role} may not create a schema") as raised:
            theirs.create({})
        assert f"CREATE SCHEMA kojikey AUTHORIZATION {role}" in str(raised.value.hint)
        theirs.close()
    assert postgres.sql("SELECT 1 FROM pg_namespace WHERE nspname = 'kojikey'", database=database) == []


def test_a_prepared_schema_is_used_and_a_foreign_one_left_unchanged(postgres: Server, database: str) -> None:
    with postgres.temporary_role() as role:
        postgres.sql(f"CREATE SCHEMA kojikey AUTHORIZATION {role}", database=database)
        theirs = at(postgres.url(database, role))
        theirs.create({"made by": role})
        with pytest.raises(StoreExists):
            theirs.create({})
        assert theirs.open().document == {"made by": role}
        theirs.close()
    postgres.sql("CREATE SCHEMA kojikey; CREATE TABLE kojikey.theirs (a int)", database=database)
    store = at(postgres.url(database))
    with pytest.raises(StoreCorrupt, match="does not belong to a store"):
        store.create({})
    store.close()
    assert postgres.sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'kojikey'", database=database) == [(1,)]


def test_a_newer_schema_is_left_unchanged(store: PostgresStore, postgres: Server, database: str) -> None:
    postgres.sql("INSERT INTO kojikey.migrations VALUES (99)", database=database)
    with pytest.raises(StoreVersion, match="newer"):  # on the connection that is open already
        store.commit([Change(KEY, {}, None)])
    store.upgrade()
    refused(at(postgres.url(database)), StoreVersion, r"newer kojikey \(schema version 99, here 2\)")


def test_a_store_without_its_header_version_or_a_table_is_damaged(
    store: PostgresStore, postgres: Server, database: str
) -> None:
    postgres.sql("DELETE FROM kojikey.header", database=database)
    with pytest.raises(StoreCorrupt, match="header"):
        store.open()
    postgres.sql("DROP TABLE kojikey.keys", database=database)
    for use in (USES[1], USES[2], USES[3]):
        with pytest.raises(StoreCorrupt, match="tables"):
            use(store)
    postgres.sql("DELETE FROM kojikey.migrations", database=database)
    refused(at(postgres.url(database)), StoreCorrupt, "record of its version")


def test_a_damaged_document_is_an_empty_one_and_hides_no_other(
    store: PostgresStore, postgres: Server, database: str
) -> None:
    store.commit([Change(KEY, {"n": 1}, None), Change(key_ref("beta", "elevenlabs"), {"n": 2}, None)])
    postgres.sql("UPDATE kojikey.keys SET document = '[]' WHERE account <> 'beta'", database=database)
    assert [found.document for found in store.scan()] == [{}, {"n": 2}]


def test_a_damaged_header_is_an_error(store: PostgresStore, postgres: Server, database: str) -> None:
    postgres.sql("UPDATE kojikey.header SET document = '['", database=database)
    with pytest.raises(StoreCorrupt, match="its header cannot be read"):
        store.open()


def test_waiting_for_the_change_of_another_session_ends(store: PostgresStore, postgres: Server, database: str) -> None:
    (revision,) = store.commit([Change(KEY, {"n": 1}, None)])
    with psycopg.connect(postgres.url(database)) as other:
        other.execute("UPDATE kojikey.keys SET slot = slot")
        with pytest.raises(StoreLocked, match="nothing was changed"):
            store.commit([Change(KEY, {"n": 2}, revision)])
        other.rollback()
    store.commit([Change(KEY, {"n": 2}, revision)])


def test_a_read_only_database_can_be_read_and_not_changed(postgres: Server, database: str) -> None:
    made = at(postgres.url(database))
    made.create({"format": 1})
    made.close()
    postgres.sql(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    refused(at(postgres.url(database)), StoreReadOnly, "read-only")
    reading = at(postgres.url(database, target_session_attrs="any"))
    assert reading.open().document == {"format": 1}
    with pytest.raises(StoreReadOnly):
        reading.commit([Change(KEY, {}, None)])
    reading.close()


def test_commits_are_synchronous_whatever_the_servers_default(
    store: PostgresStore, postgres: Server, database: str
) -> None:
    # Asked of the server itself, in the transaction of the change.
    postgres.sql(
        f"ALTER DATABASE {database} SET synchronous_commit = off;"
        " CREATE TABLE public.seen (setting text);"
        " CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO public.seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$;"
        " CREATE TRIGGER see AFTER INSERT ON kojikey.keys FOR EACH ROW EXECUTE FUNCTION public.see()",
        database=database,
    )
    store.close()
    store.commit([Change(KEY, {}, None)])
    assert postgres.sql("SELECT setting FROM public.seen", database=database) == [("on",)]


def test_a_role_at_its_connection_limit_is_reported(store: PostgresStore, postgres: Server, database: str) -> None:
    with postgres.temporary_role("LOGIN CONNECTION LIMIT 0") as role:
        refused(at(postgres.url(database, role)), StoreUnreachable, "no free connection")


def test_a_server_that_is_full_or_stopped_is_unreachable(postgres: Server) -> None:
    with running(settings={"max_connections": "3", "superuser_reserved_connections": "0"}) as small:
        small.sql("CREATE DATABASE keys")
        taken = [psycopg.connect(small.url("keys")) for _ in range(2)]
        store = at(small.url("keys"))
        store.create({"format": 1})
        further = at(small.url("keys"))
        with pytest.raises(StoreUnreachable, match="no free connection"):
            further.open()
        small.stop()
        with pytest.raises(StoreUnreachable, match="no server answers"):
            store.open()
        for connection in taken:
            connection.close()
        for opened in (store, further):
            opened.close()


def test_a_url_that_libpq_refuses_is_a_usage_error(database: str, postgres: Server) -> None:
    for option in ("connect_timeout=abc", "target_session_attrs=nonsense"):
        with pytest.raises(UsageError, match="no connection was made"):
            at(postgres.url(database) + f"?{option}").open()


def test_a_database_of_any_encoding_can_hold_a_store(postgres: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    postgres.sql("CREATE DATABASE plain ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    monkeypatch.setenv("PGCLIENTENCODING", "SQL_ASCII")
    store = at(postgres.url("plain"))
    store.create({"format": 1})
    store.upgrade()
    store.commit([Change(KEY, {"label": "鍵"}, None)])
    assert [found.document for found in at(postgres.url("plain")).scan()] == [{"label": "鍵"}]
    store.close()
    postgres.sql("DROP DATABASE plain WITH (FORCE)")


def test_without_the_driver_the_extra_is_named() -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from kojikey.stores.registry import store_from_url\n"
        "from kojikey.model.errors import UsageError\n"
        "try: store_from_url('postgresql://h/keys')\n"
        "except UsageError as error: print(error.hint)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "pip install 'kojikey[postgres]'\n"


def test_the_driver_is_not_imported_for_another_store(tmp_path: object) -> None:
    script = (
        "import sys\nfrom kojikey.stores.registry import store_from_url\n"
        f"store_from_url('sqlite://{tmp_path}/keys.db')\n"
        "print([name for name in sys.modules if 'psycopg' in name or 'postgres' in name])\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_a_lost_connection_prints_nothing(postgres: Server, database: str) -> None:
    script = (
        "from kojikey.stores.registry import store_from_url\n"
        "from kojikey.stores.base import Change\n"
        "from kojikey.model.ref import key_ref\n"
        f"store = store_from_url({postgres.url(database)!r})\n"
        "store.create({})\n"
        "store._server.connected().execute('DROP TABLE kojikey.events')\n"
        "try: store.commit([Change(key_ref('a', 'b'), {}, None)], [{'account': 'a', 'seq': 1}])\n"
        "except Exception as error: print(type(error).__name__)\n"
        "store.close()\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (ran.stdout, ran.stderr) == ("StoreCorrupt\n", "")
