"""Access to a PostgreSQL store, enforced by the server: row-level security, privileges and triggers.

Owns: policies, triggers, and the privileges of a role with a grant. Must not: read or write documents.

The owner of the schema administers the store and sees every row. Another role sees the rows of the accounts that were
granted to it, or to a role from which it inherits. In these accounts it

* reads, adds and replaces keys, replaces the account's document, and removes keys: it marks a key, and a trigger
  deletes the marked row as the owner. With the right to delete from a table, a role could also lock the table;
* adds the next event that the account's document counts. It cannot change or delete an event. Nor can the owner, except
  by dropping the trigger, which the chain of events would show;
* cannot enable a disabled account, and cannot rename or delete an account's document, which would have the same effect;
* cannot write a document or a revision that is larger than kojikey's: who reads all accounts would read it into memory;
* cannot set a wrong number of events or give the account's document another form, after which nobody could change the
  account any more, only disable it.

kojikey locks nothing that another role may lock: no advisory locks, which everyone who may connect can hold, and no
table. (A transaction that a role leaves open still blocks ``store init``, which changes the tables.)

The policies apply to the owner too (``FORCE``), but not to superusers and roles with BYPASSRLS
(https://www.postgresql.org/docs/current/ddl-rowsecurity.html). The rows are sealed for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString

from psycopg import Connection, sql

from kojikey.model.errors import NotFound, UsageError
from kojikey.stores.base import DOCUMENT_LIMIT, Change

# uses the index of grants for each row; a list of all granted accounts would be read again by every statement
_GRANTED: LiteralString = (
    "EXISTS (SELECT 1 FROM kojikey.grants g WHERE g.account = {}.account AND pg_catalog.pg_has_role(g.role, 'USAGE'))"
)
# A change writes the account's document first. An event with a higher number would take the place of a later one.
_COUNTED: LiteralString = (
    _GRANTED + " AND seq <= (SELECT (a.document::json #>> '{{audit,seq}}')::bigint"  # noqa: S608 - constants
    " FROM kojikey.accounts a"
    " WHERE a.account = {}.account)"
)
# table, command, the condition for rows that are read, and the one for rows that are written
_POLICIES: tuple[tuple[LiteralString, LiteralString, LiteralString | None, LiteralString | None], ...] = (
    ("header", "SELECT", "true", None),
    ("accounts", "SELECT", _GRANTED, None),
    ("accounts", "UPDATE", _GRANTED, _GRANTED),
    ("keys", "SELECT", _GRANTED, None),
    ("keys", "INSERT", None, _GRANTED),
    ("keys", "UPDATE", _GRANTED, _GRANTED),
    ("events", "SELECT", _GRANTED, None),
    ("events", "INSERT", None, _COUNTED),
    ("grants", "SELECT", "pg_catalog.pg_has_role(role, 'USAGE')", None),
)
_TABLES: tuple[LiteralString, ...] = ("header", "accounts", "keys", "events", "grants")
_ONLY_ADDED: LiteralString = """
CREATE OR REPLACE FUNCTION kojikey.events_are_only_added() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog AS $$ BEGIN
    RAISE EXCEPTION USING ERRCODE = 'KJK02', MESSAGE = 'events are only added, never changed or taken away';
END $$"""
# kojikey's documents are JSON; a change to anything else is refused
_STAYS_DISABLED: LiteralString = """
CREATE OR REPLACE FUNCTION kojikey.disabled_stays_disabled() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog AS $$ BEGIN
    IF (OLD.document::json ->> 'disabled') = 'true'
        AND (NEW.document::json ->> 'disabled') IS DISTINCT FROM 'true'
        AND NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE')
    THEN
        RAISE EXCEPTION USING ERRCODE = 'KJK01', MESSAGE = 'only the owner of the store enables a disabled account';
    END IF;
    RETURN NEW;
END $$"""
# The document must have kojikey's form (``operations/record_checks.py``), and its number of events must only grow. Of
# two members of the same name, ``->`` and ``->>`` use the last one, like Python.
_COUNT_GOES_ON: LiteralString = """
CREATE OR REPLACE FUNCTION kojikey.the_count_goes_on() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog AS $$
DECLARE
    written json; audit json; reached json;
