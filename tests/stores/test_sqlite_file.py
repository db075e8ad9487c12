"""The file of an SQLite store: its creation, its permissions, and files that are no store."""

from __future__ import annotations

import errno
import os
import shlex
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kojikey.model.errors import (
    KojikeyError,
    StoreCorrupt,
    StoreExists,
    StoreNotFound,
    StoreUnavailable,
    UnsafePermissions,
    UsageError,
)
from kojikey.model.ref import account_ref, key_ref
from kojikey.stores.base import Change
from kojikey.stores.sqlite.store import SqliteStore

KEY = key_ref("acme", "elevenlabs")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "home" / "keys.db"
    made(path).close()
    return path


def made(path: Path) -> SqliteStore:
    store = SqliteStore(str(path), busy_timeout=0)
    store.create({"format": 1})
    return store


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def mend(hint: str | None) -> None:
    """Run the command of a hint."""
    assert hint is not None
    subprocess.run(shlex.split(hint), check=True)


def test_only_the_owner_can_use_the_file_and_its_folders_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = made(tmp_path / "a" / "b" / "keys.db")
        store.commit([Change(KEY, {}, None)])
    finally:
        os.umask(before)
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700
    assert mode(tmp_path / "a" / "b" / "keys.db") == 0o600


def test_a_new_store_is_one_file(path: Path) -> None:
    assert [file.name for file in path.parent.iterdir()] == ["keys.db"]
    assert path.stat().st_nlink == 1


def test_only_the_owner_can_use_the_journal_and_it_is_removed_after_the_change(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, modes = SqliteStore(str(path)), []
    journal = path.with_name("keys.db-journal")
    connection = store._opened()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO accounts VALUES ('a', 'r', '{}')")
    modes.append(mode(journal))
    connection.execute("ROLLBACK")
    assert modes == [0o600]
    assert not journal.exists()


@pytest.mark.parametrize("bits", [0o640, 0o620, 0o604, 0o602, 0o660, 0o644, 0o666, 0o610])
def test_a_file_that_others_can_use_is_refused_until_the_hint_is_typed(path: Path, bits: int) -> None:
    path.chmod(bits)
    with pytest.raises(UnsafePermissions, match="others") as raised:
        SqliteStore(str(path)).open()
    assert raised.value.hint == f"chmod 600 {path}"
    mend(raised.value.hint)
    assert SqliteStore(str(path)).open().document == {"format": 1}


@pytest.mark.parametrize("side", ["-journal", "-wal", "-shm"])
def test_a_side_file_that_others_can_use_is_refused(path: Path, side: str) -> None:
    beside = path.with_name(path.name + side)
    beside.touch(0o644)
    beside.chmod(0o644)
    with pytest.raises(UnsafePermissions) as raised:
        SqliteStore(str(path)).open()
    assert raised.value.hint == f"chmod 600 {beside}"


@pytest.mark.parametrize("make", [lambda beside: beside.symlink_to("/etc/hostname"), Path.mkdir, os.mkfifo])
def test_a_side_file_that_is_no_file_is_refused_and_its_target_keeps_its_mode(
    path: Path, make: Callable[[Path], object]
) -> None:
    beside = path.with_name(path.name + "-journal")
    make(beside)
    with pytest.raises(StoreCorrupt, match="other than a file in place of its journal") as raised:
        SqliteStore(str(path)).open()
    mend(raised.value.hint)
    assert SqliteStore(str(path)).open().document == {"format": 1}


def test_the_command_of_a_hint_is_quoted_for_the_shell(tmp_path: Path) -> None:
    path = tmp_path / "it's mine; touch x" / "keys.db"
    made(path)
    path.chmod(0o644)
    with pytest.raises(UnsafePermissions) as raised:
        SqliteStore(str(path)).open()
    mend(raised.value.hint)
    assert mode(path) == 0o600


@pytest.mark.parametrize("bits", [0o770, 0o702, 0o777, 0o2770])
def test_a_folder_that_others_can_write_to_is_refused_until_the_hint_is_typed(path: Path, bits: int) -> None:
    path.parent.chmod(bits)
    for use in (SqliteStore(str(path)).open, lambda: made(path.with_name("other.db"))):
        with pytest.raises(UnsafePermissions) as raised:
            use()
        assert raised.value.hint == f"chmod go-w {path.parent}"
    assert not path.with_name("other.db").exists()
    mend(raised.value.hint)
    SqliteStore(str(path)).open()


@pytest.mark.parametrize("bits", [0o755, 0o1777])
def test_a_folder_that_others_only_read_or_that_is_sticky_is_fine(path: Path, bits: int) -> None:
    path.parent.chmod(bits)
    assert SqliteStore(str(path)).open().document == {"format": 1}


def test_a_file_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 4_000)
    if path.stat().st_uid == 0:
        os.chown(path, 1_000, -1)
    with pytest.raises(UnsafePermissions, match="belongs to uid"):
        SqliteStore(str(path)).open()


