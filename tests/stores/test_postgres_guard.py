"""Objects and locks of other roles on a PostgreSQL server give them no access and block nobody for long."""

from __future__ import annotations

import json

import psycopg
import pytest
from psycopg import errors

from kojikey.model.errors import StoreLocked, UsageError
from kojikey.model.ref import account_ref, grant_ref, key_ref
from kojikey.stores.base import DOCUMENT_LIMIT, Change, Query
from kojikey.stores.postgres.address import read_address
from kojikey.stores.postgres.store import PostgresStore
from support.servers.granted import ACME, BETA, Refused, Role, all_rows, counted
from support.servers.granted import owner as owner
from support.servers.granted import refused as refused
from support.servers.granted import role as role
from support.servers.granted import sql as sql
from support.servers.granted import store as store
from support.servers.postgres import Server


def test_functions_and_operators_of_others_are_not_used(
    store: PostgresStore, sql: Role, postgres: Server, database: str, role: str
) -> None:
    postgres.sql(f"GRANT CREATE ON SCHEMA public TO {role}", database=database)
    for words in (
        "CREATE FUNCTION public.json_typeof(text) RETURNS text LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'theirs'; END $$",
        "CREATE FUNCTION public.theirs(bigint, smallint) RETURNS bigint LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'theirs'; END $$",
        "CREATE OPERATOR public.% (leftarg = bigint, rightarg = smallint, function = public.theirs)",
    ):
        sql.execute(words.encode())
    store.upgrade()
    assert len(list(store.scan(Query(shard=(1, 2)))) + list(store.scan(Query(shard=(2, 2))))) == 4
    store.commit([Change(grant_ref(BETA, role), {}, None)])


def test_store_init_takes_away_what_others_were_given_or_made(
    store: PostgresStore, sql: Role, postgres: Server, database: str, owner: str, role: str
) -> None:
    with postgres.temporary_role() as other:
        for words in (
            f"GRANT USAGE, CREATE ON SCHEMA kojikey TO {other}, PUBLIC",
            f"GRANT ALL ON ALL TABLES IN SCHEMA kojikey TO {other} WITH GRANT OPTION",
            f"GRANT UPDATE (document) ON kojikey.header TO {other}",
        ):
            postgres.sql(words, database=database, role=owner)
        for words in (
            "CREATE FUNCTION kojikey.theirs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
            "CREATE TRIGGER theirs BEFORE UPDATE ON kojikey.accounts FOR EACH ROW EXECUTE FUNCTION kojikey.theirs()",
            f"GRANT SELECT ON kojikey.keys TO {role}",
        ):
            postgres.sql(words, database=database, role=other)
        postgres.sql("CREATE RULE lost AS ON DELETE TO kojikey.keys DO INSTEAD NOTHING", database=database, role=owner)
        store.upgrade()
        for words in ("TRUNCATE kojikey.keys", "SELECT 1 FROM kojikey.header", "CREATE TABLE kojikey.theirs (a int)"):
            with pytest.raises(errors.InsufficientPrivilege):
                postgres.sql(words, database=database, role=other)
        made = (
            "SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal UNION SELECT rulename FROM pg_rules ORDER BY 1"
        )
        assert [name for (name,) in postgres.sql(made, database=database) if name in ("theirs", "lost")] == []
    assert sql.execute("SELECT count(*) FROM kojikey.keys").fetchall() == [(2,)]
    assert sql.execute("UPDATE kojikey.keys SET revision = 'x'").rowcount == 2


def test_waiting_for_the_locks_of_others_ends(
    postgres: Server, database: str, owner: str, store: PostgresStore
) -> None:
    hasty = PostgresStore(read_address(postgres.url(database, owner)), lock_timeout=0.05)
    with psycopg.connect(postgres.url(database)) as administrator:
        administrator.execute("LOCK TABLE kojikey.keys IN ACCESS EXCLUSIVE MODE")
        for use in (lambda: list(hasty.scan()), lambda: hasty.read(key_ref(BETA, "elevenlabs"))):
            with pytest.raises(StoreLocked):
                use()
        with pytest.raises(StoreLocked):
            hasty.upgrade()
    hasty.close()


def test_a_role_that_the_server_exempts_is_granted_nothing(store: PostgresStore, postgres: Server) -> None:
    with postgres.temporary_role() as name:
        postgres.sql(f"ALTER ROLE {name} BYPASSRLS")
        with pytest.raises(UsageError, match="BYPASSRLS"):
            store.read(grant_ref(ACME, name))


def test_a_prepared_schema_keeps_its_owner_whoever_creates_the_store(
    postgres: Server, database: str, owner: str
) -> None:
    postgres.sql(f"CREATE SCHEMA kojikey AUTHORIZATION {owner}", database=database)
    made = PostgresStore(read_address(postgres.url(database)))
    made.create({"format": 1})
    made.close()
    owners = "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'kojikey'::regnamespace"
    assert postgres.sql(owners, database=database) == [(owner,)]
    theirs = PostgresStore(read_address(postgres.url(database, owner)))
    theirs.commit([Change(account_ref(ACME), counted(ACME, 0), None)])
    theirs.close()


@pytest.mark.parametrize(
    "attack",
    [
        "INSERT INTO kojikey.keys (account, provider, slot, revision, document) VALUES ('acme', 'p', 1, 'r', {big})",
        "UPDATE kojikey.keys SET document = {big}",
        "UPDATE kojikey.keys SET revision = {big}",
        "UPDATE kojikey.accounts SET document = {big}",
        "INSERT INTO kojikey.events (account, seq, revision, document) VALUES ('acme', 2, 'r', {big})",
    ],
)
def test_a_role_writes_nothing_larger_than_kojikey_does(refused: Refused, postgres: Server, attack: str) -> None:
    before = all_rows(postgres, refused.database)
    text = json.dumps(counted(ACME, 2, label="x" * DOCUMENT_LIMIT))
    with pytest.raises(psycopg.Error) as raised:
        refused.sql.execute(attack.replace("{big}", f"'{text}'").encode())
    assert raised.value.sqlstate == "KJK05"
    assert all_rows(postgres, refused.database) == before


def test_describing_a_store_uses_no_functions_and_operators_of_others(
    store: PostgresStore, sql: Role, postgres: Server, database: str, role: str
) -> None:
    postgres.sql(f"GRANT CREATE ON SCHEMA public TO {role}", database=database)
    for words in (
        "CREATE FUNCTION public.theirs(oid, regrole) RETURNS boolean LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'theirs, as %', current_user; END $$",
        "CREATE OPERATOR public.= (leftarg = oid, rightarg = regrole, function = public.theirs)",
    ):
        sql.execute(words.encode())
    details = dict(store.describe().details)
    assert "state" not in details
    assert role in details["granted to"]
