"""What kojikey costs on top of its engines: add, get, compare-and-swap and scan, against the same statements alone.

Run it with the Python of a development environment: ``python benchmarks/stores.py [--runs N] [--full] [--only NAME]``.
It makes its own stores and servers, and prints medians in milliseconds, and ratios: trust the ratios.

"Alone" is the engine's own client doing what the adapter does for the operation, statement by statement, with
documents of the same size: no sealing, no audit chain, no JSON. Engines are rows of ``ENGINES``: a name and a function
that returns, for one measurement, the URL of an empty store and a :class:`Bare` for a second one.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, NamedTuple, Protocol

from kojikey.model.ref import Ref, account_ref, key_ref
from kojikey.model.secret import Secret
from kojikey.model.timestamps import now
from kojikey.operations.adding import Destination, NewKey, add
from kojikey.operations.key_records import scan_keys
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.ledger import EventDraft, Ledger, Plan
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Target
from kojikey.operations.resolving import resolve
from kojikey.operations.store_admin.creating import create
from kojikey.sealing.kek.base import KekInputs
from kojikey.stores.base import Change, Query, Store, encoded, new_revision, slot_of
from kojikey.stores.registry import store_from_url
from kojikey.stores.sqlite import schema

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))

PROVIDER = "elevenlabs"
KEK = {"KOJIKEY_KEK": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}
OPERATIONS = ("add", "get", "compare-and-swap", "scan")
BATCH = 50
_LOOP = asyncio.Runner()
Row = dict[str, Any]


class Bare(Protocol):
    """An engine by its own client. Refs are pairs: kind and values, as the adapter's statements take them."""

    @abstractmethod
    def read(self, kind: str, row: Row) -> Any:
        """Read one document."""

    @abstractmethod
    def change(self, added: list[tuple[str, Row]], swapped: list[tuple[str, Row]], event: Row | None) -> None:
        """Add and replace documents and append an event, in one transaction."""

    @abstractmethod
    def scan(self) -> int:
        """Read all keys page by page; return how many."""

    def close(self) -> None:
        """Release what is held."""


class BareSqlite(Bare):
    """SQLite with the adapter's settings and statements."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        for setting in ("trusted_schema = OFF", "cell_size_check = ON", "secure_delete = ON", "synchronous = EXTRA"):
            self._connection.execute(f"PRAGMA {setting}")

    def read(self, kind: str, row: Row) -> Any:
        """Read one document."""
        return self._connection.execute(schema.READ[kind], row).fetchall()

    def change(self, added: list[tuple[str, Row]], swapped: list[tuple[str, Row]], event: Row | None) -> None:
        """Do it in one transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("PRAGMA user_version").fetchall()
        for kind, row in added:
            self._connection.execute(schema.ADD[kind], row)
        for kind, row in swapped:
            self._connection.execute(schema.SWAP[kind], row)
        if event:
            self._connection.execute(schema.ADD_EVENT, event)
        self._connection.execute("COMMIT")

    def scan(self) -> int:
        """Read page by page."""
        select = (
            "SELECT account, provider, document, revision FROM keys"
            f" WHERE (account, provider) > (?, ?) ORDER BY account, provider LIMIT {schema.PAGE}"
        )
        return _paged(lambda after: self._connection.execute(select, after).fetchall(), schema.PAGE)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class BarePostgres(Bare):
    """psycopg with the adapter's statements, also in a pipeline."""

    def __init__(self, url: str) -> None:
        import psycopg

        from kojikey.stores.postgres import schema

        self._tables = schema
        self._connection = psycopg.connect(url, autocommit=True, prepare_threshold=None)

    def read(self, kind: str, row: Row) -> Any:
        """Read one document."""
        return self._rows(self._tables.READ[kind], row)

    def _rows(self, select: Any, values: Any) -> list[tuple[Any, ...]]:
        with self._connection.pipeline(), self._connection.transaction():
            self._connection.execute(self._tables.GUARDED, ("5000ms",))
            found = self._connection.execute(select, values)
        return found.fetchall()

    def change(self, added: list[tuple[str, Row]], swapped: list[tuple[str, Row]], event: Row | None) -> None:
        """Do it in one transaction."""
        tables, execute = self._tables, self._connection.execute
        with self._connection.pipeline() as pipeline, self._connection.transaction():
            execute(tables.GUARDED, ("5000ms",))
            execute(tables.BEFORE_A_CHANGE)
            for kind, row in added:
                execute(tables.ADD[kind], row)
            for kind, row in swapped:
                execute(tables.SWAP[kind], row)
            if event:
                execute(tables.ADD_EVENT, event)
            pipeline.sync()

    def scan(self) -> int:
        """Read page by page."""
        select = (
            b"SELECT account, provider, document, revision FROM kojikey.keys"
            b" WHERE (account, provider) > (%s, %s) ORDER BY account, provider LIMIT %s"
        )
        page = self._tables.PAGE
        return _paged(lambda after: self._rows(select, (*after, page)), page)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Place(NamedTuple):
    """Two empty places of one engine: for kojikey, and for the engine alone (kojikey makes its tables there first)."""

    url: str
    bare_url: str
    bare: Callable[[], Bare]


