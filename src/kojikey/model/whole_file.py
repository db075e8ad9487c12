"""A file that is written whole or not at all, and survives a power cut.

Owns: the temporary file and its mode: 0600, for a report says whose keys are bad. Must not: know what is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable


def write_whole(path: str, pieces: Iterable[str]) -> None:
    """Write a file of mode 0600 so that there is the old one or the whole new one, whatever happens meanwhile.

    Raises:
        OSError: it cannot be written; what was there is as it was.
    """
    temporary = f"{os.path.abspath(path)}.{os.urandom(6).hex()}.part"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    _sync_folder(os.path.dirname(os.path.abspath(path)))


def _sync_folder(folder: str) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
