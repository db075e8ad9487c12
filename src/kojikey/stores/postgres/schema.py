"""The tables of the PostgreSQL store and the statements on them.

Owns: the schema and its numbered migrations. Must not: connect, or decide on access (``access.py`` does).

Documents are text, not jsonb: jsonb allows neither ``\\u0000`` nor a lone surrogate, and returns a document in another
form. Names are compared as bytes (``COLLATE "C"``), so that the order is the same on every server.
"""

# ruff: noqa: S608 - statements are combined only from the constants in this file

from __future__ import annotations

from typing import Any, LiteralString

from psycopg import Connection

from kojikey.model.ref import Document
from kojikey.stores.base import Change, Query, encoded, new_revision, slot_of

PAGE = 400  # rows per statement of a scan

MIGRATIONS: tuple[tuple[LiteralString, ...], ...] = (
    (
        "CREATE TABLE kojikey.header"
        " (one boolean PRIMARY KEY CHECK (one), revision text NOT NULL, document text NOT NULL)",
        'CREATE TABLE kojikey.accounts (account text COLLATE "C" PRIMARY KEY, revision text NOT NULL,'
        " document text NOT NULL)",
        'CREATE TABLE kojikey.keys (account text COLLATE "C" NOT NULL, provider text COLLATE "C" NOT NULL,'
        ' tested_at text COLLATE "C", slot bigint NOT NULL, revision text NOT NULL, document text NOT NULL,'
        " PRIMARY KEY (account, provider))",
        "CREATE INDEX keys_by_test ON kojikey.keys (tested_at)",
        # an event has the revision of its commit, which shows after a lost acknowledgement whether it was made
        'CREATE TABLE kojikey.events (account text COLLATE "C" NOT NULL, seq bigint NOT NULL, provider text,'
        " time text, revision text NOT NULL, document text NOT NULL, PRIMARY KEY (account, seq))",
        'CREATE TABLE kojikey.grants (account text COLLATE "C" NOT NULL, role regrole NOT NULL,'
        " revision text NOT NULL, document text NOT NULL, PRIMARY KEY (account, role))",
    ),
    (
        # Version 2: locks are on rows, and a role with a grant marks a key as removed (see MARK). access.secure creates
        # the rules for that.
        "ALTER TABLE kojikey.events ADD CONSTRAINT numbered CHECK (seq > 0) NOT VALID",
    ),
)
"""Item n migrates a schema from version n to n + 1. Items are never changed, only added."""
OLDEST = 1
"""The oldest version that can be read and changed (its header and grants only read)."""

LEDGER: tuple[LiteralString, ...] = (
    "CREATE TABLE kojikey.migrations (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now(),"
    " applied_by name NOT NULL DEFAULT current_user)",
)
VERSION: LiteralString = "SELECT max(version) FROM kojikey.migrations"

