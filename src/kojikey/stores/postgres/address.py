"""Resolves the URL of a PostgreSQL store into an address, with libpq.

Owns: the rule that a connection to another machine needs TLS that verifies the server, and the store's place for
messages. Must not: connect, resolve a host name, or repeat a URL, which may contain a password.

libpq itself merges the URL with ``.pgpass``, service files and the ``PG*`` variables, so that they mean the same as for
psql (https://www.postgresql.org/docs/current/libpq-connect.html).
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from kojikey.model.errors import Effect, UsageError
from kojikey.model.secret import Secret

_SHAPE = "write postgresql://USER@HOST/DATABASE; options follow a ?, as for psql"
_HOST = re.compile(r"[A-Za-z0-9_.:%-]*|[/@][^,]*")
_PORTS = re.compile(r"[0-9]{0,5}(,[0-9]{0,5})*")
_VERIFIED = "verify-full"
_DEFAULTS = {
    "connect_timeout": "10",
    # to notice a server that lost its power, for which libpq would wait for hours
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",  # milliseconds
}


class Address(NamedTuple):
    """The address of a store. ``conninfo`` may contain a password; ``place`` and ``role`` are for messages.

    ``is_several``: it names several servers, of which the one that accepts changes is used.
    """

    conninfo: Secret
    place: str
    role: str
    is_several: bool = False


def read_address(url: str) -> Address:
    """Return the address that results from a URL, service files and the environment, without connecting.

    Raises:
        UsageError: libpq refuses the URL, or it would connect to another machine without TLS that verifies it.
    """
    try:
        given = conninfo_to_dict(url)
    except (psycopg.Error, ValueError):  # ValueError: bytes that are not UTF-8
        raise UsageError("that is not the URL of a PostgreSQL store (it is not repeated here)", hint=_SHAPE) from None
    effective = _effective(url)
    _refuse_misplaced_password(effective)
    chosen = {name: value for name, value in _DEFAULTS.items() if name not in effective}
    chosen["fallback_application_name"] = "kojikey"
    chosen["client_encoding"] = "utf8"  # independent of the environment and the database
    # the checked values are used, even if a service file changes meanwhile
    chosen |= {name: effective[name] for name in ("host", "hostaddr", "port", "dbname") if name in effective}
    if "target_session_attrs" not in given and effective.get("target_session_attrs") == "any":
        # a standby may be behind; PGTARGETSESSIONATTRS=any cannot be distinguished from libpq's default
        chosen["target_session_attrs"] = "read-write"
    remote = [host for host in _hosts(effective) if not _is_this_machine(host)]
    if remote:
        chosen |= _verified_tls(given, effective)
    return Address(
        Secret(make_conninfo(url, **chosen)),
        _place(effective),
        effective.get("user", ""),
        is_several=len(_hosts(effective)) > 1,
    )


def _effective(url: str) -> dict[str, str]:
    """Return libpq's options from a URL, the service file, the environment and the defaults, in this order.

    libpq reports them only for a connection attempt. So one is started with an invalid value, which libpq refuses
    before it contacts any server.
    """
    refused = UsageError(
        "that URL of a PostgreSQL store conflicts with the service file or the PG* variables",
        hint="psql with the same URL shows what is wrong with it",
    )
    attempt = pq.PGconn.connect_start(make_conninfo(url, channel_binding="none of them").encode())
    try:
        if b"channel_binding" not in attempt.error_message:
            raise refused
        return {option.keyword.decode(): option.val.decode() for option in attempt.info if option.val}
    except UnicodeDecodeError:
        raise refused from None
    finally:
        attempt.finish()


def _refuse_misplaced_password(effective: dict[str, str]) -> None:
    """Refuse a part that may contain some of the password, before any part is displayed.

    libpq reads ``user:7/word@host/name`` as host ``user``, port 7 and database ``word@host/name``.
    """
    hosts = ",".join(effective.get(name, "") for name in ("host", "hostaddr"))
    may_be_misplaced = set("@:") & set(effective.get("dbname", "")) or ":" in effective.get("user", "")
    is_host_malformed = any(not _HOST.fullmatch(host) for host in hosts.split(","))
    if may_be_misplaced or is_host_malformed or not _PORTS.fullmatch(effective.get("port", "")):
        raise UsageError(
            "that URL of a PostgreSQL store has no valid host, port, user and database (it is not repeated here)",
            hint=f"{_SHAPE}; in a password, % : / @ ? # are written as %25 %3A %2F %40 %3F %23",
        )


def _hosts(effective: dict[str, str]) -> list[str]:
    """Return the hosts that libpq connects to: for each the address if one is given, else the name."""
    names, addresses = (effective.get(name, "").split(",") for name in ("host", "hostaddr"))
    count = max(len(names), len(addresses))
    padded = (entries + [""] * (count - len(entries)) for entries in (names, addresses))
    return [address.strip() or name.strip() for name, address in zip(*padded, strict=True)]


def _is_this_machine(host: str) -> bool:
    if host == "" or host.startswith(("/", "@")) or host.lower() == "localhost":
        return True  # "" and paths are Unix sockets (on Windows, "" is localhost)
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _verified_tls(given: Mapping[str, object], effective: dict[str, str]) -> dict[str, str]:
    asked = given.get("sslmode") or os.environ.get("PGSSLMODE")
    found = effective.get("sslmode", "prefer")
    if found != _VERIFIED and (asked or found != "prefer"):  # only libpq's default "prefer" is replaced
        raise UsageError(
            f"sslmode={found} does not verify which server answers, and this one is on another machine",
            hint="leave sslmode out, or write sslmode=verify-full (with sslrootcert=FILE for a CA of your own)",
            effect=Effect.NOT_CONNECTED,
        )
    if effective.get("gssencmode") == "require":
        raise UsageError(
            "gssencmode=require is not TLS, and this server is on another machine",
            hint="leave gssencmode out: the connection is made with TLS that verifies the server",
            effect=Effect.NOT_CONNECTED,
        )
    tls = {"sslmode": _VERIFIED, "gssencmode": "disable"}
    if "sslrootcert" not in effective and not os.path.exists(os.path.expanduser("~/.postgresql/root.crt")):
        tls["sslrootcert"] = _system_roots()
    return tls


def _system_roots() -> str:
    """Return the file of the CAs that this machine trusts (or that SSL_CERT_FILE names), ``system`` if there is none.

    With ``system`` (libpq 16), the OpenSSL in a wheel searches the paths of the machine on which it was built.
    """
    import ssl

    return ssl.get_default_verify_paths().cafile or "system"


def _place(effective: dict[str, str]) -> str:
    names, ports = (effective.get(name, "").split(",") for name in ("host", "port"))
    if names == [""]:
        names = effective.get("hostaddr", "").split(",")
    if len(ports) == 1:
        ports *= len(names)
    hosts = (_host_and_port(name, port) for name, port in zip(names, ports, strict=False))
    return f"postgresql://{','.join(hosts)}/{quote(effective.get('dbname', ''), safe='')}"


def _host_and_port(name: str, port: str) -> str:
    shown = f"[{name}]" if ":" in name else quote(name, safe="")
    return shown if port in ("", "5432") else f"{shown}:{port}"
