"""Creates the DynamoDB table and waits for it, and has the IAM policy for an account's owner.

Must not: read or write items.
"""

from __future__ import annotations

from typing import Any

from kojikey.aws.answers import member
from kojikey.aws.client import Sleep, with_retries
from kojikey.model.errors import Effect, StoreCorrupt, StoreUnavailable
from kojikey.model.next_step import Hint, next_step
from kojikey.stores.dynamodb.errors import trouble_of
from kojikey.stores.dynamodb.items import ATTRIBUTES, HEADER_PARTITION, KEY_SCHEMA, partition

_POLL_S, _POLLS = 1.0, 120


def ensure_table(client: Any, table: str, place: str, sleep: Sleep) -> None:
    """Create the table unless it exists, and return once it is ready.

    It is billed by request and protected from accidental deletion.

    Raises:
        StoreCorrupt: the table exists with another structure; it was not changed.
        StoreUnavailable: the table is being deleted, or is not ready after two minutes.
    """
    described = _described(client, table, sleep)
    if described is None:
        _create(client, table, sleep)
    for _ in range(_POLLS):
        described = _described(client, table, sleep)
        if described is not None:
            _refuse_other_shape(described, place)
            status = member(described, "TableStatus")
            if status in ("ACTIVE", "UPDATING"):
                return
            if status != "CREATING":
                raise StoreUnavailable(
                    place, "is a table that is being deleted or archived", effect=Effect.NOTHING_CHANGED
                )
        sleep(_POLL_S)
    raise StoreUnavailable(
        place, "is still being created by AWS", hint=Hint(next_step("store init"), " again, in a few minutes")
    )


def _described(client: Any, table: str, sleep: Sleep) -> dict[str, Any] | None:
    try:
        answer = with_retries(lambda: client.describe_table(TableName=table), sleep=sleep, classify=trouble_of)
        described: dict[str, Any] = member(answer, "Table")
    except Exception as error:
        found = trouble_of(error)
        if found is None or found.kind != "missing":
            raise
        return None
    return described


def _create(client: Any, table: str, sleep: Sleep) -> None:
    def attempt() -> None:
        try:
            client.create_table(
                TableName=table,
                AttributeDefinitions=ATTRIBUTES,
                KeySchema=KEY_SCHEMA,
                BillingMode="PAY_PER_REQUEST",
                DeletionProtectionEnabled=True,
            )
        except Exception as error:
            found = trouble_of(error)
            if found is None or found.code != "ResourceInUseException":  # someone else is creating it
                raise

    with_retries(attempt, sleep=sleep, classify=trouble_of)


def _refuse_other_shape(described: dict[str, Any], place: str) -> None:
    attributes, schema = member(described, "AttributeDefinitions"), member(described, "KeySchema")
    kinds = {found.get("AttributeName"): found.get("AttributeType") for found in attributes}
    shape = [(found.get("AttributeName"), found.get("KeyType")) for found in schema]
    wanted = [(key["AttributeName"], key["KeyType"]) for key in KEY_SCHEMA]
    if shape != wanted or {kinds.get(name) for name, _ in shape} != {"S"}:
        raise StoreCorrupt(
            place,
            "is a table with another structure than kojikey's; it was left as it is",
            hint="name a table that does not exist yet, and it is created",
        )


def iam_policy(table_arn: str, account: str) -> dict[str, Any]:
    """Return the IAM policy that allows an account's owner that account's keys only.

    It does not allow ``Scan``, which reads all partitions and is not restricted by ``dynamodb:LeadingKeys``. ``Null``
    is needed because ``ForAllValues`` is also true for a request without any key
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html).
    """
    return {
        "Version": "2012-10-17",
        "Statement": [
            _statement(
                "KojikeyHeader", ["dynamodb:ConditionCheckItem", "dynamodb:GetItem"], table_arn, HEADER_PARTITION
            ),
            _statement(
                "KojikeyAccount",
                ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
                table_arn,
                partition(account),
            ),
        ],
    }


def _statement(sid: str, actions: list[str], arn: str, leading: str) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": actions,
        "Resource": arn,
        "Condition": {
            "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [leading]},
            "Null": {"dynamodb:LeadingKeys": "false"},
        },
    }
