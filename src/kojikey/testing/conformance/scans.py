"""The promises of every store about scans: order, filters, shards, changes during a scan, memory.

Must not: name an engine.
"""
# ruff: noqa: S101, D102 - these are tests: they assert, and their names say what holds

from __future__ import annotations

import tracemalloc
from collections import Counter
from typing import ClassVar

import pytest

from kojikey.model.ref import Ref, account_ref, key_ref
from kojikey.stores.base import Change, Query, Store, Stored, slot_of
from kojikey.testing.conformance.fixtures import KEY, Maker, StoreFixtures, put, sized


class ScanPromises(StoreFixtures):
    """The promises about scans."""

    def test_a_scan_is_in_order_of_account_and_provider(self, store: Store) -> None:
        self._fill(store, self.page)
        refs = [found.ref for found in store.scan()]
        assert refs == self.in_order(store, refs)
        assert len(set(refs)) == self.page

    def test_accounts_come_in_order(self, store: Store) -> None:
        names = [f"c-{number:06}" for number in range(self.page)]
        for start in range(0, self.page, self.batch):
            chunk = reversed(names[start : start + self.batch])
            store.commit([Change(account_ref(name), {"name": name}, None) for name in chunk])
        found = [found.document["name"] for found in store.accounts()]
        assert (sorted(found) if store.partitioned else found) == names

    queries: ClassVar[tuple[Query, ...]] = (
        Query(),
        Query(account="c-000007"),
        Query(account="nobody"),
        Query(providers=("elevenlabs",)),
        Query(providers=("elevenlabs", "google_gemini", "unknown")),
        Query(not_tested_since="2026-11-12T00:00:00Z"),
        Query(not_tested_since="2026-01-01T00:00:00Z"),
        Query(shard=(2, 3)),
        Query(providers=("elevenlabs",), shard=(1, 2)),
        Query(account="c-000007", providers=("elevenlabs",), not_tested_since="2026-11-30T00:00:00Z", shard=(1, 1)),
        Query(providers=("google_gemini",), not_tested_since="2026-11-12T00:00:00Z", shard=(4, 5)),
    )

    def test_a_scan_yields_the_keys_that_its_query_matches(self, store: Store) -> None:
        self._fill(store, self.page)
        present = list(store.scan())
        for query in self.queries:
            if not store.partitioned or query.shard in (None, (1, 1)):
                assert list(store.scan(query)) == [found for found in present if query.takes(found)], query

    def test_pages_hold_what_a_scan_yields_and_counts_count_it(self, store: Store) -> None:
        self._fill(store, self.page)
        for query in self.queries:
            found = list(store.scan(query))
            rows = [row for page in store.pages(query) for row in page]
            assert rows == [(*each.ref[1:], each.text, each.revision) for each in found], query
            assert store.counts(query) == dict(Counter(each.ref.provider for each in found)), query

    def test_a_shard_takes_no_more_than_the_rest_of_its_query(self, store: Store) -> None:
        self._fill(store, self.page)
        for query in self.queries:
            parts = [found for k in (1, 2, 3) for found in store.scan(query._replace(shard=(k, 3)))]
            whole = list(store.scan(query._replace(shard=None)))
            assert sorted(parts, key=_ref) == sorted(whole, key=_ref), query

    def test_a_query_sees_when_a_key_was_last_tested(self, store: Store) -> None:
        query = Query(not_tested_since="2026-11-12T00:00:00Z")
        tested = ("2026-11-11T23:59:59Z", "2026-11-12T00:00:00Z", None, "2026-11-12T00:00:01Z")
        found = []
        for moment in tested:
            put(store, KEY, {"tested_at": moment})
            found.append(len(list(store.scan(query))))
        assert found == [1, 0, 1, 0]

    @pytest.mark.parametrize("count", [1, 2, 3, 7, 64])
    def test_shards_share_the_keys_out_completely(self, store: Store, count: int) -> None:
        self._fill(store, self.page)
        shards = [[found.ref for found in store.scan(Query(shard=(k, count)))] for k in range(1, count + 1)]
        assert sorted(ref for shard in shards for ref in shard) == sorted(found.ref for found in store.scan())
        if store.partitioned:
            names = [{ref.account for ref in shard} for shard in shards]
            assert sum(map(len, names)) == len(set().union(*names))
        else:
            assert all(slot_of(ref) % count == k for k, shard in enumerate(shards) for ref in shard)

    def test_a_store_may_be_changed_during_a_scan(self, store: Store, another: Maker) -> None:
        self._fill(store, self.page)
        refs = [found.ref for found in store.scan()]
        writer, seen = another(), []
        for number, found in enumerate(store.scan()):
            seen.append(found.ref)
            if number % 50 == 0:
                # the scanning store deletes the present key, and another store one far ahead
                store.commit([Change(found.ref, None, found.revision)])
                ahead = writer.read(refs[-1 - number // 50])
                assert ahead is not None
                writer.commit([Change(ahead.ref, None, ahead.revision)])
                put(writer, key_ref(f"new-{number}", "elevenlabs"), {"new": True})
        left = {found.ref for found in store.scan()}
        assert len(seen) == len(set(seen))
        assert seen == self.in_order(store, seen)
        assert {ref for ref in left if ref in set(refs)} <= set(seen)
        assert len(left) == self.page - len(range(0, len(seen), 50))

    def test_a_scan_that_is_stopped_early_holds_no_lock(self, store: Store, another: Maker) -> None:
        self._fill(store, self.page)
        scans = [store.scan(), store.accounts(), store.events(), store.scan(Query(shard=(1, 2)))]
        for scan in scans:
            next(scan, None)
        put(another(), KEY, {"written": "during the scan"})
        read = store.read(KEY)
        assert read is not None
        assert read.document == {"written": "during the scan"}

    def test_the_memory_of_a_scan_does_not_grow_with_the_store(self, store: Store) -> None:
        self._fill(store, self.few, size=1_000)
        small = _peak_of_scanning(store, self.few)
        self._fill(store, self.many - self.few, size=1_000, start=self.few)
        large = _peak_of_scanning(store, self.many)
        assert large - small < (self.many - self.few) * 1_000 / 10

    def _fill(self, store: Store, count: int, *, size: int = 200, start: int = 0) -> None:
        # written in another order than a scan has
        numbers = sorted(range(start, start + count), key=lambda number: slot_of(_numbered_ref(number)))
        for at in range(0, count, self.batch):
            store.commit([_numbered(number, size) for number in numbers[at : at + self.batch]])


def _ref(stored: Stored) -> Ref:
    return stored.ref


def _numbered_ref(number: int) -> Ref:
    return key_ref(f"c-{number // 3:06}", ("elevenlabs", "google_gemini", "koji_own")[number % 3])


def _numbered(number: int, size: int) -> Change:
    day = number % 29
    tested_at = f"2026-11-{day:02}T00:00:00Z" if day else None
    return Change(_numbered_ref(number), sized(size, number=number, tested_at=tested_at), None)


def _peak_of_scanning(store: Store, count: int) -> int:
    list(store.scan(Query(shard=(1, count))))  # fills caches, which are not counted
    tracemalloc.start()
    try:
        # the sum differs if one document came twice and another did not come
        numbers = [0, 0]
        for found in store.scan():
            numbers = [numbers[0] + 1, numbers[1] + found.document["number"]]
        assert numbers == [count, count * (count - 1) // 2]
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
