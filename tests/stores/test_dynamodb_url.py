"""A DynamoDB URL names a table in a region; any other is refused without repeating it, and nothing is sent yet."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from kojikey.model.errors import StoreNotFound, UsageError
from kojikey.stores.dynamodb.errors import missing
from kojikey.stores.registry import store_from_url
from support.each import each


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("dynamodb://kojikey?region=eu-central-1", "dynamodb://kojikey?region=eu-central-1"),
        ("DynamoDB://Team.Keys_1-x?region=us-gov-west-1", "dynamodb://Team.Keys_1-x?region=us-gov-west-1"),
        (
            "dynamodb://kojikey?endpoint=HTTP://LOCALHOST:8000/&region=eu-central-1",
            "dynamodb://kojikey?region=eu-central-1&endpoint=http://localhost:8000",
        ),
        (
            "dynamodb://kojikey?region=eu-central-1&endpoint=https%3A%2F%2Fdynamodb.eu-central-1.amazonaws.com",
            "dynamodb://kojikey?region=eu-central-1&endpoint=https://dynamodb.eu-central-1.amazonaws.com",
        ),
    ],
)
def test_a_dynamodb_url_names_a_table_in_a_region(url: str, place: str) -> None:
    assert store_from_url(url).place == store_from_url(place).place == place


@each(
    "rest",
    [
        "",
        "?region=eu-central-1",
        "kojikey",
        "kojikey?",
        "kojikey?region=",
        "kojikey?region=CANARY",
        "kojikey?region=eu-central-1.evil.example/",
        "kojikey?region=eu-central-1&region=eu-west-1",
        "kojikey?region=eu-central-1&password=CANARY",
        "kojikey?region=eu-central-1&endpoint=",
        "kojikey?region=eu-central-1&endpoint=http://10.0.0.1:8000",
        "kojikey?region=eu-central-1&endpoint=http://dynamodb.eu-central-1.amazonaws.com",
        "kojikey?region=eu-central-1&endpoint=https://user:CANARY@host",
        "kojikey?region=eu-central-1#CANARY",
        "ab?region=eu-central-1",
        "k" * 256 + "?region=eu-central-1",
        "AKIA:CANARY@kojikey?region=eu-central-1",
        "kojikey/CANARY?region=eu-central-1",
        "kojikey\x00?region=eu-central-1",
    ],
)
def test_a_malformed_dynamodb_url_is_refused_with_the_correct_form(rest: str) -> None:
    with pytest.raises(UsageError) as raised:
        store_from_url(f"dynamodb://{rest}")
    assert raised.value.hint
    assert "CANARY" not in f"{raised.value} {raised.value.hint}"


def test_the_command_that_creates_a_missing_store_is_quoted_for_the_shell() -> None:
    error = missing("dynamodb://kojikey?region=eu-central-1&endpoint=http://localhost:8000")
    assert isinstance(error, StoreNotFound)
    assert error.hint
    echoed = subprocess.run(["sh", "-c", f"echo {error.hint}"], capture_output=True, text=True, check=True).stdout
    assert echoed == f"kojikey store init {error.store} --kek SOURCE\n"


def test_a_missing_table_is_reported_with_its_region() -> None:
    said = str(missing("dynamodb://kojikey?region=eu-central-1&endpoint=http://localhost:8000"))
    assert "the table is not in eu-central-1," in said
    assert "is it in another region?" in said


def test_no_slow_module_is_imported_before_the_first_verb() -> None:
    script = (
        "import sys; from kojikey.stores.registry import store_from_url\n"
        "store_from_url('dynamodb://kojikey?region=eu-central-1').close()\n"
        "print(*sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert "kojikey.stores.dynamodb.store" in ran.stdout.split()
    assert not {"boto3", "botocore", "httpcore2", "asyncio", "dataclasses"} & set(ran.stdout.split())
