"""A lost connection: reading continues, a change is done once, and an unknown outcome is reported as unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from kojikey.model.errors import ChangedMeanwhile, StoreUnreachable
from kojikey.model.ref import Document, account_ref, key_ref
from kojikey.stores.base import Change
from kojikey.stores.postgres.address import read_address
from kojikey.stores.postgres.store import PostgresStore
from support.servers.lossy import Lossy
from support.servers.postgres import Server

KEY, ACCOUNT = key_ref("acme", "elevenlabs"), account_ref("acme")
COMMIT = b"COMMIT\0"  # the statement, not "READ COMMITTED"
SETTINGS = b"lock_timeout"  # the first statement of every change


def event(seq: int) -> Document:
    return {"account": "acme", "seq": seq, "provider": "elevenlabs", "time": "2026-11-23T04:47:00Z"}


@pytest.fixture
def between(postgres: Server) -> Iterator[Lossy]:
    with Lossy(postgres.port) as lossy:
        yield lossy


@pytest.fixture
def direct(postgres: Server, database: str) -> Iterator[PostgresStore]:
    """Return a store with a direct connection, a key and one event."""
    store = PostgresStore(read_address(postgres.url(database)))
    store.create({"format": 1})
    store.commit([Change(KEY, {"n": 1}, None), Change(ACCOUNT, {"head": 1}, None)], [event(1)])
    yield store
    store.close()


@pytest.fixture
def store(between: Lossy, direct: PostgresStore, database: str) -> Iterator[PostgresStore]:
    """Return the same store, opened over the connection that will be lost."""
    store = PostgresStore(read_address(f"postgresql://postgres@127.0.0.1:{between.port}/{database}"))
    store.open()
    yield store
    store.close()


def changes(store: PostgresStore, n: int = 2) -> list[Change]:
    found = [store.read(ref) for ref in (KEY, ACCOUNT)]
    return [Change(stored.ref, {"n": n}, stored.revision) for stored in found if stored]


def state(store: PostgresStore) -> tuple[object, list[int]]:
    key = store.read(KEY)
    return key and (key.document, key.revision), [found["seq"] for found in store.events()]


@pytest.mark.parametrize("delivered", [True, False], ids=["the answer", "the question"])
@pytest.mark.parametrize(
    ("word", "read"),
    [
        (b"FROM kojikey.keys", lambda store: store.read(KEY).document),
        (b"FROM kojikey.keys", lambda store: next(found.document for found in store.scan())),
        (b"FROM kojikey.header", lambda store: store.open() and {"n": 1}),
        (b"current_user", lambda store: store.role() and {"n": 1}),
    ],
    ids=["read", "scan", "open", "role"],
)
def test_reading_continues_over_another_connection(
    store: PostgresStore, between: Lossy, word: bytes, read: Callable[[PostgresStore], object], *, delivered: bool
) -> None:
    between.lose(word, delivered=delivered)
    assert read(store) == {"n": 1}
    assert between.connections == 2


def test_a_scan_continues_where_it_stopped(store: PostgresStore, direct: PostgresStore, between: Lossy) -> None:
    names = [f"c-{number:04}" for number in range(900)]
    for start in range(0, 900, 100):
        direct.commit([Change(key_ref(name, "p"), {}, None) for name in names[start : start + 100]])
    scan = store.scan()
    seen = [next(scan).ref.account for _ in range(200)]
    between.lose(b"FROM kojikey.keys", delivered=True)
    seen += [found.ref.account for found in scan]
    assert between.connections == 2
    assert seen == ["acme", *names]


@pytest.mark.parametrize("delivered", [True, False], ids=["made", "not made"])
@pytest.mark.parametrize("word", [COMMIT, SETTINGS], ids=["at the commit", "before it"])
@pytest.mark.parametrize("events", [[event(2)], []], ids=["with an event", "without"])
def test_a_change_is_done_once_whatever_was_lost(
    store: PostgresStore, direct: PostgresStore, between: Lossy, word: bytes, events: list[Document], *, delivered: bool
) -> None:
    wanted = changes(store)
    between.lose(word, delivered=delivered)
    revision, _ = store.commit(wanted, events)
    assert between.connections == 2
    assert state(direct) == (({"n": 2}, revision), [1, 2] if events else [1])


@pytest.mark.parametrize("delivered", [True, False], ids=["made", "not made"])
def test_a_key_is_added_and_deleted_once_whatever_was_lost(
    store: PostgresStore, direct: PostgresStore, between: Lossy, *, delivered: bool
) -> None:
    other = key_ref("acme", "other")
    between.lose(COMMIT, delivered=delivered)
    (revision,) = store.commit([Change(other, {"n": 7}, None)], [event(2)])
    found = direct.read(other)
    assert found is not None
    assert found.revision == revision
    between.lose(COMMIT, delivered=delivered)
    assert store.commit([Change(other, None, revision)], [event(3)]) == ("",)
    assert direct.read(other) is None
    assert state(direct)[1] == [1, 2, 3]


@pytest.mark.parametrize("delivered", [True, False], ids=["made", "not made"])
def test_a_store_is_created_once_whatever_was_lost(
    postgres: Server, database: str, between: Lossy, *, delivered: bool
) -> None:
    store = PostgresStore(read_address(f"postgresql://postgres@127.0.0.1:{between.port}/{database}"))
    between.lose(COMMIT, delivered=delivered)
    store.create({"format": 1})
    assert store.open().document == {"format": 1}
    store.close()


def test_a_change_that_another_change_followed_is_acknowledged(
    store: PostgresStore, direct: PostgresStore, between: Lossy
) -> None:
    wanted = changes(store)
    between.lose(COMMIT, delivered=True, afterwards=lambda: direct.commit(changes(direct, 3), [event(3)]))
    store.commit(wanted, [event(2)])
    assert state(direct)[1] == [1, 2, 3]
    key = direct.read(KEY)
    assert key is not None
    assert key.document == {"n": 3}


def test_a_change_that_was_lost_and_then_overtaken_is_a_conflict(
    store: PostgresStore, direct: PostgresStore, between: Lossy
) -> None:
    wanted = changes(store)
    between.lose(COMMIT, delivered=False, afterwards=lambda: direct.commit(changes(direct, 3), [event(2)]))
    with pytest.raises(ChangedMeanwhile) as raised:
        store.commit(wanted, [event(2)])
    assert raised.value.ref == KEY
    assert state(direct)[1] == [1, 2]


@pytest.mark.parametrize("delivered", [True, False], ids=["made", "not made"])
def test_the_outcome_of_an_overtaken_change_without_an_event_is_unknown(
    store: PostgresStore, direct: PostgresStore, between: Lossy, *, delivered: bool
) -> None:
    wanted = changes(store)
    between.lose(COMMIT, delivered=delivered, afterwards=lambda: direct.commit(changes(direct, 3)))
    with pytest.raises(StoreUnreachable, match="it is not known whether the change was made"):
        store.commit(wanted)


@pytest.mark.parametrize("delivered", [True, False], ids=["made", "not made"])
def test_an_unknown_outcome_is_reported_with_the_command_that_finds_out(
    store: PostgresStore, direct: PostgresStore, between: Lossy, *, delivered: bool
) -> None:
    wanted = changes(store)
    between.lose(COMMIT, delivered=delivered, afterwards=between.refuse)
    with pytest.raises(StoreUnreachable, match="it is not known whether the change was made") as raised:
        store.commit(wanted, [event(2)])
    assert raised.value.hint is not None
    assert "kojikey history" in raised.value.hint
    assert state(direct)[1] == ([1, 2] if delivered else [1])


def test_connections_that_the_server_ended_are_replaced(postgres: Server, direct: PostgresStore) -> None:
    before = state(direct)
    end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kojikey'"
    for _ in range(2):
        postgres.sql(end_all)
        assert state(direct) == before
        postgres.sql(end_all)
        direct.commit(changes(direct, 1))
        before = state(direct)
