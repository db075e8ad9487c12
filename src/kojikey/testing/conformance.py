"""The promises of :class:`kojikey.stores.base.Store` as tests, the same for every adapter.

An adapter's test module subclasses :class:`StoreConformance` (one process) or :class:`SharedStoreConformance` (a place
that processes share by URL) and gives the fixture ``make_store``::

    class TestMyStore(SharedStoreConformance):
        @pytest.fixture
        def make_store(self, place): return lambda: MyStore(place)
        @pytest.fixture
        def url(self, place): return f"my://{place}"

Owns: what all stores have in common. Must not: name an engine, or be imported outside of tests (it needs pytest).
"""
# ruff: noqa: S101, D102 - these are tests: they assert, and their names say what holds

from __future__ import annotations

import json
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from kojikey.model.errors import ChangedMeanwhile, Conflict, StoreExists, StoreNotFound, StoreUnavailable
from kojikey.model.ref import HEADER, Document, Ref, account_ref, key_ref
from kojikey.stores.base import DOCUMENT_LIMIT, Change, Query, Store, Stored, slot_of
from kojikey.testing.contention import COUNTER, compete, increment

Maker = Callable[[], Store]

HEADER_DOCUMENT: Document = {"format": 1, "store": "3f0e", "kek": {"source": "env"}}
ACCOUNT, KEY = account_ref("acme"), key_ref("acme", "elevenlabs")
ODD_NAMES = (
    "0", "a", "a-", "a.", "a..b", "a.b", "a-b", "a_b", "aa", "ab", "a" * 63, "a" * 64, "a--drop-table-keys--",
    "select", "null", "header", "keys", "1-or-1.1", "0x00", "1e9", "con", "a.json", "true",
)  # fmt: skip


def put(store: Store, ref: Ref, document: Document, *, events: tuple[Document, ...] = ()) -> str:
    """Write a document over whatever is there, and return its revision."""
    before = store.read(ref)
    return store.commit([Change(ref, document, before.revision if before else None)], events)[0]


def event(account: str, seq: int, **more: Any) -> Document:
    """Return an event with what every event has."""
    return {"account": account, "seq": seq, "provider": "elevenlabs", "time": "2026-11-23T04:47:00Z", **more}


def sized(size: int, **fields: Any) -> Document:
    """Return a document of exactly that many bytes."""
    bare = len(json.dumps({**fields, "pad": ""}, separators=(",", ":")))
    return {**fields, "pad": "x" * (size - bare)}


def everything(store: Store) -> tuple[object, ...]:
    """Return all that a store holds, to compare it before and after."""
    return store.header(), list(store.accounts()), list(store.scan()), list(store.events())


