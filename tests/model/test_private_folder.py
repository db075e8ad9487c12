"""Folders are created for their owner alone, and existing ones are left as they are."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from kojikey.model.private_folder import make_private_folder
from support.program import Program


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """Give new folders the usual mode, 0755, where none is asked for; take back what a test sets."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(*folders: Path) -> list[int]:
    return [stat.S_IMODE(folder.stat().st_mode) for folder in folders]


def test_each_created_folder_is_closed_to_others_and_existing_ones_are_unchanged(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    make_private_folder(str(there / "a" / "b"))
    make_private_folder(str(there / "a" / "b"))
    assert modes(there, there / "a", there / "a" / "b") == [0o755, 0o700, 0o700]


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077, 0o277, 0o777], ids=oct)
def test_folders_are_0700_and_files_0600_with_every_umask(kojikey: Program, mask: int) -> None:
    os.umask(mask)
    kek, team = kojikey.home.parent / "kek", f"sqlite://{kojikey.home}/more/team.db"
    assert kojikey("store", "init", "--kek", f"file:{kek}").code == 0
    assert kojikey("store", "init", team, "--name", "team", "--kek", f"file:{kek}").code == 0
    kojikey.added()
    assert kojikey("config", "set", "account", "default").code == 0
    assert kojikey("audit", "--verify").code == 0
    assert kojikey("export", "--reveal", "--output", str(kojikey.home / "exported")).code == 0
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in (kek, kojikey.home, *kojikey.home.rglob("*"))}
    assert len(found) >= 7
    assert found == {path: 0o700 if path.is_dir() else 0o600 for path in found}


def test_the_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError) as caught:
        make_private_folder(str(tmp_path / "file" / "a" / "b"))
    assert caught.value.filename == str(tmp_path / "file")


@pytest.mark.parametrize("words", ["config set account acme", "providers new acme", "store init --kek env"])
def test_a_command_opens_no_folder_above_its_own_to_others(kojikey: Program, tmp_path: Path, words: str) -> None:
    home = tmp_path / "new" / ".config" / "kojikey"
    assert kojikey(*words.split(), KOJIKEY_HOME=str(home)).code == 0
    assert modes(home, home.parent, home.parent.parent) == [0o700, 0o700, 0o700]


def test_a_path_of_more_folders_than_python_has_frames_is_created(tmp_path: Path) -> None:
    depth = 1100
    path = os.path.join(tmp_path, *("a" * depth))
    try:
        make_private_folder(path)
        assert os.path.isdir(path)
    finally:
        for _ in range(depth):  # pytest would remove them by a function that calls itself
            if os.path.isdir(path):
                os.rmdir(path)
            path = os.path.dirname(path)
