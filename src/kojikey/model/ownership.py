"""Finds out whether another user can write a file whose content kojikey trusts.

`kojikey run` imports this: nothing here may be slow to load.
"""

from __future__ import annotations

import os

from kojikey.model.plain_text import shell_quoted

_HAS_OWNERS = hasattr(os, "geteuid")  # Windows has access lists instead


def foreign_writer(found: os.stat_result, path: str) -> tuple[str, str] | None:
    """Return what is wrong if another user can write a file or folder, and the command that fixes it; else None.

    The first text goes on after the path, for example "can be written by others (mode 0666)".
    """
    if not _HAS_OWNERS:
        return None
    if found.st_uid not in (os.geteuid(), 0):
        owner = f"belongs to another user (uid {found.st_uid}), who can write it"
        return owner, f"make it yours: chown {os.geteuid()} {shell_quoted(path)}"
    if found.st_mode & 0o022:
        return f"can be written by others (mode {found.st_mode & 0o7777:04o})", f"chmod go-w {shell_quoted(path)}"
    return None
