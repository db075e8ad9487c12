"""Translates errors of PostgreSQL and of its connection into ours. Imported only after an error.

Owns: the table of SQLSTATEs (https://www.postgresql.org/docs/current/errcodes-appendix.html), and the texts of libpq
about failed connections, which have no SQLSTATE. Must not: repeat an engine's text, which can contain a host, a
connection string or a row.
"""

from __future__ import annotations

import re

import psycopg

from kojikey.model.errors import (
    Effect,
    KojikeyError,
    StoreCorrupt,
    StoreDenied,
    StoreFull,
    StoreLocked,
    StoreNotFound,
    StoreReadOnly,
    StoreUnavailable,
    StoreUnreachable,
    UsageError,
)
from kojikey.model.next_step import Hint, next_step
from kojikey.stores.error_template import ErrorTemplate
from kojikey.stores.postgres.address import Address


def _owners(command: str, *words: str) -> Hint:
    """Return a command for the store's owner: not with our ``--store``, whose URL has the role that was refused."""
    return next_step(command, *words, "--store", "STORE")


_SAME_AGAIN = Hint("run the command again; ", next_step("doctor"), " looks at the store")
_LOST = ErrorTemplate(StoreUnreachable, "lost its connection", _SAME_AGAIN)
_STOPPING = ErrorTemplate(StoreUnreachable, "is starting up or shutting down", "try again shortly")
_LOCKED = ErrorTemplate(
    StoreLocked,
    "was blocked by another change, or reached a time limit of its server",
    "try again once the other one has finished",
)
_READ_ONLY = ErrorTemplate(
    StoreReadOnly,
    "is a read-only standby, or was set to read-only",
    "name all servers in the URL (postgresql://USER@HOST1,HOST2/DATABASE): the one that accepts changes is used; "
    "if the role or the database is set to read-only, target_session_attrs=any in the URL reads it",
)
_NO_PRIMARY = ErrorTemplate(
    StoreReadOnly,
    "has no server that accepts changes right now: those that answer are standbys",
    "try again shortly; if the primary is lost for good, promote a standby",
)
_FULL = ErrorTemplate(
    StoreFull, "has no room left", "free some space on the server's disk", effect=Effect.CHANGE_NOT_MADE
)
_CROWDED = ErrorTemplate(
    StoreUnreachable,
    "has no free connection: its limit is reached",
    "try again shortly, or raise max_connections (or the limit of the role or the database)",
)
_DENIED = ErrorTemplate(StoreDenied, "refused the role {role}", "ask the administrator of the store")
_DAMAGED = ErrorTemplate(
    StoreCorrupt,
    "does not have the tables of a store, or they are damaged",
    "restore them from a backup; kojikey does not replace them",
    effect=Effect.LEFT_AS_IS,
)
_OTHER = ErrorTemplate(StoreUnavailable, "could not be used")

_STATES: dict[str, ErrorTemplate] = {
    "KJK01": ErrorTemplate(  # raised by a trigger of access.py
        StoreDenied,
        "has this account disabled, and only the store's owner can enable it: you are connected as {role}",
        Hint("the owner of the store runs: ", _owners("account enable", "ACCOUNT")),
    ),
    "KJK03": ErrorTemplate(
        StoreDenied,
        "does not let the role {role} write an account's document of another form",
        Hint("the owner of the store can check it: ", _owners("audit", "--verify", "--account", "ACCOUNT")),
    ),
    "KJK04": ErrorTemplate(
        StoreDenied,
        "takes only the next event of an account, not another one of the role {role}",
        Hint("the owner of the store can check it: ", _owners("audit", "--verify", "--account", "ACCOUNT")),
    ),
    "KJK05": ErrorTemplate(
        StoreDenied, "takes no document of that size from the role {role}", "write to it with kojikey alone"
    ),
    "KJK02": ErrorTemplate(StoreDenied, "keeps every event as it is", "events are only ever added"),
    "25006": _READ_ONLY, "25P03": _LOST, "28": _DENIED, "42501": _DENIED,
    "40001": _LOCKED, "40P01": _LOCKED, "55P03": _LOCKED, "57014": _LOCKED, "25P04": _LOCKED,
    "53100": _FULL, "53300": _CROWDED,
    "57P01": _LOST, "57P02": _LOST, "57P03": _STOPPING, "57P05": _LOST, "08": _LOST,
    "42P01": _DAMAGED, "42703": _DAMAGED, "42883": _DAMAGED, "3F000": _DAMAGED, "3D000": _DAMAGED,
    "22": _DAMAGED, "23": _DAMAGED, "58": _DAMAGED, "XX001": _DAMAGED, "XX002": _DAMAGED,
}  # fmt: skip

