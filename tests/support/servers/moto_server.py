"""A program that simulates DynamoDB, KMS and IAM on a free port of loopback: moto with corrections.

It prints its port and serves until its standard input ends. Its differences from moto, and the reasons:

- Requests are answered one after another. AWS's transactions are serialisable; a failed transaction of moto restores a
  copy of the table, and so overwrites changes of others.
- Moto copies the whole table for each action of a transaction. Here the table is copied once, and only the partitions
  that change. The items are kept in the order of a scan, which starts after the previous page. Without this a request
  to a table of 100,000 items would take seconds.
- A DynamoDB value is serialised without moto's generic lookup, and a list that moto computes for each request is
  computed once. Each took a third of the time of a request.
- A scan is ordered by a hash of the partition key, as in AWS. Moto's is ordered by name, which would hide code that
  relies on that order.

Remaining differences from AWS: a Decrypt with a disabled key succeeds; IAM's conditions (``dynamodb:LeadingKeys``) are
not evaluated; ``ClientRequestToken`` is not remembered; nothing is throttled; a transaction may exceed 4 MB. For tests
of those, a proxy gives the answers (``scripted_aws.py``), or the test compares with AWS's documentation.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import os
import sys
import threading
from bisect import bisect_right
from typing import Any

from moto import backends
from moto.core import responses
from moto.core.serialize import AttributePicker
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

_KINDS = frozenset({"B", "BOOL", "BS", "L", "M", "N", "NS", "NULL", "S", "SS"})  # of a value, its only member


class Order:
    """The items of a table in the order of a scan, valid until the table changes."""

    def __init__(self, table: Any) -> None:
        found = [item for partition in table.items.values() for item in partition.values()]
        placed = sorted(((_place_of(item), item) for item in found), key=lambda pair: pair[0])
        self._places, self._items = [place for place, _ in placed], [item for _, item in placed]

    def after(self, start: dict[str, Any] | None) -> list[Any]:
        """Return the items after a key, or all items without a key."""
        return self._items[bisect_right(self._places, _place_of_key(start)) :] if start else self._items


def _place(pk: str, sk: str) -> tuple[bytes, str]:
    return hashlib.md5(pk.encode()).digest(), sk


def _place_of(item: Any) -> tuple[bytes, str]:
    return _place(item.hash_key.value, item.range_key.value)


def _place_of_key(key: dict[str, Any]) -> tuple[bytes, str]:
    return _place(key["pk"]["S"], key["sk"]["S"])


def _comes_before(table: Any, item: Any, dct: dict[str, Any], *rest: Any) -> bool:
    if rest[-1] is False:
        raise NotImplementedError("nothing of ours reads backwards")
    return _place_of(item) <= _place_of_key(dct)


def _scanning(scan: Any) -> Any:
    def scanned(table: Any, filters: Any, limit: Any, start: Any, *rest: Any, **named: Any) -> Any:
        if vars(table).get("order") is None:
            table.order = Order(table)
        table.all_items = lambda: table.order.after(start)
        return scan(table, filters, limit, start, *rest, **named)

    return scanned


def _querying(query: Any) -> Any:
    def queried(table: Any, hash_key: Any, *rest: Any, **named: Any) -> Any:
        table.all_items = lambda: list(table.items.get(hash_key, {}).values())
        return query(table, hash_key, *rest, **named)

    return queried


def _copied(table: Any, memo: dict[int, Any]) -> Any:
    """Return a copy of a table, the same one for all actions of a transaction. It shares the partitions."""
    kept: Any = vars(table).get("kept")
    if kept is None:
        kept = copy.copy(table)
        kept.items = copy.copy(table.items)
        table.kept = kept
    return kept


def _changing(change: Any, partition_of: Any) -> Any:
    def changed(table: Any, *arguments: Any, **named: Any) -> Any:
        table.kept = table.order = None
        partition = partition_of(arguments[0])
        if partition in table.items:  # a transaction's copy may share it
            table.items[partition] = copy.copy(table.items[partition])
        return change(table, *arguments, **named)

    return changed


def _picking(pick: Any) -> Any:
    def picked(picker: Any, context: Any) -> Any:
        value = context.obj
        is_plain = type(value) is dict and len(value) == 1 and value.keys() <= _KINDS
        return value.get(context.key) if is_plain else pick(picker, context)

    return picked


class OneAtATime:
    """Runs the application for one request at a time."""

    def __init__(self, application: Any) -> None:
        self._application, self._lock = application, threading.Lock()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        with self._lock:
            return list(self._application(environ, start_response))


def _quiet(handler: Any, *arguments: Any) -> None:
    """Log nothing, because no process reads the pipe and it would fill."""


def main() -> None:
    """Serve until standard input ends."""
    table: Any = Table
    item: Any = Item
    handler: Any = MotoRequestHandler
    table.scan, table.query = _scanning(table.scan), _querying(table.query)
    table._item_comes_before_dct, table.__deepcopy__ = _comes_before, _copied
    table.put_item = _changing(table.put_item, lambda attributes: DynamoType(attributes["pk"]))
    table.delete_item = _changing(table.delete_item, lambda hash_key: hash_key)
    item.__deepcopy__ = lambda item, memo: copy.copy(item)
    picker: Any = AttributePicker
    picker.__call__ = _picking(picker.__call__)
    modules = tuple(backends.list_of_moto_modules())
    backends.list_of_moto_modules = lambda: modules
    asked: Any = responses
    asked.method_names_from_class = functools.cache(asked.method_names_from_class)
    handler.log = _quiet
    application = OneAtATime(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
    os.environ["MOTO_PORT"] = str(server.port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.port, flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
