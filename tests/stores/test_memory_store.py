"""The reference adapter keeps the promises of a store."""

from __future__ import annotations

import pytest

from kojikey.model.errors import StoreNotFound
from kojikey.stores.memory import MemoryStore, Shelf
from kojikey.testing.conformance import Maker, StoreConformance


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def make_store(self) -> Maker:
        shelf = Shelf()
        return lambda: MemoryStore(shelf)

    @pytest.fixture
    def engine_errors(self) -> tuple[Exception, ...]:
        return ()


@pytest.mark.exhaustive
class TestLargeMemoryStore(TestMemoryStore):
    """The same of a large store."""

    few, many = 1_000, 10_000


def test_two_memory_stores_share_nothing_unless_asked_to() -> None:
    first, second = MemoryStore(), MemoryStore()
    first.create({"is": "first"})
    with pytest.raises(StoreNotFound):
        second.open()
    second.create({"is": "second"})
    assert first.open().document == {"is": "first"}
