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
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    if parent != path:  # else it is a drive that does not exist
        make_private_folder(parent)
    try:
        os.mkdir(path, 0o700)
    except OSError:
        if not os.path.isdir(path):  # else another process was first
            raise
    sync_folder(parent)
