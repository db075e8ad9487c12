"""The policy of ``store policy`` allows every request of an account's owner, and none about another account.

Moto does not evaluate the conditions of IAM. So the tests record the requests of an owner and check them against the
policy by the rules that AWS documents for these conditions
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html): an approximation. Moto's
IAM evaluates actions, and shows that a missing permission is named.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from kojikey.model.errors import StoreDenied
from kojikey.model.ref import account_ref, key_ref
from kojikey.stores.base import Change, Query
from kojikey.stores.dynamodb.store import DynamoStore
from kojikey.stores.dynamodb.table import iam_policy
from support.program import Program
from support.servers.aws import REGION, Aws, new_table, set_credentials, start, stop
from support.servers.scripted_aws import Scripted, scripted

ARN = "arn:aws:dynamodb:eu-central-1:123456789012:table/kojikey"


@pytest.fixture
def front(aws: Aws) -> Iterator[Scripted]:
    with scripted(aws.endpoint) as server:
        yield server


def needs(operation: str, request: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Return the actions of a request that IAM checks, each with its leading partition keys."""
    if operation == "TransactWriteItems":
        return [need for action in request["TransactItems"] for need in _of_action(action)]
    if operation in ("Encrypt", "Decrypt"):
        return [(f"kms:{operation}", [])]
    if operation == "Query":
        return [("dynamodb:Query", [request["ExpressionAttributeValues"][":pk"]["S"]])]
    leading = [request["Key"]["pk"]["S"]] if "Key" in request else []
    return [(f"dynamodb:{operation}", leading)]


def _of_action(action: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for kind, parts in action.items():
        yield f"dynamodb:{kind}Item", [(parts.get("Key") or parts["Item"])["pk"]["S"]]


def allows(policy: dict[str, Any], action: str, leading: list[str], context: dict[str, str]) -> bool:
    """Return whether a policy allows an action."""
    return any(
        action in statement["Action"] and _holds(statement["Condition"], leading, context)
        for statement in policy["Statement"]
    )


def _holds(conditions: dict[str, Any], leading: list[str], context: dict[str, str]) -> bool:
    assert set(conditions) <= {"ForAllValues:StringEquals", "Null", "StringEquals"}
    for_all = conditions.get("ForAllValues:StringEquals", {}).get("dynamodb:LeadingKeys")
    there = conditions.get("Null", {}).get("dynamodb:LeadingKeys") != "false" or leading != []
    equal = all(
        context.get(name.rpartition(":")[2]) == value for name, value in conditions.get("StringEquals", {}).items()
    )
    return (for_all is None or set(leading) <= set(for_all)) and there and equal


def refused(policy: dict[str, Any], seen: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, list[str]]]:
    """Return the actions of these requests that a policy does not allow."""
    return [
        (action, leading)
        for operation, request in seen
        for action, leading in needs(operation, request)
        if not allows(policy, action, leading, request.get("EncryptionContext", {}))
    ]


def test_the_owner_of_an_account_can_do_all_with_it_and_nothing_with_another(
    kojikey: Program, aws: Aws, front: Scripted
) -> None:
    set_by_aws(kojikey)
    url = f"dynamodb://{new_table()}?region={REGION}&endpoint={front.endpoint}"
    kek = f"awskms:{aws.new_key()}?region={REGION}&endpoint={front.endpoint}"
    assert kojikey("store", "init", url, "--name", "team", "--kek", kek).code == 0
    for name in ("acme", "other"):
        assert kojikey.add("elevenlabs", "ok", "--store", "team", "--account", name).code == 0
    printed = kojikey("store", "policy", "acme", "--store", "team")
    assert printed.code == 0, printed.said
    policy = json.loads(printed.out)

    front.seen.clear()
    as_owner(kojikey, "acme")
    assert len(front.seen) > 20
    assert refused(policy, front.seen) == []

    front.seen.clear()
    as_owner(kojikey, "other")
    operations = {operation for operation, _ in front.seen}
    assert {"GetItem", "Query", "TransactWriteItems", "Decrypt"} <= operations
    header = [("dynamodb:GetItem", ["store"])]
    of_other = [need for operation, request in front.seen for need in needs(operation, request) if [need] != header]
    assert sorted(refused(policy, front.seen)) == sorted(of_other)

    front.seen.clear()
    kojikey("list", "--all-accounts", "--store", "team")
    assert ("dynamodb:Scan", []) in refused(policy, front.seen)


