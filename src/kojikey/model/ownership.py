"""Whether somebody else could have written a file that kojikey acts upon.

On the way of `kojikey run`: imports nothing that is slow to load.
"""

from __future__ import annotations

import os

_HAS_OWNERS = hasattr(os, "geteuid")  # Windows has access lists instead


def foreign_writer(found: os.stat_result, path: str) -> tuple[str, str] | None:
    """Return who else can write a file or folder and the command that mends it, None where nobody can."""
    if not _HAS_OWNERS:
        return None
    if found.st_uid not in (os.geteuid(), 0):
        owner = f"belongs to another user (uid {found.st_uid}), who can write it"
        return owner, f"make it yours: chown {os.geteuid()} {quoted(path)}"
    if found.st_mode & 0o022:
        return f"can be written by others (mode {found.st_mode & 0o7777:04o})", f"chmod go-w {quoted(path)}"
    return None


def quoted(path: str) -> str:
    """Return a path as a shell takes it."""
    import shlex

    return shlex.quote(path)
