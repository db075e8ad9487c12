"""TLS with a test CA: only the right server is accepted, and nothing is sent in plain text.

kojikey does not require TLS on loopback; these tests make it treat loopback like another machine.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kojikey.model.errors import StoreDenied, StoreUnreachable
from kojikey.stores.postgres import address as postgres_address
from kojikey.stores.registry import store_from_url
from support.servers.postgres import Server, prepared, temporary_folder

Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def certificate(name: str, issuer: Pair | None, *, hosts: tuple[str, ...] = (), address: str | None = None) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
    names += [x509.IPAddress(ipaddress.ip_address(address))] if address else []
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def written(folder: Path, name: str, pair: Pair) -> Path:
    file = folder / f"{name}.crt"
    file.write_bytes(pair[0].public_bytes(serialization.Encoding.PEM))
    secret = folder / f"{name}.key"
    secret.write_bytes(
        pair[1].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    secret.chmod(0o600)
    owner = folder.stat()
    os.chown(secret, owner.st_uid, owner.st_gid)
    return file


@pytest.fixture(scope="module")
def ca() -> Pair:
    return certificate("the CA of these tests", None)


@pytest.fixture(scope="module")
def server(ca: Pair) -> Iterator[Server]:
    """Return a server that accepts only TLS, with a certificate for ``localhost`` and not for 127.0.0.1."""
    with temporary_folder() as folder:
        prepared(folder / "tls")
        server = Server(folder / "tls")
        server.initialise()
        written(server.data, "server", certificate("the server", ca, hosts=("localhost",)))
        (server.data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 trust\nlocal all all trust\n")
        server.settings["ssl"] = "on"
        server.start()
        yield server
        server.stop()


@pytest.fixture
def everything_is_remote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_address, "_is_this_machine", lambda host: False)


@pytest.fixture
def root(tmp_path: Path, ca: Pair) -> Path:
    return written(tmp_path, "root", ca)


def url(server: Server, host: str = "localhost", **options: object) -> str:
    query = "&".join(f"{name}={value}" for name, value in {"hostaddr": "127.0.0.1", **options}.items())
    return f"postgresql://postgres@{host}:{server.port}/postgres?{query}"


def test_a_server_with_a_valid_certificate_is_used(server: Server, root: Path, everything_is_remote: None) -> None:
    store = store_from_url(url(server, sslrootcert=root))
    store.create({"format": 1})
    assert dict(store.describe().details)["connection"] == "TLS, the server verified"
    store.close()


def test_the_cas_of_the_machine_are_trusted_without_a_setting(
    server: Server, root: Path, everything_is_remote: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    store = store_from_url(url(server))
    assert ("connection", "TLS, the server verified") in store.describe().details
    store.close()


def test_a_certificate_of_another_ca_or_name_is_refused(
    server: Server, root: Path, tmp_path: Path, everything_is_remote: None
) -> None:
    other = written(tmp_path, "other", certificate("another CA", None))
    for wrong in (
        url(server, sslrootcert=other),
        url(server, host="db.example.com", sslrootcert=root),
        url(server, host="127.0.0.1", sslrootcert=root),
        url(server, sslrootcert=tmp_path / "none"),
    ):
        store = store_from_url(wrong)
        with pytest.raises(StoreUnreachable, match="could not prove by TLS"):
            store.open()
        store.close()


def test_a_server_without_tls_is_refused(postgres: Server, root: Path, everything_is_remote: None) -> None:
    store = store_from_url(url(postgres, sslrootcert=root))
    with pytest.raises(StoreUnreachable, match="could not prove by TLS"):
        store.open()
    store.close()


def test_a_server_that_requires_tls_denies_a_connection_without_it(server: Server) -> None:
    store = store_from_url(url(server, sslmode="disable"))
    with pytest.raises(StoreDenied, match="pg_hba"):
        store.open()
    store.close()