_WHY_NO_CONNECTION: tuple[tuple[str, ErrorTemplate], ...] = (
    (
        r"password authentication failed|authentication failed for|no password supplied",
        ErrorTemplate(
            StoreDenied,
            "refused the role {role}: its password is wrong or was not given",
            "give it in ~/.pgpass, in a service file or with PGPASSWORD, as for psql",
        ),
    ),
    (
        r"role \".*\" does not exist|is not permitted to log in|permission denied for database|User does not have CONN",
        ErrorTemplate(
            StoreDenied,
            "refused the role {role}: it does not exist there or may not connect",
            "name the role in the URL (postgresql://ROLE@HOST/DATABASE), or have it created with CREATE ROLE … LOGIN",
        ),
    ),
    (
        r"pg_hba\.conf",
        ErrorTemplate(
            StoreDenied,
            "refused the role {role} from this machine, or without TLS (its pg_hba.conf says so)",
            "ask the administrator of the server for a line in pg_hba.conf",
        ),
    ),
    (
        r"certificate verify failed|root certificate|server certificate|does not support SSL|SSL error|sslmode",
        ErrorTemplate(
            StoreUnreachable,
            "could not prove by TLS that it is the right server",
            "the certificate must be for the host in the URL; name a CA of your own with sslrootcert=FILE",
            effect=Effect.NOTHING_SENT,
        ),
    ),
    (r"too many (clients|connections)|connection slots are reserved", _CROWDED),
    (r"session is read-only|hot standby mode is disabled|not in hot standby", _READ_ONLY),
    (r"starting up|shutting down|in recovery mode|not yet accepting|not accepting connections", _STOPPING),
    (
        r"resolve host|could not translate host name|Name or service not known",
        ErrorTemplate(StoreUnreachable, "has an unknown host name", "correct the host in the URL"),
    ),
    (
        r"timeout expired|timed out",
        ErrorTemplate(StoreUnreachable, "did not answer in time", "is the server down, or does a firewall block it?"),
    ),
)
_NO_CONNECTION = ErrorTemplate(
    StoreUnreachable,
    "could not be reached: no server answers there",
    "is the server running, and are host and port right?",
)
# libpq's texts about an invalid value in a URL, a service file or a PG* variable, which it reports when it connects
_MALFORMED = re.compile(
    r"invalid (integer value|port number|\S+ value)|invalid connection option|bad value for", re.IGNORECASE
)
_NO_DATABASE = re.compile(r"database \".*\" does not exist")


def not_connected(error: Exception, address: Address) -> KojikeyError:
    """Return our error for a failed connection; of several servers' answers, the most specific one counts.

    The texts are English ones of libpq and the server. For a server with another language, fewer causes are
    distinguished.
    """
    text = str(error)
    if _NO_DATABASE.search(text):
        return StoreNotFound(
            address.place,
            f"there is no such database: {address.place}",
            hint=Hint(
                "correct the URL, or have the database created (createdb), then: ",
                next_step("store init", "URL", "--kek", "SOURCE"),
            ),
        )
    if _MALFORMED.search(text):
        return UsageError(
            "a setting in that URL, in the service file or in a PG* variable is not one of PostgreSQL's client",
            hint="psql with the same URL shows which",
            effect=Effect.NOT_CONNECTED,
        )
    found = next((meaning for words, meaning in _WHY_NO_CONNECTION if re.search(words, text)), None)
    if found is None and "FATAL" in text:
        found = _DENIED
    if found is _READ_ONLY and address.is_several:
        found = _NO_PRIMARY
    return (found or _NO_CONNECTION).error(address.place, role=address.role)


def translated(error: Exception, address: Address) -> KojikeyError | None:
    """Return our error for an error of PostgreSQL, None for any other error."""
    if not isinstance(error, psycopg.Error | psycopg.Warning):
        return None
    state = getattr(error, "sqlstate", None) or ""
    if not state and isinstance(error, psycopg.OperationalError):
        found = _LOST
    else:
        found = _STATES.get(state) or _STATES.get(state[:2]) or _OTHER
    return found.error(address.place, role=address.role)


def denied(address: Address, role: str, lacking: list[str]) -> StoreDenied:
    """Return the error for missing privileges; if none is missing, for a row that the role may not change."""
    if not lacking:
        return StoreDenied(
            address.place,
            f"does not let the role {role} do that: it was not granted the account, or only the store's owner may",
            hint=Hint("the owner of the store runs: ", _owners("store grant", "ACCOUNT", role)),
            effect=Effect.NOTHING_CHANGED,
        )
    return StoreDenied(
        address.place,
        f"refused the role {role}, which lacks {', '.join(lacking)}",
        hint=Hint("the owner of the store runs: ", _owners("store grant", "ACCOUNT", role)),
        effect=Effect.NOTHING_CHANGED,
    )


def no_schema_created(address: Address, role: str) -> StoreDenied:
    """Return the error for a role that may not create the schema of a store."""
    return StoreDenied(
        address.place,
        f"was not created: the role {role} may not create a schema in this database, or not use the existing "
        "schema kojikey",
        hint=f"its administrator runs: CREATE SCHEMA kojikey AUTHORIZATION {role}",
        effect=Effect.NOTHING_CHANGED,
    )


def owner_alone(address: Address, role: str) -> StoreDenied:
    """Return the error for a change of the header or of grants by a role that does not own the store."""
    return StoreDenied(
        address.place,
        f"lets only its owner do that, not the role {role}",
        hint=Hint(next_step("store info"), " shows the owner (readable by)"),
        effect=Effect.NOTHING_CHANGED,
    )


def unknown_outcome(address: Address) -> StoreUnreachable:
    """Return the error for a change whose acknowledgement was lost and which cannot be looked up."""
    return StoreUnreachable(
        address.place,
        "lost its connection during a change",
        hint=Hint(
            next_step("history", "PROVIDER"),
            " (or ",
            next_step("audit"),
            ") shows it once the store answers; no change is made in part",
        ),
        effect=Effect.OUTCOME_UNKNOWN,
    )
