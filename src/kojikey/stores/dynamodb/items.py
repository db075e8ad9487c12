"""The layout of documents and events in a DynamoDB table, and the parts of requests that depend on it.

Must not: send a request, or interpret an answer.

All items of an account are in one partition (``pk`` is ``account#NAME``), so that IAM's ``dynamodb:LeadingKeys`` can
limit an account's owner to it, and a change and its events are in the same partition:

==================  ======================  ==========================================================
``pk``              ``sk``                  is
==================  ======================  ==========================================================
``store``           ``header``              the header; ``layout`` is :data:`LAYOUT`
``account#NAME``    ``account``             the account's document
``account#NAME``    ``key#PROVIDER``        a key's document; ``tested_at`` for filters, ``provider`` for other readers
``account#NAME``    ``event#000000000001``  an event, its number padded so that the items are in order
==================  ======================  ==========================================================

Each has ``doc`` (the document as JSON text, because DynamoDB's maps allow no large numbers and no empty keys) and
``rev``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from kojikey.model.errors import Effect, StoreCorrupt
from kojikey.model.ref import HEADER, Document, Ref, account_ref, key_ref
from kojikey.stores import base
from kojikey.stores.base import Change, EventRow, Query, Stored

LAYOUT = 1
CHANGES_AT_ONCE = 100  # TransactWriteItems allows 100 actions on 4 MB of items:
BYTES_AT_ONCE = 4 * 1024 * 1024 - 100 * 512  # docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
HEADER_PARTITION, ACCOUNT_PREFIX = "store", "account#"
ACCOUNT, KEY_PREFIX, EVENT_PREFIX = "account", "key#", "event#"
KEY_SCHEMA = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
ATTRIBUTES = [{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"}]

_PROVIDERS_IN_A_FILTER = 100  # operands of IN
_DIGITS = 15

Item = dict[str, dict[str, Any]]


class Written(NamedTuple):
    """One action of a commit, and the document that an error names."""

    action: dict[str, Any]
    ref: Ref


def partition(account: str) -> str:
    """Return the partition key of an account."""
    return ACCOUNT_PREFIX + account


def place_of(ref: Ref) -> Item:
    """Return the primary key of a document."""
    if ref.kind == "header":
        return _key(HEADER_PARTITION, "header")
    return _key(partition(ref.account), {"account": ACCOUNT, "key": KEY_PREFIX + ref.provider}[ref.kind])


def place_of_event(event: Document) -> Item:
    """Return the primary key of an event."""
    return _key(partition(event["account"]), f"{EVENT_PREFIX}{event['seq']:0{_DIGITS}}")


def item_of(ref: Ref, document: Document, text: str, revision: str) -> Item:
    """Return the item of a document with its encoded ``text``."""
    item = place_of(ref) | {"doc": {"S": text}, "rev": {"S": revision}}
    if ref == HEADER:
        item["layout"] = {"N": str(LAYOUT)}
    if ref.kind == "key":
        item["provider"] = {"S": ref.provider}
        if isinstance(document.get("tested_at"), str):
            item["tested_at"] = {"S": document["tested_at"]}
    return item


def change_of(table: str, change: Change, text: str | None, revision: str) -> Written:
    """Return the action that makes a change if the document still has its revision."""
    action: dict[str, Any] = {"TableName": table}
    if change.if_revision is None:
        action["ConditionExpression"] = "attribute_not_exists(pk)"
    else:
        action |= {"ConditionExpression": "rev = :rev"}
        action["ExpressionAttributeValues"] = {":rev": {"S": change.if_revision}}
    if change.keeps:
        return Written({"ConditionCheck": action | {"Key": place_of(change.ref)}}, change.ref)
    if text is None or change.document is None:
        return Written({"Delete": action | {"Key": place_of(change.ref)}}, change.ref)
    return Written({"Put": action | {"Item": item_of(change.ref, change.document, text, revision)}}, change.ref)


def event_of(table: str, event: Document, text: str, revision: str) -> Written:
    """Return the action that appends an event if there is none in its place."""
    item = place_of_event(event) | {"doc": {"S": text}, "rev": {"S": revision}}
    action = {"TableName": table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
    return Written({"Put": action}, account_ref(event["account"]))


def stored_of(item: Item, place: str) -> Stored:
    """Return the document in an item, an empty one if it is damaged.

    Raises:
        StoreCorrupt: the item belongs to no account, or is a damaged header.
    """
    pk, sk, revision, text = (_text(item, name) for name in ("pk", "sk", "rev", "doc"))
    return base.stored_of(_ref_of(pk, sk, place), text if revision else None, revision or "", place)


def event_row(item: Item, place: str) -> EventRow:
    """Return an event with the account and number of its item; None for a number that is not written as ours are.

    Raises:
        StoreCorrupt: the item belongs to no account.
    """
    digits = (_text(item, "sk") or "").removeprefix(EVENT_PREFIX)
    is_ours = len(digits) == _DIGITS and digits.isascii() and digits.isdigit()
    return account_of(item, place), int(digits) if is_ours else None, _text(item, "doc")


def _text(item: Item, name: str) -> str | None:
    found = item.get(name)
    return found.get("S") if isinstance(found, dict) else None


def account_of(item: Item, place: str) -> str:
    """Return the account of an item.

    Raises:
        StoreCorrupt: its partition key is not that of an account.
    """
    pk = _text(item, "pk") or ""
    if not pk.startswith(ACCOUNT_PREFIX):
        raise _foreign(place)
    return pk.removeprefix(ACCOUNT_PREFIX)


def _ref_of(pk: str | None, sk: str | None, place: str) -> Ref:
    if (pk, sk) == (HEADER_PARTITION, "header"):
        return HEADER
    if pk and sk and pk.startswith(ACCOUNT_PREFIX):
        account = pk.removeprefix(ACCOUNT_PREFIX)
        if sk == ACCOUNT:
            return account_ref(account)
        if sk.startswith(KEY_PREFIX):
            return key_ref(account, sk.removeprefix(KEY_PREFIX))
    raise _foreign(place)


def _foreign(place: str) -> StoreCorrupt:
    return StoreCorrupt(place, "has an item that is not one of kojikey's", effect=Effect.NOTHING_CHANGED)


def of_account(account: str, prefix: str) -> dict[str, Any]:
    """Return the request for an account's items whose sort key begins with a prefix."""
    return {
        "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
        "ExpressionAttributeValues": {":pk": {"S": partition(account)}, ":prefix": {"S": prefix}},
    }


