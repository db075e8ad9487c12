"""The format of an SQLite store: its mark, migrations, and damage."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from kojikey.model.errors import KojikeyError, StoreCorrupt, StoreExists, StoreNotFound, StoreVersion
from kojikey.model.ref import account_ref, key_ref
from kojikey.stores.base import Change, Query, Store
from kojikey.stores.sqlite import schema
from kojikey.stores.sqlite import store as sqlite
from kojikey.stores.sqlite.store import SqliteStore

KEY = key_ref("acme", "elevenlabs")
EVENT = {"account": "acme", "seq": 1, "provider": "elevenlabs", "time": "2026-11-23T04:47:00Z"}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return the file of a store of 60 accounts with a key and an event each, and one further key."""
    path = tmp_path_factory.mktemp("pristine") / "keys.db"
    store = SqliteStore(str(path))
    store.create({"format": 1})
    for number in range(60):
        key = Change(key_ref(f"c-{number:03}", "elevenlabs"), {"n": number, "pad": "x" * 400}, None)
        account = Change(account_ref(f"c-{number:03}"), {"n": number}, None)
        store.commit([key, account], [{**EVENT, "seq": number}])
    store.commit([Change(KEY, {"n": 0}, None)])
    store.close()
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path, pristine: bytes) -> Path:
    path = tmp_path / "keys.db"
    path.touch(0o600)
    path.write_bytes(pristine)
    return path


