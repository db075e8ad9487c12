"""The sources of the Google identity: a token in the environment, or credentials that google-auth reads."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from kojikey.model.management_errors import ManagementUnavailable, NoAdminKey
from kojikey.providers.management.google_identity import access_token

TOKEN = "ya29.made-up-0123456789"


class Answering(BaseHTTPRequestHandler):
    """Gives a token to every service account, or refuses."""

    status = 200

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}).encode()
        self.send_response(self.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def token_server() -> Iterator[str]:
    Answering.status = 200
    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/token"
        server.shutdown()
        thread.join()


@pytest.fixture
def credentials(token_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {
        "type": "service_account", "client_email": "rotator@example.iam.gserviceaccount.com",
        "project_id": "example",
        "private_key_id": "1", "private_key": pem.decode(), "token_uri": token_server,
    }  # fmt: skip
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))


def test_the_token_of_the_environment_comes_first() -> None:
    assert access_token({"GOOGLE_OAUTH_ACCESS_TOKEN": f" {TOKEN}\n"}).reveal() == TOKEN


def test_application_default_credentials_are_fetched_by_kojikeys_http_client(credentials: None) -> None:
    assert access_token({}).reveal() == TOKEN


def test_a_token_can_be_fetched_while_an_event_loop_runs(credentials: None) -> None:
    async def ask() -> str:
        return access_token({}).reveal()

    assert asyncio.run(ask()) == TOKEN


def test_a_refusal_by_google_leaves_management_unavailable(credentials: None) -> None:
    Answering.status = 400
    with pytest.raises(ManagementUnavailable):
        access_token({})


def test_without_an_identity_both_ways_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(NoAdminKey) as raised:
        access_token({})
    assert "GOOGLE_OAUTH_ACCESS_TOKEN" in str(raised.value.hint)
    assert str(raised.value).endswith("; nothing was changed"), "a key is also deleted and retired with an identity"
