"""The sizes and fixtures of the conformance suite, and functions to write and compare documents.

Must not: contain a test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from kojikey.model.ref import Document, Ref, account_ref, key_ref
from kojikey.stores.base import Change, Store

Maker = Callable[[], Store]

HEADER_DOCUMENT: Document = {"format": 1, "store": "3f0e", "kek": {"source": "env"}}
ACCOUNT, KEY = account_ref("acme"), key_ref("acme", "elevenlabs")
ODD_NAMES = (
    "0", "a", "a-", "a.", "a..b", "a.b", "a-b", "a_b", "aa", "ab", "a" * 63, "a" * 64, "a--drop-table-keys--",
    "select", "null", "header", "keys", "1-or-1.1", "0x00", "1e9", "con", "a.json", "true",
)  # fmt: skip


def put(store: Store, ref: Ref, document: Document, *, events: tuple[Document, ...] = ()) -> str:
    """Write a document, replacing any earlier one, and return its revision."""
    before = store.read(ref)
    return store.commit([Change(ref, document, before.revision if before else None)], events)[0]


def event(account: str, seq: int, **more: Any) -> Document:
    """Return an event with the members that every event has."""
    return {"account": account, "seq": seq, "provider": "elevenlabs", "time": "2026-11-23T04:47:00Z", **more}


def sized(size: int, **fields: Any) -> Document:
    """Return a document of exactly that many bytes."""
    bare = len(json.dumps({**fields, "pad": ""}, separators=(",", ":")))
    return {**fields, "pad": "x" * (size - bare)}


def everything(store: Store) -> tuple[object, ...]:
    """Return the whole content of a store, to compare it before and after."""
    return store.header(), list(store.accounts()), list(store.scan()), list(store.events())


class StoreFixtures:
    """An empty store, and several store objects for it. The sizes may be overridden."""

    page = 450
    """More keys than an adapter reads at once."""
    few, many = 1_000, 3_000
    """Numbers of keys; the memory of a scan must not grow between them."""
    batch = 100
    """The number of changes in one commit when many are written."""
    threads, increments = 4, 25

    @pytest.fixture
    def make_store(self) -> Maker:
        """Return a function that returns another store object for the same store, which does not exist at first."""
        raise NotImplementedError

    def in_order(self, store: Store, refs: list[Ref]) -> list[Ref]:
        """Return refs in the order that the store promises: by name, or with the accounts in the given order."""
        if not store.partitioned:
            return sorted(refs)
        accounts = list(dict.fromkeys(ref.account for ref in refs))
        return sorted(refs, key=lambda ref: (accounts.index(ref.account), ref))

    @pytest.fixture
    def another(self, make_store: Maker) -> Iterator[Maker]:
        """Return a function that returns another store object, which is closed after the test."""
        stores: list[Store] = []

        def make() -> Store:
            stores.append(make_store())
            return stores[-1]

        yield make
        for store in stores:
            store.close()

    @pytest.fixture
    def store(self, another: Maker) -> Store:
        """Return a new store."""
        store = another()
        store.create(HEADER_DOCUMENT)
        return store
