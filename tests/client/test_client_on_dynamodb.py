"""``kojikey.Client`` on DynamoDB: threads share a few sessions, a child has its own, and each change is seen."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kojikey import Client
from kojikey.model.errors import StoreNotFound
from kojikey.stores.dynamodb.store import DynamoStore
from support.in_store import in_store
from support.program import Program
from support.servers.aws import Aws, aws, aws_server

__all__ = ["aws", "aws_server"]

FORKING = """
import os, sys, kojikey
client = kojikey.Client(cache=0)
key = client.resolve("elevenlabs").secret.reveal()
child = os.fork()
if child == 0:
    same = client.resolve("elevenlabs").secret.reveal() == key
    sys.exit(0 if same and len(client._idle) == 1 and client._idle[0] not in client._left_behind else 3)
_, status = os.waitpid(child, 0)
assert client.resolve("elevenlabs").secret.reveal() == key
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.fixture
def here(kojikey: Program, aws: Aws) -> Iterator[Program]:
    """Return the program with a key in a store on DynamoDB, in whose environment this process is."""
    kojikey.environ |= {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    with in_store(kojikey, aws.url()):
        yield kojikey


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the requests that are sent from here on."""
    names: list[str] = []
    call = DynamoStore._call

    def counted(self: DynamoStore, operation: str, **request: Any) -> Any:
        names.append(operation)
        return call(self, operation, **request)

    monkeypatch.setattr(DynamoStore, "_call", counted)
    return names


def revealed(client: Client) -> str:
    secret = client.resolve("elevenlabs").secret
    assert secret is not None
    return secret.reveal()


def test_every_change_is_seen_at_once_without_a_cache(here: Program) -> None:
    with Client(cache=0) as client:
        assert revealed(client) == here.key().key
        assert here.rotate().code == 0
        assert revealed(client) == here.key("elevenlabs", "ok_2").key
        assert here("account", "disable", "default").code == 0
        assert client.resolve("elevenlabs").source == "built_in"
        assert here("account", "enable", "default").code == 0
        assert here("remove", "elevenlabs", "--yes").code == 0
        assert client.resolve("elevenlabs").source == "built_in"


def test_a_cached_credential_sends_no_request(here: Program, calls: list[str]) -> None:
    with Client(cache=60) as client:
        found = revealed(client)
        assert calls
        calls.clear()
        assert revealed(client) == found
        assert calls == []


def test_threads_and_tasks_share_a_few_sessions_and_lose_nothing(here: Program) -> None:
    with Client(cache=0) as client, ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: client.resolve("elevenlabs").source, range(60))) == {"byok"}
        assert 1 <= len(client._idle) <= 8

        async def ask() -> list[Any]:
            return await asyncio.gather(*(client.aresolve("elevenlabs") for _ in range(20)))

        assert {credential.source for credential in asyncio.run(ask())} == {"byok"}
    assert client._idle == []


def test_a_forked_child_has_its_own_session_and_does_not_touch_the_parents(here: Program) -> None:
    ended = subprocess.run([sys.executable, "-c", FORKING], env=here.environ, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_a_reported_outcome_is_recorded_once(here: Program) -> None:
    with Client() as client:
        credential = client.resolve("elevenlabs")
        for _ in range(3):
            verdict = client.report(credential, status=401, body={"detail": {"status": "invalid_api_key"}})
            assert verdict.outcome == "rejected"
        assert revealed(client) == here.key().key
    row = here.listed()
    assert (row["last_test"]["reason"], row["last_test"]["reported"]) == ("invalid_key", True)
    events = [event["action"] for event in here("audit", "--json").results]
    assert events.count("tested") == 1


def test_a_deleted_table_is_an_error_only_without_a_cached_credential(here: Program, aws: Aws) -> None:
    table = here.environ["KOJIKEY_STORE"].removeprefix("dynamodb://").partition("?")[0]
    with Client(cache=3600) as kept, Client(cache=0) as never:
        assert kept.resolve("elevenlabs").source == never.resolve("elevenlabs").source == "byok"
        client = aws.client("dynamodb")
        try:
            client.update_table(TableName=table, DeletionProtectionEnabled=False)
            client.delete_table(TableName=table)
        finally:
            client.close()
        assert kept.resolve("elevenlabs").source == "byok"
        with pytest.raises(StoreNotFound):
            never.resolve("elevenlabs")
