"""Locks on a PostgreSQL server delay no other account; and a store of the release before this one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import errors

from kojikey.model.errors import StoreDenied, StoreLocked, StoreVersion
from kojikey.model.ref import HEADER, Document, Ref, account_ref, grant_ref, key_ref
from kojikey.stores.base import Change, Store
from kojikey.stores.postgres.address import read_address
from kojikey.stores.postgres.store import PostgresStore
from support.servers.granted import ACME, BETA, Refused, Role, all_rows, counted, event
from support.servers.granted import owner as owner
from support.servers.granted import refused as refused
from support.servers.granted import role as role
from support.servers.granted import sql as sql
from support.servers.granted import store as store
from support.servers.postgres import Server

ADVISORY = (0x6B6A6B79, 0x6B6A6B7A, 0x6B6A6B7B)  # what kojikey locked in releases before this one


@pytest.fixture
def hasty(postgres: Server, database: str, owner: str, store: PostgresStore) -> Iterator[PostgresStore]:
    """Return the store opened as its owner, with no waiting for locks."""
    hasty = PostgresStore(read_address(postgres.url(database, owner)), lock_timeout=0.2)
    yield hasty
    hasty.close()


def changed(store: Store, ref: Ref, document: Document | None) -> None:
    held = store.read(ref)
    store.commit([Change(ref, document, held.revision if held else None)])


def everything_works(store: PostgresStore, role: str) -> None:
    """Read and change the rows of other accounts, create an account, grant one, change the header."""
    assert [found.ref.account for found in store.accounts()] == [ACME, BETA]
    assert len(list(store.scan())) == 4
    header = store.header()
    kept = Change(HEADER, header.document, header.revision, keeps=True)
    store.commit([Change(account_ref("gamma"), counted("gamma", 1), None), kept], [event("gamma", 1)])
    changed(store, key_ref(BETA, "elevenlabs"), {"n": 2})
    changed(store, key_ref(BETA, "other"), None)
    changed(store, grant_ref(BETA, role), {})
    changed(store, HEADER, {"format": 1, "n": 2})


@pytest.mark.parametrize("mode", ["SHARE UPDATE EXCLUSIVE", "SHARE", "EXCLUSIVE", "ACCESS EXCLUSIVE"])
@pytest.mark.parametrize("table", ["migrations", "header", "accounts", "keys", "events", "grants"])
def test_a_role_locks_no_table_against_others(refused: Refused, table: str, mode: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege), refused.sql.transaction():
        refused.sql.execute(f"LOCK TABLE kojikey.{table} IN {mode} MODE".encode())


@pytest.mark.parametrize("table", ["migrations", "header", "grants", "events"])
@pytest.mark.parametrize("strength", ["UPDATE", "KEY SHARE"])
def test_a_role_locks_no_row_that_is_not_its_own(refused: Refused, table: str, strength: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        refused.sql.execute(f"SELECT 1 FROM kojikey.{table} FOR {strength}".encode())


def test_a_role_that_locks_all_it_may_blocks_no_other_role(hasty: PostgresStore, sql: Role, role: str) -> None:
    with sql.transaction():
        for table in ("accounts", "keys"):
            sql.execute(f"SELECT 1 FROM kojikey.{table} FOR UPDATE".encode())
        for table in ("keys", "events"):
            sql.execute(f"LOCK TABLE kojikey.{table} IN ROW EXCLUSIVE MODE".encode())
        everything_works(hasty, role)
        with pytest.raises(StoreLocked):
            changed(hasty, key_ref(ACME, "elevenlabs"), {"n": 2})


def test_a_role_without_a_grant_blocks_no_other_role(
    hasty: PostgresStore, postgres: Server, database: str, role: str
) -> None:
    with postgres.temporary_role() as stranger, psycopg.connect(postgres.url(database, stranger)) as session:
        for number in ADVISORY:
            session.execute("SELECT pg_advisory_lock(%s)", (number,))
        everything_works(hasty, role)
        hasty.upgrade()


def test_a_header_that_a_session_locks_is_not_changed(
    hasty: PostgresStore, store: PostgresStore, postgres: Server, database: str, owner: str
) -> None:
    with psycopg.connect(postgres.url(database, owner)) as session:
        session.execute("SELECT 1 FROM kojikey.header FOR SHARE")
        header = hasty.header()
        kept = Change(HEADER, header.document, header.revision, keeps=True)
        hasty.commit([Change(account_ref("gamma"), counted("gamma", 0), None), kept])  # others may keep it too
        with pytest.raises(StoreLocked):
            changed(hasty, HEADER, {"format": 1, "n": 2})


def test_a_role_takes_its_own_keys_away_and_no_others(
    store: PostgresStore, sql: Role, role: str, postgres: Server, database: str
) -> None:
    theirs = PostgresStore(read_address(postgres.url(database, role)))
    changed(theirs, key_ref(ACME, "elevenlabs"), None)
    theirs.close()
    before = all_rows(postgres, database)
    assert sql.execute("UPDATE kojikey.keys SET revision = '' WHERE account = 'beta'").rowcount == 0
    assert all_rows(postgres, database) == before
    assert sorted(found.ref for found in store.scan()) == [
        key_ref(ACME, "other"), key_ref(BETA, "elevenlabs"), key_ref(BETA, "other"),
    ]  # fmt: skip
    assert sql.execute("UPDATE kojikey.keys SET revision = ''").rowcount == 1
    assert {found.ref.account for found in store.scan()} == {BETA}


def test_a_trigger_on_a_roles_own_table_does_not_delete_as_the_owner(
    sql: Role, postgres: Server, database: str, owner: str
) -> None:
    before = all_rows(postgres, database)
    sql.execute("CREATE TEMP TABLE mine (account text, provider text, revision text)")
    attached = "CREATE TRIGGER t AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION kojikey.marked_keys_go()"
    with pytest.raises(errors.InsufficientPrivilege):
        sql.execute(attached.encode())
    with psycopg.connect(postgres.url(database, owner), autocommit=True) as careless:  # who may execute it
        careless.execute("CREATE TEMP TABLE mine (account text, provider text, revision text)")
        careless.execute(attached.encode())
        careless.execute("INSERT INTO mine VALUES ('beta', 'elevenlabs', '')")
    assert all_rows(postgres, database) == before


@pytest.mark.parametrize("seq", [0, -1, 2, 4])
def test_only_the_event_with_the_next_number_is_accepted(store: PostgresStore, sql: Role, seq: int) -> None:
    changed(store, account_ref(ACME), counted(ACME, 9))
    with pytest.raises(psycopg.Error) as raised:
        sql.execute("INSERT INTO kojikey.events VALUES ('acme', %s, NULL, NULL, 'r', '{}')", (seq,))
    assert raised.value.sqlstate == ("23505" if seq == 2 else "KJK04")  # 2 is taken
    assert sql.execute("INSERT INTO kojikey.events VALUES ('acme', 3, NULL, NULL, 'r', '{}')").rowcount == 1


def test_a_refused_event_is_a_store_error(store: PostgresStore, role: str, postgres: Server, database: str) -> None:
    theirs = PostgresStore(read_address(postgres.url(database, role)))
    changed(store, account_ref(ACME), counted(ACME, 9))
    with pytest.raises(StoreDenied, match="only the next event"):
        theirs.commit([], [event(ACME, 5)])
    theirs.close()


@pytest.mark.parametrize("change", [{"account": BETA}, {"seq": 2}, {"seq": "3"}])
def test_an_event_of_a_role_that_names_another_place_counts_as_damaged(
    store: PostgresStore, sql: Role, change: Document
) -> None:
    changed(store, account_ref(ACME), counted(ACME, 3))
    text = json.dumps({**event(ACME, 3), **change})
    sql.execute("INSERT INTO kojikey.events VALUES ('acme', 3, NULL, NULL, 'r', %s)", (text,))
    assert list(store.events(ACME))[2:] == [{}]
    assert [(found.get("account"), found.get("seq")) for found in store.events()] == [
        (ACME, 1), (ACME, 2), (None, None), (BETA, 1), (BETA, 2),
    ]  # fmt: skip


# a store of the release before this one


@pytest.fixture
def earlier(store: PostgresStore, postgres: Server, database: str, role: str) -> PostgresStore:
    """Return a store with the schema of the previous release."""
    postgres.sql(
        "DELETE FROM kojikey.migrations WHERE version > 1; ALTER TABLE kojikey.events DROP CONSTRAINT numbered;"
        " DROP TRIGGER marked_keys_go ON kojikey.keys; DROP TRIGGER only_the_next ON kojikey.events;"
        f" CREATE POLICY granted_delete ON kojikey.keys FOR DELETE TO {role} USING (account = 'acme');"
        f" GRANT DELETE ON kojikey.keys TO {role}",
        database=database,
    )
    store.close()
    return store


def test_a_store_of_an_earlier_release_opens_and_keeps_working(
    earlier: PostgresStore, role: str, postgres: Server, database: str
) -> None:
    theirs = PostgresStore(read_address(postgres.url(database, role)))
    for used, provider in ((earlier, "elevenlabs"), (theirs, "other")):
        assert used.open().document == {"format": 1}
        changed(used, key_ref(ACME, provider), {"n": 2})
        changed(used, key_ref(ACME, provider), None)
        assert used.read(key_ref(ACME, provider)) is None
    theirs.close()
    header = earlier.header()
    kept = Change(HEADER, header.document, header.revision, keeps=True)
    earlier.commit([Change(account_ref("gamma"), counted("gamma", 0), None), kept])


def test_a_store_that_was_open_during_the_upgrade_keeps_working(
    earlier: PostgresStore, role: str, postgres: Server, database: str
) -> None:
    theirs = PostgresStore(read_address(postgres.url(database, role)))
    held = theirs.read(key_ref(ACME, "other"))
    assert held is not None
    earlier.upgrade()
    theirs.commit([Change(held.ref, None, held.revision)])
    assert theirs.read(held.ref) is None
    with pytest.raises(StoreDenied):
        theirs.commit([Change(account_ref("gamma"), counted("gamma", 0), None)])
    theirs.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda store, _: changed(store, HEADER, {"format": 1, "n": 2}),
        lambda store, role: changed(store, grant_ref(BETA, role), {}),
        lambda store, role: changed(store, grant_ref(ACME, role), None),
    ],
    ids=["header", "grant", "revoke"],
)
def test_changes_that_need_the_new_schema_name_store_init(
    earlier: PostgresStore, role: str, change: Callable[[PostgresStore, str], None]
) -> None:
    with pytest.raises(StoreVersion, match=r"earlier release \(schema version 1, here 2\)") as raised:
        change(earlier, role)
    assert "store init" in str(raised.value.hint)
    earlier.upgrade()
    change(earlier, role)


def test_store_init_takes_the_lock_on_all_keys_away_from_roles(
    earlier: PostgresStore, sql: Role, postgres: Server, database: str
) -> None:
    with sql.transaction(force_rollback=True):
        sql.execute("LOCK TABLE kojikey.keys IN ACCESS EXCLUSIVE MODE")
    earlier.upgrade()
    with pytest.raises(errors.InsufficientPrivilege), sql.transaction():
        sql.execute("LOCK TABLE kojikey.keys IN ACCESS EXCLUSIVE MODE")
    assert postgres.sql("SELECT version FROM kojikey.migrations ORDER BY 1", database=database) == [(1,), (2,)]
    changed(earlier, key_ref(ACME, "other"), None)
    assert earlier.read(key_ref(ACME, "other")) is None
