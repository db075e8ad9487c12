"""Creates folders that only their owner may enter. Must not: change a folder that exists already."""

from __future__ import annotations

import os

from kojikey.model.atomic_file import sync_folder


def make_private_folder(path: str) -> None:
    """Create a folder and those above it that do not exist, each with mode 0700 and on disk when this returns.

    ``os.makedirs`` gives its mode to the last one alone; those above it would be open to others.

    Raises:
        OSError: one of them cannot be created; its ``filename`` says which.
    """
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        parent = os.path.dirname(path)
        if parent == path:  # a drive that does not exist
            break
        path = parent
    for folder in reversed(missing):
        try:
            os.mkdir(folder, 0o700)
        except OSError:
            if not os.path.isdir(folder):  # else another process was first
                raise
        else:
            _allow_owner(folder)
        sync_folder(os.path.dirname(folder))


def _allow_owner(folder: str) -> None:
    """Give a new folder the rights of its owner that an unusual umask (0777) took away."""
    if os.name == "posix" and os.stat(folder).st_mode & 0o700 != 0o700:
        os.chmod(folder, 0o700)
