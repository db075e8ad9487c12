"""What the server itself holds a role to, asked in SQL as that role: kojikey is not between the two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from postgres import Server
from psycopg import errors

from kojikey.model.errors import StoreDenied, StoreLocked, UsageError
from kojikey.model.ref import HEADER, account_ref, grant_ref, key_ref
from kojikey.stores.base import Change, Query
from kojikey.stores.postgres import PostgresStore
from kojikey.stores.postgres_address import read_address

Role = psycopg.Connection[tuple[Any, ...]]
ACME, BETA = ("acme", "beta")
TABLES = ("migrations", "header", "accounts", "keys", "events", "grants")


def event(account: str, seq: int) -> dict[str, object]:
    return {"account": account, "seq": seq, "provider": "elevenlabs", "time": "2026-11-23T04:47:00Z"}


def counted(account: str, seq: int, **more: object) -> dict[str, object]:
    """Return an account's document, as far as the server looks at it."""
    return {"account": account, "audit": {"seq": seq}, **more}


@pytest.fixture
def owner(postgres: Server, database: str) -> Iterator[str]:
    """Return a role that is no superuser, for those are held to nothing, and owns the database."""
    with postgres.a_role() as name:
        postgres.sql(f"ALTER DATABASE {database} OWNER TO {name}")
        yield name
        postgres.sql(f"ALTER DATABASE {database} OWNER TO postgres")


@pytest.fixture
def store(postgres: Server, database: str, owner: str) -> Iterator[PostgresStore]:
    """Return a store with two accounts, as its owner has it."""
    store = PostgresStore(read_address(postgres.url(database, owner)))
    store.create({"format": 1})
    for account in (ACME, BETA):
        changes = [Change(account_ref(account), counted(account, 2), None)]
        changes += [Change(key_ref(account, provider), {"is": account}, None) for provider in ("elevenlabs", "other")]
        store.commit(changes, [event(account, 1), event(account, 2)])
    yield store
    store.close()


@pytest.fixture
def role(postgres: Server, store: PostgresStore) -> Iterator[str]:
    """Return a role that was granted one account."""
    with postgres.a_role() as name:
        store.commit([Change(grant_ref(ACME, name), {}, None)])
        yield name


@pytest.fixture
def sql(postgres: Server, database: str, role: str) -> Iterator[Role]:
    """Return a session of that role, as psql would be."""
    with psycopg.connect(postgres.url(database, role), autocommit=True) as connection:
        yield connection


def all_rows(postgres: Server, database: str) -> list[list[tuple[object, ...]]]:
    """Return what is really there, as a superuser sees it."""
    return [postgres.sql(f"SELECT * FROM kojikey.{table} t ORDER BY t", database=database) for table in TABLES]


def test_a_role_sees_nothing_of_an_account_that_it_was_not_granted(sql: Role) -> None:
    for table in ("accounts", "keys", "events", "grants"):
        seen = sql.execute(f"SELECT DISTINCT account FROM kojikey.{table}".encode()).fetchall()
        assert seen == [(ACME,)], table
    assert sql.execute("SELECT count(*) FROM kojikey.keys WHERE account = 'beta'").fetchall() == [(0,)]
    assert sql.execute("SELECT count(*) FROM kojikey.header").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE kojikey.keys SET document = '{}' WHERE account = 'beta'",
        "DELETE FROM kojikey.keys WHERE account = 'beta'",
        "UPDATE kojikey.accounts SET document = '{}' WHERE account = 'beta'",
    ],
)
def test_a_row_of_another_account_can_not_be_hit(sql: Role, postgres: Server, database: str, attack: str) -> None:
    before = all_rows(postgres, database)
    assert sql.execute(attack.encode()).rowcount == 0
    assert all_rows(postgres, database) == before