Engine = Callable[[], AbstractContextManager[Place]]


@contextmanager
def sqlite_place() -> Iterator[Place]:
    """Give two files."""
    with tempfile.TemporaryDirectory(prefix="kojikey-benchmark-") as folder:
        os.chmod(folder, 0o700)
        other = os.path.join(folder, "bare.db")
        yield Place(f"sqlite://{folder}/keys.db", f"sqlite://{other}", lambda: BareSqlite(other))


@contextmanager
def postgres_place() -> Iterator[Place]:
    """Give two databases of a server that writes to the disk, as one in use does."""
    from support.servers.postgres import running

    with running(settings={"fsync": "on"}) as server:
        for name in ("keys", "bare"):
            server.sql(f"CREATE DATABASE {name}")
        yield Place(server.url("keys"), server.url("bare"), lambda: BarePostgres(server.url("bare")))


@contextmanager
def dynamodb_place() -> Iterator[Place]:
    """Give two tables of an AWS that is played here: its milliseconds are not AWS's, the ratios are kojikey's."""
    from bare_dynamodb import playing

    with playing() as (url, bare_url, bare):
        yield Place(url, bare_url, bare)


ENGINES: dict[str, Engine] = {"SQLite": sqlite_place, "PostgreSQL": postgres_place, "DynamoDB": dynamodb_place}


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="how often each operation is measured (default 100)")
    parser.add_argument("--full", action="store_true", help="also with 100,000 keys")
    parser.add_argument("--only", choices=sorted(ENGINES), help="one engine")
    options = parser.parse_args()
    print(f"medians of {options.runs} runs (a scan: 3 to 21) in milliseconds, and the ratio to the engine alone")
    print(f"{'store':<12}{'keys':>9}  {'operation':<17}{'kojikey':>10}{'alone':>10}{'ratio':>8}")
    for name, engine in ENGINES.items():
        for size in (1, 1_000, 100_000) if options.full else (1, 1_000):
            if options.only in (None, name):
                with engine() as place:
                    _print(name, size, _measured(place, size, options.runs))


def _print(name: str, size: int, found: dict[str, tuple[float, float]]) -> None:
    for operation in OPERATIONS:
        ours, alone = found[operation]
        print(f"{name:<12}{size:>9,}  {operation:<17}{ours:>10.2f}{alone:>10.2f}{ours / alone:>8.1f}", flush=True)


def _measured(place: Place, size: int, runs: int) -> dict[str, tuple[float, float]]:
    with ExitStack() as stack:
        open_store = _custody(place.url)
        stack.callback(open_store.close)
        twin = _custody(place.bare_url)
        _fill(open_store.store, size, _template(open_store))
        template = _template(twin)
        _fill(twin.store, size, template)
        event = next(iter(twin.store.events()))
        twin.close()
        bare = place.bare()
        stack.callback(bare.close)
        rows = _Rows(encoded(template[0], ""), encoded(template[1], ""), encoded(event, ""))
        names = [f"filler-{slot_of(key_ref(str(number), 'run')):010}-run" for number in range(runs)]
        return {
            # The scan first: of the size that was asked for, before anything is added.
            "scan": _medians(
                lambda _: sum(1 for _ in scan_keys(open_store.store, Query(), damaged=_refuse)),
                lambda _: bare.scan(),
                [""] * (3 if size > 1_000 else 21),
            ),
            "add": _medians(lambda name: _add(open_store, name), lambda name: rows.add(bare, name), names),
            "get": _medians(
                lambda name: resolve(open_store, account=name, provider=PROVIDER),
                lambda name: rows.get(bare, name),
                names,
            ),
            "compare-and-swap": _medians(
                lambda name: _swap(open_store, name), lambda name: rows.swap(bare, name), names
            ),
        }


