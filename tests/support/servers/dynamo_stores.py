"""A DynamoDB store behind a scripted proxy, for answers that moto does not give."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from kojikey.model.ref import account_ref, key_ref
from kojikey.stores.base import Change, Store
from kojikey.stores.dynamodb.store import DynamoStore
from support.servers.aws import REGION, Aws, new_table
from support.servers.scripted_aws import Scripted, scripted

ACCOUNT, KEY = account_ref("acme"), key_ref("acme", "elevenlabs")
EVENT = {"account": "acme", "seq": 1, "provider": "elevenlabs", "time": "2026-11-23T04:47:00Z"}
CANARY = "CANARY"

VERBS: dict[str, tuple[str, Callable[[Store], object]]] = {
    "open": ("GetItem", lambda store: store.open()),
    "header": ("GetItem", lambda store: store.header()),
    "read": ("GetItem", lambda store: store.read(KEY)),
    "commit": ("TransactWriteItems", lambda store: store.commit([Change(KEY, {}, None)], [EVENT])),
    "scan": ("Scan", lambda store: list(store.scan())),
    "accounts": ("Scan", lambda store: list(store.accounts())),
    "events": ("Scan", lambda store: list(store.events())),
    "events of one": ("Query", lambda store: list(store.events("acme"))),
}


@pytest.fixture
def front(aws: Aws) -> Iterator[Scripted]:
    with scripted(aws.endpoint) as server:
        yield server


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def fresh(front: Scripted, waits: list[float]) -> Iterator[DynamoStore]:
    """Return a store that is not created yet."""
    store = DynamoStore(new_table(), region=REGION, endpoint=front.endpoint, sleep=waits.append)
    yield store
    store.close()


@pytest.fixture
def store(fresh: DynamoStore, front: Scripted) -> DynamoStore:
    fresh.create({"format": 1})
    front.seen.clear()
    return fresh
