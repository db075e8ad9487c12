"""A URL with service files and PG* variables; another machine without verified TLS is refused before connecting."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from kojikey.model.errors import StoreDenied, UsageError
from kojikey.stores.postgres.address import Address, read_address
from kojikey.stores.postgres.store import PostgresStore
from kojikey.stores.registry import store_from_url
from support.each import each
from support.servers.postgres import Server

CANARY = "CANARY-of-a-password"
TEST_NET = "192.0.2.7"  # RFC 5737: nobody's; the tests would notice a connection to it


def settings(address: Address) -> dict[str, object]:
    return dict(conninfo_to_dict(address.conninfo.reveal()))


@each(
    ("url", "place", "is_remote"),
    [
        ("postgresql://koji@db.example.com/keys", "postgresql://db.example.com/keys", True),
        ("postgresql://koji@h1:5432,h2:6432/keys", "postgresql://h1,h2:6432/keys", True),
        ("postgresql://127.0.0.1:6432/keys", "postgresql://127.0.0.1:6432/keys", False),
        ("postgresql://localhost/keys", "postgresql://localhost/keys", False),
        ("postgresql://[::1]:6432/keys", "postgresql://[::1]:6432/keys", False),
        ("postgresql://%2Frun%2Fpostgresql/keys", "postgresql://%2Frun%2Fpostgresql/keys", False),
        ("postgresql:///keys", "postgresql:///keys", False),
        ("postgresql:///keys?host=/run/postgresql&port=6432", "postgresql://%2Frun%2Fpostgresql:6432/keys", False),
        (f"postgresql://{TEST_NET}/keys", f"postgresql://{TEST_NET}/keys", True),
        ("postgresql://localhost,other/keys", "postgresql://localhost,other/keys", True),
        (f"postgresql://localhost/keys?hostaddr={TEST_NET}", "postgresql://localhost/keys", True),
        ("postgresql://db.example.com/keys?hostaddr=127.0.0.1", "postgresql://db.example.com/keys", False),
        ("postgresql://localhost.example.com/keys", "postgresql://localhost.example.com/keys", True),
        ("postgresql://127.0.0.1.example.com/keys", "postgresql://127.0.0.1.example.com/keys", True),
        ("postgresql://0.0.0.0/keys", "postgresql://0.0.0.0/keys", True),
    ],
)
def test_a_url_gives_the_place_and_whether_it_is_another_machine(url: str, place: str, *, is_remote: bool) -> None:
    address = read_address(url)
    assert address.place == place
    assert (settings(address).get("sslmode") == "verify-full") == is_remote


def test_both_schemes_of_libpq_are_accepted() -> None:
    for scheme in ("postgres", "POSTGRESQL", "Postgres"):
        assert store_from_url(f"{scheme}://127.0.0.1/keys").place == "postgresql://127.0.0.1/keys"


@pytest.mark.parametrize("where", ["in the URL", "in the environment", "in a service file"])
@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_another_machine_without_verified_tls_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, mode: str
) -> None:
    url = f"postgresql://koji:{CANARY}@{TEST_NET}/keys"
    if where == "in the URL":
        url += f"?sslmode={mode}"
    elif where == "in the environment":
        monkeypatch.setenv("PGSSLMODE", mode)
    else:
        service = tmp_path / "service"
        service.write_text(f"[team]\nsslmode={mode}\n")
        monkeypatch.setenv("PGSERVICEFILE", str(service))
        url += "?service=team"
        if mode == "prefer":  # cannot be distinguished from libpq's own default, which is replaced
            assert settings(read_address(url))["sslmode"] == "verify-full"
            return
    with pytest.raises(UsageError, match=f"sslmode={mode}") as raised:
        store_from_url(url)
    assert "verify-full" in str(raised.value.hint)
    assert CANARY not in f"{raised.value} {raised.value.hint}"


def test_a_service_file_that_names_another_machine_is_held_to_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "service").write_text(f"[team]\nhost={TEST_NET}\ndbname=keys\nuser=koji\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "service"))
    for url in ("postgresql:///?service=team", "postgresql://"):
        address = read_address(url)
        assert (address.place, address.role) == (f"postgresql://{TEST_NET}/keys", "koji")
        assert settings(address)["sslmode"] == "verify-full"
        monkeypatch.setenv("PGSERVICE", "team")  # for the second, which names none


def test_the_environment_alone_can_name_another_machine_and_is_held_to_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGHOSTADDR"):
        with monkeypatch.context() as patch:
            patch.setenv(name, TEST_NET)
            assert settings(read_address("postgresql:///keys"))["sslmode"] == "verify-full"


def test_kerberos_encryption_does_not_replace_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(read_address(f"postgresql://{TEST_NET}/keys"))["gssencmode"] == "disable"


def test_the_cas_of_this_machine_are_trusted_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "ca.pem"
    own.write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    assert settings(read_address(f"postgresql://{TEST_NET}/keys"))["sslrootcert"] == str(own)
    named = settings(read_address(f"postgresql://{TEST_NET}/keys?sslrootcert=/other"))
    assert named["sslrootcert"] == "/other"
    home = tmp_path / "home"
    (home / ".postgresql").mkdir(parents=True)
    (home / ".postgresql" / "root.crt").write_text("")
    monkeypatch.setenv("HOME", str(home))
    assert "sslrootcert" not in settings(read_address(f"postgresql://{TEST_NET}/keys"))  # libpq's own place for it


def test_settings_that_are_not_given_have_safe_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(read_address("postgresql://localhost/keys"))
    assert found["target_session_attrs"] == "read-write"
    assert found["connect_timeout"] == "10"
    assert found["fallback_application_name"] == "kojikey"
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "3")
    monkeypatch.setenv("PGTARGETSESSIONATTRS", "primary")
    found = settings(read_address("postgresql://localhost/keys"))
    assert not {"connect_timeout", "target_session_attrs"} & found.keys()
    asked = settings(read_address("postgresql://localhost/keys?target_session_attrs=any&connect_timeout=7"))
    assert (asked["target_session_attrs"], asked["connect_timeout"]) == ("any", "7")


@each(
    "url",
    [
        f"postgresql://koji:{CANARY}/keys",  # the host was forgotten: libpq takes the password for a port
        f"postgresql://koji:p@{CANARY}@h/keys",  # an @ in the password: libpq takes the rest for the host
        f"postgresql://koji:p/{CANARY}@h/keys",
        f"postgresql://koji:%{CANARY}@h/keys",
        f"postgresql://koji:7/{CANARY}@h/keys",
        f"postgresql://koji:/{CANARY}@h/keys",
        f"postgresql:///koji:{CANARY}@h/keys",
        f"postgresql://koji/{CANARY}@h/keys",
        f"postgresql://koji%3A{CANARY}@h/keys",
        f"postgresql://h/keys?pasword={CANARY}",
        f"postgresql://h:99999999/{CANARY}",
        f"postgresql://h/keys?service={CANARY}",
        f"postgresql://[{CANARY}/keys",
        f"postgresql://h,h/keys?hostaddr={CANARY},1.2.3.4,5.6.7.8",
    ],
)
def test_a_password_in_another_part_of_the_url_is_not_repeated(url: str) -> None:
    with pytest.raises(UsageError) as raised:
        store_from_url(url)
    assert CANARY not in f"{raised.value} {raised.value.hint} {raised.value!r}"


def test_a_password_is_shown_nowhere(postgres: Server) -> None:
    url = f"postgresql://koji:{CANARY}@127.0.0.1:{postgres.port}/none?sslpassword={CANARY}"
    store = store_from_url(url)
    assert isinstance(store, PostgresStore)
    said = [repr(store), store.place, repr(store.describe()), repr(vars(store)), repr(vars(vars(store)["_server"]))]
    with pytest.raises(StoreDenied) as raised:
        store.open()
    said += [str(raised.value), repr(raised.value), str(raised.value.hint), repr(raised.value.__dict__)]
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__
    assert not [text for text in said if CANARY in text]
    store.close()


def test_a_refused_address_is_never_resolved_or_connected_to(network_report: Path) -> None:
    for url in (f"postgresql://{TEST_NET}/keys", "postgresql://db.example.com/keys"):
        read_address(url)
        with pytest.raises(UsageError):
            store_from_url(f"{url}?sslmode=require")
    assert not network_report.exists()


@pytest.fixture
def scram(postgres: Server) -> str:
    """Return a role that must log in with its password (``right``)."""
    name = "with_a_password"
    if not postgres.sql(f"SELECT 1 FROM pg_roles WHERE rolname = '{name}'"):
        postgres.sql(f"CREATE ROLE {name} SUPERUSER LOGIN PASSWORD 'right'")
        rules = postgres.data / "pg_hba.conf"
        rules.write_text(f"host all {name} 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
        postgres.sql("SELECT pg_reload_conf()")
    return name


def pgpass(folder: Path, text: str) -> Path:
    file = folder / "pgpass"
    file.write_text(text)
    file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return file


def test_a_password_is_read_from_the_places_that_psql_reads(
    postgres: Server, database: str, scram: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.url(database, scram)

    def opens(url: str) -> bool:
        store = store_from_url(url)
        try:
            store.create({"format": 1})
        finally:
            store.close()
        postgres.sql("DROP SCHEMA kojikey CASCADE", database=database)
        return True

    assert opens(url.replace(scram, f"{scram}:right"))
    with monkeypatch.context() as patch:
        patch.setenv("PGPASSWORD", "right")
        assert opens(url)
    with monkeypatch.context() as patch:
        patch.setenv("PGPASSFILE", str(pgpass(tmp_path, f"127.0.0.1:*:*:{scram}:right\n")))
        assert opens(url)
    with monkeypatch.context() as patch:
        service = tmp_path / "service"
        service.write_text(
            f"[team]\nhost=127.0.0.1\nport={postgres.port}\ndbname={database}\nuser={scram}\npassword=right\n"
        )
        patch.setenv("PGSERVICEFILE", str(service))
        assert opens("postgresql:///?service=team")
        patch.setenv("PGSERVICE", "team")
        assert opens("postgresql://")
    for wrong in ({}, {"PGPASSWORD": "wrong"}):
        with monkeypatch.context() as patch:
            for name, value in wrong.items():
                patch.setenv(name, value)
            with pytest.raises(StoreDenied, match=f"{scram}: its password is wrong"):
                opens(url)
    assert os.environ.get("PGPASSWORD") is None
