"""The address of a PostgreSQL store, and how it may be reached: the meaning of a URL, as libpq resolves it.

Owns: the rule that another machine is talked to only over TLS that verifies it, and the place as messages show it.
Must not: connect, look a name up, or repeat a URL: it may hold a password.

libpq itself is asked what it would do, so that ``.pgpass``, service files and the ``PG*`` variables mean what they
mean to psql (https://www.postgresql.org/docs/current/libpq-connect.html).
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
    # A server that vanishes without a word (a machine that lost its power) is noticed, where libpq would wait on.
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",  # milliseconds
}


class Address(NamedTuple):
    """How to connect (``conninfo`` may hold a password, and has TLS that verifies another machine), and what may be
    said about it.
    """

    conninfo: Secret
    place: str
    role: str
    is_several: bool = False
    """Whether it names several servers, of which the one that takes changes is used."""


def read_address(url: str) -> Address:
    """Return the address that a URL, service files and the environment make together. Nothing is connected to.

    Raises:
        UsageError: libpq does not take it, or it asks for another machine without TLS that verifies it.
    """
    try:
        given = conninfo_to_dict(url)
    except (psycopg.Error, ValueError):  # ValueError: bytes that are no UTF-8
        raise UsageError("that is not the URL of a PostgreSQL store (it is not repeated here)", hint=_SHAPE) from None
    effective = _effective(url)
    _refuse_slips(effective)
    chosen = {name: value for name, value in _DEFAULTS.items() if name not in effective}
    chosen["fallback_application_name"] = "kojikey"
    chosen["client_encoding"] = "utf8"  # whatever the environment or the database would have: documents are ASCII
    # What was judged is what is connected to, also where a service file changes meanwhile.
    chosen |= {name: effective[name] for name in ("host", "hostaddr", "port", "dbname") if name in effective}
    if "target_session_attrs" not in given and effective.get("target_session_attrs") == "any":
        # A standby is not the store: what it tells may be late. PGTARGETSESSIONATTRS=any is not asked for by anyone.
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
    """Return what libpq makes of a URL, the service file, the environment and its defaults, in this order.

    Only a connection that was begun can be asked for that, so one is begun with a value that libpq refuses before it
    looks for any server.
    """
    unsound = UsageError(
        "that URL of a PostgreSQL store conflicts with the service file or the PG* variables",
        hint="psql with the same URL shows what is wrong with it",
    )
    begun = pq.PGconn.connect_start(make_conninfo(url, channel_binding="none of them").encode())
    try:
        if b"channel_binding" not in begun.error_message:
            raise unsound
        return {option.keyword.decode(): option.val.decode() for option in begun.info if option.val}
    except UnicodeDecodeError:
        raise unsound from None
    finally:
        begun.finish()


def _refuse_slips(effective: dict[str, str]) -> None:
    """Refuse what looks like a password that slid into another part, before any of them is shown anywhere.

    ``user:7/word@host/name`` is host ``user``, port 7 and the database ``word@host/name`` to libpq.
    """
    hosts = ",".join(effective.get(name, "") for name in ("host", "hostaddr"))
    slipped = set("@:") & set(effective.get("dbname", "")) or ":" in effective.get("user", "")
    unsound = any(not _HOST.fullmatch(host) for host in hosts.split(","))
    if slipped or unsound or not _PORTS.fullmatch(effective.get("port", "")):
        raise UsageError(
            "that URL of a PostgreSQL store has no valid host, port, user and database (it is not repeated here)",
            hint=f"{_SHAPE}; in a password, % : / @ ? # are written as %25 %3A %2F %40 %3F %23",
        )


def _hosts(effective: dict[str, str]) -> list[str]:
    """Return what is connected to: an address where one is given, for a name does not count then."""
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
    if found != _VERIFIED and (asked or found != "prefer"):  # libpq's own "prefer" is replaced; what was asked for, not
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
    """Return the file of the CAs that this machine trusts (SSL_CERT_FILE is followed).

    ``system`` alone (libpq 16) would be where the OpenSSL inside a wheel was built to look, not where this machine
    has them; it is what remains where there is no such file.
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
