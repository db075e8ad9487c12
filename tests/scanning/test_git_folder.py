"""FIFOs in the folder of a repository, for which git would wait for ever."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kojikey.scanning.git_folder import has_fifo


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("objects/info", "refs/heads", "worktrees/other"):
        (tmp_path / "work" / ".git" / name).mkdir(parents=True)
    (tmp_path / "work" / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / "work" / "folder").mkdir()
    return tmp_path / "work"


def test_a_repository_of_files_has_no_fifo(repository: Path) -> None:
    (repository / ".git" / "broken-link").symlink_to("nowhere")
    os.mkfifo(repository / "fifo-in-the-work-tree")
    assert not has_fifo(str(repository / "folder"), {})


@pytest.mark.parametrize("place", ["HEAD", "config", "packed-refs", "refs/heads/main", "objects/info/alternates"])
def test_a_fifo_anywhere_in_the_folder_is_found(repository: Path, place: str) -> None:
    (repository / ".git" / place).unlink(missing_ok=True)
    os.mkfifo(repository / ".git" / place)
    assert has_fifo(str(repository / "folder"), {})


def test_a_link_to_a_fifo_is_found(repository: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (repository / ".git" / "config").symlink_to(tmp_path / "fifo")
    assert has_fifo(str(repository), {})


def test_a_fifo_in_place_of_the_folder_is_found(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".git")
    assert has_fifo(str(tmp_path), {})


def test_the_folders_of_a_worktree_are_both_searched(repository: Path, tmp_path: Path) -> None:
    own = repository / ".git" / "worktrees" / "other"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".git").write_text(f"gitdir: {own}\n")
    (own / "commondir").write_text("../..\n")
    assert not has_fifo(str(tmp_path / "other"), {})
    os.mkfifo(repository / ".git" / "config")
    assert has_fifo(str(tmp_path / "other"), {})


def test_a_bare_repository_and_one_that_the_environment_names_are_searched(repository: Path, tmp_path: Path) -> None:
    os.mkfifo(repository / ".git" / "config")
    bare = (repository / ".git").rename(tmp_path / "bare.git")
    assert has_fifo(str(bare / "refs"), {})
    assert not has_fifo(str(repository), {})
    assert has_fifo(str(repository), {"GIT_DIR": "../bare.git"})


def test_outside_a_repository_there_is_no_fifo(tmp_path: Path) -> None:
    assert not has_fifo(str(tmp_path / "nowhere"), {})
