"""A file is written whole or not at all, in one place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import kojikey
from kojikey.model.atomic_file import write_whole


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


def test_a_file_that_may_not_be_replaced_is_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "keys.env"
    path.write_text("before")
    with pytest.raises(FileExistsError):
        write_whole(str(path), ["after"], may_replace=False)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["keys.env"]


def test_only_one_module_replaces_files() -> None:
    """A second writer would be weaker. SQLite's own file is put in place once, by its own rules."""
    package = Path(kojikey.__file__).parent
    found = {path.name for path in package.rglob("*.py") if "os.replace(" in path.read_text(encoding="utf-8")}
    assert found == {"atomic_file.py", "file.py"}
