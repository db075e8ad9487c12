"""A full disk, a read-only place, a held lock: each has its own error, and nothing is changed."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kojikey.model.errors import StoreDenied, StoreFull, StoreLocked, StoreNotFound
from kojikey.model.ref import account_ref, key_ref
from kojikey.stores.base import Change, Stored
from kojikey.stores.sqlite.errors import translated
from kojikey.stores.sqlite.store import SqliteStore

CONSTRAINED = Path(__file__).with_name("constrained.py")
DYING = Path(__file__).with_name("dying.py")
NOBODY = 65534
KEY = key_ref("acme", "elevenlabs")
EVENT = {"account": "acme", "seq": 1, "provider": "elevenlabs", "time": "2026-11-23T04:47:00Z"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that an unprivileged user can enter, unlike a test's own folder."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


@pytest.fixture
def path(folder: Path) -> Path:
    path = folder / "keys.db"
    store = SqliteStore(str(path))
    store.create({"format": 1})
    store.commit([Change(KEY, {"n": 1}, None)])
    store.close()
    return path


def constrained(path: Path, constraint: int | str, *verbs: str) -> list[str]:
    command = [sys.executable, str(CONSTRAINED), str(path), str(constraint), *verbs]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def as_nobody(path: Path, *verbs: str) -> list[str]:
    if os.geteuid() == 0:
        for each in (path.parent, *path.parent.iterdir()):
            os.chown(each, NOBODY, NOBODY)
    return constrained(path, "nobody", *verbs)


# read-only


@pytest.mark.parametrize(("file", "folder_mode"), [(0o600, 0o500), (0o400, 0o700), (0o400, 0o500)])
def test_a_store_in_a_read_only_place_can_be_read_and_not_changed(path: Path, file: int, folder_mode: int) -> None:
    before = path.read_bytes()
    path.chmod(file)
    path.parent.chmod(folder_mode)
    *reading, writing = as_nobody(path, "open", "scan", "commit")
    assert reading == ["done", "done"]
    assert writing == f"StoreReadOnly: the store {path} can be read but not written here; nothing was changed"
    assert path.read_bytes() == before


@pytest.mark.parametrize(("file", "folder_mode"), [(0o000, 0o700), (0o600, 0o000), (0o200, 0o700)])
def test_a_store_that_may_not_be_read_is_denied(path: Path, file: int, folder_mode: int) -> None:
    path.chmod(file)
    path.parent.chmod(folder_mode)
    for answer in as_nobody(path, "open", "scan", "commit", "create"):
        assert answer.startswith(("StoreDenied: ", "StoreExists: "))


def test_the_hint_about_another_users_store_does_not_suggest_to_restore_it() -> None:
    error = translated(PermissionError(errno.EACCES, os.strerror(errno.EACCES)), "here")
    assert isinstance(error, StoreDenied)
    assert "as the user whose store it is" in str(error.hint)


def test_a_store_is_not_created_in_a_read_only_folder(folder: Path) -> None:
    folder.chmod(0o500)
    assert as_nobody(folder / "keys.db", "create")[0].startswith("StoreDenied: ")
    assert as_nobody(folder / "new.db", "create")[0].startswith("StoreDenied: ")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("file", "folder_mode"), [(0o600, 0o500), (0o400, 0o700), (0o400, 0o500)])
def test_a_half_done_change_in_a_read_only_place_is_reported_and_not_read(
    path: Path, file: int, folder_mode: int
) -> None:
    store = SqliteStore(str(path))
    changes = [Change(key_ref("acme", f"old-{n}"), {"n": 0, "pad": "x" * 4_000}, None) for n in range(40)]
    store.commit([*changes, Change(key_ref("acme", "last"), {"n": 0}, None)])
    store.commit([Change(account_ref("acme"), {"events": 0}, None)])
    store.close()
    subprocess.run([sys.executable, str(DYING), "commit", str(path), "50"], check=False)
    assert path.with_name("keys.db-journal").exists()
    path.chmod(file)
    path.parent.chmod(folder_mode)
    for answer in as_nobody(path, "open", "scan", "commit"):
        assert answer.startswith(f"StoreReadOnly: the store {path} was left in the middle of a change")
    path.parent.chmod(0o700)
    path.chmod(0o600)
    assert as_nobody(path, "open", "scan", "commit") == ["done"] * 3


# full


def test_a_limit_on_the_size_of_files_leaves_the_old_state(path: Path) -> None:
    before = path.read_bytes()
    answers = constrained(path, len(before) + 4096, "open", "commit", "scan")
    assert [answer.partition(":")[0] for answer in answers] == ["done", "StoreFull", "done"]
    assert "the change was not made" in answers[1]
    store = SqliteStore(str(path))
    assert [found.document for found in store.scan()] == [{"n": 1}]
    store.commit([Change(key_ref("acme", "late"), {"pad": "x" * 60_000}, None)])


def test_a_store_that_does_not_fit_on_the_disk_is_not_created(folder: Path) -> None:
    for limit in (0, 1, 4096, 8192):
        (answer,) = constrained(folder / "keys.db", limit, "create")
        assert answer.startswith("StoreFull: ")
        assert list(folder.iterdir()) == []
    with pytest.raises(StoreNotFound):
        SqliteStore(str(folder / "keys.db")).open()


def test_a_full_disk_leaves_the_old_state(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def nearly_full(name: str, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(name, **named)
        connection.execute("PRAGMA max_page_count = 1")  # SQLite takes it as "no more than there are now"
        return connection

    store = SqliteStore(str(path))
    key = store.read(KEY)
    assert key is not None
    store.close()
    with monkeypatch.context() as patch:
        patch.setattr("kojikey.stores.sqlite.store.sqlite3.connect", nearly_full)
        with pytest.raises(StoreFull, match="the change was not made"):
            store.commit([Change(KEY, {"pad": "x" * 60_000}, key.revision)], [EVENT])
        assert store.read(KEY) == key
        assert list(store.events()) == []
        store.close()
    store.commit([Change(KEY, {"pad": "x" * 60_000}, key.revision)], [EVENT])


# locked


@contextmanager
def held(path: Path, *statements: str) -> Iterator[None]:
    """Hold a lock on the file in another process."""
    script = (
        "import sqlite3, sys\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "for statement in sys.argv[2:]: connection.execute(statement).fetchone()\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(path), *statements]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.stdin.close()


def test_a_store_that_another_process_holds_is_locked_and_then_free(path: Path) -> None:
    store = SqliteStore(str(path), busy_timeout=0)
    with held(path, "BEGIN EXCLUSIVE"):
        for use in (store.open, lambda: list(store.scan()), lambda: store.commit([Change(KEY, None, "0")])):
            with pytest.raises(StoreLocked, match="nothing was changed"):
                use()
    assert store.open().document == {"format": 1}


def test_a_store_that_another_process_is_changing_is_read_as_before(path: Path) -> None:
    store = SqliteStore(str(path), busy_timeout=0)
    with held(path, "BEGIN IMMEDIATE", "UPDATE keys SET document = '{}'"):
        key = store.read(KEY)
        assert key is not None
        assert key.document == {"n": 1}
        with pytest.raises(StoreLocked):
            store.commit([Change(KEY, {"n": 2}, key.revision)])
    store.commit([Change(KEY, {"n": 2}, key.revision)])


def test_a_change_that_a_reader_blocks_is_rolled_back_whole(path: Path) -> None:
    store, reader = SqliteStore(str(path), busy_timeout=0), SqliteStore(str(path))
    key = store.read(KEY)
    assert key is not None
    with held(path, "BEGIN", "SELECT * FROM keys"):
        with pytest.raises(StoreLocked):
            store.commit([Change(KEY, {"n": 2}, key.revision)], [EVENT])
        assert store.read(KEY) == reader.read(KEY) == key
    (revision,) = store.commit([Change(KEY, {"n": 2}, key.revision)], [EVENT])
    assert reader.read(KEY) == Stored(KEY, {"n": 2}, revision)


@pytest.mark.parametrize(("seconds", "milliseconds"), [(None, 5_000), (0.25, 250), (0, 0)])
def test_the_time_to_wait_for_a_lock_is_given_to_sqlite(path: Path, seconds: float | None, milliseconds: int) -> None:
    store = SqliteStore(str(path)) if seconds is None else SqliteStore(str(path), busy_timeout=seconds)
    assert store._opened().execute("PRAGMA busy_timeout").fetchall() == [(milliseconds,)]


def test_a_store_may_be_handed_to_another_thread(path: Path) -> None:
    store, answers = SqliteStore(str(path)), []
    store.open()
    worker = threading.Thread(target=lambda: answers.append(store.read(KEY)))
    worker.start()
    worker.join()
    assert answers[0] == store.read(KEY)
    assert answers[0] is not None


def test_a_change_takes_its_lock_at_the_beginning(path: Path) -> None:
    # Taken later, SQLite could not wait for it, and competing changes would fail without need.
    store, statements = SqliteStore(str(path)), list[str]()
    store._opened().set_trace_callback(statements.append)
    store.commit([Change(key_ref("acme", "other"), {}, None)])
    assert statements[0] == "BEGIN IMMEDIATE"
    assert statements[-1] == "COMMIT"


def test_the_settings_do_not_depend_on_how_sqlite_was_built(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def lax(name: str, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(name, **named)
        for setting in ("synchronous = OFF", "secure_delete = OFF", "trusted_schema = ON", "cell_size_check = OFF"):
            connection.execute(f"PRAGMA {setting}")
        return connection

    monkeypatch.setattr("kojikey.stores.sqlite.store.sqlite3.connect", lax)
    connection = SqliteStore(str(path))._opened()
    found = {
        setting: connection.execute(f"PRAGMA {setting}").fetchall()[0][0]
        for setting in ("synchronous", "secure_delete", "trusted_schema", "cell_size_check", "journal_mode")
    }
    assert found == {
        "synchronous": 3, "secure_delete": 1, "trusted_schema": 0, "cell_size_check": 1, "journal_mode": "delete",
    }  # fmt: skip
