"""Files that hold a secret: a KEK's only where nobody else can read it, a passphrase's with a warning.

Where others can write it, either is refused. On a file system that is read-only, as containers mount secrets, others
may read a KEK's file too: nobody could change its mode there.

Owns: the check of a file's owner and mode, made on the file that is then read. Must not: know what is in it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from kojikey.model.errors import KekMissing, KekUnavailable
from kojikey.model.ownership import quoted
from kojikey.model.plain_file import OPEN_FLAGS, is_nameless_pipe
from kojikey.model.secret import HiddenBytes

LIMIT = 4096  # bytes of a file that are read; a KEK has 43 characters, a passphrase at most 1024


def read(
    path: str, *, what: str, warn: Callable[[str], None] | None = None, limit: int = LIMIT, may_be_pipe: bool = False
) -> HiddenBytes:
    """Return the first bytes of a regular file that only its owner can use, up to ``limit``.

    For paths that come from a store: pipes and devices are refused. One that the user named may be the pipe of
    ``<(CMD)``.

    Raises:
        KekMissing: there is no such file. KekUnavailable: others can use it or own it, or it cannot be read.
    """

    def check(descriptor: int) -> None:
        found = os.fstat(descriptor)
        if may_be_pipe and is_nameless_pipe(found.st_mode, path):
            return
        if not stat.S_ISREG(found.st_mode):
            raise KekUnavailable(f"the {what} {path} is not a file")
        _refuse_stranger(found, path, what)
        _refuse_writable(found.st_mode, path, what)
        if not _is_readable_by_others(found.st_mode):
            return
        if not _is_on_read_only_system(descriptor):
            raise KekUnavailable(f"others can read the {what} {path}; it was not used", hint=_mend(path))
        if warn is not None:
            warn(f"others can read the {what} {path}; its file system is read-only, so it is used anyway")

    return _read(path, what, check, limit)


def read_named(path: str, *, what: str, warn: Callable[[str], None] | None) -> HiddenBytes:
    """Return the first bytes of a file that the user named, up to :data:`LIMIT`; the pipe of ``<(CMD)`` is one too.

    Secrets that containers mount are readable by all inside of them as a rule, so that only leads to a warning.

    Raises:
        KekMissing: there is no such file. KekUnavailable: others can write it, or it cannot be read.
    """

    def check(descriptor: int) -> None:
        mode = os.fstat(descriptor).st_mode
        if is_nameless_pipe(mode, path):
            return
        if not stat.S_ISREG(mode):
            raise KekUnavailable(f"the {what} {path} is not a file")
        _refuse_writable(mode, path, what)
        if warn is not None and _is_readable_by_others(mode):
            is_fixed = _is_on_read_only_system(descriptor)
            warn(f"others can read the {what} {path}" + ("" if is_fixed else f": {_mend(path)}"))

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
            f"the {what} {path} belongs to another user (uid {found.st_uid}), who can change it; it was not used",
            hint=f"make it yours: chown {os.geteuid()} {quoted(path)}",
        )


def _refuse_writable(mode: int, path: str, what: str) -> None:
    if os.name == "posix" and mode & 0o022:
        raise KekUnavailable(f"others can write to the {what} {path}; it was not used", hint=_mend(path))


def _mend(path: str) -> str:
    return f"chmod 600 {quoted(path)}"


def _is_readable_by_others(mode: int) -> bool:
    # Windows keeps access lists instead of these bits, and shows every file as readable by all.
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
    return KekUnavailable(f"the {what} {path} cannot be read ({reason})")
