"""The reference adapter passes the conformance suite."""

from __future__ import annotations

import pytest

from kojikey.model.errors import StoreNotFound
from kojikey.model.ref import key_ref
from kojikey.stores.base import Change, Query
from kojikey.stores.memory import MemoryStore, SharedMemory
from kojikey.testing.conformance import Maker, StoreConformance
from support.each import each


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def make_store(self) -> Maker:
        shared_memory = SharedMemory()
        return lambda: MemoryStore(shared_memory)

    @pytest.fixture
    def engine_errors(self) -> tuple[Exception, ...]:
        return ()


@pytest.mark.exhaustive
class TestLargeMemoryStore(TestMemoryStore):
    """The conformance suite's tests of a large store."""

    few, many = 1_000, 10_000


def test_two_memory_stores_share_nothing_unless_asked_to() -> None:
    first, second = MemoryStore(), MemoryStore()
    first.create({"is": "first"})
    with pytest.raises(StoreNotFound):
        second.open()
    second.create({"is": "second"})
    assert first.open().document == {"is": "first"}


@each("tested_at", [5, True, [], {}, {"a": 1}, None, "", "2026-11-11T23:59:59Z"])
def test_a_document_without_a_time_of_a_test_is_due_for_one(tested_at: object) -> None:
    store = MemoryStore()
    store.create({"format": 1})
    for name, moment in (("a", tested_at), ("b", "2026-11-12T00:00:00Z")):
        store.commit([Change(key_ref(name, "elevenlabs"), {"tested_at": moment}, None)])
    query = Query(not_tested_since="2026-11-12T00:00:00Z")
    assert [found.ref.account for found in store.scan(query)] == ["a"]
    assert store.counts(query) == {"elevenlabs": 1}
