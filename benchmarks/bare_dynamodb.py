"""DynamoDB for ``stores.py``: boto3 alone doing the adapter's work, against an AWS simulated on this machine.

Moto's own time is most of what is measured, on both sides: the ratios are kojikey's, the milliseconds are not AWS's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kojikey.aws.client import make_client
from kojikey.model.ref import Ref, account_ref, key_ref
from kojikey.stores.dynamodb import items as items

Row = dict[str, Any]
_MADE_UP = {
    "AWS_ACCESS_KEY_ID": "AKIAMADEUPMADEUP0000",
    "AWS_SECRET_ACCESS_KEY": "made-up",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class BareDynamo:
    """boto3 with the adapter's requests (see ``stores.Bare``)."""

    def __init__(self, table: str, region: str, endpoint: str) -> None:
        self._table = table
        self._client = make_client("dynamodb", region=region, endpoint=endpoint)

    def read(self, kind: str, row: Row) -> Any:
        """Read one document."""
        key = items.place_of(_ref(kind, row))
        return self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True).get("Item")

    def change(self, added: list[tuple[str, Row]], swapped: list[tuple[str, Row]], event: Row | None) -> None:
        """Do it in one transaction."""
        actions = [self._put(kind, row) for kind, row in (*added, *swapped)]
        if event:
            item = items.place_of_event(event) | _content(event)
            actions.append(self._action(item, {"ConditionExpression": "attribute_not_exists(pk)"}))
        self._client.transact_write_items(TransactItems=actions)

    def scan(self) -> int:
        """Read page by page."""
        count = 0
        more: dict[str, Any] = {}
        while True:
            answer = self._client.scan(
                TableName=self._table,
                ConsistentRead=True,
                Limit=1000,
                FilterExpression="begins_with(sk, :prefix)",
                ExpressionAttributeValues={":prefix": {"S": items.KEY_PREFIX}},
                **more,
            )
            count += len(answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return count
            more = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _put(self, kind: str, row: Row) -> Row:
        item = items.place_of(_ref(kind, row)) | _content(row)
        if row.get("before") is None:
            return self._action(item, {"ConditionExpression": "attribute_not_exists(pk)"})
        values = {":rev": {"S": row["before"]}}
        return self._action(item, {"ConditionExpression": "rev = :rev", "ExpressionAttributeValues": values})

    def _action(self, item: Row, condition: Row) -> Row:
        return {"Put": {"TableName": self._table, "Item": item, **condition}}


def _ref(kind: str, row: Row) -> Ref:
    if kind == "header":
        return Ref("header")
    return account_ref(row["account"]) if kind == "account" else key_ref(row["account"], row["provider"])


def _content(row: Row) -> Row:
    return {"doc": {"S": row["document"]}, "rev": {"S": row["revision"]}}


@contextmanager
def playing() -> Iterator[tuple[str, str, Callable[[], BareDynamo]]]:
    """Give the URLs of two tables, and what opens the second with boto3 alone; ``tests/servers`` is importable."""
    from support.servers.aws import REGION, start, stop

    before = dict(os.environ)
    os.environ.update(_MADE_UP)
    process, place = start()
    try:
        yield place.url("keys"), place.url("bare-keys"), lambda: BareDynamo("bare-keys", REGION, place.endpoint)
    finally:
        stop(process)
        os.environ.clear()
        os.environ.update(before)
