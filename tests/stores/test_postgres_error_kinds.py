"""The errors for PostgreSQL's codes and for its client library's messages; no server is used."""

from __future__ import annotations

import psycopg
from psycopg import errors

from kojikey.model.errors import (
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
from kojikey.model.secret import Secret
from kojikey.stores.postgres.address import Address
from kojikey.stores.postgres.errors import not_connected, translated
from support.each import each

CANARY = "CANARY-in-the-text-of-an-engine"
ADDRESS = Address(Secret("host=nowhere"), "postgresql://nowhere/keys", "koji")
SQLSTATES = sorted({
    name for name in vars(errors) if isinstance(getattr(vars(errors)[name], "sqlstate", None), str)
})  # fmt: skip


@each(
    ("state", "kind"),
    [
        ("53100", StoreFull),
        ("53300", StoreUnreachable),
        ("53200", StoreUnavailable),
        ("57014", StoreLocked),
        ("57P01", StoreUnreachable),
        ("57P03", StoreUnreachable),
        ("08006", StoreUnreachable),
        ("25006", StoreReadOnly),
        ("28P01", StoreDenied),
        ("40001", StoreLocked),
        ("40P01", StoreLocked),
        ("42501", StoreDenied),
        ("55P03", StoreLocked),
        ("42P01", StoreCorrupt),
        ("42703", StoreCorrupt),
        ("XX001", StoreCorrupt),
        ("58030", StoreCorrupt),
        ("23514", StoreCorrupt),
        ("22021", StoreCorrupt),
        ("KJK01", StoreDenied),
        ("KJK02", StoreDenied),
        ("KJK05", StoreDenied),
        ("0A000", StoreUnavailable),
        ("99999", StoreUnavailable),
        (None, StoreUnreachable),
    ],
)
def test_each_code_of_the_server_is_a_kind_of_error(state: str | None, kind: type[StoreUnavailable]) -> None:
    error = psycopg.OperationalError(CANARY)
    error.sqlstate = state
    assert type(translated(error, ADDRESS)) is kind


@each("name", SQLSTATES)
def test_every_error_of_the_server_has_a_message_and_repeats_nothing(name: str) -> None:
    error = translated(getattr(errors, name)(CANARY), ADDRESS)
    assert isinstance(error, StoreUnavailable)
    assert str(error).startswith("the store postgresql://nowhere/keys ")
    assert any(word in str(error) for word in ("nothing was", "left as it is", "not made"))
    assert CANARY not in f"{error} {error.hint}"
    assert "{" not in str(error)


def test_the_hint_about_a_standby_asks_for_more_servers_only_if_the_url_names_one() -> None:
    for several, hint in ((False, "name all servers in the URL"), (True, "try again shortly")):
        address = ADDRESS._replace(is_several=several)
        error = not_connected(psycopg.OperationalError("session is read-only"), address)
        assert type(error) is StoreReadOnly
        assert hint in str(error.hint)


@each(
    ("text", "kind"),
    [
        ('FATAL:  password authentication failed for user "koji"', StoreDenied),
        ("fe_sendauth: no password supplied", StoreDenied),
        ('FATAL:  role "koji" is not permitted to log in', StoreDenied),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "koji", no encryption', StoreDenied),
        ('FATAL:  permission denied for database "keys"', StoreDenied),
        ('FATAL:  database "keys" does not exist', StoreNotFound),
        ("FATAL:  sorry, too many clients already", StoreUnreachable),
        ("FATAL:  remaining connection slots are reserved for non-replication superuser", StoreUnreachable),
        ("FATAL:  the database system is starting up", StoreUnreachable),
        ("FATAL:  the database system is in recovery mode", StoreUnreachable),
        ("session is read-only", StoreReadOnly),
        ("Connection refused\nsession is read-only", StoreReadOnly),
        ('session is read-only\nFATAL:  password authentication failed for user "koji"', StoreDenied),
        ("SSL error: certificate verify failed", StoreUnreachable),
        ('server certificate for "a" does not match host name "b"', StoreUnreachable),
        ("connection timeout expired", StoreUnreachable),
        ('invalid integer value "abc" for connection option "connect_timeout"', UsageError),
        ('invalid target_session_attrs value: "nonsense"', UsageError),
        ('invalid port number: "99999"', UsageError),
        ("FATAL:  FEHLER: etwas anderes", StoreDenied),
        (CANARY, StoreUnreachable),
    ],
)
def test_each_connection_failure_is_a_kind_of_error(text: str, kind: type[KojikeyError]) -> None:
    error = not_connected(psycopg.OperationalError(f"connection failed: {text} {CANARY}"), ADDRESS)
    assert type(error) is kind
    assert error.hint
    assert CANARY not in f"{error} {error.hint}"


def test_a_host_without_an_address_is_reported_as_such() -> None:
    error = psycopg.OperationalError("failed to resolve host 'db.example': [Errno -2] Name or service not known")
    assert "host name" in str(not_connected(error, ADDRESS))