@pytest.mark.parametrize(
    "attack",
    [
        # forging
        "INSERT INTO kojikey.keys VALUES ('beta', 'new', NULL, 1, 'r', '{}')",
        "INSERT INTO kojikey.keys VALUES ('beta', 'elevenlabs', NULL, 1, 'r', '{}') ON CONFLICT DO NOTHING",
        "INSERT INTO kojikey.keys VALUES ('beta', 'elevenlabs', NULL, 1, 'r', '{}') ON CONFLICT (account, provider)"
        " DO UPDATE SET document = '{}'",
        "INSERT INTO kojikey.accounts VALUES ('gamma', 'r', '{}')",
        "INSERT INTO kojikey.events VALUES ('beta', 3, NULL, NULL, 'r', '{}')",
        "UPDATE kojikey.keys SET account = 'beta'",
        "UPDATE kojikey.accounts SET account = 'gamma'",
        "UPDATE kojikey.events SET account = 'beta'",
        "COPY kojikey.events FROM STDIN",
        # the story, of its own account as well
        "UPDATE kojikey.events SET document = '{}'",
        "DELETE FROM kojikey.events",
        "TRUNCATE kojikey.events",
        "DELETE FROM kojikey.accounts",
        "TRUNCATE kojikey.keys",
        # the store itself
        "UPDATE kojikey.header SET document = '{}'",
        "DELETE FROM kojikey.header",
        "INSERT INTO kojikey.migrations VALUES (99)",
        "INSERT INTO kojikey.grants VALUES ('beta', current_user::regrole, 'r', '{}')",
        "UPDATE kojikey.grants SET account = 'beta'",
        "DELETE FROM kojikey.grants",
        "CREATE TABLE kojikey.mine (a int)",
        "ALTER TABLE kojikey.keys DISABLE ROW LEVEL SECURITY",
        "DROP POLICY granted_select ON kojikey.keys",
        "CREATE POLICY mine ON kojikey.keys USING (true)",
        "ALTER TABLE kojikey.events DISABLE TRIGGER ALL",
        "DROP TABLE kojikey.events",
        "CREATE OR REPLACE FUNCTION kojikey.events_are_only_added() RETURNS trigger LANGUAGE sql AS 'SELECT NULL'",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "SET row_security = off; SELECT * FROM kojikey.keys",
        "SET session_replication_role = replica",
    ],
)
def test_the_server_refuses(sql: Role, postgres: Server, database: str, attack: str) -> None:
    before = all_rows(postgres, database)
    with pytest.raises(psycopg.Error) as raised:
        sql.execute(attack.encode())
    assert raised.value.sqlstate == ("0A000" if attack.startswith("COPY") else "42501")  # COPY: not under policies
    assert all_rows(postgres, database) == before


def test_a_condition_with_a_side_effect_is_not_shown_rows_of_others(sql: Role) -> None:
    notices: list[str] = []
    sql.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
    sql.execute(
        "CREATE FUNCTION pg_temp.peek(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS"
        " $$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$"
    )
    sql.execute("SELECT 1 FROM kojikey.keys WHERE pg_temp.peek(document)").fetchall()
    assert len(notices) == 2
    assert all("acme" in notice for notice in notices)


def test_what_a_role_was_granted_it_works_with(sql: Role) -> None:
    for words, rows in (
        ("INSERT INTO kojikey.keys VALUES ('acme', 'new', NULL, 1, 'r', '{}')", 1),
        ("UPDATE kojikey.keys SET revision = 's', document = '{}'", 3),
        ("DELETE FROM kojikey.keys WHERE provider = 'new'", 1),
        ("UPDATE kojikey.accounts SET revision = 's', document = replace(document, '2', '3')", 1),
        ("INSERT INTO kojikey.events VALUES ('acme', 3, NULL, NULL, 'r', '{}')", 1),
    ):
        assert sql.execute(words.encode()).rowcount == rows, words


@pytest.mark.parametrize(
    "words",
    [
        "UPDATE kojikey.events SET document = '{}'",
        "DELETE FROM kojikey.events WHERE seq = 2",
        "TRUNCATE kojikey.events",
    ],
)
def test_nobody_changes_or_cuts_events_not_even_who_the_server_exempts(
    store: PostgresStore, postgres: Server, database: str, owner: str, words: str
) -> None:
    before = all_rows(postgres, database)
    for who in (owner, "postgres"):
        with pytest.raises(psycopg.Error) as raised:
            postgres.sql(words, database=database, role=who)
        assert raised.value.sqlstate == "KJK02", who
    assert all_rows(postgres, database) == before


