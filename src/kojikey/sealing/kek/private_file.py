"""Reads files that hold a secret, after checking their owner and mode.

A KEK's file that others can read is refused, a passphrase's is read with a warning; either is refused if others can
write it. On a read-only file system, which containers use for secrets, others may read a KEK's file too, because its
mode cannot be changed there.

The opened file is checked, so that no other one can be put in its place. Must not: know the content.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from kojikey.model.errors import KekMissing, KekUnavailable
from kojikey.model.plain_file import OPEN_FLAGS, is_nameless_pipe
from kojikey.model.plain_text import shell_quoted
from kojikey.model.secret import HiddenBytes

_NO_FILE = "name a regular file of mode 600 that only you can write"
_NOT_USED = "it was not used"
LIMIT = 4096  # bytes of a file that are read; a KEK has 43 characters, a passphrase at most 1024


def read(
    path: str, *, what: str, warn: Callable[[str], None] | None = None, limit: int = LIMIT, may_be_pipe: bool = False
) -> HiddenBytes:
    """Return the first ``limit`` bytes of a regular file that only its owner can use.

    The path may come from a store, so pipes and devices are refused; for a path that the user named,
    ``may_be_pipe`` allows the pipe of ``<(CMD)``.

    Raises:
        KekMissing: there is no such file. KekUnavailable: others own it or can use it, or it cannot be read.
    """

    def check(descriptor: int) -> None:
        found = os.fstat(descriptor)
        if may_be_pipe and is_nameless_pipe(found.st_mode, path):
            return
        if not stat.S_ISREG(found.st_mode):
            raise KekUnavailable(f"the {what} {path} is not a file", hint=_NO_FILE)
        _refuse_stranger(found, path, what)
        _refuse_writable(found.st_mode, path, what)
        if not _is_readable_by_others(found.st_mode):
            return
        if not _is_on_read_only_system(descriptor):
            raise KekUnavailable(f"others can read the {what} {path}", hint=_fix(path), effect=_NOT_USED)
        if warn is not None:
            warn(f"others can read the {what} {path}; its file system is read-only, so it is used anyway")

    return _read(path, what, check, limit)


def read_named(path: str, *, what: str, warn: Callable[[str], None] | None) -> HiddenBytes:
    """Return the first :data:`LIMIT` bytes of a file that the user named, also of the pipe of ``<(CMD)``.

    A file that others can read causes only a warning: in containers, every user can usually read mounted secrets.

    Raises:
        KekMissing: there is no such file. KekUnavailable: others can write it, or it cannot be read.
    """

    def check(descriptor: int) -> None:
        mode = os.fstat(descriptor).st_mode
        if is_nameless_pipe(mode, path):
            return
        if not stat.S_ISREG(mode):
            raise KekUnavailable(f"the {what} {path} is not a file", hint=_NO_FILE)
        _refuse_writable(mode, path, what)
        if warn is not None and _is_readable_by_others(mode):
            is_fixed = _is_on_read_only_system(descriptor)
            warn(f"others can read the {what} {path}" + ("" if is_fixed else f": {_fix(path)}"))

    return _read(path, what, check, LIMIT)


def _read(path: str, what: str, check: Callable[[int], None], limit: int) -> HiddenBytes:
    try:
        descriptor = os.open(path, OPEN_FLAGS)
    except FileNotFoundError:
        raise KekMissing(f"the {what} {path} does not exist", hint="put it back, with mode 600") from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, what, error) from None
    try:
        check(descriptor)
        if hasattr(os, "set_blocking"):
            os.set_blocking(descriptor, True)
        return _content(descriptor, limit)
    except OSError as error:
        raise _unreadable(path, what, error) from None
    finally:
        os.close(descriptor)


def _refuse_stranger(found: os.stat_result, path: str, what: str) -> None:
    if os.name == "posix" and found.st_uid not in (os.geteuid(), 0):
        raise KekUnavailable(
            f"the {what} {path} belongs to another user (uid {found.st_uid}), who can change it",
            hint=f"make it yours: chown {os.geteuid()} {shell_quoted(path)}",
            effect=_NOT_USED,
        )


def _refuse_writable(mode: int, path: str, what: str) -> None:
    if os.name == "posix" and mode & 0o022:
        raise KekUnavailable(f"others can write to the {what} {path}", hint=_fix(path), effect=_NOT_USED)


def _fix(path: str) -> str:
    return f"chmod 600 {shell_quoted(path)}"


def _is_readable_by_others(mode: int) -> bool:
    # Windows has access lists instead of these bits, and reports every file as readable by all
    return os.name == "posix" and bool(mode & 0o055)


def _is_on_read_only_system(descriptor: int) -> bool:
    return hasattr(os, "fstatvfs") and bool(os.fstatvfs(descriptor).f_flag & os.ST_RDONLY)


def _content(descriptor: int, limit: int) -> HiddenBytes:
    content = HiddenBytes()
    while len(content) < limit and (piece := HiddenBytes(os.read(descriptor, limit - len(content)))):
        content = HiddenBytes(content + piece)
    return content


def _unreadable(path: str, what: str, error: Exception) -> KekUnavailable:
    reason = error.strerror if isinstance(error, OSError) else "not a path"
    return KekUnavailable(f"the {what} {path} cannot be read ({reason})", hint=f"let this user read {path}")
