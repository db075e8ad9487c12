"""Files that hold a secret: read only where nobody else can.

Owns: the check of a file's mode, made on the file that is then read. Must not: know what is in it.
"""

from __future__ import annotations

import os
import stat
from typing import Literal

from kojikey.model.errors import KekMissing, KekUnavailable

LIMIT = 4096  # bytes of a file that are read; a KEK has 43 characters, a passphrase at most 1024


def read(path: str, *, what: str, kind: Literal["regular", "any"]) -> bytes:
    """Return the first bytes of a file that only its owner can use, up to :data:`LIMIT`.

    ``kind="regular"`` refuses pipes and devices, for paths that come from a store; ``"any"`` is for those of the user.

    Raises:
        KekMissing: there is no such file. KekUnavailable: others can use it, or it can not be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)
    if kind == "regular":
        flags |= getattr(os, "O_NONBLOCK", 0)  # a pipe in its place must be refused, not waited for
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise KekMissing(f"the {what} {path} is not there", hint="put it back, with mode 600") from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, what, error) from None
    try:
        _check(descriptor, path, what, kind)
        return _content(descriptor)
    except OSError as error:
        raise _unreadable(path, what, error) from None
    finally:
        os.close(descriptor)


def _check(descriptor: int, path: str, what: str, kind: str) -> None:
    mode = os.fstat(descriptor).st_mode
    if kind == "regular" and not stat.S_ISREG(mode):
        raise KekUnavailable(f"the {what} {path} is not a file")
    # Windows keeps access lists instead of these bits, and shows every file as readable by all.
    if os.name == "posix" and mode & 0o077:
        import shlex

        raise KekUnavailable(
            f"others can read or write the {what} {path}; it was not used", hint=f"chmod 600 {shlex.quote(path)}"
        )


def _content(descriptor: int) -> bytes:
    content = b""
    while len(content) < LIMIT and (piece := os.read(descriptor, LIMIT - len(content))):
        content += piece
    return content


def _unreadable(path: str, what: str, error: Exception) -> KekUnavailable:
    reason = error.strerror if isinstance(error, OSError) else "not a path"
    return KekUnavailable(f"the {what} {path} can not be read ({reason})")