# First in every transaction: the time to wait for a lock, and a search path with PostgreSQL's own schema only (else a
# role that may create functions in another schema could make others run them). With row_security off, which may be a
# role's default, the server refuses every statement that a policy limits. For this transaction only, because a pooler
# passes the session to others.
GUARDED: LiteralString = (
    "SELECT pg_catalog.set_config('search_path', 'pg_catalog', true), pg_catalog.set_config('lock_timeout', %s, true),"
    " pg_catalog.set_config('row_security', 'on', true)"
)
# Then in every change: the version of the schema, and the setting that a commit is on disk (and on the synchronous
# standby, if there is one) before it is acknowledged.
BEFORE_A_CHANGE: LiteralString = (
    "SELECT (SELECT max(version) FROM kojikey.migrations), set_config('synchronous_commit',"
    " CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'"
    " ELSE current_setting('synchronous_commit') END, true)"
)
# For migrations and changes of grants (with their privileges, which cannot be changed concurrently): a lock until the
# transaction ends, on a row that only the owner may lock. Everyone who may connect could hold an advisory lock, and
# everyone who may delete from a table could lock the table.
TAKE: LiteralString = "SELECT 1 FROM kojikey.migrations WHERE version = 1 FOR UPDATE"
ADD_EVENT: LiteralString = (
    "INSERT INTO kojikey.events (account, seq, provider, time, revision, document)"
    " VALUES (%(account)s, %(seq)s, %(provider)s, %(time)s, %(revision)s, %(document)s) ON CONFLICT DO NOTHING"
)
EVENT_REVISION: LiteralString = "SELECT revision FROM kojikey.events WHERE account = %(account)s AND seq = %(seq)s"
GRANTS: LiteralString = (
    "SELECT r.rolname::text, g.document, g.revision FROM kojikey.grants g JOIN pg_catalog.pg_roles r ON r.oid = g.role"
    " WHERE g.account = %(account)s AND (%(inherited_by)s::text IS NULL OR EXISTS (SELECT 1 FROM pg_catalog.pg_roles m"
    " WHERE m.rolname = %(inherited_by)s AND m.oid <> g.role AND pg_catalog.pg_has_role(m.oid, g.role, 'USAGE')))"
    " ORDER BY 1"
)
_ROLE: LiteralString = "(SELECT oid FROM pg_catalog.pg_roles WHERE rolname = %(provider)s)"
# by kind of document; the "provider" of a grant is its role
READ: dict[str, LiteralString] = {
    "header": "SELECT document, revision FROM kojikey.header",
    "account": "SELECT document, revision FROM kojikey.accounts WHERE account = %(account)s",
    "key": "SELECT document, revision FROM kojikey.keys WHERE account = %(account)s AND provider = %(provider)s",
    "grant": "SELECT document, revision FROM kojikey.grants WHERE account = %(account)s AND role = " + _ROLE,
}
READ_WITH_ACCOUNT: LiteralString = (
    "SELECT k.document, k.revision, a.document, a.revision FROM (SELECT 1) one"
    " LEFT JOIN kojikey.keys k ON k.account = %(account)s AND k.provider = %(provider)s"
    " LEFT JOIN kojikey.accounts a ON a.account = %(account)s"
)
READ_ACCOUNTS: LiteralString = (
    "SELECT account, document, revision FROM kojikey.accounts WHERE account = ANY (%(accounts)s::text[])"
)
EVENTS_OF_ONE: LiteralString = (
    "SELECT account, seq, document FROM kojikey.events WHERE account = %s AND seq > %s ORDER BY account, seq"
)
# For statements over all accounts by a role that sees some: the same condition as row-level security, in a form that
# can use an index. The server checks the policies for each row, so a role with one account of 500,000 would wait for
# all rows. (With a list of accounts in the policies, a role with 10,000 accounts would read that list for every key.)
_GRANTED: LiteralString = "account = ANY (ARRAY(SELECT g.account FROM kojikey.grants g{}))"
REVISIONS: LiteralString = (
    "SELECT (SELECT revision FROM kojikey.keys WHERE account = %(account)s AND provider = %(provider)s),"
    " (SELECT revision FROM kojikey.accounts WHERE account = %(account)s)"
)
ADD: dict[str, LiteralString] = {
    "header": "INSERT INTO kojikey.header (one, revision, document) VALUES (true, %(revision)s, %(document)s)"
    " ON CONFLICT DO NOTHING",
    "account": "INSERT INTO kojikey.accounts (account, revision, document)"
    " VALUES (%(account)s, %(revision)s, %(document)s) ON CONFLICT DO NOTHING",
    "key": "INSERT INTO kojikey.keys (account, provider, tested_at, slot, revision, document) VALUES (%(account)s,"
    " %(provider)s, %(tested_at)s, %(slot)s, %(revision)s, %(document)s) ON CONFLICT DO NOTHING",
    "grant": "INSERT INTO kojikey.grants (account, role, revision, document)"
    " VALUES (%(account)s, " + _ROLE + ", %(revision)s, %(document)s) ON CONFLICT DO NOTHING",
}
SWAP: dict[str, LiteralString] = {
    "header": "UPDATE kojikey.header SET revision = %(revision)s, document = %(document)s WHERE revision = %(before)s",
    "account": "UPDATE kojikey.accounts SET revision = %(revision)s, document = %(document)s"
    " WHERE account = %(account)s AND revision = %(before)s",
    "key": "UPDATE kojikey.keys SET tested_at = %(tested_at)s, slot = %(slot)s, revision = %(revision)s,"
    " document = %(document)s WHERE account = %(account)s AND provider = %(provider)s AND revision = %(before)s",
    "grant": "UPDATE kojikey.grants SET revision = %(revision)s, document = %(document)s"
    " WHERE account = %(account)s AND role = " + _ROLE + " AND revision = %(before)s",
}
KEEP: dict[str, LiteralString] = {
    "header": "SELECT 1 FROM kojikey.header WHERE revision = %(before)s FOR SHARE",
    "account": "SELECT 1 FROM kojikey.accounts WHERE account = %(account)s AND revision = %(before)s FOR SHARE",
    "key": "SELECT 1 FROM kojikey.keys WHERE account = %(account)s AND provider = %(provider)s"
    " AND revision = %(before)s FOR SHARE",
}
DROP: dict[str, LiteralString] = {
    "header": "DELETE FROM kojikey.header WHERE revision = %(before)s",
    "account": "DELETE FROM kojikey.accounts WHERE account = %(account)s AND revision = %(before)s",
    "key": "DELETE FROM kojikey.keys WHERE account = %(account)s AND provider = %(provider)s AND revision = %(before)s",
    "grant": "DELETE FROM kojikey.grants"
    " WHERE account = %(account)s AND role = " + _ROLE + " AND revision = %(before)s",
}
# A key is marked, and a trigger deletes the marked row in the same statement: with the right to delete from a table, a
# role could also lock it against everyone else.
MARK: LiteralString = (
    "UPDATE kojikey.keys SET revision = '' WHERE account = %(account)s AND provider = %(provider)s"
    " AND revision = %(before)s"
)


