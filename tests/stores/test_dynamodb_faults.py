"""Throttling, lost answers, refusals and pages of gateways, from a proxy before moto, which has none of them."""

from __future__ import annotations

import json
from typing import Any

import boto3.exceptions
import botocore.exceptions
import botocore.parsers
import pytest

from kojikey.aws.errors import Boto3Missing
from kojikey.model.errors import (
    ChangedMeanwhile,
    StoreCorrupt,
    StoreDenied,
    StoreLocked,
    StoreNotFound,
    StoreUnavailable,
    StoreUnreachable,
)
from kojikey.stores.base import Change, Stored
from kojikey.stores.dynamodb.errors import translated
from kojikey.stores.dynamodb.store import DynamoStore
from support.each import each
from support.servers.aws import REGION, Aws
from support.servers.dynamo_stores import ACCOUNT, CANARY, EVENT, KEY, VERBS, fresh, front, store, waits
from support.servers.scripted_aws import DROPPED, LOST, Answer, Scripted, refusal

__all__ = ["fresh", "front", "store", "waits"]


def cancelled(*codes: str) -> Answer:
    reasons = [{"Code": code, "Message": CANARY} for code in codes]
    return refusal("TransactionCanceledException", CancellationReasons=reasons)


DENIAL = f"User: arn:aws:iam::1:user/{CANARY} is not authorized to perform: dynamodb:It on resource: {CANARY}"
FAILURES: dict[str, tuple[Answer, type[StoreUnavailable], str]] = {
    "denied": (refusal("AccessDeniedException", DENIAL), StoreDenied, "lack dynamodb:It on"),
    "denied by KMS": (
        refusal("AccessDeniedException", f"not authorized to perform: kms:Decrypt on {CANARY}"),
        StoreDenied,
        "lack kms:Decrypt on",
    ),
    "denied without a word": (refusal("AccessDeniedException"), StoreDenied, "lack dynamodb:"),
    "expired": (refusal("ExpiredTokenException"), StoreDenied, "no valid credentials"),
    "unknown credentials": (refusal("UnrecognizedClientException"), StoreDenied, "no valid credentials"),
    "bad signature": (refusal("InvalidSignatureException"), StoreDenied, "no valid credentials"),
    "throttled": (refusal("ProvisionedThroughputExceededException"), StoreLocked, "was throttled"),
    "account limit": (refusal("ThrottlingException"), StoreLocked, "was throttled"),
    "internal": (refusal("InternalServerError", status=500), StoreUnreachable, "is not available at AWS"),
    "unavailable": (refusal("ServiceUnavailable", status=503), StoreUnreachable, "is not available at AWS"),
    "a gateway": (Answer(502, b"<html>CANARY</html>"), StoreUnreachable, "is not available at AWS"),
    "a gateway that refuses": (Answer(403, b"<html>CANARY</html>"), StoreDenied, "lack a permission"),
    "a portal": (Answer(302, b"<html>CANARY</html>"), StoreUnreachable, "something else answers in place of"),
    "not AWS": (Answer(404, b"<html>CANARY</html>"), StoreUnreachable, "something else answers in place of"),
    "something new": (refusal("FutureException"), StoreUnavailable, "refused, with FutureException"),
    "something odd": (refusal("x y\x1b[2J"), StoreUnavailable, "refused, with status 400"),
    "another shape": (refusal("ValidationException"), StoreCorrupt, "another structure"),
    "no answer": (DROPPED, StoreUnreachable, "cannot be reached"),
}


@pytest.mark.parametrize("verb", VERBS)
@each("name", FAILURES)
def test_each_failure_is_distinguished_and_repeats_nothing(
    store: DynamoStore, front: Scripted, verb: str, name: str
) -> None:
    answer, kind, words = FAILURES[name]
    operation, use = VERBS[verb]
    front.always(operation, answer)
    with pytest.raises(StoreUnavailable) as raised:
        use(store)
    assert type(raised.value) is kind
    assert words in str(raised.value)
    assert CANARY not in f"{raised.value} {raised.value.hint}"
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("verb", VERBS)
def test_a_refusal_without_a_word_names_the_permission_of_what_was_asked(
    store: DynamoStore, front: Scripted, verb: str
) -> None:
    operation, use = VERBS[verb]
    needed = "PutItem or dynamodb:DeleteItem" if operation == "TransactWriteItems" else operation
    for answer in (refusal("AccessDeniedException"), refusal("AccessDeniedException", "explicit deny")):
        front.always(operation, answer)
        with pytest.raises(StoreDenied, match=f"lack dynamodb:{needed} on it"):
            use(store)


def test_a_table_that_was_deleted_is_reported_as_missing(store: DynamoStore, front: Scripted) -> None:
    for operation, use in VERBS.values():
        front.always(operation, refusal("ResourceNotFoundException"))
        with pytest.raises(StoreNotFound):
            use(store)