def test_only_the_owner_enables_what_was_disabled(
    store: PostgresStore, sql: Role, role: str, postgres: Server, database: str
) -> None:
    before = store.read(account_ref(ACME))
    assert before is not None
    store.commit([Change(before.ref, {**before.document, "disabled": True}, before.revision)])
    as_it_was = '"account": "acme", "audit": {"seq": 2}'
    for more in ("", ', "disabled": false', ', "disabled": true, "disabled": false', ', "disabled": null'):
        document = f"{{{as_it_was}{more}}}"
        with pytest.raises(psycopg.Error) as raised:
            sql.execute("UPDATE kojikey.accounts SET document = %s", (document,))
        assert raised.value.sqlstate == "KJK01", document
    for document in ("", "{", '{"disabled": true} {}'):
        with pytest.raises(errors.InvalidTextRepresentation):
            sql.execute("UPDATE kojikey.accounts SET document = %s", (document,))
    still = f'{{{as_it_was}, "disabled": true, "more": 1}}'
    assert sql.execute("UPDATE kojikey.accounts SET document = %s", (still,)).rowcount == 1

    theirs = PostgresStore(read_address(postgres.url(database, role)))
    held = theirs.read(account_ref(ACME))
    assert held is not None
    with pytest.raises(StoreDenied, match="disabled"):
        theirs.commit([Change(held.ref, counted(ACME, 2, disabled=False), held.revision)])
    theirs.close()
    store.commit([Change(held.ref, counted(ACME, 2, disabled=False), held.revision)])
    assert sql.execute("UPDATE kojikey.accounts SET revision = 'x'").rowcount == 1


@pytest.mark.parametrize(
    "document",
    [
        "{}",
        '{"account": "acme"}',
        '{"account": "beta", "audit": {"seq": 3}}',
        '{"account": "acme", "audit": {"seq": 1}}',
        '{"account": "acme", "audit": {"seq": 9223372036854775807}}',
        '{"account": "acme", "audit": {"seq": null}}',
        '{"account": "acme", "audit": []}',
    ],
)
def test_a_role_can_not_lead_the_count_of_events_astray(
    sql: Role, role: str, postgres: Server, database: str, document: str
) -> None:
    before = all_rows(postgres, database)
    with pytest.raises(psycopg.Error) as raised:
        sql.execute("UPDATE kojikey.accounts SET document = %s", (document,))
    assert raised.value.sqlstate == "KJK03"
    assert all_rows(postgres, database) == before
    theirs = PostgresStore(read_address(postgres.url(database, role)))
    held = theirs.read(account_ref(ACME))
    assert held is not None
    with pytest.raises(StoreDenied, match="nothing was changed"):
        theirs.commit([Change(held.ref, {}, held.revision)])
    theirs.close()


def test_a_role_can_not_take_the_place_of_the_next_event(
    store: PostgresStore, sql: Role, postgres: Server, database: str
) -> None:
    for seq in (3, 2**62):
        with pytest.raises(errors.InsufficientPrivilege):
            sql.execute("INSERT INTO kojikey.events VALUES ('acme', %s, NULL, NULL, 'r', '{}')", (seq,))
    before = store.read(account_ref(ACME))
    assert before is not None
    store.commit([Change(before.ref, counted(ACME, 3), before.revision)], [event(ACME, 3)])


# what stands in the way of others