def test_a_link_is_followed_and_its_target_is_checked(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(path)
    SqliteStore(str(link)).commit([Change(KEY, {"n": 1}, None)])
    assert link.is_symlink()
    assert SqliteStore(str(path)).read(KEY) is not None
    path.parent.chmod(0o777)
    with pytest.raises(UnsafePermissions, match="folder"):
        SqliteStore(str(link)).open()


def test_a_link_that_others_can_redirect_is_refused(path: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "link.db").symlink_to(path)
    shared.chmod(0o777)
    with pytest.raises(UnsafePermissions) as raised:
        SqliteStore(str(shared / "link.db")).open()
    assert raised.value.hint == f"chmod go-w {shared}"


def test_a_dangling_link_is_an_error_and_no_store_is_created_at_its_target(tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "nowhere.db")
    for verb in (lambda: SqliteStore(str(link)).open(), lambda: SqliteStore(str(link)).create({})):
        with pytest.raises(StoreUnavailable, match="a symbolic link to a file that does not exist") as caught:
            verb()
        assert not isinstance(caught.value, StoreNotFound)
    assert not (tmp_path / "nowhere.db").exists()


@pytest.mark.parametrize("folder", ["/proc/nowhere", "/dev/null/x"])
def test_a_folder_that_cannot_be_created_is_named(folder: str) -> None:
    with pytest.raises(StoreUnavailable, match=f"its folder {folder.removesuffix('/x')}") as caught:
        SqliteStore(f"{folder}/deeper/keys.db").create({})
    assert not isinstance(caught.value, StoreNotFound)


@pytest.mark.parametrize(
    "name", ["keys.db", "100%.db", "a?mode=memory", "a#b", "%2e%2e", "spa ce'\"", "鍵.db", "\udcff.db"]
)
def test_any_file_name_is_taken_literally(tmp_path: Path, name: str) -> None:
    made(tmp_path / name).commit([Change(KEY, {"n": 1}, None)])
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert SqliteStore(str(tmp_path / name)).read(KEY) is not None
    SqliteStore(str(tmp_path / name)).place.encode("utf-8")


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_text_that_cannot_be_a_path_is_refused(path: str) -> None:
    with pytest.raises(UsageError):
        SqliteStore(path)


def folder(path: Path) -> None:
    path.mkdir(0o700)


def pipe(path: Path) -> None:
    os.mkfifo(path, 0o600)


def socket_file(path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the name of a socket may have 108 characters
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(before)
    path.chmod(0o600)


def empty(path: Path) -> None:
    path.touch(0o600)


def loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize("make", [folder, pipe, socket_file, empty], ids=lambda make: str(make.__name__))
def test_a_file_that_is_no_store_is_reported_and_left_unchanged(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "keys.db"
    make(path)
    before = path.lstat()
    store = SqliteStore(str(path))
    for use in (store.open, lambda: store.read(KEY), lambda: store.commit([Change(KEY, {}, None)])):
        with pytest.raises(StoreCorrupt):
            use()
    with pytest.raises(StoreExists):
        store.create({"format": 1})
    assert path.lstat()[:8] == before[:8]
    assert [file.name for file in tmp_path.iterdir()] == ["keys.db"]


def test_a_link_to_itself_is_a_kojikey_error(tmp_path: Path) -> None:
    loop(tmp_path / "keys.db")
    with pytest.raises(KojikeyError):
        SqliteStore(str(tmp_path / "keys.db")).open()


def test_a_path_through_a_file_is_no_store_and_none_is_created(path: Path) -> None:
    with pytest.raises(StoreNotFound):
        SqliteStore(str(path / "deeper.db")).open()
    with pytest.raises(KojikeyError):
        made(path / "deeper.db")
    assert SqliteStore(str(path)).open().document == {"format": 1}


def test_a_file_that_was_replaced_while_in_use_is_not_written(path: Path) -> None:
    store = SqliteStore(str(path))
    store.open()
    other = path.with_name("other.db")
    made(other).close()
    before = other.read_bytes()
    os.replace(other, path)
    with pytest.raises(StoreUnavailable, match="moved or replaced"):
        store.commit([Change(KEY, {}, None)])
    assert path.read_bytes() == before


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.EMLINK], ids=lambda code: errno.errorcode[code])
def test_a_store_is_created_where_hard_links_are_not_supported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(source: str, target: str) -> None:
        raise OSError(code, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    store = made(tmp_path / "keys.db")
    assert store.open().document == {"format": 1}
    with pytest.raises(StoreExists):
        made(tmp_path / "keys.db")
    assert [file.name for file in tmp_path.iterdir()] == ["keys.db"]
    assert mode(tmp_path / "keys.db") == 0o600


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_a_file_that_appears_at_the_last_moment_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    path, link = tmp_path / "keys.db", os.link

    def late(source: str, target: str) -> None:
        path.write_text("someone else's")
        if not links:
            raise OSError(errno.EPERM, "no links here")
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(StoreExists):
        made(path)
    assert path.read_text() == "someone else's"
    assert [file.name for file in tmp_path.iterdir()] == ["keys.db"]


def test_no_bytes_of_a_deleted_key_stay_in_the_file(path: Path) -> None:
    store = SqliteStore(str(path))
    (revision,) = store.commit([Change(KEY, {"sealed": "CANARY" * 500}, None)])
    (account,) = store.commit([Change(account_ref("acme"), {"wrapped": "CANARY"}, None)])
    assert b"CANARY" in path.read_bytes()
    store.commit([Change(KEY, None, revision), Change(account_ref("acme"), {"wrapped": "other"}, account)])
    assert b"CANARY" not in path.read_bytes()
