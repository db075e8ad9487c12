"""Opens a file that a user or a setting names, without blocking: opening a named pipe without a writer would hang.

Owns: which kinds of files are read. Must not: judge owner or mode, or know the content.
"""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

OPEN_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"))
"""Flags for reading, without waiting for a writer and without making a terminal the process's controlling terminal."""


def open_plain(path: str) -> BinaryIO:
    """Return a regular file, or the pipe of a shell's ``<(CMD)``, opened for reading bytes.

    Raises:
        OSError: it does not exist, cannot be opened, or is something else: a folder, a device, a named pipe.
        ValueError: the text cannot be a path.
    """
    descriptor = os.open(path, OPEN_FLAGS)
    try:
        _refuse_other_kinds(descriptor, path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _refuse_other_kinds(descriptor: int, path: str) -> None:
    mode = os.fstat(descriptor).st_mode
    if is_nameless_pipe(mode, path):
        os.set_blocking(descriptor, True)
    elif not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is not a regular file")


def is_nameless_pipe(mode: int, path: str) -> bool:
    """Return whether an open file is a pipe without a name in a folder, for example ``/dev/fd/63``."""
    if not stat.S_ISFIFO(mode):
        return False
    return path.startswith("/dev/fd/") or not os.path.exists(os.path.realpath(path))
