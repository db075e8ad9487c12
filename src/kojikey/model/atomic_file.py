"""Writes a file completely or not at all: afterwards there is the old file or the whole new one.

Owns: the temporary file beside it, its mode and owner, and that both are on the disk. Must not: know what is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress


def write_whole(
    path: str, pieces: Iterable[str | bytes], *, like: os.stat_result | None = None, may_replace: bool = True
) -> None:
    """Write a file of mode 0600, or with the mode, owner and attributes of the one that is ``like`` it.

    Raises:
        FileExistsError: there is one, and it may not be replaced. OSError: it cannot be written. What was there is as
        it was.
    """
    temporary = f"{os.path.abspath(path)}.{os.urandom(6).hex()}.part"
    try:
        # What it holds is not for everybody on this machine: it is opened for others only when it is whole.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.writelines(piece.encode("utf-8") if isinstance(piece, str) else piece for piece in pieces)
            file.flush()
            if like is not None:
                _resemble(descriptor, path, like)
            os.fsync(descriptor)
        if may_replace:
            os.replace(temporary, path)
        else:
            os.link(temporary, path)
            os.unlink(temporary)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    _sync_folder(os.path.dirname(os.path.abspath(path)))


def _resemble(descriptor: int, path: str, like: os.stat_result) -> None:
    """Give a new file the owner, mode and extended attributes (access lists are some) of the one that it replaces."""
    if os.name != "posix":
        return
    made = os.fstat(descriptor)
    if (made.st_uid, made.st_gid) != (like.st_uid, like.st_gid):
        os.fchown(descriptor, like.st_uid, like.st_gid)
    for name in os.listxattr(path) if hasattr(os, "listxattr") else ():
        with suppress(OSError):  # of the system's own, only some may be set
            os.setxattr(descriptor, name, os.getxattr(path, name))
    os.fchmod(descriptor, like.st_mode & 0o7777)


def _sync_folder(folder: str) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
