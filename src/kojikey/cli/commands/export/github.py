"""Passes keys to the later steps of a job on GitHub: masked in its log, then appended to the file ``$GITHUB_ENV``.

Owns: the two forms that the runner reads. Must not: write a value to the file before the log masks it.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Mapping

from kojikey.model.errors import Effect, FileUnwritable, UsageError
from kojikey.model.secret import HiddenBytes

VARIABLE = "GITHUB_ENV"


def checked_path(environ: Mapping[str, str]) -> str:
    """Return the path of the file that the runner reads, after checking that it can be written.

    Raises:
        UsageError: the runner names none. FileUnwritable: it cannot be written.
    """
    path = environ.get(VARIABLE)
    if not path:
        raise UsageError(
            f"{VARIABLE} is not set: --format github is for a step of a workflow",
            effect=Effect.NOTHING_PRINTED,
            hint="choose another format, for example --format shell",
        )
    os.close(_opened(path))
    return path


def append_to_environment(path: str, values: Mapping[str, str]) -> None:
    """Mask each value in the log, then append all values to the file.

    Raises:
        FileUnwritable: the file cannot be written; the values are masked, and the file is unchanged.
    """
    sys.stdout.write("".join(f"::add-mask::{_escaped(value)}\n" for value in values.values()))
    sys.stdout.flush()
    text = HiddenBytes("".join(_heredoc(name, values[name]) for name in values).encode("utf-8"))
    descriptor = _opened(path)
    try:
        _append(descriptor, HiddenBytes((b"" if _begins_a_line(path) else b"\n") + text))
    except OSError as error:
        raise _unwritable(error) from None
    finally:
        os.close(descriptor)


def _append(descriptor: int, data: bytes) -> None:
    """Append all of the data, or nothing: a full disk may accept a part, and the runner would read half a key.

    Raises:
        OSError: the data cannot be written.
    """
    size = os.fstat(descriptor).st_size
    if os.write(descriptor, data) < len(data):
        os.ftruncate(descriptor, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _heredoc(name: str, value: str) -> str:
    delimiter = f"kojikey_{os.urandom(16).hex()}"
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def _escaped(value: str) -> str:
    """Return a value escaped as the data of a workflow command (actions/toolkit, packages/core/src/command.ts)."""
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _opened(path: str) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except (OSError, ValueError) as error:
        raise _unwritable(error) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _unwritable(OSError(0, "it is not a regular file"))
    return descriptor


def _begins_a_line(path: str) -> bool:
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        if not size:
            return True
        file.seek(size - 1)
        return file.read(1) == b"\n"


def _unwritable(error: OSError | ValueError) -> FileUnwritable:
    reason = getattr(error, "strerror", None) or "it is not a file"
    hint = "check the step that sets it"
    return FileUnwritable(f"the file that {VARIABLE} names", reason, hint=hint, effect="no key was written")
