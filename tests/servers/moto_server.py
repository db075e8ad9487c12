"""A program that plays DynamoDB, KMS and IAM on a free port of loopback: moto, nearer to AWS where our tests look.

It prints its port and serves until its standard input ends. What is changed of moto, and why:

- Requests are answered one after another. AWS's transactions are serialisable; moto's put a copy of the table back
  when they fail, over what others wrote meanwhile.
- The copy that a transaction makes of its table, for each of its actions, is made once, and not of every item: 100
  changes in a table of 10,000 items would otherwise take minutes.
- A scan goes by a hash of the partition key, as AWS's does. Moto's goes by name, which would hide what counts on it.

Gaps that stay: a Decrypt with a disabled key is answered; IAM's conditions (``dynamodb:LeadingKeys``) are not looked
at; ``ClientRequestToken`` is not remembered; nothing is throttled; a transaction may be over 4 MB. Where the tests need
those answers, they are played by a proxy in front (``faulty_proxy.py``) or held against AWS's documentation.
"""

from __future__ import annotations

import copy
import hashlib
import os
import sys
import threading
from typing import Any

from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import Table
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


def _place(pk: str, sk: str) -> tuple[bytes, str]:
    return hashlib.md5(pk.encode()).digest(), sk


def _all_items(table: Any) -> list[Any]:
    found = [item for partition in table.items.values() for item in partition.values()]
    return sorted(found, key=lambda item: _place(item.hash_key.value, item.range_key.value))


def _comes_before(table: Any, item: Any, dct: dict[str, Any], *rest: Any) -> bool:
    if rest[-1] is False:
        raise NotImplementedError("nothing of ours reads backwards")
    there = _place(dct["pk"]["S"], dct["sk"]["S"])
    return _place(item.hash_key.value, item.range_key.value) <= there


def _copied(table: Any, memo: dict[int, Any]) -> Any:
    """Return the state of a table, one copy for all of a transaction's actions."""
    kept: Any = vars(table).get("kept")
    if kept is None:
        kept = copy.copy(table)
        kept.items = copy.copy(table.items)
        for partition, found in table.items.items():
            kept.items[partition] = copy.copy(found)
        table.kept = kept
    return kept


def _forgetting(change: Any) -> Any:
    def changed(table: Any, *arguments: Any, **named: Any) -> Any:
        table.kept = None
        return change(table, *arguments, **named)

    return changed


class OneAtATime:
    """The application, for one request at a time."""

    def __init__(self, application: Any) -> None:
        self._application, self._lock = application, threading.Lock()

    def __call__(self, environ: Any, start_response: Any) -> Any:
        with self._lock:
            return list(self._application(environ, start_response))


def _quiet(handler: Any, *arguments: Any) -> None:
    """Log nothing: the pipe that nobody reads would fill."""


def main() -> None:
    """Serve until standard input ends."""
    table: Any = Table
    item: Any = Item
    handler: Any = MotoRequestHandler
    table.all_items, table._item_comes_before_dct, table.__deepcopy__ = _all_items, _comes_before, _copied
    table.put_item, table.delete_item = _forgetting(table.put_item), _forgetting(table.delete_item)
    item.__deepcopy__ = lambda item, memo: copy.copy(item)
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