def test_a_page_that_names_itself_as_the_next_one_ends_the_scan(store: DynamoStore, front: Scripted) -> None:
    place = {"pk": {"S": "account#acme"}, "sk": {"S": "account"}}
    front.always("Scan", Answer(200, json.dumps({"Items": [], "LastEvaluatedKey": place}).encode()))
    with pytest.raises(StoreUnreachable, match="something else answers"):
        list(store.scan())


def everyone(module: Any, root: type[Exception]) -> list[type[Exception]]:
    found: list[type[Exception]] = [kind for kind in vars(module).values() if isinstance(kind, type)]
    return [kind for kind in found if issubclass(kind, root)]


ALL = [
    *everyone(botocore.exceptions, botocore.exceptions.BotoCoreError),
    *everyone(boto3.exceptions, boto3.exceptions.Boto3Error),
    botocore.parsers.ResponseParserError,
    Boto3Missing,
]


def test_the_list_of_exceptions_is_complete() -> None:
    assert len(ALL) > 80


@each("kind", ALL)
def test_no_exception_of_boto3_leaves_the_store(kind: type[Exception]) -> None:
    ours = translated(kind.__new__(kind), "dynamodb://t?region=r")
    assert isinstance(ours, StoreUnavailable)
    assert CANARY not in str(ours)


def test_an_exception_that_is_not_of_boto3_passes_unchanged() -> None:
    assert translated(KeyError("x"), "somewhere") is None


# what is not DynamoDB's

PAGES = {
    "a page": b"<html>CANARY</html>",
    "nothing": b"",
    "a list": b"[]",
    "half an answer": b'{"Item": {"pk": {"S": "CANARY',
    "a number": b'{"Item": 5, "Items": 5, "Table": 5, "UnprocessedItems": 5, "ConsumedCapacity": 5}',
    "numbers inside": b'{"Item": {"pk": 5}, "Items": [5], "Table": {"KeySchema": 5}, "ConsumedCapacity": {"Table": 5}}',
}


@pytest.mark.parametrize("verb", VERBS)
@each("page", PAGES)
def test_an_answer_that_is_not_dynamodbs_is_neither_an_empty_table_nor_a_bug(
    store: DynamoStore, front: Scripted, verb: str, page: str
) -> None:
    operation, use = VERBS[verb]
    front.always(operation, Answer(200, PAGES[page]))
    with pytest.raises(StoreUnreachable) as raised:
        use(store)
    is_change = operation == "TransactWriteItems"
    assert "something else answers in place of DynamoDB" in str(raised.value)
    assert ("it is not known whether" in str(raised.value)) == is_change
    assert CANARY not in f"{raised.value} {raised.value.hint}"
    assert raised.value.__suppress_context__


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("operation", ["DescribeTable", "GetItem", "Scan"])
def test_no_store_is_created_where_another_server_answers(
    fresh: DynamoStore, front: Scripted, operation: str, page: str
) -> None:
    fresh.create({"format": 1})
    front.always(operation, Answer(200, PAGES[page]))
    if operation == "Scan":
        front.script = lambda asked, request: {
            "GetItem": Answer(200, b"{}"),
            "Scan": Answer(200, PAGES[page]),
        }.get(asked)
    with pytest.raises(StoreUnreachable):
        fresh.create({"format": 2})
    front.script = lambda asked, request: None
    assert fresh.open().document == {"format": 1}


def test_an_answer_without_its_required_members_is_not_dynamodbs(store: DynamoStore, front: Scripted) -> None:
    for operation, use in (("Scan", lambda: list(store.scan())), ("DescribeTable", store.arn)):
        front.always(operation, Answer(200, b"{}"))
        with pytest.raises(StoreUnreachable, match="something else answers"):
            use()


# waiting and trying again


@pytest.mark.parametrize(
    "code", ["ThrottlingException", "ProvisionedThroughputExceededException", "InternalServerError"]
)
@pytest.mark.parametrize("verb", VERBS)
def test_temporary_refusals_are_retried(
    store: DynamoStore, front: Scripted, waits: list[float], verb: str, code: str
) -> None:
    operation, use = VERBS[verb]
    front.once(operation, *[refusal(code, status=500 if code == "InternalServerError" else 400)] * 4)
    use(store)
    assert len(waits) == 4
    assert all(0 <= wait <= 2 for wait in waits)


def test_the_waits_between_retries_are_random_and_grow(store: DynamoStore, front: Scripted, waits: list[float]) -> None:
    front.always("GetItem", refusal("ThrottlingException"))
    for _ in range(30):
        with pytest.raises(StoreLocked):
            store.read(KEY)
    rounds = [waits[start : start + 9] for start in range(0, len(waits), 9)]
    assert len(rounds) == 30
    first, last = [found[0] for found in rounds], [found[-1] for found in rounds]
    assert max(first) <= 0.1 < max(last) <= 2
    assert len(set(first)) > 20


