"""Writes a file completely or not at all: afterwards there is the old file or the whole new one.

Owns: the temporary file beside it, its mode and owner, the new name, and that both have reached the disk. Must not:
know the content.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress


def write_whole(
    path: str, pieces: Iterable[str | bytes], *, like: os.stat_result | None = None, may_replace: bool = True
) -> None:
    """Write a file of mode 0600; with ``like``, give it the mode, owner and attributes of the file it replaces.

    Raises:
        FileExistsError: the file exists and may not be replaced. OSError: it cannot be written. An existing file is
            unchanged then.
    """
    temporary = f"{os.path.abspath(path)}.{os.urandom(6).hex()}.part"
    try:
        # Other users may not read the file before it is whole, whatever its mode is in the end.
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            make_private(descriptor)
            file.writelines(piece.encode("utf-8") if isinstance(piece, str) else piece for piece in pieces)
            file.flush()
            if like is not None:
                _resemble(descriptor, path, like)
            os.fsync(descriptor)
        if may_replace:
            os.replace(temporary, path)
        else:
            give_new_name(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    sync_folder(os.path.dirname(os.path.abspath(path)))


def make_private(descriptor: int) -> None:
    """Give a new file mode 0600, of which an unusual umask (0777) leaves nothing."""
    if os.name == "posix":
        os.fchmod(descriptor, 0o600)


def give_new_name(unfinished: str, path: str) -> None:
    """Give a finished file its name, if no other file has it.

    Raises:
        FileExistsError: another file has it, and is unchanged. OSError: the file has not got the name.
    """
    try:
        os.link(unfinished, path)  # not a rename, which would replace an existing file
    except FileExistsError:
        raise
    except OSError as error:
        import errno

        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}:
            raise
        # For file systems without links (FAT, some network ones). A crash between the two steps leaves an empty file.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            os.replace(unfinished, path)
        except OSError:
            os.unlink(path)
            raise
    else:
        os.unlink(unfinished)


def _resemble(descriptor: int, path: str, like: os.stat_result) -> None:
    """Give a new file the owner, mode and extended attributes (for example access lists) of the file it replaces."""
    if os.name != "posix":
        return
    created = os.fstat(descriptor)
    if (created.st_uid, created.st_gid) != (like.st_uid, like.st_gid):
        os.fchown(descriptor, like.st_uid, like.st_gid)
    for name in os.listxattr(path) if hasattr(os, "listxattr") else ():
        with suppress(OSError):  # some attributes can be set only by the system
            os.setxattr(descriptor, name, os.getxattr(path, name))
    os.fchmod(descriptor, like.st_mode & 0o7777)


def sync_folder(folder: str) -> None:
    """Return once the names in a folder have reached the disk; at once if the folder can be written, but not read."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # the file has its name already, so an error would be wrong
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
