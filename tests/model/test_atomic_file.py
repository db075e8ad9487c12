"""A file is written whole or not at all, in one place."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import kojikey
from kojikey.model.atomic_file import write_whole
from kojikey.model.private_folder import make_private_folder


def test_the_old_file_stays_if_the_new_one_is_not_finished(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("before")

    def pieces() -> Iterator[str]:
        yield "half"
        raise OSError(28, "no space left on device")

    with pytest.raises(OSError, match="no space left"):
        write_whole(str(path), pieces())
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["report.html"]


def test_only_its_owner_can_read_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.env"
    write_whole(str(path), ["a", b"b"])
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"ab", 0o600)


def without_links(patch: pytest.MonkeyPatch) -> None:
    """Act as a file system without links does, for example FAT."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    patch.setattr(os, "link", refuse)


def test_a_new_file_is_written_where_there_are_no_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_links(monkeypatch)
    path = tmp_path / "keys.env"
    write_whole(str(path), ["a"], may_replace=False)
    assert (path.read_text(), path.stat().st_mode & 0o777, os.listdir(tmp_path)) == ("a", 0o600, ["keys.env"])


def test_a_file_that_cannot_get_its_name_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    without_links(monkeypatch)
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="Input/output"):
        write_whole(str(tmp_path / "keys.env"), ["a"], may_replace=False)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("has_links", [True, False])
def test_a_file_that_may_not_be_replaced_is_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    if not has_links:
        without_links(monkeypatch)
    path = tmp_path / "keys.env"
    path.write_text("before")
    with pytest.raises(FileExistsError):
        write_whole(str(path), ["after"], may_replace=False)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["keys.env"]


def test_a_file_is_written_into_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refuse_folders(path: str, flags: int, mode: int = 0o777) -> int:
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse_folders)
    for may_replace in (False, True):
        write_whole(str(tmp_path / "keys.env"), ["a"], may_replace=may_replace)
    make_private_folder(str(tmp_path / "one" / "two"))
    monkeypatch.undo()
    assert sorted(os.listdir(tmp_path)) == ["keys.env", "one"]
    assert os.path.isdir(tmp_path / "one" / "two")


def test_only_one_module_replaces_files() -> None:
    """A second writer would be weaker."""
    package = Path(kojikey.__file__).parent
    found = {path.name for path in package.rglob("*.py") if "os.replace(" in path.read_text(encoding="utf-8")}
    assert found == {"atomic_file.py"}
