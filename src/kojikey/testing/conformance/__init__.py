"""The promises of :class:`kojikey.stores.base.Store` as tests, the same for every adapter.

An adapter's test module subclasses :class:`StoreConformance` (one process) or :class:`SharedStoreConformance` (a store
that processes share by URL) and has the fixtures ``make_store`` and ``engine_errors``::

    class TestMyStore(SharedStoreConformance):
        page = 500  # more keys than your adapter reads at once

        @pytest.fixture
        def make_store(self, tmp_path): return lambda: MyStore(str(tmp_path))
        @pytest.fixture
        def engine_errors(self): return (mydriver.Error("what it says"),)
        @pytest.fixture
        def url(self, tmp_path): return f"mine://{tmp_path}"

With ``pytest.register_assert_rewrite("kojikey.testing.conformance")`` in a ``conftest.py`` a failure shows the values.

Must not: name an engine, or be imported outside of tests (it needs pytest).
"""
# ruff: noqa: S101, D102 - these are tests: they assert, and their names say what holds

from __future__ import annotations

import threading

import pytest

# before these modules are imported, so that a failure shows the compared values
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in ("documents", "scans", "errors")))

from kojikey.model.errors import Conflict  # noqa: E402
from kojikey.stores.base import Change, Store  # noqa: E402
from kojikey.testing.conformance.contention import COUNTER, compete, increment  # noqa: E402
from kojikey.testing.conformance.documents import DocumentPromises  # noqa: E402
from kojikey.testing.conformance.errors import ErrorPromises  # noqa: E402
from kojikey.testing.conformance.fixtures import Maker, put  # noqa: E402
from kojikey.testing.conformance.scans import ScanPromises  # noqa: E402

__all__ = ["Maker", "SharedStoreConformance", "StoreConformance"]


class StoreConformance(DocumentPromises, ScanPromises, ErrorPromises):
    """The promises of every store."""

    def test_no_increment_of_competing_threads_is_lost(self, store: Store, another: Maker) -> None:
        stores = [another() for _ in range(self.threads)]
        counted: list[int] = []

        def work(own: Store) -> None:
            counted.extend(increment(own) for _ in range(self.increments))

        workers = [threading.Thread(target=work, args=(own,)) for own in stores]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self._counted_completely(store, counted)

    def test_a_change_and_its_events_are_seen_together(self, store: Store, another: Maker) -> None:
        done, seen = threading.Event(), []
        reader = another()

        def watch() -> None:
            while not done.is_set():
                counter = reader.read(COUNTER)
                # read after the document: there may be more events by now, but never fewer
                events = sum(1 for _ in reader.events("counter"))
                seen.append((counter.document["count"] if counter else 0) <= events)

        watcher = threading.Thread(target=watch)
        watcher.start()
        for _ in range(4 * self.increments):
            increment(store)
        done.set()
        watcher.join()
        assert seen
        assert all(seen)

    def _counted_completely(self, store: Store, counted: list[int]) -> None:
        expected = list(range(1, self.threads * self.increments + 1))
        assert sorted(counted) == expected
        assert [found["seq"] for found in store.events("counter")] == expected
        read = store.read(COUNTER)
        assert read is not None
        assert read.document == {"count": expected[-1]}


class SharedStoreConformance(StoreConformance):
    """The additional promises of a store that processes share by its URL."""

    @pytest.fixture
    def url(self) -> str:
        """Return the URL of the store of ``make_store``."""
        raise NotImplementedError

    def test_no_increment_of_competing_processes_is_lost(self, store: Store, url: str) -> None:
        answers = compete("increment", url, [[self.increments]] * self.threads)
        self._counted_completely(store, [int(count) for own in answers for count in own])

    def test_of_competing_creators_one_wins(self, another: Maker, url: str) -> None:
        names = [f"creator-{number}" for number in range(self.threads)]
        answers = compete("create", url, [[name] for name in names])
        winners = [name for name, own in zip(names, answers, strict=True) if own == ["created"]]
        assert sorted(own for (own,) in answers) == ["created"] + ["exists"] * (self.threads - 1)
        assert another().open().document == {"by": winners[0]}

    def test_losing_to_another_process_is_a_conflict(self, store: Store, url: str) -> None:
        stale = put(store, COUNTER, {"count": 0})
        assert compete("increment", url, [[1]]) == [["1"]]
        with pytest.raises(Conflict):
            store.commit([Change(COUNTER, {"count": 9}, stale)])
