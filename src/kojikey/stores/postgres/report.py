"""Describes a PostgreSQL store for ``store info``. Imported only for that.

Owns: the queries and the sentences. Must not: show credentials.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from psycopg import Connection

from kojikey.model.errors import KojikeyError
from kojikey.model.plain_text import counted
from kojikey.stores.postgres.connection import ServerConnection

Details = tuple[tuple[str, str], ...]


def report(server: ServerConnection, *, guard: Callable[..., Any]) -> tuple[str, Details]:
    """Return the engine and the details, with the state of the store in place of details that cannot be read."""
    address = server.address
    details: list[tuple[str, str]] = [("role", address.role)]
    try:
        connection: Connection[tuple[Any, ...]] = guard(server.connected)
        details[0] = ("role", str(guard(_one, connection, "SELECT current_user")))
        details.append(("connection", _protection(connection)))
        details.append(("server", _server(connection)))
        guard(server.checked)
        details.append(("schema version", str(guard(server.version))))
        details += guard(_readers, server)
    except KojikeyError as error:
        details.append(("state", str(error)))
    return "PostgreSQL", tuple(details)


def _one(connection: Connection[tuple[Any, ...]], question: str) -> Any:
    return connection.execute(question.encode()).fetchall()[0][0]


def _server(connection: Connection[tuple[Any, ...]]) -> str:
    number = connection.info.server_version
    return f"PostgreSQL {number // 10_000}.{number % 10_000} at {connection.info.host}:{connection.info.port}"


def _protection(connection: Connection[tuple[Any, ...]]) -> str:
    if connection.info.host.startswith(("/", "@")):
        return "a Unix socket of this machine"
    if connection.pgconn.ssl_in_use:
        mode = connection.info.get_parameters().get("sslmode", "")
        return "TLS, the server verified" if mode == "verify-full" else "TLS, the server not verified (loopback)"
    return "not encrypted (loopback)"


def _readers(server: ServerConnection) -> Details:
    with server.transaction() as connection:  # only there the search path has no functions and operators of others
        return _readers_in(connection)


def _readers_in(connection: Connection[tuple[Any, ...]]) -> Details:
    owner = _one(connection, "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'kojikey'")
    administers = _one(connection, "SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = 'kojikey'")
    granted = connection.execute(
        "SELECT r.rolname::text, count(*) FROM kojikey.grants g JOIN pg_roles r ON r.oid = g.role GROUP BY 1 ORDER BY 1"
    ).fetchall()
    names = ", ".join(f"{role} ({counted(count, 'account')})" for role, count in granted[:5])
    more = f" and {len(granted) - 5} more" if len(granted) > 5 else ""
    return (
        ("readable by", f"the role {owner} and superusers of the server; sealed for all of them"),
        ("granted to" if administers else "granted here", f"{names}{more}" if granted else "no other role"),
    )
