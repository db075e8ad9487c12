"""The accounts of keys that are tested are read together; what is damaged costs its own keys alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from kojikey.model.errors import RecordChanged
from kojikey.model.ref import Ref, account_ref
from kojikey.model.secret import Secret
from kojikey.model.verdict import Verdict
from kojikey.operations import open_store as open_store_module
from kojikey.operations import testing_keys
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Target
from kojikey.operations.results import TestResult
from kojikey.operations.testing_keys import Unopened, run_tests
from kojikey.stores.base import Change, Stored
from kojikey.stores.memory import MemoryStore
from support.many import account_name, fill
from support.sample_store import SampleStore, verdict

ACCOUNTS = 60


class CountingStore(MemoryStore):
    """Counts the documents that are read alone, and the requests that read many."""

    alone = together = 0

    def _read(self, ref: Ref) -> Stored | None:
        self.alone += ref.kind == "account"
        return super()._read(ref)

    def _read_accounts(self, accounts: Sequence[str]) -> dict[str, Stored]:
        self.together += 1
        before = self.alone
        found = super()._read_accounts(accounts)
        self.alone = before
        return found


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> CountingStore:
    """Return a store with more accounts than are remembered, and those more than are read at once."""
    monkeypatch.setattr(open_store_module, "_REMEMBERED", 40)
    monkeypatch.setattr(testing_keys, "_AT_ONCE", 20)
    return CountingStore()


@pytest.fixture
def filled(store: CountingStore) -> OpenStore:
    open_store = SampleStore.made(lambda: store).open_store()
    fill(open_store, ACCOUNTS)
    store.alone = store.together = 0
    return open_store


def items_of(open_store: OpenStore, concurrency: int) -> list[TestResult | Unopened]:
    async def good(secret: Secret, target: Target) -> Verdict:
        await asyncio.sleep(0)
        return verdict()

    items: list[TestResult | Unopened] = []
    asyncio.run(run_tests(open_store, open_store.store.scan(), probe=good, emit=items.append, concurrency=concurrency))
    return items


@pytest.mark.parametrize("concurrency", [4, 64, 2 * ACCOUNTS])
def test_no_account_is_read_alone(filled: OpenStore, store: CountingStore, concurrency: int) -> None:
    items = items_of(filled, concurrency)
    assert len(items) == 2 * ACCOUNTS
    assert all(isinstance(item, TestResult) and item.recorded for item in items)
    assert store.alone == 0
    assert store.together < ACCOUNTS / 2


def test_a_damaged_account_costs_only_its_own_keys(filled: OpenStore, store: CountingStore) -> None:
    damaged = account_name(7)
    stored = store.read(account_ref(damaged))
    assert stored is not None
    store.commit([Change(stored.ref, {**stored.document, "audit": "lost"}, stored.revision)])
    items = items_of(filled, 16)
    unopened = [item for item in items if isinstance(item, Unopened)]
    assert [(item.account, type(item.error)) for item in unopened] == [(damaged, RecordChanged)] * 2
    assert len(items) == 2 * ACCOUNTS
    assert all(item.recorded for item in items if isinstance(item, TestResult))