class StoreConformance:
    """What holds for every store."""

    page = 450
    """More keys than an adapter reads at once."""
    few, many = 1_000, 10_000
    """Sizes between which the memory of a scan does not grow."""
    batch = 100
    """Changes in one commit where many are written."""
    threads, increments = 4, 25

    @pytest.fixture
    def make_store(self) -> Maker:
        """Return what makes another store object for the same, at first empty, place."""
        raise NotImplementedError

    @pytest.fixture
    def another(self, make_store: Maker) -> Iterator[Maker]:
        made: list[Store] = []

        def make() -> Store:
            made.append(make_store())
            return made[-1]

        yield make
        for store in made:
            store.close()

    @pytest.fixture
    def store(self, another: Maker) -> Store:
        store = another()
        store.create(HEADER_DOCUMENT)
        return store

    # creating and opening

    def test_a_created_store_opens_with_its_header(self, store: Store, another: Maker) -> None:
        assert store.open().document == another().open().document == another().header().document == HEADER_DOCUMENT
        assert store.open().ref == HEADER

    def test_no_verb_makes_a_store_that_is_not_there(self, another: Maker) -> None:
        store = another()
        for use in (
            store.open,
            store.header,
            lambda: store.read(KEY),
            lambda: store.commit([Change(KEY, {}, None)]),
            lambda: list(store.scan()),
            lambda: list(store.accounts()),
            lambda: list(store.events()),
        ):
            with pytest.raises(StoreNotFound):
                use()
        store.describe()
        with pytest.raises(StoreNotFound):
            another().open()

    def test_creating_twice_leaves_the_first(self, store: Store, another: Maker) -> None:
        put(store, KEY, {"n": 1})
        before = everything(store)
        for late in (store, another()):
            with pytest.raises(StoreExists):
                late.create({"format": 1, "store": "other"})
        assert everything(another()) == before

    def test_a_header_over_the_limit_makes_no_store(self, another: Maker) -> None:
        with pytest.raises(StoreUnavailable):
            another().create(sized(DOCUMENT_LIMIT + 1))
        with pytest.raises(StoreNotFound):
            another().open()

    def test_the_header_is_swapped_like_any_document(self, store: Store, another: Maker) -> None:
        before = store.open()
        (revision,) = store.commit([Change(HEADER, {"kek": "next"}, before.revision)])
        assert another().open() == Stored(HEADER, {"kek": "next"}, revision)
        with pytest.raises(ChangedMeanwhile):
            store.commit([Change(HEADER, {"kek": "late"}, before.revision)])
        assert another().open().document == {"kek": "next"}

    def test_closing_twice_and_using_it_again_is_fine(self, store: Store) -> None:
        store.close()
        store.close()
        assert store.open().document == HEADER_DOCUMENT

    def test_it_describes_itself_before_and_after_it_is_there(self, another: Maker) -> None:
        store = another()
        before = store.describe()
        store.create(HEADER_DOCUMENT)
        after = store.describe()
        assert before.engine == after.engine != ""
        assert before.place == after.place == store.place != ""

    # reading and writing

    @pytest.mark.parametrize("ref", [ACCOUNT, KEY], ids=str)
    def test_what_was_written_is_read_by_all(self, store: Store, another: Maker, ref: Ref) -> None:
        reader = another()
        assert reader.read(ref) is None
        (revision,) = store.commit([Change(ref, {"a": [1, None, {"b": True}]}, None)])
        expected = Stored(ref, {"a": [1, None, {"b": True}]}, revision)
        assert store.read(ref) == reader.read(ref) == another().read(ref) == expected

    @pytest.mark.parametrize("ref", [ACCOUNT, KEY], ids=str)
    def test_what_was_deleted_is_gone_for_all(self, store: Store, another: Maker, ref: Ref) -> None:
        revision = put(store, ref, {"n": 1})
        assert store.commit([Change(ref, None, revision)]) == ("",)
        assert store.read(ref) is another().read(ref) is None
        assert list(store.accounts()) == list(store.scan()) == []

    def test_a_document_is_not_shared_with_its_writer_or_reader(self, store: Store) -> None:
        document: Document = {"versions": [1]}
        put(store, KEY, document)
        document["versions"].append(2)
        read = store.read(KEY)
        assert read is not None
        read.document["versions"].append(3)
        again = store.read(KEY)
        assert again is not None
        assert again.document == {"versions": [1]}

    @pytest.mark.parametrize(
        "text",
        [
            "鍵 – clé – ключ",
            "\U0001f511\u200d\u0301",
            "quote ' \" ` \\ ; --",
            "line\r\n\ttab\u2028",
            "nul \0 esc \x1b",
            "\ud800",
        ],
        ids=["languages", "beyond the BMP", "quotes", "line ends", "controls", "lone surrogate"],
    )
    def test_any_text_comes_back_as_it_was(self, store: Store, another: Maker, text: str) -> None:
        put(store, KEY, {"label": text, text: 1}, events=(event("acme", 1, label=text),))
        read = another().read(KEY)
        assert read is not None
        assert read.document == {"label": text, text: 1}
        assert [found["label"] for found in another().events("acme")] == [text]

    def test_an_account_and_its_keys_are_apart(self, store: Store) -> None:
        put(store, account_ref("acme"), {"is": "account"})
        put(store, key_ref("acme", "acme"), {"is": "key"})
        put(store, key_ref("acme", "x"), {"is": "x"})
        assert [found.document["is"] for found in store.accounts()] == ["account"]
        assert [found.document["is"] for found in store.scan()] == ["key", "x"]

    def test_odd_names_do_not_meet(self, store: Store) -> None:
        refs = sorted(key_ref(a, p) for a in ODD_NAMES for p in ("p", *ODD_NAMES[:6]))
        for start in range(0, len(refs), self.batch):
            store.commit([Change(ref, {"at": str(ref)}, None) for ref in refs[start : start + self.batch]])
        store.commit([Change(account_ref(name), {"at": name}, None) for name in ODD_NAMES])
        assert [(found.ref, found.document["at"]) for found in store.scan()] == [(ref, str(ref)) for ref in refs]
        assert [found.ref.account for found in store.accounts()] == sorted(ODD_NAMES)
        for name in ODD_NAMES:
            assert {found.ref.account for found in store.scan(Query(account=name))} == {name}
            assert {found.ref.provider for found in store.scan(Query(account=name))} == {"p", *ODD_NAMES[:6]}

    @pytest.mark.parametrize("ref", [HEADER, ACCOUNT, KEY], ids=str)
    def test_a_document_may_have_the_limit_and_not_a_byte_more(self, store: Store, ref: Ref) -> None:
        put(store, ref, sized(DOCUMENT_LIMIT))
        before = everything(store)
        with pytest.raises(StoreUnavailable):
            put(store, ref, sized(DOCUMENT_LIMIT + 1))
        assert everything(store) == before
        read = store.read(ref)
        assert read is not None
        assert read.document == sized(DOCUMENT_LIMIT)

    def test_an_event_may_have_the_limit_and_not_a_byte_more(self, store: Store) -> None:
        store.commit([], [sized(DOCUMENT_LIMIT, **event("acme", 1))])
        with pytest.raises(StoreUnavailable):
            put(store, KEY, {}, events=(sized(DOCUMENT_LIMIT + 1, **event("acme", 2)),))
        assert store.read(KEY) is None
        assert [found["seq"] for found in store.events()] == [1]

    # compare and swap

    def test_every_write_has_a_revision_of_its_own(self, store: Store) -> None:
        seen = {put(store, KEY, {"same": True}) for _ in range(5)}
        seen |= {put(store, key_ref("acme", "other"), {"same": True}), put(store, ACCOUNT, {"same": True})}
        assert len(seen) == 7

    def test_a_document_that_was_deleted_and_made_again_is_not_the_old_one(self, store: Store) -> None:
        first = put(store, KEY, {"n": 1})
        store.commit([Change(KEY, None, first)])
        second = put(store, KEY, {"n": 1})
        assert first != second
        for document in ({"n": 2}, None):
            with pytest.raises(ChangedMeanwhile):
                store.commit([Change(KEY, document, first)])
        assert store.read(KEY) == Stored(KEY, {"n": 1}, second)

    @pytest.mark.parametrize("ref", [ACCOUNT, KEY], ids=str)
    @pytest.mark.parametrize("document", [{"n": 3}, None], ids=["put", "delete"])
    def test_a_stale_revision_changes_nothing(self, store: Store, ref: Ref, document: Document | None) -> None:
        stale = put(store, ref, {"n": 1})
        put(store, ref, {"n": 2})
        before = everything(store)
        with pytest.raises(ChangedMeanwhile) as raised:
            store.commit([Change(ref, document, stale)])
        assert raised.value.ref == ref
        assert everything(store) == before

    @pytest.mark.parametrize("ref", [ACCOUNT, KEY], ids=str)
    def test_what_is_there_is_not_made_again(self, store: Store, ref: Ref) -> None:
        put(store, ref, {"n": 1})
        with pytest.raises(ChangedMeanwhile) as raised:
            store.commit([Change(ref, {"n": 2}, None)])
        assert raised.value.ref == ref
        assert [found.document for found in (*store.accounts(), *store.scan())] == [{"n": 1}]

    @pytest.mark.parametrize("ref", [ACCOUNT, KEY], ids=str)
    @pytest.mark.parametrize("revision", ["0" * 16, None], ids=["at a revision", "at none"])
    def test_what_is_not_there_is_neither_changed_nor_deleted(
        self, store: Store, ref: Ref, revision: str | None
    ) -> None:
        for document in (None, {"n": 1}) if revision else (None,):
            with pytest.raises(ChangedMeanwhile):
                store.commit([Change(ref, document, revision)])
        assert store.read(ref) is None

    # several changes at once

    def test_changes_and_events_are_made_together(self, store: Store, another: Maker) -> None:
        other = put(store, key_ref("acme", "gone"), {"n": 0})
        account, key, gone = store.commit(
            [
                Change(ACCOUNT, {"head": 2}, None),
                Change(KEY, {"n": 1}, None),
                Change(key_ref("acme", "gone"), None, other),
            ],
            [event("acme", 1), event("acme", 2)],
        )
        assert gone == ""
        assert everything(another())[1:] == (
            [Stored(ACCOUNT, {"head": 2}, account)],
            [Stored(KEY, {"n": 1}, key)],
            [event("acme", 1), event("acme", 2)],
        )

    @pytest.mark.parametrize("place", [0, 1, 2])
    def test_one_conflict_undoes_all(self, store: Store, another: Maker, place: int) -> None:
        refs = [ACCOUNT, KEY, key_ref("acme", "google_gemini")]
        changes = [Change(ref, {"n": 2}, put(store, ref, {"n": 1})) for ref in refs]
        store.commit([], [event("acme", 1)])
        changes[place] = changes[place]._replace(if_revision="0" * 16)
        before = everything(store)
        with pytest.raises(ChangedMeanwhile) as raised:
            store.commit(changes, [event("acme", 2)])
        assert raised.value.ref == refs[place]
        assert everything(store) == everything(another()) == before

    def test_an_event_whose_place_is_taken_undoes_all(self, store: Store, another: Maker) -> None:
        revision = put(store, KEY, {"n": 1}, events=(event("acme", 1), event("acme", 2)))
        before = everything(store)
        for taken in ([event("acme", 2)], [event("acme", 3), event("acme", 2)], [event("acme", 3), event("acme", 3)]):
            with pytest.raises(ChangedMeanwhile) as raised:
                store.commit([Change(KEY, {"n": 2}, revision), Change(ACCOUNT, {}, None)], taken)
            assert raised.value.ref == ACCOUNT
        assert everything(store) == everything(another()) == before

    def test_a_commit_after_a_conflict_is_as_any_other(self, store: Store) -> None:
        revision = put(store, KEY, {"n": 1})
        with pytest.raises(ChangedMeanwhile):
            store.commit([Change(KEY, {"n": 2}, "0" * 16)])
        store.commit([Change(KEY, {"n": 2}, revision)], [event("acme", 1)])
        assert [found.document for found in store.scan()] == [{"n": 2}]

    # events

    def test_events_come_in_order_of_account_and_number(self, store: Store) -> None:
        for account in ("b", "a", "a-b"):
            for start in range(1, self.page, self.batch):
                numbers = range(min(start + self.batch, self.page) - 1, start - 1, -1)
                store.commit([], [event(account, seq, note=f"{account} {seq}") for seq in numbers])
        numbers = range(1, self.page)
        assert [found["note"] for found in store.events("a")] == [f"a {seq}" for seq in numbers]
        assert [found["note"] for found in store.events()] == [f"{a} {s}" for a in ("a", "a-b", "b") for s in numbers]
        assert list(store.events("nobody")) == []

    def test_events_outlive_the_keys_they_are_about(self, store: Store) -> None:
        revision = put(store, KEY, {"n": 1}, events=(event("acme", 1, hmac="00ff"),))
        store.commit([Change(KEY, None, revision)], [event("acme", 2, hmac="ff00")])
        assert list(store.events()) == [event("acme", 1, hmac="00ff"), event("acme", 2, hmac="ff00")]

    # scanning

    def test_a_scan_is_in_order_of_account_and_provider(self, store: Store) -> None:
        self._fill(store, self.page)
        refs = [found.ref for found in store.scan()]
        assert refs == sorted(refs)
        assert len(set(refs)) == self.page

    def test_accounts_come_in_order(self, store: Store) -> None:
        names = [f"c-{number:06}" for number in range(self.page)]
        for start in range(0, self.page, self.batch):
            chunk = reversed(names[start : start + self.batch])
            store.commit([Change(account_ref(name), {"name": name}, None) for name in chunk])
        assert [found.document["name"] for found in store.accounts()] == names

    queries: ClassVar[tuple[Query, ...]] = (
        Query(),
        Query(account="c-000007"),
        Query(account="nobody"),
        Query(providers=("elevenlabs",)),
        Query(providers=("elevenlabs", "google_gemini", "unknown")),
        Query(not_tested_since="2026-11-12T00:00:00Z"),
        Query(not_tested_since="2026-01-01T00:00:00Z"),
        Query(shard=(2, 3)),
        Query(account="c-000007", providers=("elevenlabs",), not_tested_since="2026-11-30T00:00:00Z", shard=(1, 1)),
        Query(providers=("google_gemini",), not_tested_since="2026-11-12T00:00:00Z", shard=(4, 5)),
    )

    def test_a_scan_yields_what_its_query_takes(self, store: Store) -> None:
        self._fill(store, self.page)
        present = list(store.scan())
        for query in self.queries:
            assert list(store.scan(query)) == [found for found in present if query.takes(found)], query

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
        assert sorted(ref for shard in shards for ref in shard) == [found.ref for found in store.scan()]
        assert all(slot_of(ref) % count == k for k, shard in enumerate(shards) for ref in shard)

    def test_a_store_may_be_changed_during_a_scan(self, store: Store, another: Maker) -> None:
        self._fill(store, self.page)
        refs = [found.ref for found in store.scan()]
        writer, seen = another(), []
        for number, found in enumerate(store.scan()):
            seen.append(found.ref)
            if number % 50 == 0:
                # the one in hand and one far ahead go, by the hand of the scanner and of another
                store.commit([Change(found.ref, None, found.revision)])
                ahead = writer.read(refs[-1 - number // 50])
                assert ahead is not None
                writer.commit([Change(ahead.ref, None, ahead.revision)])
                put(writer, key_ref(f"new-{number}", "elevenlabs"), {"new": True})
        left = {found.ref for found in store.scan()}
        assert len(seen) == len(set(seen))
        assert seen == sorted(seen)
        assert {ref for ref in left if ref in set(refs)} <= set(seen)
        assert len(left) == self.page - len(range(0, len(seen), 50))

    def test_a_scan_that_is_given_up_holds_nothing(self, store: Store, another: Maker) -> None:
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

    # competition

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

    def _counted_completely(self, store: Store, counted: list[int]) -> None:
        expected = list(range(1, self.threads * self.increments + 1))
        assert sorted(counted) == expected
        assert [found["seq"] for found in store.events("counter")] == expected
        read = store.read(COUNTER)
        assert read is not None
        assert read.document == {"count": expected[-1]}

    def _fill(self, store: Store, count: int, *, size: int = 200, start: int = 0) -> None:
        # written in another order than it is read
        numbers = sorted(range(start, start + count), key=lambda number: slot_of(_numbered_ref(number)))
        for at in range(0, count, self.batch):
            store.commit([_numbered(number, size) for number in numbers[at : at + self.batch]])


class SharedStoreConformance(StoreConformance):
    """What holds on top for a store that processes share by its URL."""

    @pytest.fixture
    def url(self) -> str:
        """Return the URL of the place of ``make_store``."""
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


def _numbered_ref(number: int) -> Ref:
    return key_ref(f"c-{number // 3:06}", ("elevenlabs", "google_gemini", "koji_own")[number % 3])


def _numbered(number: int, size: int) -> Change:
    day = number % 29
    tested_at = f"2026-11-{day:02}T00:00:00Z" if day else None
    return Change(_numbered_ref(number), sized(size, number=number, tested_at=tested_at), None)


def _peak_of_scanning(store: Store, count: int) -> int:
    list(store.scan(Query(shard=(1, count))))  # what is made once (statements, caches) is not counted
    tracemalloc.start()
    try:
        assert sum(1 for _ in store.scan()) == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
