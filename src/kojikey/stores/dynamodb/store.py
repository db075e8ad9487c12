"""The DynamoDB adapter: one table, conditional writes, a change and its events in one ``TransactWriteItems``.

Owns: the URL, the client, and the rule for repeating calls. Reads are strongly consistent.
Must not: see plaintext, or show a credential. ``items.py`` has the layout, ``errors.py`` the messages.

Scans read the table in DynamoDB's own order (a hash of the account). A shard is a segment of its parallel scan, so that
N machines together read the table once; with a filter of ours, each would read all of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, TypeVar

from kojikey.aws.answers import ForeignAnswer, member
from kojikey.aws.client import Sleep, make_client, with_retries
from kojikey.aws.settings import checked_endpoint, checked_region
from kojikey.model.errors import (
    ChangedMeanwhile,
    Effect,
    KojikeyError,
    StoreCorrupt,
    StoreUnavailable,
    StoreVersion,
    UsageError,
)
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ref import HEADER, Document, Ref, account_ref
from kojikey.stores.base import Change, Description, EventRow, Query, Store, Stored, encoded, new_revision
from kojikey.stores.dynamodb import items
from kojikey.stores.dynamodb.errors import UNKNOWN_HINT, missing, refused, translated, trouble_of

T = TypeVar("T")

_SHAPE = "write dynamodb://TABLE?region=REGION, for example dynamodb://kojikey?region=eu-central-1 (&endpoint=URL)"
_UNFINISHED_HINT = Hint("the table exists, but is empty: ", next_step("store init"), " finishes the set-up")


class DynamoStore(Store):
    """A store in one DynamoDB table. Nothing is sent before the first verb.

    ``page`` is the largest number of items in an answer (DynamoDB limits it to 1 MB); ``sleep`` waits between attempts.
    """

    partitioned: ClassVar[bool] = True
    shared_by = next_step("store policy", "ACCOUNT")

    def __init__(
        self, table: str, *, region: str, endpoint: str | None = None, page: int = 1000, sleep: Sleep = time.sleep
    ) -> None:
        self.table, self.region, self.endpoint = table, region, endpoint
        self._page, self._sleep = page, sleep
        self._made: Any = None
        self.place = f"dynamodb://{table}?region={region}" + (f"&endpoint={endpoint}" if endpoint else "")

    def close(self) -> None:
        """Release all resources. Safe to repeat."""
        client, self._made = self._made, None
        if client is not None:
            self._guard(client.close)

    def owner_policy(self, account: str) -> Document:
        """Return the IAM policy that limits an account's owner to the account. Raises as :meth:`arn`."""
        from kojikey.stores.dynamodb.table import iam_policy

        return iam_policy(self.arn(), account)

    def arn(self) -> str:
        """Return the table's Amazon Resource Name.

        Raises:
            StoreNotFound: there is no table. StoreUnavailable: AWS cannot be reached, or refused.
        """
        described: dict[str, Any] = self._guard(self._described)
        return str(described["TableArn"])

    def _create(self, header: Document) -> None:
        from kojikey.stores.dynamodb.table import ensure_table

        text = encoded(header, self.place)
        ensure_table(self._client, self.table, self.place, self._sleep)
        self._header_or_nothing()
        item = items.item_of(HEADER, header, text, new_revision())
        self._put_header(item)

    def _put_header(self, item: items.Item) -> None:
        from kojikey.model.errors import StoreExists
        from kojikey.stores.dynamodb.errors import is_refused_condition

        condition = "attribute_not_exists(pk)"
        try:
            self._call("put_item", Item=item, ConditionExpression=condition)
        except Exception as error:
            if not is_refused_condition(error):
                raise
            # the header may be ours: the answer to an earlier attempt may have been lost
            there = self._header_item()
            if there is None or there.get("rev") != item["rev"]:
                raise StoreExists(self.place) from None

    def _open(self) -> Stored:
        item = self._header_or_nothing()
        if item is None:
            raise missing(self.place, hint=_UNFINISHED_HINT)
        layout = item.get("layout", {}).get("N")
        if layout != str(items.LAYOUT):
            raise StoreVersion(
                self.place,
                f"has layout {layout if str(layout).isdigit() else 'unknown'}, and this kojikey knows {items.LAYOUT}",
                hint="upgrade kojikey",
                effect=Effect.NOTHING_CHANGED,
            )
        return items.stored_of(item, self.place)

    def _header_item(self) -> items.Item | None:
        item: items.Item | None = self._call("get_item", Key=items.place_of(HEADER), ConsistentRead=True).get("Item")
        return item

    def _header_or_nothing(self) -> items.Item | None:
        """Return the header's item, None if the table is empty.

        Raises:
            StoreCorrupt: the table has items, but no header; a new header would hide the old content.
        """
        item = self._header_item()
        if item is None and member(self._call("scan", ConsistentRead=True, Limit=1), "Items"):
            item = self._header_item()  # it may have been created between the two requests
            if item is None:
                raise StoreCorrupt(
                    self.place,
                    "is a table that holds something else, or a store that has lost its header; it was left as it is",
                    hint="restore it to a point in time, or name another table",
                )
        return item

    def _read(self, ref: Ref) -> Stored | None:
        item = self._call("get_item", Key=items.place_of(ref), ConsistentRead=True).get("Item")
        return None if item is None else items.stored_of(item, self.place)

    def _commit(self, changes: Sequence[Change], events: Sequence[Document]) -> tuple[str, ...]:
        texts = [None if change.document is None else encoded(change.document, self.place) for change in changes]
        lines = [encoded(event, self.place) for event in events]
        self._refuse_too_much(len(texts) + len(lines), items.size_of([*texts, *lines]))
        _refuse_impossible(changes, events)
        revisions = [_revision_of(change) for change in changes]
        written = [
            items.change_of(self.table, change, text, revision)
            for change, text, revision in zip(changes, texts, revisions, strict=True)
        ]
        mark = new_revision()
        written += [items.event_of(self.table, event, line, mark) for event, line in zip(events, lines, strict=True)]
        if written:
            self._transact(written)
        return tuple(revisions)

    def _transact(self, written: Sequence[items.Written]) -> None:
        # with the token, the request can be repeated for ten minutes if its answer is lost
        request = {"TransactItems": [action for action, _ in written], "ClientRequestToken": new_revision()}
        doubtful = False

        def attempt() -> None:
            nonlocal doubtful
            try:
                self._client.transact_write_items(**request)
            except Exception as error:
                changed = refused(error, [ref for _, ref in written])
                if changed is not None:
                    if doubtful and self._was_made(written):
                        return
                    raise changed from None
                found = trouble_of(error)
                doubtful = doubtful or (found is not None and found.is_outcome_unknown)
                raise

        try:
            self._with_retries(attempt)
        except KojikeyError:
            raise
        except Exception as error:
            raise self._of_unknown_outcome(error) if doubtful else error from None

    def _was_made(self, written: Sequence[items.Written]) -> bool:
        """Return whether a change whose answer was lost was made: then its first item has our revision.

        This is for servers with DynamoDB's protocol that ignore the token.
        """
        for action, _ in written:
            if "Put" in action:
                item = action["Put"]["Item"]
                key = {"pk": item["pk"], "sk": item["sk"]}
                found = self._call("get_item", Key=key, ConsistentRead=True).get("Item") or {}
                return bool(found.get("rev") == item["rev"])
        return False

    def _of_unknown_outcome(self, error: Exception) -> Exception:
        ours = translated(error, self.place)
        if not isinstance(ours, StoreUnavailable):
            return error
        ours.effect, ours.hint = Effect.OUTCOME_UNKNOWN, UNKNOWN_HINT
        return ours

    def _refuse_too_much(self, count: int, size: int) -> None:
        if count > items.CHANGES_AT_ONCE:
            what = f"takes at most {items.CHANGES_AT_ONCE} documents and events in one change, and this has {count}"
            raise StoreUnavailable(self.place, what, effect=Effect.NOTHING_CHANGED)
        if size > items.BYTES_AT_ONCE:
            raise StoreUnavailable(self.place, "takes at most 4 MB in one change", effect=Effect.NOTHING_CHANGED)

    def _scan(self, query: Query) -> Iterator[Stored]:
        rest = query._replace(shard=None)  # the request has the segment
        for item in self._items(**items.of_query(query)):
            stored = items.stored_of(item, self.place)
            if rest.takes(stored):
                yield stored

    def _accounts(self) -> Iterator[Stored]:
        values = {":sk": {"S": items.ACCOUNT}}
        for item in self._items(FilterExpression="sk = :sk", ExpressionAttributeValues=values):
            yield items.stored_of(item, self.place)

    def _events(self, account: str | None) -> Iterator[EventRow]:
        accounts = [account] if account is not None else self._accounts_with_events()
        for name in accounts:
            for item in self._items(**items.of_account(name, items.EVENT_PREFIX)):
                yield items.event_row(item, self.place)

    def _accounts_with_events(self) -> Iterator[str]:
        """Yield the accounts that have events; the items of a partition come together."""
        values = {":prefix": {"S": items.EVENT_PREFIX}}
        request = {"FilterExpression": "begins_with(sk, :prefix)", "ExpressionAttributeValues": values}
        last = None
        for item in self._items(ProjectionExpression="pk", **request):
            account = items.account_of(item, self.place)
            if account != last:
                last = account
                yield account

    def _items(self, **request: Any) -> Iterator[items.Item]:
        verb = "query" if "KeyConditionExpression" in request else "scan"
        while True:
            answer = self._call(verb, ConsistentRead=True, Limit=self._page, **request)
            yield from member(answer, "Items")
            if "LastEvaluatedKey" not in answer:
                return
            if answer["LastEvaluatedKey"] == request.get("ExclusiveStartKey"):
                raise ForeignAnswer  # the scan would never end
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _describe(self) -> Description:
        details = [("table", self.table), ("region", self.region)]
        if self.endpoint:
            details.append(("endpoint", self.endpoint))
        try:
            described: dict[str, Any] = self._guard(self._described)
        except KojikeyError as error:
            return Description("Amazon DynamoDB", self.place, (*details, ("state", str(error))))
        details += [("ARN", str(described.get("TableArn"))), ("state", str(described.get("TableStatus")).lower())]
        details.append(
            (
                "readable by",
                Hint(
                    "anyone whom IAM allows to read the table (",
                    next_step("store policy"),
                    "); sealed keys stay sealed",
                ),
            )
        )
        return Description("Amazon DynamoDB", self.place, tuple(details))

    def _described(self) -> dict[str, Any]:
        described: dict[str, Any] = member(self._call("describe_table"), "Table")
        member(described, "TableArn")
        return described

    def _translate(self, error: Exception) -> KojikeyError | None:
        return translated(error, self.place)

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._made = make_client("dynamodb", region=self.region, endpoint=self.endpoint)
        return self._made

    def _call(self, operation: str, **request: Any) -> Any:
        return self._with_retries(lambda: getattr(self._client, operation)(TableName=self.table, **request))

    def _with_retries(self, call: Callable[[], T]) -> T:
        return with_retries(call, sleep=self._sleep, classify=trouble_of)


