"""The reference adapter keeps the promises of a store."""

from __future__ import annotations

import pytest

from kojikey.stores.memory import MemoryStore, Shelf
from kojikey.testing.conformance import Maker, StoreConformance


class TestMemoryStore(StoreConformance):
    @pytest.fixture
    def make_store(self) -> Maker:
        shelf = Shelf()
        return lambda: MemoryStore(shelf)


def test_two_memory_stores_share_nothing_unless_told_to() -> None:
    MemoryStore().create({})
    MemoryStore().create({})