class _Rows:
    """The values of the statements, and what an operation asks of an engine."""

    def __init__(self, key: str, account: str, event: str) -> None:
        self._key, self._account, self._event = key, account, event
        self._revisions: dict[str, str] = {}

    def _row(self, name: str, document: str, before: str | None = None) -> Row:
        row: Row = {"account": name, "provider": PROVIDER, "tested_at": None, "slot": slot_of(key_ref(name, PROVIDER))}
        return row | {"document": document, "revision": self._revisions[name], "before": before}

    def _event_row(self, name: str, seq: int) -> Row:
        return {"account": name, "seq": seq, "provider": PROVIDER, "time": now(), "revision": self._revisions[name],
                "document": self._event}  # fmt: skip

    def add(self, bare: Bare, name: str) -> None:
        """Look whether key and account are there, read the header, add all three documents."""
        self._revisions[name] = new_revision()
        row = self._row(name, self._key)
        for kind in ("key", "account", "header"):
            bare.read(kind, row)
        bare.change([("key", row), ("account", self._row(name, self._account))], [], self._event_row(name, 1))

    def get(self, bare: Bare, name: str) -> None:
        """Read key and account."""
        row = self._row(name, "")
        for kind in ("key", "account"):
            bare.read(kind, row)

    def swap(self, bare: Bare, name: str) -> None:
        """Read key and account, replace both where they are as they were, append an event."""
        self.get(bare, name)
        before, self._revisions[name] = self._revisions[name], new_revision()
        key, account = (self._row(name, document, before) for document in (self._key, self._account))
        bare.change([], [("key", key), ("account", account)], self._event_row(name, 2))


def _refuse(_: Ref, error: Exception) -> None:
    raise error


def _custody(url: str) -> OpenStore:
    store, inputs = store_from_url(url), KekInputs(KEK, None)
    header, kek = create(store, source="env", inputs=inputs)
    open_store = OpenStore(store, header, inputs, actor="somebody@a-machine")
    open_store.adopt(kek)
    return open_store


def _add(open_store: OpenStore, name: str) -> None:
    secret = Secret(f"sk_{name:0>48}")
    new = NewKey(name, Target(PROVIDER, "https://api.elevenlabs.io", (), ()), secret, KeySettings())
    _LOOP.get_loop().run_until_complete(add(Destination(open_store), new, test=None, approve=lambda _: True))


def _swap(open_store: OpenStore, name: str) -> None:
    stored = open_store.find_key(name, PROVIDER)
    assert stored is not None
    plan = Plan((Change(stored.ref, stored.document, stored.revision),), (EventDraft("tested", PROVIDER, 1),))
    Ledger(open_store).record(name, lambda _: plan)


def _template(open_store: OpenStore) -> tuple[Row, Row]:
    """Return the documents of a key and of its account, as kojikey makes them."""
    _add(open_store, "template")
    key, account = open_store.find_key("template", PROVIDER), open_store.store.read(account_ref("template"))
    assert key is not None
    assert account is not None
    return key.document, account.document


def _fill(store: Store, size: int, template: tuple[Row, Row]) -> None:
    """Fill a store up to that many keys; one is there."""
    for start in range(1, size, BATCH):
        names = [
            f"filler-{slot_of(key_ref(str(number), 'f')):010}" for number in range(start, min(start + BATCH, size))
        ]
        store.commit(
            [Change(key_ref(name, PROVIDER), {**template[0], "account": name}, None) for name in dict.fromkeys(names)]
        )


def _paged(page: Callable[[tuple[str, str]], list[tuple[Any, ...]]], size: int) -> int:
    count, after = 0, ("", "")
    while rows := page(after):
        count += len(rows)
        after = rows[-1][0], rows[-1][1]
        if len(rows) < size:
            break
    return count


def _medians(ours: Callable[[str], object], alone: Callable[[str], object], names: list[str]) -> tuple[float, float]:
    """Measure both in turn, so that what else the machine does meets both alike."""
    times: tuple[list[float], list[float]] = ([], [])
    for name in names:
        for operation, found in zip((ours, alone), times, strict=True):
            start = time.perf_counter()
            operation(name)
            found.append((time.perf_counter() - start) * 1000)
    return statistics.median(times[0]), statistics.median(times[1])


if __name__ == "__main__":
    main()