def of_query(query: Query) -> dict[str, Any]:
    """Return the request for the keys of a query: a query for one account, else a scan of the table.

    A shard of one account needs a scan too, because the engine does not say which segment has an account. A query
    cannot filter by primary key, so the few keys of one account are not filtered by provider.
    """
    shard = None if query.shard is None or query.shard[1] == 1 else query.shard
    if query.account is not None and shard is None:
        request = of_account(query.account, KEY_PREFIX)
        terms = []
    else:
        request = {"ExpressionAttributeValues": {}}
        terms = [_whose_keys(query.providers, request["ExpressionAttributeValues"])]
        if shard is not None:
            request |= {"Segment": shard[0] - 1, "TotalSegments": shard[1]}
        if query.account is not None:
            terms.append("pk = :pk")
            request["ExpressionAttributeValues"][":pk"] = {"S": partition(query.account)}
    terms += _filters(query, request["ExpressionAttributeValues"])
    if terms:
        request["FilterExpression"] = " AND ".join(terms)
    return request


def _whose_keys(providers: Sequence[str], values: dict[str, Any]) -> str:
    """Return the filter of a scan for the keys of some providers, or of all if none is named.

    It filters by sort key, not by the attribute ``provider``: a changed attribute would hide a key.
    """
    if not 0 < len(providers) <= _PROVIDERS_IN_A_FILTER:
        values[":prefix"] = {"S": KEY_PREFIX}
        return "begins_with(sk, :prefix)"
    names = [f":p{number}" for number in range(len(providers))]
    values |= {name: {"S": KEY_PREFIX + provider} for name, provider in zip(names, providers, strict=True)}
    return f"sk IN ({', '.join(names)})"


def _filters(query: Query, values: dict[str, Any]) -> list[str]:
    if query.not_tested_since is None:
        return []
    values[":since"] = {"S": query.not_tested_since}
    return ["(attribute_not_exists(tested_at) OR tested_at < :since)"]


def size_of(texts: Sequence[str | None]) -> int:
    """Return the number of bytes of a commit's documents (they are ASCII)."""
    return sum(len(text) for text in texts if text is not None)


def _key(pk: str, sk: str) -> Item:
    return {"pk": {"S": pk}, "sk": {"S": sk}}