BEGIN
    IF pg_has_role((SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RETURN NEW;
    END IF;
    written := NEW.document::json;
    audit := written -> 'audit';
    reached := coalesce(written -> 'copied_from', '{}');
    IF coalesce(json_typeof(written) = 'object' AND (written ->> 'account') = NEW.account
        AND json_typeof(written -> 'wrapped') = 'string' AND json_typeof(audit) = 'object'
        AND json_typeof(audit -> 'mac') = 'string' AND json_typeof(audit -> 'head') IN ('string', 'null')
        AND json_typeof(coalesce(written -> 'disabled', 'false')) = 'boolean' AND json_typeof(reached) = 'object'
        AND kojikey.is_count(audit -> 'seq') AND kojikey.is_count(coalesce(audit -> 'from', '0')), false)
        AND NOT EXISTS (SELECT 1 FROM json_each(reached) r WHERE NOT kojikey.is_count(r.value))
        AND coalesce((audit ->> 'seq')::numeric
            - (OLD.document::json #>> '{audit,seq}')::numeric BETWEEN 0 AND 1000, false)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'KJK03', MESSAGE = 'the count of an account''s events only goes on';
END $$"""
_IS_COUNT: LiteralString = """
CREATE OR REPLACE FUNCTION kojikey.is_count(value json) RETURNS boolean LANGUAGE sql IMMUTABLE
 SET search_path = pg_catalog AS $$
    SELECT coalesce(json_typeof(value) = 'number' AND value::text ~ '^[0-9]{1,15}$', false) $$"""
_NEXT_ALONE: LiteralString = """
CREATE OR REPLACE FUNCTION kojikey.only_the_next_event() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog AS $$ BEGIN
    IF NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE')
        AND NOT NEW.seq BETWEEN 1 AND coalesce((SELECT max(e.seq) FROM kojikey.events e
            WHERE e.account = NEW.account), 0) + 1
    THEN
        RAISE EXCEPTION USING ERRCODE = 'KJK04', MESSAGE = 'only the next event of an account is added';
    END IF;
    RETURN NEW;
END $$"""
_STAYS_SMALL: LiteralString = f"""
CREATE OR REPLACE FUNCTION kojikey.rows_stay_small() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog AS $$ BEGIN
    IF octet_length(NEW.document) > {DOCUMENT_LIMIT} OR octet_length(NEW.revision) > 64 THEN
        RAISE EXCEPTION USING ERRCODE = 'KJK05', MESSAGE = 'kojikey writes no document or revision of that size';
    END IF;
    RETURN NEW;
END $$"""
# Runs as the owner, for every role that may mark the row. It cannot be a trigger of another table: nobody has EXECUTE,
# which is checked when a trigger is created, and the function checks its table.
_MARKED_GO: LiteralString = """
CREATE OR REPLACE FUNCTION kojikey.marked_keys_go() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog AS $$ BEGIN
    IF TG_RELID = 'kojikey.keys'::regclass THEN
        DELETE FROM kojikey.keys k WHERE k.account = NEW.account AND k.provider = NEW.provider AND k.revision = '';
    END IF;
    RETURN NULL;
END $$"""
_FUNCTIONS = (_ONLY_ADDED, _STAYS_DISABLED, _IS_COUNT, _COUNT_GOES_ON, _NEXT_ALONE, _STAYS_SMALL, _MARKED_GO)
# is_count is called by the role that changes an account, the others only by their triggers
_CALLABLE: LiteralString = "GRANT EXECUTE ON FUNCTION kojikey.is_count(json) TO PUBLIC"
_TRIGGERS: tuple[tuple[LiteralString, LiteralString], ...] = (
    ("only_added", "BEFORE UPDATE OR DELETE OR TRUNCATE ON kojikey.events FOR EACH STATEMENT"
     " EXECUTE FUNCTION kojikey.events_are_only_added()"),
    ("stays_disabled", "BEFORE UPDATE ON kojikey.accounts FOR EACH ROW"
     " EXECUTE FUNCTION kojikey.disabled_stays_disabled()"),
    ("the_count_goes_on", "BEFORE UPDATE ON kojikey.accounts FOR EACH ROW"
     " EXECUTE FUNCTION kojikey.the_count_goes_on()"),
    ("only_the_next", "BEFORE INSERT ON kojikey.events FOR EACH ROW EXECUTE FUNCTION kojikey.only_the_next_event()"),
    ("stays_small", "BEFORE INSERT OR UPDATE ON kojikey.accounts FOR EACH ROW"
     " EXECUTE FUNCTION kojikey.rows_stay_small()"),
    ("stays_small", "BEFORE INSERT OR UPDATE ON kojikey.keys FOR EACH ROW EXECUTE FUNCTION kojikey.rows_stay_small()"),
    ("stays_small", "BEFORE INSERT ON kojikey.events FOR EACH ROW EXECUTE FUNCTION kojikey.rows_stay_small()"),
    ("marked_keys_go", "AFTER UPDATE ON kojikey.keys FOR EACH ROW WHEN (NEW.revision = '')"
     " EXECUTE FUNCTION kojikey.marked_keys_go()"),
)  # fmt: skip

_PRIVILEGES: tuple[LiteralString, ...] = (
    "USAGE ON SCHEMA kojikey",
    "SELECT ON kojikey.migrations, kojikey.header, kojikey.accounts, kojikey.keys, kojikey.events, kojikey.grants",
    "INSERT ON kojikey.keys, kojikey.events",
    "UPDATE (revision, document) ON kojikey.accounts",
    "UPDATE (tested_at, slot, revision, document) ON kojikey.keys",
)
# Whether the role exists (NULL: ours), whether it administers the store and needs no grant, and whether the server
# exempts it from row-level security, so that a grant would give it all accounts.
ROLE_IN_STORE: LiteralString = (
    "SELECT r.oid IS NOT NULL, coalesce(pg_catalog.pg_has_role(r.oid, n.nspowner, 'USAGE'), false),"
    " coalesce(r.rolsuper OR r.rolbypassrls, false) FROM pg_catalog.pg_namespace n"
    " LEFT JOIN pg_catalog.pg_roles r ON r.rolname = coalesce(%s, current_user) WHERE n.nspname = 'kojikey'"
)
# The privileges that the current role lacks. By oid, because a name in a schema without USAGE is an error.
_LACKING: LiteralString = """
SELECT 'USAGE on schema kojikey', 0 AS place FROM pg_catalog.pg_namespace n
WHERE n.nspname = 'kojikey' AND NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
UNION ALL
SELECT p.privilege || ' on table kojikey.' || p.name, p.place
FROM (VALUES (1, 'migrations', 'SELECT'), (2, 'header', 'SELECT'), (3, 'accounts', 'SELECT'), (4, 'keys', 'SELECT'),
    (5, 'events', 'SELECT'), (6, 'accounts', 'INSERT'), (7, 'keys', 'INSERT'), (8, 'events', 'INSERT'),
    (9, 'accounts', 'UPDATE'), (10, 'keys', 'UPDATE')) AS p (place, name, privilege)
JOIN pg_catalog.pg_namespace n ON n.nspname = 'kojikey'
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = p.name
WHERE NOT CASE WHEN p.privilege = 'UPDATE' THEN pg_catalog.has_any_column_privilege(c.oid, p.privilege)
    ELSE pg_catalog.has_table_privilege(c.oid, p.privilege) END
ORDER BY place"""
# objects that are created after this in the transaction belong to the schema's owner
AS_OWNER: LiteralString = (
    "SELECT set_config('role', pg_get_userbyid(nspowner)::text, true) FROM pg_namespace"
    " WHERE nspname = 'kojikey' AND nspowner <> current_user::regrole"
)
# the roles, except the owner, with a privilege on the schema or an object in it
_GRANTEES: LiteralString = """
SELECT DISTINCT CASE a.grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(a.grantee)::text END
FROM pg_namespace n CROSS JOIN LATERAL (
    SELECT (aclexplode(n.nspacl)).grantee
    UNION ALL SELECT (aclexplode(c.relacl)).grantee FROM pg_class c WHERE c.relnamespace = n.oid
    UNION ALL SELECT (aclexplode(t.attacl)).grantee FROM pg_attribute t JOIN pg_class c ON c.oid = t.attrelid
        WHERE c.relnamespace = n.oid
) a WHERE n.nspname = 'kojikey' AND a.grantee <> n.nspowner"""
_FORGET_DROPPED: LiteralString = (
    "DELETE FROM kojikey.grants g WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles r WHERE r.oid = g.role)"
)
_GRANTED_ROLES: LiteralString = (
    "SELECT DISTINCT r.rolname::text FROM kojikey.grants g JOIN pg_catalog.pg_roles r ON r.oid = g.role"
)
# all triggers and rules on the tables, except PostgreSQL's internal ones
_TRIGGERS_AND_RULES: LiteralString = """
SELECT 'TRIGGER', t.tgname::text, c.relname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE c.relnamespace = 'kojikey'::regnamespace AND NOT t.tgisinternal
UNION ALL SELECT 'RULE', r.rulename::text, c.relname::text FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    WHERE c.relnamespace = 'kojikey'::regnamespace AND c.relkind IN ('r', 'p')"""


def secure(connection: Connection[Any]) -> None:
    """Replace all policies, triggers and privileges in the caller's transaction.

    Afterwards each role with a grant has its privileges, and no other role has any.
    """
    (owner,) = connection.execute(
        "SELECT pg_catalog.pg_get_userbyid(nspowner)::text FROM pg_catalog.pg_namespace WHERE nspname = 'kojikey'"
    ).fetchall()[0]
    for (role,) in connection.execute(_GRANTEES).fetchall():
        _take_all(connection, sql.SQL("PUBLIC") if role is None else sql.Identifier(role))
    for kind, name, table in connection.execute(_TRIGGERS_AND_RULES).fetchall():
        connection.execute(sql.SQL("DROP " + kind + " {} ON {}").format(sql.Identifier(name), _table(table)))
    for table, policy in connection.execute(
        "SELECT tablename, policyname FROM pg_catalog.pg_policies WHERE schemaname = 'kojikey'"
    ).fetchall():
        connection.execute(sql.SQL("DROP POLICY {} ON {}").format(sql.Identifier(policy), _table(table)))
    for secured in _TABLES:
        connection.execute(sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(_table(secured)))
        connection.execute(sql.SQL("ALTER TABLE {} FORCE ROW LEVEL SECURITY").format(_table(secured)))
        _admit_owner(connection, secured, owner)
    for granted, command, read, written in _POLICIES:
        _admit_granted(connection, granted, command, read, written)
    for function in _FUNCTIONS:
        connection.execute(function)
    connection.execute("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA kojikey FROM PUBLIC")
    connection.execute(_CALLABLE)
    for trigger, clause in _TRIGGERS:
        connection.execute(sql.SQL("CREATE TRIGGER {} " + clause).format(sql.Identifier(trigger)))
    connection.execute(_FORGET_DROPPED)
    for (role,) in connection.execute(_GRANTED_ROLES).fetchall():
        give_privileges(connection, role)


def is_owner(connection: Connection[Any]) -> bool:
    """Return whether the current role administers the store."""
    rows = connection.execute(
        "SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'kojikey'"
    ).fetchall()
    return rows == [(True,)]


def give_privileges(connection: Connection[Any], role: str) -> None:
    """Give a role the privileges on the tables; the policies limit its rows. Safe to repeat."""
    for privilege in _PRIVILEGES:
        connection.execute(sql.SQL("GRANT " + privilege + " TO {}").format(sql.Identifier(role)))


def take_privileges(connection: Connection[Any], role: str) -> None:
    """Revoke a role's privileges if it has no grant left."""
    left = connection.execute(
        "SELECT 1 FROM kojikey.grants g JOIN pg_catalog.pg_roles r ON r.oid = g.role WHERE r.rolname = %s", (role,)
    ).fetchall()
    if not left:
        _take_all(connection, sql.Identifier(role))


def refuse_role(role: str, found: tuple[Any, ...]) -> None:
    """Check that a role can be granted an account, from its row of :data:`ROLE_IN_STORE`.

    Raises:
        NotFound: there is no such role. UsageError: the server would not limit it to an account.
    """
    exists, administers, exempt = found
    if not exists:
        raise NotFound(
            "there is no such role in the database", hint="its administrator creates one with CREATE ROLE NAME LOGIN"
        )
    if administers:
        raise UsageError(f"the role {role} administers this store: it sees every account without a grant")
    if exempt:
        raise UsageError(
            f"the role {role} is a superuser or has BYPASSRLS: the server would not limit it to an account",
            hint=f"ALTER ROLE {role} NOBYPASSRLS, or name another role",
        )


def follow_grants(connection: Connection[Any], changes: Sequence[Change]) -> None:
    """Give or revoke the privileges for the grants among the changes, in their transaction."""
    for change in changes:
        if change.ref.kind == "grant":
            (take_privileges if change.document is None else give_privileges)(connection, change.ref.provider)


def _take_all(connection: Connection[Any], whom: sql.Composable) -> None:
    for privilege in ("ALL ON ALL TABLES IN SCHEMA kojikey", "ALL ON SCHEMA kojikey"):
        connection.execute(sql.SQL("REVOKE " + privilege + " FROM {} CASCADE").format(whom))


def lacking(connection: Connection[Any]) -> list[str]:
    """Return the privileges that the current role lacks, for example ``SELECT on table kojikey.keys``."""
    return [str(row[0]) for row in connection.execute(_LACKING).fetchall()]


def _admit_owner(connection: Connection[Any], table: LiteralString, owner: str) -> None:
    for command in ("SELECT", "INSERT") if table == "events" else ("ALL",):
        text = sql.SQL("CREATE POLICY {} ON {} FOR " + command + " TO {}").format(
            sql.Identifier(f"owner_{command.lower()}"), _table(table), sql.Identifier(owner)
        )
        read = sql.SQL("" if command == "INSERT" else " USING (true)")
        connection.execute(text + read + sql.SQL("" if command == "SELECT" else " WITH CHECK (true)"))


def _admit_granted(
    connection: Connection[Any],
    table: LiteralString,
    command: LiteralString,
    read: LiteralString | None,
    written: LiteralString | None,
) -> None:
    name = sql.Identifier(f"granted_{command.lower()}")
    text = sql.SQL("CREATE POLICY {} ON {} FOR " + command).format(name, _table(table))
    for clause, condition in ((" USING ({})", read), (" WITH CHECK ({})", written)):
        if condition:
            text += sql.SQL(clause).format(sql.SQL(condition).format(*[_table(table)] * 2))
    connection.execute(text)


def _table(name: str) -> sql.Identifier:
    return sql.Identifier("kojikey", name)
