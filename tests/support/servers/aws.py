"""DynamoDB and KMS for the tests: one moto server for the session, started here; each test takes a table of its own.

``moto_server.py`` describes the differences between moto and AWS. Where moto is not installed the tests fail.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kojikey.aws.client import make_client

REGION = "eu-central-1"
_PROGRAM = Path(__file__).with_name("moto_server.py")


class Aws(NamedTuple):
    """The endpoint of the simulated AWS."""

    endpoint: str

    def url(self, table: str | None = None) -> str:
        """Return the URL of a store in a table, by default in one that does not exist yet."""
        return f"dynamodb://{table or new_table()}?region={REGION}&endpoint={self.endpoint}"

    def client(self, service: str) -> Any:
        """Return an administrator's client; the test closes it."""
        return make_client(service, region=REGION, endpoint=self.endpoint)

    def new_key(self, **settings: Any) -> str:
        """Make a KMS key and return its ARN."""
        client = self.client("kms")
        try:
            return str(client.create_key(**settings)["KeyMetadata"]["Arn"])
        finally:
            client.close()


def new_table() -> str:
    """Return a new name of a table."""
    return f"kojikey-{uuid.uuid4().hex[:12]}"


def start(**environment: str) -> tuple[subprocess.Popen[str], Aws]:
    """Start a server, wait until it accepts requests, and return its process and endpoint."""
    process = subprocess.Popen(
        [sys.executable, str(_PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true", **environment},
    )
    assert process.stdout is not None
    port = process.stdout.readline().strip()
    if not port:
        said = process.communicate()[1]
        pytest.fail(f"moto did not start (pip install -e '.[dev]' installs it): {said[-500:]}")
    return process, Aws(f"http://127.0.0.1:{port}")


def stop(process: subprocess.Popen[str]) -> None:
    """End a server by closing its standard input."""
    process.communicate()


@pytest.fixture(scope="session")
def aws_server() -> Iterator[Aws]:
    """Return the AWS that all tests share."""
    process, place = start()
    yield place
    stop(process)


@pytest.fixture
def aws(aws_server: Aws, monkeypatch: pytest.MonkeyPatch, clean_environment: None) -> Aws:
    """Return the simulated AWS, with made-up credentials in the environment and without the metadata service."""
    set_credentials(monkeypatch)
    return aws_server


def set_credentials(monkeypatch: pytest.MonkeyPatch, key: str = "AKIAMADEUPMADEUP0000") -> None:
    """Put made-up credentials into the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up-secret-CANARY-0000000000000000000")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