@pytest.mark.parametrize(
    "reasons", [("None", "TransactionConflict"), ("ThrottlingError", "None"), ("ProvisionedThroughputExceeded", "None")]
)
def test_a_transaction_that_conflicts_with_another_is_retried(
    store: DynamoStore, front: Scripted, waits: list[float], reasons: tuple[str, ...]
) -> None:
    front.once("TransactWriteItems", cancelled(*reasons), refusal("TransactionInProgressException"))
    store.commit([Change(KEY, {"n": 1}, None)], [EVENT])
    assert len(waits) == 2
    tokens = {request["ClientRequestToken"] for _, request in front.seen if "ClientRequestToken" in request}
    assert len(tokens) == 1
    assert [found["seq"] for found in store.events("acme")] == [1]


def test_endless_conflicts_with_others_are_reported(store: DynamoStore, front: Scripted) -> None:
    front.always("TransactWriteItems", cancelled("TransactionConflict"))
    with pytest.raises(StoreLocked, match="others keep changing the same documents; nothing was changed"):
        store.commit([Change(KEY, {"n": 1}, None)])


def test_a_condition_that_does_not_hold_is_a_conflict_and_is_not_retried(
    store: DynamoStore, front: Scripted, waits: list[float]
) -> None:
    front.always("TransactWriteItems", cancelled("TransactionConflict", "ConditionalCheckFailed", "None"))
    with pytest.raises(ChangedMeanwhile) as raised:
        store.commit([Change(KEY, {}, None), Change(ACCOUNT, {}, None)], [EVENT])
    assert raised.value.ref == ACCOUNT
    assert waits == []


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ValidationError", StoreCorrupt),
        ("AccessDenied", StoreDenied),
        ("ItemCollectionSizeLimitExceeded", StoreUnavailable),
    ],
)
def test_other_reasons_of_a_cancelled_transaction_are_reported(
    store: DynamoStore, front: Scripted, code: str, kind: type[StoreUnavailable]
) -> None:
    front.always("TransactWriteItems", cancelled("None", code))
    with pytest.raises(kind) as raised:
        store.commit([Change(KEY, {}, None)], [EVENT])
    assert ("lack dynamodb:PutItem or" in str(raised.value)) == (kind is StoreDenied)


# answers that were lost


def test_a_change_whose_answer_was_lost_is_found_to_be_done(store: DynamoStore, front: Scripted) -> None:
    """Moto ignores request tokens, so the second attempt conflicts with the items that the first one wrote."""
    front.once("TransactWriteItems", LOST)
    (revision,) = store.commit([Change(KEY, {"n": 1}, None)], [EVENT])
    assert front.operations().count("TransactWriteItems") == 2
    assert store.read(KEY) == Stored(KEY, {"n": 1}, revision)
    assert list(store.events("acme")) == [EVENT]


def test_a_lone_event_whose_answer_was_lost_is_found_to_be_done(store: DynamoStore, front: Scripted) -> None:
    front.once("TransactWriteItems", LOST)
    store.commit([], [EVENT])
    assert list(store.events("acme")) == [EVENT]


def test_a_change_that_was_lost_on_the_way_is_done_by_the_next_attempt(store: DynamoStore, front: Scripted) -> None:
    front.once("TransactWriteItems", DROPPED)
    store.commit([Change(KEY, {"n": 1}, None)], [EVENT])
    assert list(store.events("acme")) == [EVENT]


def test_the_change_of_another_process_is_not_taken_for_this_ones(
    store: DynamoStore, front: Scripted, aws: Aws
) -> None:
    other = DynamoStore(store.table, region=REGION, endpoint=aws.endpoint)

    def meanwhile(operation: str, request: dict[str, Any]) -> Answer | None:
        if operation != "TransactWriteItems" or front.operations().count("TransactWriteItems") > 1:
            return None
        other.commit([Change(KEY, {"by": "other"}, None)])
        return DROPPED

    front.script = meanwhile
    with pytest.raises(ChangedMeanwhile):
        store.commit([Change(KEY, {"by": "us"}, None)])
    read = other.read(KEY)
    assert read is not None
    assert read.document == {"by": "other"}
    other.close()


@pytest.mark.parametrize("answer", [LOST, DROPPED], ids=["made", "not made"])
def test_an_unknown_outcome_is_reported_with_the_command_that_finds_out(
    store: DynamoStore, front: Scripted, answer: Answer
) -> None:
    def after_the_first(operation: str, request: dict[str, Any]) -> Answer | None:
        return answer if len(front.seen) == 1 else DROPPED

    front.script = after_the_first
    with pytest.raises(StoreUnreachable, match="it is not known whether the change was made") as raised:
        store.commit([Change(KEY, {"n": 1}, None)], [EVENT])
    assert "nothing was changed" not in str(raised.value)
    assert raised.value.hint
    assert "kojikey list" in raised.value.hint
    front.script = lambda operation, request: None
    made = store.read(KEY) is not None
    assert made == (answer is LOST)
    assert len(list(store.events("acme"))) == made


def test_a_store_is_created_even_if_the_answer_about_its_header_is_lost(fresh: DynamoStore, front: Scripted) -> None:
    front.once("PutItem", LOST)
    fresh.create({"format": 1})
    assert fresh.open().document == {"format": 1}