def test_functions_and_operators_of_others_are_not_used(
    store: PostgresStore, sql: Role, postgres: Server, database: str, role: str
) -> None:
    postgres.sql(f"GRANT CREATE ON SCHEMA public TO {role}", database=database)
    for words in (
        "CREATE FUNCTION public.pg_advisory_xact_lock(integer) RETURNS void LANGUAGE plpgsql AS"
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
    with postgres.a_role() as other:
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


def test_what_others_lock_is_not_waited_for_without_end(
    postgres: Server, database: str, owner: str, store: PostgresStore, sql: Role
) -> None:
    hasty = PostgresStore(read_address(postgres.url(database, owner)), lock_timeout=0.05)
    with sql.transaction():
        sql.execute("LOCK TABLE kojikey.keys IN ACCESS EXCLUSIVE MODE")
        for use in (lambda: list(hasty.scan()), lambda: hasty.read(key_ref(BETA, "elevenlabs"))):
            with pytest.raises(StoreLocked):
                use()
    sql.execute("SELECT pg_advisory_lock(1802136441)")
    with pytest.raises(StoreLocked):
        hasty.upgrade()
    hasty.close()


def test_a_role_that_the_server_exempts_is_granted_nothing(store: PostgresStore, postgres: Server) -> None:
    with postgres.a_role() as name:
        postgres.sql(f"ALTER ROLE {name} BYPASSRLS")
        with pytest.raises(UsageError, match="BYPASSRLS"):
            store.read(grant_ref(ACME, name))


def test_a_schema_that_was_prepared_for_somebody_is_theirs_whoever_makes_the_store(
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


def test_a_role_that_inherits_from_a_granted_one_sees_as_much(postgres: Server, database: str, role: str) -> None:
    with (
        postgres.a_role(f"LOGIN IN ROLE {role}") as member,
        postgres.a_role(f"LOGIN NOINHERIT IN ROLE {role}") as apart,
    ):
        postgres.sql("SELECT 1 FROM kojikey.keys", database=database, role=member)
        assert postgres.sql("SELECT DISTINCT account FROM kojikey.keys", database=database, role=member) == [(ACME,)]
        with pytest.raises(errors.InsufficientPrivilege):
            postgres.sql("SELECT 1 FROM kojikey.keys", database=database, role=apart)


def test_a_revoked_role_keeps_what_else_it_was_granted_and_then_nothing(
    store: PostgresStore, sql: Role, role: str
) -> None:
    store.commit([Change(grant_ref(BETA, role), {}, None)])
    assert sql.execute("SELECT DISTINCT account FROM kojikey.keys ORDER BY 1").fetchall() == [(ACME,), (BETA,)]
    for account in (ACME, BETA):
        found = store.read(grant_ref(account, role))
        assert found is not None
        store.commit([Change(found.ref, None, found.revision)])
        if account == ACME:
            assert sql.execute("SELECT DISTINCT account FROM kojikey.keys").fetchall() == [(BETA,)]
    for table in TABLES:
        with pytest.raises(errors.InsufficientPrivilege):
            sql.execute(f"SELECT 1 FROM kojikey.{table}".encode())


def test_a_role_made_anew_under_an_old_name_has_no_grant(store: PostgresStore, postgres: Server, database: str) -> None:
    with postgres.a_role() as name:
        store.commit([Change(grant_ref(ACME, name), {}, None)])
        postgres.drop_role(name)
        postgres.sql(f"CREATE ROLE {name} LOGIN")
        assert store.read(grant_ref(ACME, name)) is None


def test_only_the_owner_grants(store: PostgresStore, role: str, postgres: Server, database: str) -> None:
    before = all_rows(postgres, database)
    theirs = PostgresStore(read_address(postgres.url(database, role)))
    with postgres.a_role() as other, pytest.raises(StoreDenied):
        theirs.commit([Change(grant_ref(ACME, other), {}, None)])
    with pytest.raises(StoreDenied):
        theirs.commit([Change(HEADER, {"mine": True}, theirs.open().revision)])
    theirs.close()
    assert all_rows(postgres, database) == before


def test_who_administers_the_store_needs_no_grant(store: PostgresStore, owner: str) -> None:
    for name in (owner, "postgres"):
        with pytest.raises(UsageError, match="administers"):
            store.read(grant_ref(ACME, name))


def test_the_owner_is_held_by_policies_too(store: PostgresStore, postgres: Server, database: str) -> None:
    held = postgres.sql(
        "SELECT relname::text, relrowsecurity AND relforcerowsecurity FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace = 'kojikey'::regnamespace ORDER BY 1",
        database=database,
    )
    assert held == [(name, name != "migrations") for name in sorted(TABLES)]


def test_a_store_whose_rules_were_loosened_is_put_right_by_init(
    store: PostgresStore, sql: Role, postgres: Server, database: str
) -> None:
    def rules() -> object:
        return (
            postgres.sql("SELECT * FROM pg_policies WHERE schemaname = 'kojikey' ORDER BY 2, 3", database=database),
            postgres.sql(
                "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class ORDER BY 1", database=database
            ),
            postgres.sql("SELECT tgname, tgenabled FROM pg_trigger ORDER BY 1", database=database),
        )

    before = rules()
    postgres.sql(
        "ALTER TABLE kojikey.keys DISABLE ROW LEVEL SECURITY; DROP POLICY granted_insert ON kojikey.events;"
        " CREATE POLICY all_see_all ON kojikey.accounts USING (true); DROP TRIGGER only_added ON kojikey.events;"
        " GRANT USAGE ON SCHEMA kojikey TO PUBLIC; GRANT SELECT ON kojikey.keys TO PUBLIC",
        database=database,
    )
    assert rules() != before
    store.upgrade()
    assert rules() == before
    assert sql.execute("SELECT DISTINCT account FROM kojikey.keys").fetchall() == [(ACME,)]
    with postgres.a_role() as stranger, pytest.raises(errors.InsufficientPrivilege):
        postgres.sql("SELECT 1 FROM kojikey.keys", database=database, role=stranger)


def test_a_granted_role_finds_its_rows_by_index(sql: Role) -> None:
    sql.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
    plan = "\n".join(
        str(line)
        for (line,) in sql.execute(
            "EXPLAIN SELECT document FROM kojikey.keys WHERE (account, provider) > ('', '')"
            " ORDER BY account, provider LIMIT 400"
        ).fetchall()
    )
    assert "Index Cond: " in plan
    assert "ROW(" in plan.partition("Index Cond: ")[2].partition("\n")[0]
    assert "Sort" not in plan