def by_hand(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_the_file_says_what_it_is(path: Path) -> None:
    raw = path.read_bytes()
    assert raw[:16] == b"SQLite format 3\0"
    assert raw[68:72] == b"kjky"
    assert int.from_bytes(raw[60:64], "big") == len(schema.MIGRATIONS)


def test_the_description_names_the_format_and_the_place(path: Path) -> None:
    description = SqliteStore(str(path)).describe()
    assert description.engine.startswith("SQLite 3.")
    assert dict(description.details)["format"] == "1"
    assert description.place == str(path)


def teach(monkeypatch: pytest.MonkeyPatch, *more: tuple[str, ...]) -> None:
    """Add formats to those that this kojikey knows."""
    all_of_them = schema.MIGRATIONS + more
    for module in (schema, sqlite):
        monkeypatch.setattr(module, "MIGRATIONS", all_of_them)


TWO_MORE = (
    ("ALTER TABLE keys ADD COLUMN colour TEXT", "CREATE TABLE extra (a TEXT)"),
    ("UPDATE keys SET colour = 'red'",),
)


def test_a_store_of_a_newer_kojikey_is_refused_unchanged(path: Path) -> None:
    by_hand(path, "PRAGMA user_version = 2")
    before, store = path.read_bytes(), SqliteStore(str(path))
    for use in uses(store):
        with pytest.raises(StoreVersion, match="format 2"):
            use()
    assert path.read_bytes() == before


def test_an_older_store_is_migrated_with_all_its_content(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = list(SqliteStore(str(path)).scan())
    teach(monkeypatch, *TWO_MORE)
    store = SqliteStore(str(path))
    assert list(store.scan()) == before
    store.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (3,)
    assert connection.execute("SELECT DISTINCT colour FROM keys").fetchall() == [("red",)]
    connection.close()


def test_a_new_store_has_the_newest_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teach(monkeypatch, *TWO_MORE)
    store = SqliteStore(str(tmp_path / "new.db"))
    store.create({})
    assert dict(store.describe().details)["format"] == "3"


def test_a_migration_that_fails_leaves_the_older_store(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        teach(patch, ("ALTER TABLE keys ADD COLUMN a TEXT", "INSERT INTO nowhere VALUES (1)"))
        with pytest.raises(StoreCorrupt):
            SqliteStore(str(path)).open()
    assert path.read_bytes() == before
    assert SqliteStore(str(path)).open().document == {"format": 1}


def test_an_older_store_that_cannot_be_written_is_reported_as_another_version(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teach(monkeypatch, *TWO_MORE)
    connect, before = sqlite3.connect, path.read_bytes()
    monkeypatch.setattr(
        "kojikey.stores.sqlite.store.sqlite3.connect",
        lambda name, **kw: connect(name.replace("mode=rw", "mode=ro"), **kw),
    )
    with pytest.raises(StoreVersion, match="older kojikey"):
        SqliteStore(str(path)).open()
    assert path.read_bytes() == before


def test_a_store_that_was_opened_before_its_migration_does_not_write(path: Path) -> None:
    store = SqliteStore(str(path))
    store.open()
    by_hand(path, "PRAGMA user_version = 2")
    with pytest.raises(StoreVersion):
        store.commit([Change(key_ref("late", "elevenlabs"), {}, None)])
    by_hand(path, "PRAGMA user_version = 1")
    assert store.read(key_ref("late", "elevenlabs")) is None


def uses(store: Store) -> list[Callable[[], object]]:
    return [
        store.open,
        store.header,
        lambda: store.read(KEY),
        lambda: store.read(account_ref("c-030")),
        lambda: list(store.scan()),
        lambda: list(store.scan(Query(providers=("elevenlabs",), shard=(1, 2), not_tested_since="2026"))),
        lambda: list(store.accounts()),
        lambda: list(store.events()),
        lambda: store.commit([Change(key_ref("z", "z"), {}, None)], [{**EVENT, "seq": 10_000}]),
    ]


@pytest.mark.parametrize(
    "statements",
    [
        ["DROP TABLE keys"],
        ["DROP TABLE header"],
        ["DROP TABLE events"],
        ["DROP TABLE accounts", "CREATE VIEW accounts AS SELECT account, revision, document FROM keys"],
        ["CREATE TRIGGER spy AFTER INSERT ON keys BEGIN DELETE FROM keys; END"],
        ["PRAGMA application_id = 0"],
        ["DELETE FROM header"],
        ["UPDATE header SET document = '[]'"],
        ["UPDATE header SET document = '{\"format\": '"],
        ["UPDATE header SET document = x'ff00'"],
        ["UPDATE header SET document = cast(x'22ff22' AS TEXT)"],
        ["UPDATE header SET document = 7"],
        [f"UPDATE header SET document = '{'[' * 100_000}'"],
        ["ALTER TABLE header RENAME COLUMN document TO body"],
        [
            "ALTER TABLE keys RENAME TO hidden",
            "CREATE VIRTUAL TABLE keys USING fts5(account, provider, tested_at, slot, revision, document)",
        ],
        ["PRAGMA user_version = 0"],
        ["PRAGMA user_version = -1"],
    ],
    ids=lambda statements: statements[0][:40],
)
def test_a_store_with_changed_tables_is_reported_and_left_unchanged(path: Path, statements: list[str]) -> None:
    by_hand(path, *statements)
    before = path.read_bytes()
    with pytest.raises((StoreCorrupt, StoreVersion)):
        SqliteStore(str(path)).open()
    with pytest.raises(StoreExists):
        SqliteStore(str(path)).create({})
    assert SqliteStore(str(path)).describe().place == str(path)
    assert path.read_bytes() == before


def test_tables_of_others_in_the_file_do_no_harm(path: Path) -> None:
    by_hand(path, "CREATE INDEX theirs ON keys (revision)", "ANALYZE", "CREATE TABLE notes (a)")
    assert len(list(SqliteStore(str(path)).scan())) == 61


def test_a_damaged_document_does_not_hide_the_others(path: Path) -> None:
    by_hand(path, "UPDATE keys SET document = 'CANARY' WHERE account = 'c-030'")
    store = SqliteStore(str(path))
    damaged = [found.ref for found in store.scan() if not found.document]
    assert damaged == [key_ref("c-030", "elevenlabs")]
    assert len(list(store.scan())) == 61


def bytes_are_turned(raw: bytes, chance: random.Random) -> bytes:
    turned = bytearray(raw)
    for _ in range(chance.choice((1, 8, 200))):
        turned[chance.randrange(len(turned))] ^= chance.randrange(1, 256)
    return bytes(turned)


def the_header_is_turned(raw: bytes, chance: random.Random) -> bytes:
    return bytes_are_turned(raw[:100], chance) + raw[100:]


def the_end_is_cut_off(raw: bytes, chance: random.Random) -> bytes:
    return raw[: chance.choice((chance.randrange(1, 200), chance.randrange(1, len(raw))))]


def a_page_is_garbage(raw: bytes, chance: random.Random) -> bytes:
    page = 4096 * chance.randrange(len(raw) // 4096)
    return raw[:page] + chance.randbytes(4096) + raw[page + 4096 :]


def a_page_is_zeroes(raw: bytes, chance: random.Random) -> bytes:
    page = 4096 * chance.randrange(len(raw) // 4096)
    return raw[:page] + bytes(4096) + raw[page + 4096 :]


def all_is_garbage(raw: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(len(raw))


def all_is_zeroes(raw: bytes, chance: random.Random) -> bytes:
    return bytes(len(raw))


def all_is_text(raw: bytes, chance: random.Random) -> bytes:
    return b'{"keys": []}\n'


@pytest.mark.parametrize(
    "damage",
    [
        bytes_are_turned,
        the_header_is_turned,
        the_end_is_cut_off,
        a_page_is_garbage,
        a_page_is_zeroes,
        all_is_garbage,
        all_is_zeroes,
        all_is_text,
    ],
    ids=lambda damage: str(damage.__name__),
)
@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_file_is_never_taken_for_another_nor_replaced(
    path: Path, damage: Callable[[bytes, random.Random], bytes], seed: int
) -> None:
    raw = damage(path.read_bytes(), random.Random(seed))
    path.write_bytes(raw)
    inode = path.stat().st_ino
    store = SqliteStore(str(path))
    *reading, writing = uses(store)
    for use in (*reading, store.describe):
        only_our_errors(use)
    store.close()
    assert path.read_bytes() == raw
    with pytest.raises(StoreExists):
        store.create({})
    only_our_errors(writing)
    only_our_errors(store.close)
    assert path.stat().st_ino == inode


@pytest.mark.parametrize(
    "damage", [all_is_garbage, all_is_zeroes, all_is_text], ids=lambda damage: str(damage.__name__)
)
def test_a_file_that_is_not_a_database_is_corrupt_and_not_missing(
    path: Path, damage: Callable[[bytes, random.Random], bytes]
) -> None:
    path.write_bytes(damage(path.read_bytes(), random.Random(0)))
    for use in uses(SqliteStore(str(path))):
        with pytest.raises(StoreCorrupt):
            use()


def only_our_errors(use: Callable[[], object]) -> None:
    try:
        use()
    except StoreNotFound as error:
        raise AssertionError("a damaged store is not a missing one") from error
    except KojikeyError:
        pass
