"""Looks at the folder of a git repository: git waits for ever to open a FIFO, and does not see what it may not read.

Must not: start git, or decide whether a folder is a valid repository (git does).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

_MOST_BYTES = 4096  # of a file that names a folder


def has_fifo(start: str, environ: Mapping[str, str]) -> bool:
    """Return whether a FIFO stands in the folder of git's files for a path."""
    folder = _git_folder(os.path.abspath(start), environ)
    if folder is None:
        return False
    common = _named_folder(os.path.join(folder, "commondir"), "")
    return any(_is_fifo_in(each) for each in {folder, common or folder})


def is_closed(start: str, environ: Mapping[str, str]) -> bool:
    """Return whether a path is in a repository that this user may not read. Git says that there is none."""
    folder = _git_folder(os.path.abspath(start), environ)
    needed = () if folder is None else (folder, os.path.join(folder, "objects"), os.path.join(folder, "refs"))
    return any(os.path.exists(each) and not os.access(each, os.R_OK | os.X_OK) for each in needed)


def _git_folder(start: str, environ: Mapping[str, str]) -> str | None:
    """Return the folder that git would use for a path, or the FIFO in its place; None if there is none."""
    if environ.get("GIT_DIR"):
        return os.path.join(start, environ["GIT_DIR"])
    while True:
        candidate = os.path.join(start, ".git")
        if os.path.isfile(candidate):  # of a worktree or a submodule
            return _named_folder(candidate, "gitdir:")
        if os.path.exists(candidate):
            return candidate
        if all(os.path.isdir(os.path.join(start, name)) for name in ("objects", "refs")):
            return start
        if start == os.path.dirname(start):
            return None
        start = os.path.dirname(start)


def _named_folder(path: str, prefix: str) -> str | None:
    """Return the folder that a regular file names, None if it names none."""
    if not os.path.isfile(path):
        return None
    try:
        with open(path, "rb") as file:
            text = os.fsdecode(file.read(_MOST_BYTES)).strip()
    except OSError:
        return None
    folder = text.removeprefix(prefix).strip() if text.startswith(prefix) else ""
    return os.path.join(os.path.dirname(path), folder) if folder else None


def _is_fifo_in(root: str) -> bool:
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif not entry.is_file(follow_symlinks=False) and _is_fifo(entry.path):
                        return True
        except OSError:
            if _is_fifo(folder):
                return True
    return False


def _is_fifo(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False