def migrate(connection: Connection[Any], version: int) -> None:
    """Migrate the schema from a version (0: none) to the present one, in the caller's transaction."""
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        for command in statements:
            connection.execute(command)
        connection.execute("INSERT INTO kojikey.migrations (version) VALUES (%s)", (number,))


def statement(change: Change, *, version: int) -> LiteralString:
    """Return the statement that makes a change; it affects no row if the document has another revision."""
    if change.keeps:
        return KEEP[change.ref.kind]
    if change.document is None and change.ref.kind == "key" and version > 1:
        return MARK
    if change.document is None:
        return DROP[change.ref.kind]
    return (ADD if change.if_revision is None else SWAP)[change.ref.kind]


def row_of(change: Change, place: str) -> dict[str, Any]:
    """Return the values for :func:`statement`, with the document's new revision.

    Raises:
        StoreUnavailable: the document is too large.
    """
    ref = change.ref
    row = {"account": ref.account, "provider": ref.provider, "before": change.if_revision, "revision": ""}
    if change.keeps:
        return row | {"revision": change.if_revision}
    if change.document is None:
        return row
    text = encoded(change.document, place)
    return row | {
        "tested_at": change.document.get("tested_at"), "slot": slot_of(ref), "document": text,
        "revision": new_revision(),
    }  # fmt: skip


def line_of(event: Document, place: str, revision: str) -> dict[str, Any]:
    """Return the values for :data:`ADD_EVENT`. Raises as :func:`row_of`."""
    line = {name: event.get(name) for name in ("account", "seq", "provider", "time")}
    return line | {"revision": revision, "document": encoded(event, place)}


def conditions(query: Query) -> tuple[LiteralString, list[Any]]:
    """Return the SQL conditions of a query on ``keys`` (the same as :meth:`.Query.takes`) and their values."""
    text: LiteralString = ""
    values: list[Any] = []
    if query.account is not None:
        text += " AND account = %s"
        values.append(query.account)
    if query.providers:
        text += " AND provider = ANY(%s)"
        values.append(list(query.providers))
    if query.not_tested_since is not None:
        text += " AND (tested_at IS NULL OR tested_at < %s)"
        values.append(query.not_tested_since)
    if query.shard is not None:
        text += " AND slot %% %s::bigint = %s"
        values += [query.shard[1], query.shard[0] - 1]
    return text, values


def scanning(query: Query, *, limited: bool) -> tuple[LiteralString, list[Any]]:
    """Return the statement that reads the keys of a query after a place, and its values beside :func:`place`."""
    wanted, values = conditions(query)
    select: LiteralString = "SELECT account, provider, document, revision FROM kojikey.keys WHERE "
    return select + _after("provider", limited=limited) + wanted + " ORDER BY account, provider", values


def all_accounts(*, limited: bool) -> LiteralString:
    """Return the statement that reads accounts after a place."""
    after: LiteralString = (
        _GRANTED.format(" WHERE g.account >= %s") + " AND account <> %s" if limited else "account > %s"
    )
    return "SELECT account, document, revision FROM kojikey.accounts WHERE " + after + " ORDER BY account"


def all_events(*, limited: bool) -> LiteralString:
    """Return the statement that reads the events of all accounts after a place."""
    select: LiteralString = "SELECT account, seq, document FROM kojikey.events WHERE "
    return select + _after("seq", limited=limited) + " ORDER BY account, seq"


def counting(query: Query, *, limited: bool) -> tuple[LiteralString, list[Any]]:
    """Return the statement that counts the keys of a query by provider, and its values."""
    wanted, values = conditions(query)
    reach: LiteralString = _GRANTED.format("") if limited else "true"
    return "SELECT provider, count(*) FROM kojikey.keys WHERE " + reach + wanted + " GROUP BY provider", values


def place(after: tuple[Any, ...], *, limited: bool) -> tuple[Any, ...]:
    """Return the values of a place in a statement."""
    return (after[0], *after) if limited else after


def _after(second: LiteralString, *, limited: bool) -> LiteralString:
    """Return the condition for rows after a place, which is an account and a value of a second column."""
    if not limited:
        return "(account, " + second + ") > (%s, %s)"
    # not a comparison of rows: the server would use that first and read all rows up to each account
    return _GRANTED.format(" WHERE g.account >= %s") + " AND NOT (account = %s AND " + second + " <= %s)"
