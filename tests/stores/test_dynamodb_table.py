"""The DynamoDB table: its creation, tables that are no store, changes from outside, and limits."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from kojikey.model.errors import (
    StoreCorrupt,
    StoreDenied,
    StoreExists,
    StoreNotFound,
    StoreUnavailable,
    StoreUnreachable,
)
from kojikey.model.ref import key_ref
from kojikey.stores.base import Change, Query
from kojikey.stores.dynamodb.store import DynamoStore
from support.exhaustive import exhaustive
from support.servers.aws import REGION, Aws, new_table
from support.servers.dynamo_stores import CANARY, EVENT, KEY, VERBS, fresh, front, store, waits
from support.servers.scripted_aws import Answer, Script, Scripted, refusal, scripted

__all__ = ["fresh", "front", "store", "waits"]


# making the table


def table_of(aws: Aws, name: str, *schema: tuple[str, str, str]) -> Any:
    client = aws.client("dynamodb")
    client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind, _ in schema],
        KeySchema=[{"AttributeName": name, "KeyType": key} for name, _, key in schema],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


OURS = (("pk", "S", "HASH"), ("sk", "S", "RANGE"))


def test_the_table_is_billed_by_request_and_protected_from_deletion(store: DynamoStore, aws: Aws) -> None:
    client = aws.client("dynamodb")
    found = client.describe_table(TableName=store.table)["Table"]
    assert found["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert found["DeletionProtectionEnabled"] is True
    client.close()


@pytest.mark.parametrize("operation", ["CreateTable", "DescribeTable", "GetItem", "Scan", "PutItem"])
def test_creating_the_table_again_finishes_an_interrupted_creation(
    fresh: DynamoStore, front: Scripted, operation: str
) -> None:
    done: list[str] = []

    def cut(asked: str, request: dict[str, Any]) -> Answer | None:
        done.append(asked)
        return refusal("FutureException") if asked == operation and "CreateTable" in done else None

    front.script = cut
    with pytest.raises(StoreUnavailable):
        fresh.create({"by": "first"})
    front.script = lambda operation, request: None
    with pytest.raises(StoreNotFound) as raised:
        fresh.open()
    if operation != "CreateTable":
        assert raised.value.hint
        assert "kojikey store init" in raised.value.hint
        assert "another region" not in str(raised.value)
    fresh.create({"by": "second"})
    assert fresh.open().document == {"by": "second"}
    with pytest.raises(StoreExists):
        fresh.create({"by": "third"})


def states(*names: str) -> Script:
    left = list(names)

    def script(operation: str, request: dict[str, Any]) -> Answer | None:
        if operation != "DescribeTable" or not left:
            return None
        state = left.pop(0) if len(left) > 1 else left[0]
        schema = '[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]'
        kinds = '[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}]'
        told = f'{{"Table": {{"TableStatus": "{state}", "KeySchema": {schema}, "AttributeDefinitions": {kinds}}}}}'
        return Answer(200, told.encode())

    return script


def test_a_table_that_is_being_created_is_waited_for(
    fresh: DynamoStore, front: Scripted, aws: Aws, waits: list[float]
) -> None:
    table_of(aws, fresh.table, *OURS).close()
    front.script = states("CREATING", "CREATING", "CREATING", "ACTIVE")
    fresh.create({})
    assert waits == [1.0, 1.0]


def test_waiting_for_a_table_that_is_never_ready_ends(fresh: DynamoStore, front: Scripted, waits: list[float]) -> None:
    front.script = states("CREATING")
    with pytest.raises(StoreUnavailable, match="still being created"):
        fresh.create({})
    assert sum(waits) == 120


def test_a_table_that_is_being_deleted_is_not_waited_for(fresh: DynamoStore, front: Scripted) -> None:
    front.script = states("DELETING")
    with pytest.raises(StoreUnavailable, match="being deleted"):
        fresh.create({})


def test_another_process_that_creates_the_table_is_no_failure(fresh: DynamoStore, front: Scripted, aws: Aws) -> None:
    def meanwhile(operation: str, request: dict[str, Any]) -> Answer | None:
        if operation == "CreateTable":
            table_of(aws, fresh.table, *OURS).close()
            return refusal("ResourceInUseException")
        return None

    front.script = meanwhile
    fresh.create({"n": 1})
    assert fresh.open().document == {"n": 1}


@pytest.mark.parametrize(
    "schema",
    [
        (("id", "S", "HASH"),),
        (("pk", "S", "HASH"),),
        (("pk", "N", "HASH"), ("sk", "S", "RANGE")),
        (("sk", "S", "HASH"), ("pk", "S", "RANGE")),
    ],
)
def test_a_table_of_another_shape_is_left_unchanged(
    fresh: DynamoStore, aws: Aws, schema: tuple[tuple[str, str, str], ...]
) -> None:
    client = table_of(aws, fresh.table, *schema)
    with pytest.raises((StoreCorrupt, StoreNotFound)):  # which of them depends on how far the shape is from ours
        fresh.open()
    with pytest.raises(StoreCorrupt, match="another structure"):
        fresh.create({})
    assert client.scan(TableName=fresh.table)["Count"] == 0
    client.close()


@pytest.mark.parametrize(
    "item", [{"pk": {"S": "x"}, "sk": {"S": "y"}}, {"pk": {"S": "account#a"}, "sk": {"S": "account"}}]
)
def test_a_table_that_holds_something_else_gets_no_header(fresh: DynamoStore, aws: Aws, item: Any) -> None:
    client = table_of(aws, fresh.table, *OURS)
    client.put_item(TableName=fresh.table, Item=item)
    for use in (fresh.open, lambda: fresh.create({})):
        with pytest.raises(StoreCorrupt, match="lost its header"):
            use()
    assert client.scan(TableName=fresh.table)["Items"] == [item]
    client.close()


# items that were changed outside kojikey


@pytest.mark.parametrize(
    "change",
    [
        {"doc": {"S": "[]"}},
        {"doc": {"S": "{"}},
        {"doc": {"N": "7"}},
        {"doc": None},
        {"rev": None},
        {"rev": {"N": "7"}},
    ],
)
def test_a_damaged_item_is_an_empty_document_and_hides_no_other(
    store: DynamoStore, aws: Aws, change: dict[str, Any]
) -> None:
    store.commit([Change(KEY, {"n": 1}, None)])
    client = aws.client("dynamodb")
    key = {"pk": {"S": "account#acme"}, "sk": {"S": "key#elevenlabs"}}
    item = client.get_item(TableName=store.table, Key=key)["Item"] | change
    client.put_item(TableName=store.table, Item={name: value for name, value in item.items() if value is not None})
    client.close()
    store.commit([Change(key_ref("acme", "other"), {"n": 2}, None)])
    assert [(found.ref, found.document) for found in store.scan()] == [(KEY, {}), (key_ref("acme", "other"), {"n": 2})]
    read = store.read(KEY)
    assert read is not None
    assert read.document == {}


PLANTED: dict[str, tuple[str, str, Callable[[DynamoStore], object]]] = {
    "a key": ("acme", "key#elevenlabs", lambda store: list(store.scan())),
    "a key of a provider": ("acme", "key#elevenlabs", lambda store: list(store.scan(Query(providers=("elevenlabs",))))),
    "an account": ("acme", "account", lambda store: list(store.accounts())),
    "an event": ("acme", "event#000000000000001", lambda store: list(store.events())),
    "a key of the header": ("store", "key#elevenlabs", lambda store: list(store.scan())),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_foreign_item_is_not_taken_for_that_of_an_account(store: DynamoStore, aws: Aws, what: str) -> None:
    store.commit([Change(KEY, {"n": 1}, None)])
    pk, sk, use = PLANTED[what]
    client = aws.client("dynamodb")
    item = {"pk": {"S": pk}, "sk": {"S": sk}, "doc": {"S": '{"n": 2}'}, "rev": {"S": "r"}}
    client.put_item(TableName=store.table, Item=item)
    client.close()
    with pytest.raises(StoreCorrupt, match="not one of kojikey's"):
        use(store)


@pytest.mark.parametrize("sk", ["event#000000000002", "event#000000000000001x", "event#1", "event#00000000000000¹"])
@pytest.mark.parametrize("account", ["acme", "other"])
def test_an_event_that_was_moved_counts_as_damaged(store: DynamoStore, aws: Aws, account: str, sk: str) -> None:
    store.commit([], [EVENT])
    client = aws.client("dynamodb")
    key = {"pk": {"S": "account#acme"}, "sk": {"S": "event#000000000000001"}}
    item = client.get_item(TableName=store.table, Key=key)["Item"]
    client.put_item(TableName=store.table, Item=item | {"pk": {"S": f"account#{account}"}, "sk": {"S": sk}})
    client.close()
    assert [found for found in store.events() if found != EVENT] == [{}]
    assert {} in list(store.events(account))


@pytest.mark.parametrize("query", [Query(), Query(account="acme"), Query(account="acme", shard=(1, 1))], ids=str)
def test_an_attribute_that_names_another_provider_hides_no_key(store: DynamoStore, aws: Aws, query: Query) -> None:
    store.commit([Change(KEY, {"n": 1}, None), Change(key_ref("acme", "google_gemini"), {"n": 2}, None)])
    client = aws.client("dynamodb")
    key = {"pk": {"S": "account#acme"}, "sk": {"S": "key#elevenlabs"}}
    item = client.get_item(TableName=store.table, Key=key)["Item"] | {"provider": {"S": "google_gemini"}}
    client.put_item(TableName=store.table, Item=item)
    client.close()
    for provider, number in (("elevenlabs", 1), ("google_gemini", 2)):
        found = list(store.scan(query._replace(providers=(provider,))))
        assert [stored.document for stored in found] == [{"n": number}]


@pytest.mark.parametrize("layout", [{"N": "2"}, {"S": "\x1b"}, None])
def test_a_newer_layout_is_not_read(store: DynamoStore, aws: Aws, layout: Any) -> None:
    client = aws.client("dynamodb")
    key = {"pk": {"S": "store"}, "sk": {"S": "header"}}
    item = client.get_item(TableName=store.table, Key=key)["Item"] | {"layout": layout}
    client.put_item(TableName=store.table, Item={name: value for name, value in item.items() if value is not None})
    client.close()
    with pytest.raises(StoreUnavailable, match="has layout") as raised:
        store.open()
    assert str(raised.value).isprintable()


# limits


def test_more_than_a_hundred_changes_at_once_are_refused_before_anything_is_sent(
    store: DynamoStore, front: Scripted
) -> None:
    changes = [Change(key_ref("acme", f"p{number}"), {}, None) for number in range(100)]
    with pytest.raises(StoreUnavailable, match="and this has 101; nothing was changed"):
        store.commit(changes, [EVENT])
    assert front.seen == []
    store.commit(changes)


def test_more_than_four_megabytes_at_once_are_refused(store: DynamoStore, front: Scripted) -> None:
    changes = [Change(key_ref("acme", f"p{number}"), {"x": "y" * 64_000}, None) for number in range(66)]
    with pytest.raises(StoreUnavailable, match="at most 4 MB in one change; nothing was changed"):
        store.commit(changes)
    assert front.seen == []
    store.commit(changes[:60])


# the client


def test_reads_are_strongly_consistent(store: DynamoStore, front: Scripted) -> None:
    for _, use in VERBS.values():
        use(store)
    reads = [request for operation, request in front.seen if operation in ("GetItem", "Query", "Scan")]
    assert len(reads) >= 7
    assert all(request["ConsistentRead"] is True for request in reads)


def test_without_credentials_nothing_is_sent(
    store: DynamoStore, front: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreDenied, match="no valid credentials") as raised:
        store.open()
    assert raised.value.hint
    assert "AWS_PROFILE" in raised.value.hint
    monkeypatch.setenv("AWS_PROFILE", "nobody-of-that-name")
    with pytest.raises(StoreDenied, match="no valid credentials"):
        store.open()
    assert front.seen == []


def test_credentials_are_never_shown(store: DynamoStore, front: Scripted) -> None:
    front.always("*", refusal("InvalidSignatureException", "CANARY made-up-secret-CANARY"))
    with pytest.raises(StoreDenied) as raised:
        store.open()
    assert CANARY not in f"{raised.value} {raised.value.hint} {store.describe()} {vars(store)['place']}"


def test_a_server_that_is_not_there_is_reported_soon(aws: Aws, waits: list[float]) -> None:
    with scripted(aws.endpoint) as gone:
        endpoint = gone.endpoint
    store = DynamoStore(new_table(), region=REGION, endpoint=endpoint, sleep=waits.append)
    with pytest.raises(StoreUnreachable, match="cannot be reached"):
        store.open()
    assert len(waits) == 2
    assert "cannot be reached" in dict(store.describe().details)["state"]
    store.close()


def test_an_endpoint_of_the_environment_is_checked_like_one_of_the_url(
    monkeypatch: pytest.MonkeyPatch, aws: Aws
) -> None:
    from kojikey.model.errors import UsageError

    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://10.0.0.1:8000")
    store = DynamoStore(new_table(), region=REGION)
    with pytest.raises(UsageError, match="loopback"):
        store.open()


def test_without_boto3_it_says_what_to_install(fresh: DynamoStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3.session", None)
    with pytest.raises(StoreUnavailable, match="needs boto3") as raised:
        fresh.open()
    assert raised.value.hint == "python3 -m pip install 'kojikey[aws]'"


@pytest.mark.parametrize("many", [5_000, exhaustive(100_000)])
def test_the_memory_of_a_large_scan_does_not_grow(store: DynamoStore, front: Scripted, many: int) -> None:
    """The pages are simulated: moto would take minutes for 100,000 items, and only kojikey's memory is measured."""
    import json
    import tracemalloc

    def pages(count: int) -> Script:
        def script(operation: str, request: dict[str, Any]) -> Answer | None:
            start = int(request.get("ExclusiveStartKey", {}).get("sk", {"S": "0"})["S"])
            found = [
                {"pk": {"S": f"account#a{n}"}, "sk": {"S": "key#p"}, "rev": {"S": "r"}, "doc": {"S": doc}}
                for n in range(start, min(start + 1000, count))
            ]
            last = {"pk": {"S": "x"}, "sk": {"S": str(start + 1000)}}
            more = {"LastEvaluatedKey": last} if start + 1000 < count else {}
            front.seen.clear()
            return Answer(200, json.dumps({"Items": found, **more}).encode())

        return script

    doc = json.dumps({"pad": "x" * 980})
    peaks = []
    for count in (2_000, many):
        front.script = pages(count)
        tracemalloc.start()
        assert sum(1 for _ in store.scan()) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0] < 20_000_000