def from_url(url: str) -> DynamoStore:
    """Return the store for ``dynamodb://TABLE?region=R[&endpoint=URL]``.

    Raises:
        UsageError: it has no table or region, or other parts. It is not repeated.
    """
    import re
    from urllib.parse import parse_qsl

    table, _, options = url.partition("://")[2].partition("?")
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
    if not re.fullmatch(r"[A-Za-z0-9_.-]{3,255}", table):
        raise UsageError("the URL of a DynamoDB store names its table, of 3 to 255 of A-Z a-z 0-9 _ - .", hint=_SHAPE)
    found = parse_qsl(options, keep_blank_values=True)
    given = dict(found)
    if len(given) != len(found) or not given.keys() <= {"region", "endpoint"}:
        raise UsageError("the URL of a DynamoDB store takes region and endpoint, once each", hint=_SHAPE)
    if "region" not in given:
        raise UsageError("the URL of a DynamoDB store names its region", hint=_SHAPE)
    endpoint = checked_endpoint(given["endpoint"]) if "endpoint" in given else None
    return DynamoStore(table, region=checked_region(given["region"]), endpoint=endpoint)


def _revision_of(change: Change) -> str:
    """Return the revision of a document after a change."""
    if change.keeps:
        return change.if_revision or ""
    return "" if change.document is None else new_revision()


def _refuse_impossible(changes: Sequence[Change], events: Sequence[Document]) -> None:
    """Refuse changes that always conflict and for which DynamoDB would report a malformed request."""
    for change in changes:
        if change.document is None and change.if_revision is None:
            raise ChangedMeanwhile(change.ref)  # deletes a document that does not exist
    seen = set()
    for event in events:
        if (event["account"], event["seq"]) in seen:
            raise ChangedMeanwhile(account_ref(event["account"]))
        seen.add((event["account"], event["seq"]))