def test_an_owner_can_create_its_account_under_its_policy(kojikey: Program, aws: Aws, front: Scripted) -> None:
    set_by_aws(kojikey)
    url = f"dynamodb://{new_table()}?region={REGION}&endpoint={front.endpoint}"
    kek = f"awskms:{aws.new_key()}?region={REGION}&endpoint={front.endpoint}"
    assert kojikey("store", "init", url, "--name", "team", "--kek", kek).code == 0
    policy = json.loads(kojikey("store", "policy", "acme", "--store", "team").out)
    front.seen.clear()
    assert kojikey.add("elevenlabs", "ok", "--store", "team", "--account", "acme").code == 0
    assert "TransactWriteItems" in front.operations()
    assert refused(policy, front.seen) == []


def set_by_aws(kojikey: Program) -> None:
    kojikey.environ |= {name: value for name, value in os.environ.items() if name.startswith("AWS_")}


def as_owner(kojikey: Program, account: str) -> None:
    """Run every command of an account's owner."""
    common = ("--store", "team", "--account", account)
    for command in (
        ("test", "elevenlabs"),
        ("list",),
        ("history", "elevenlabs"),
        ("get", "elevenlabs", "--reveal"),
        ("audit",),
        ("audit", "--verify"),
    ):
        ended = kojikey(*command, *common)
        assert ended.code == 0, ended.said
    for name in ("ok_2", "ok"):
        ended = kojikey.rotate("elevenlabs", name, *common)
        assert ended.code == 0, ended.said
    ended = kojikey("remove", "elevenlabs", "--yes", *common)
    assert ended.code == 0, ended.said
    assert kojikey.add("elevenlabs", "ok", *common).code == 0


def test_only_a_dynamodb_store_has_a_policy(kojikey: Program) -> None:
    kojikey.added()
    ended = kojikey("store", "policy", "acme", "--json")
    assert ended.code == 2
    assert "DynamoDB" in ended.error["message"]


def test_the_policy_without_kms_is_about_the_table_alone(kojikey: Program, aws: Aws) -> None:
    set_by_aws(kojikey)
    table = new_table()
    assert kojikey("store", "init", aws.url(table), "--kek", "env").code == 0
    ended = kojikey("store", "policy", "acme", "--store", aws.url(table), "--json")
    assert ended.result["policy"] == iam_policy(ARN.removesuffix("kojikey") + table, "acme")


def test_each_statement_needs_a_leading_key() -> None:
    for statement in iam_policy(ARN, "acme")["Statement"]:
        assert statement["Resource"] == ARN
        assert statement["Condition"]["Null"] == {"dynamodb:LeadingKeys": "false"}
        assert "dynamodb:Scan" not in statement["Action"]
        assert not any("*" in action for action in statement["Action"])
    assert not allows(iam_policy(ARN, "acme"), "dynamodb:GetItem", [], {})
    assert not allows(iam_policy(ARN, "acme"), "dynamodb:GetItem", ["account#acme", "account#other"], {})
    assert not allows(iam_policy(ARN, "acme"), "dynamodb:PutItem", ["store"], {})
    assert allows(iam_policy(ARN, "acme"), "dynamodb:GetItem", ["store"], {})


def test_a_denied_call_says_which_permission_is_missing(
    monkeypatch: pytest.MonkeyPatch, clean_environment: None
) -> None:
    set_credentials(monkeypatch)
    # As administrator: the store, and a user who may read and no more. Then IAM looks.
    process, place = start(INITIAL_NO_AUTH_ACTION_COUNT="9")
    try:
        store = DynamoStore("kojikey", region=REGION, endpoint=place.endpoint, sleep=lambda _: None)
        store.create({})  # 6 calls
        reader_of(place, monkeypatch)  # 3 calls
        limited = DynamoStore("kojikey", region=REGION, endpoint=place.endpoint, sleep=lambda _: None)
        limited.open()
        missing = {
            "dynamodb:Scan": lambda: list(limited.scan()),
            "dynamodb:Query": lambda: list(limited.scan(Query(account="acme"))),
            "dynamodb:DescribeTable": limited.arn,
        }
        for permission, verb in missing.items():
            with pytest.raises(StoreDenied, match=f"lack {permission} on it"):
                verb()
        with pytest.raises(StoreDenied, match="lack "):
            limited.commit([Change(key_ref("acme", "p"), {}, None)])
        assert limited.read(account_ref("acme")) is None
        store.close()
        limited.close()
    finally:
        stop(process)


def reader_of(place: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create a user with permission to read single items, and use its credentials."""
    iam = place.client("iam")
    iam.create_user(UserName="reader")
    statement = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName="reader", PolicyName="reads", PolicyDocument=document)
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    iam.close()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
