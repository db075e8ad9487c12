"""Files that hold a secret: a KEK's only where nobody else can read it, a passphrase's with a warning.

Owns: the check of a file's owner and mode, made on the file that is then read. Must not: know what is in it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from kojikey.model.errors import KekMissing, KekUnavailable
from kojikey.model.plain_file import OPEN_FLAGS, is_nameless_pipe
from kojikey.model.secret import HiddenBytes

LIMIT = 4096  # bytes of a file that are read; a KEK has 43 characters, a passphrase at most 1024


def read(path: str, *, what: str) -> HiddenBytes:
    """Return the first bytes of a regular file that only its owner can use, up to :data:`LIMIT`.

    For paths that come from a store: pipes and devices are refused.

    Raises:
        KekMissing: there is no such file. KekUnavailable: others can use it or own it, or it can not be read.
    """
    return _read(path, what, _refuse_unsafe)


def read_named(path: str, *, what: str, warn: Callable[[str], None] | None) -> HiddenBytes:
    """Return the first bytes of a file that the user named, up to :data:`LIMIT`; the pipe of ``<(CMD)`` is one too.

    Secrets that containers mount are readable by all inside of them as a rule, so that only leads to a warning.

    Raises:
        KekMissing: there is no such file. KekUnavailable: it can not be read.
    """

    def check(found: os.stat_result, path: str, what: str) -> None:
        if not stat.S_ISREG(found.st_mode) and not is_nameless_pipe(found.st_mode, path):
            raise KekUnavailable(f"the {what} {path} is not a file")
        if warn is not None and stat.S_ISREG(found.st_mode) and _is_open_to_others(found.st_mode):
            warn(f"others can read or write the {what} {path}: {_mend(path)}")

    return _read(path, what, check)


def _read(path: str, what: str, check: Callable[[os.stat_result, str, str], None]) -> HiddenBytes:
    try:
        descriptor = os.open(path, OPEN_FLAGS)
    except FileNotFoundError:
        raise KekMissing(f"the {what} {path} is not there", hint="put it back, with mode 600") from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, what, error) from None
    try:
        check(os.fstat(descriptor), path, what)
        if hasattr(os, "set_blocking"):
            os.set_blocking(descriptor, True)
        return _content(descriptor)
    except OSError as error:
        raise _unreadable(path, what, error) from None
    finally:
        os.close(descriptor)


def _refuse_unsafe(found: os.stat_result, path: str, what: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise KekUnavailable(f"the {what} {path} is not a file")
    if os.name == "posix" and found.st_uid not in (os.geteuid(), 0):
        raise KekUnavailable(
            f"the {what} {path} belongs to another user (uid {found.st_uid}), who can change it; it was not used",
            hint=f"make it yours: chown {os.geteuid()} {_quoted(path)}",
        )
    if _is_open_to_others(found.st_mode):
        raise KekUnavailable(f"others can read or write the {what} {path}; it was not used", hint=_mend(path))


def _mend(path: str) -> str:
    return f"chmod 600 {_quoted(path)}"


def _quoted(path: str) -> str:
    import shlex

    return shlex.quote(path)


def _is_open_to_others(mode: int) -> bool:
    # Windows keeps access lists instead of these bits, and shows every file as readable by all.
    return os.name == "posix" and bool(mode & 0o077)


def _content(descriptor: int) -> HiddenBytes:
    content = HiddenBytes()
    while len(content) < LIMIT and (piece := HiddenBytes(os.read(descriptor, LIMIT - len(content)))):
        content = HiddenBytes(content + piece)
    return content


def _unreadable(path: str, what: str, error: Exception) -> KekUnavailable:
    reason = error.strerror if isinstance(error, OSError) else "not a path"
    return KekUnavailable(f"the {what} {path} can not be read ({reason})")
