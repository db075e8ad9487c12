"""The limits that the server enforces for a role, tested in SQL as that role, without kojikey."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import errors

from kojikey.model.errors import StoreDenied, UsageError
from kojikey.model.ref import HEADER, account_ref, grant_ref, key_ref
from kojikey.stores.base import Change, Query
from kojikey.stores.postgres.address import read_address
from kojikey.stores.postgres.connection import ServerConnection
from kojikey.stores.postgres.schema import PAGE
from kojikey.stores.postgres.store import PostgresStore
from support.servers.granted import ACME, BETA, TABLES, Refused, Role, all_rows, counted, event
from support.servers.granted import owner as owner
from support.servers.granted import refused as refused
from support.servers.granted import role as role
from support.servers.granted import sql as sql
from support.servers.granted import store as store
from support.servers.postgres import Server

AUDIT = {"seq": 3, "mac": "m", "head": "h", "from": 1}
DAMAGED_AUDIT: tuple[tuple[str, object], ...] = (
    ("seq", "3"), ("seq", 3.5), ("mac", None), ("mac", 3), ("head", 3), ("from", "1"), ("from", None), ("from", 1.5),
)  # fmt: skip
DAMAGED: tuple[tuple[str, object], ...] = (
    ("wrapped", None), ("wrapped", 3), ("disabled", "true"), ("disabled", None), ("copied_from", []),
    ("copied_from", None), ("copied_from", {"s": "3"}), ("copied_from", {"s": 3, "t": None}), ("audit", []),
)  # fmt: skip


def test_a_role_sees_nothing_of_an_account_without_a_grant(sql: Role) -> None:
    for table in ("accounts", "keys", "events", "grants"):
        seen = sql.execute(f"SELECT DISTINCT account FROM kojikey.{table}".encode()).fetchall()
        assert seen == [(ACME,)], table
    assert sql.execute("SELECT count(*) FROM kojikey.keys WHERE account = 'beta'").fetchall() == [(0,)]
    assert sql.execute("SELECT count(*) FROM kojikey.header").fetchall() == [(1,)]


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE kojikey.keys SET document = '{}' WHERE account = 'beta'",
        "UPDATE kojikey.keys SET revision = '' WHERE account = 'beta'",
        "UPDATE kojikey.accounts SET document = '{}' WHERE account = 'beta'",
    ],
)
def test_a_row_of_another_account_cannot_be_changed(refused: Refused, postgres: Server, attack: str) -> None:
    before = all_rows(postgres, refused.database)
    assert refused.sql.execute(attack.encode()).rowcount == 0
    assert all_rows(postgres, refused.database) == before


@pytest.mark.parametrize(
    "attack",
    [
        # forging
        "INSERT INTO kojikey.keys VALUES ('beta', 'new', NULL, 1, 'r', '{}')",
        "INSERT INTO kojikey.keys VALUES ('beta', 'elevenlabs', NULL, 1, 'r', '{}') ON CONFLICT DO NOTHING",
        "INSERT INTO kojikey.keys VALUES ('beta', 'elevenlabs', NULL, 1, 'r', '{}') ON CONFLICT (account, provider)"
        " DO UPDATE SET document = '{}'",
        "INSERT INTO kojikey.accounts VALUES ('gamma', 'r', '{}')",
        "INSERT INTO kojikey.events VALUES ('beta', 1, NULL, NULL, 'r', '{}')",
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
        "DELETE FROM kojikey.keys",
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
def test_the_server_refuses_each_attack_and_changes_nothing(refused: Refused, postgres: Server, attack: str) -> None:
    before = all_rows(postgres, refused.database)
    with pytest.raises(psycopg.Error) as raised:
        refused.sql.execute(attack.encode())
    assert raised.value.sqlstate == ("0A000" if attack.startswith("COPY") else "42501")  # COPY: not under policies
    assert all_rows(postgres, refused.database) == before


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


def test_a_role_can_write_to_a_granted_account(sql: Role) -> None:
    for words, rows in (
        ("INSERT INTO kojikey.keys VALUES ('acme', 'new', NULL, 1, 'r', '{}')", 1),
        ("UPDATE kojikey.keys SET revision = 's', document = '{}'", 3),
        ("UPDATE kojikey.keys SET revision = '' WHERE provider = 'new'", 1),
        ("UPDATE kojikey.accounts SET revision = 's', document = replace(document, '\"seq\":2', '\"seq\":3')", 1),
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
def test_no_role_can_change_or_delete_events_even_one_that_the_server_exempts(
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
    as_it_was = json.dumps(counted(ACME, 2))[1:-1]
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
        "[]",
        '{"account": "acme"}',
        *(
            json.dumps(damaged)
            for damaged in (
                counted(BETA, 3),
                *(counted(ACME, seq) for seq in (1, 2**63 - 1, None, "3", 3.0, True, -3)),
                *(counted(ACME, 3, **{name: value}) for name, value in DAMAGED),
                *(counted(ACME, 3) | {"audit": {**AUDIT, name: value}} for name, value in DAMAGED_AUDIT),
            )
        ),
    ],
)
def test_a_role_cannot_change_the_count_of_events(refused: Refused, postgres: Server, document: str) -> None:
    before = all_rows(postgres, refused.database)
    with pytest.raises(psycopg.Error) as raised:
        refused.sql.execute("UPDATE kojikey.accounts SET document = %s", (document,))
    assert raised.value.sqlstate == "KJK03"
    assert all_rows(postgres, refused.database) == before
    theirs = PostgresStore(read_address(postgres.url(refused.database, refused.role)))
    held = theirs.read(account_ref(ACME))
    assert held is not None
    with pytest.raises(StoreDenied, match="nothing was changed"):
        theirs.commit([Change(held.ref, {}, held.revision)])
    theirs.close()


@pytest.mark.parametrize("more", [{"copied_from": {"s": 3}}, {"disabled": False}, {"audit": AUDIT}], ids=str)
def test_a_role_writes_what_kojikey_writes(sql: Role, more: dict[str, object]) -> None:
    document = json.dumps(counted(ACME, 3) | more)
    assert sql.execute("UPDATE kojikey.accounts SET document = %s", (document,)).rowcount == 1


def test_a_role_cannot_block_the_number_of_the_next_event(
    store: PostgresStore, sql: Role, postgres: Server, database: str
) -> None:
    for seq, state in ((3, "42501"), (2**62, "KJK04")):
        with pytest.raises(psycopg.Error) as raised:
            sql.execute("INSERT INTO kojikey.events VALUES ('acme', %s, NULL, NULL, 'r', '{}')", (seq,))
        assert raised.value.sqlstate == state
    before = store.read(account_ref(ACME))
    assert before is not None
    store.commit([Change(before.ref, counted(ACME, 3), before.revision)], [event(ACME, 3)])


def test_a_role_that_inherits_from_a_granted_one_sees_as_much(postgres: Server, database: str, role: str) -> None:
    with (
        postgres.temporary_role(f"LOGIN IN ROLE {role}") as member,
        postgres.temporary_role(f"LOGIN NOINHERIT IN ROLE {role}") as apart,
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
    with postgres.temporary_role() as name:
        store.commit([Change(grant_ref(ACME, name), {}, None)])
        postgres.drop_role(name)
        postgres.sql(f"CREATE ROLE {name} LOGIN")
        assert store.read(grant_ref(ACME, name)) is None


def test_only_the_owner_grants(store: PostgresStore, role: str, postgres: Server, database: str) -> None:
    before = all_rows(postgres, database)
    theirs = PostgresStore(read_address(postgres.url(database, role)))
    with postgres.temporary_role() as other, pytest.raises(StoreDenied):
        theirs.commit([Change(grant_ref(ACME, other), {}, None)])
    with pytest.raises(StoreDenied):
        theirs.commit([Change(HEADER, {"mine": True}, theirs.open().revision)])
    theirs.close()
    assert all_rows(postgres, database) == before


def test_an_administrator_of_the_store_needs_no_grant(store: PostgresStore, owner: str) -> None:
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


def test_init_restores_loosened_rules(store: PostgresStore, sql: Role, postgres: Server, database: str) -> None:
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
    with postgres.temporary_role() as stranger, pytest.raises(errors.InsufficientPrivilege):
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


def test_a_scan_over_all_accounts_finds_those_of_a_role_by_index(
    sql: Role, role: str, store: PostgresStore, postgres: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Any]] = []
    rows = ServerConnection.rows

    def noted(self: ServerConnection, select: LiteralString, values: Any = ()) -> Any:
        asked.append((select, values))
        return rows(self, select, values)

    monkeypatch.setattr(ServerConnection, "rows", noted)
    verbs: tuple[Callable[[PostgresStore], Any], ...] = (
        lambda found: [stored.ref for stored in found.scan()],
        lambda found: [stored.ref.account for stored in found.accounts()],
        lambda found: [event["account"] for event in found.events()],
        lambda found: found.counts(),
        lambda found: found.counts(Query(providers=("other",), not_tested_since="2026-11-12T00:00:00Z")),
    )
    of_role = PostgresStore(read_address(postgres.url(database, role)))
    found = [verb(of_role) for verb in verbs]
    of_role.close()
    assert found == [
        [key_ref(ACME, "elevenlabs"), key_ref(ACME, "other")], [ACME], [ACME, ACME],
        {"elevenlabs": 1, "other": 1}, {"other": 1},
    ]  # fmt: skip
    sql.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")
    plans = [
        "\n".join(str(line) for (line,) in sql.execute(b"EXPLAIN " + select.encode(), values).fetchall())
        for select, values in asked
        if "FROM kojikey." in select and "kojikey.migrations" not in select
    ]
    assert len(plans) == len(verbs)
    assert [plan for plan in plans if "ROW(" in plan or not re.search(r"Index Cond: \(+account = ANY", plan)] == []
    assert store.counts() == {"elevenlabs": 2, "other": 2}


def test_a_role_of_many_accounts_reads_them_page_by_page_once_each(
    store: PostgresStore, role: str, postgres: Server, database: str
) -> None:
    names = [f"a-{number:04}" for number in range(PAGE + 3)]
    for start in range(0, len(names), 50):
        chunk = names[start : start + 50]
        store.commit(
            [Change(account_ref(name), counted(name, 1), None) for name in chunk], [event(n, 1) for n in chunk]
        )
        store.commit([Change(key_ref(name, p), {"is": name}, None) for name in chunk for p in ("elevenlabs", "other")])
        store.commit([Change(grant_ref(name, role), {}, None) for name in chunk[:-1]])
    seen = sorted({*names, ACME} - set(names[49::50]) - {names[-1]})
    of_role = PostgresStore(read_address(postgres.url(database, role)))
    assert [stored.ref.account for stored in of_role.accounts()] == seen
    assert [stored.ref for stored in of_role.scan()] == [key_ref(n, p) for n in seen for p in ("elevenlabs", "other")]
    assert [found["account"] for found in of_role.events()] == sorted([*seen, ACME])
    assert of_role.counts() == {"elevenlabs": len(seen), "other": len(seen)}
    of_role.close()


def test_accounts_of_an_inherited_role_are_found(
    store: PostgresStore, role: str, postgres: Server, database: str
) -> None:
    with postgres.temporary_role() as member:
        postgres.sql(f"GRANT {role} TO {member}")
        store.commit([Change(grant_ref(BETA, member), {}, None)])
        of_member = PostgresStore(read_address(postgres.url(database, member)))
        assert [stored.ref.account for stored in of_member.accounts()] == [ACME, BETA]
        assert of_member.counts() == {"elevenlabs": 2, "other": 2}
        assert len(list(of_member.events())) == 4
        of_member.close()
