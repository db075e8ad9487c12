"""The user's home folder in paths that people write: ``~`` and ``~name`` at their beginning."""

from __future__ import annotations

import os

from kojikey.model.errors import Effect, UsageError


def expanded(path: str, *, what: str) -> str:
    """Return a path with the home folder in place of ``~``: no shell expands it in a crontab, an env file or a URL.

    Raises:
        UsageError: there is no such home folder; ``what`` names the setting that the path comes from.
    """
    if not path.startswith("~"):
        return path
    whole = _own_home() + path[1:] if path[1:2] in ("", "/") else os.path.expanduser(path)
    if whole.startswith("~") or not os.path.isabs(whole):
        raise UsageError(
            f"{what} begins with ~, and there is no such home folder",
            hint="write the whole path",
            effect=Effect.NOTHING_DONE,
        )
    return whole


def _own_home() -> str:
    """Return this user's home folder, ``~`` if there is none. An empty HOME counts as not set."""
    if os.environ.get("HOME") or os.name != "posix":
        return os.path.expanduser("~")
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "~"
