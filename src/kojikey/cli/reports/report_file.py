"""The file of a report: checked before any work begins, written whole or not at all.

Must not: know what a report contains.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence

from kojikey.cli.output.stdout import Stdout
from kojikey.cli.reports.base import STDOUT
from kojikey.model.atomic_file import write_whole
from kojikey.model.errors import Effect, FileUnwritable, UsageError
from kojikey.model.plain_text import shell_quoted


def check_report_paths(paths: Sequence[str]) -> None:
    """Check that every report can be written to its path, and that no two paths are the same file.

    Raises:
        UsageError: a path is empty, or given twice. FileUnwritable: there can be no file. The message names the path,
            because the user typed it.
    """
    for path in paths:
        _check_path(path)
    if len({os.path.realpath(path) for path in paths}) < len(paths):
        raise UsageError(
            f"two reports would be written to {paths[0]}",
            hint="--junit keys.xml --html keys.html",
            effect=Effect.NOTHING_DONE,
        )


def _check_path(path: str) -> None:
    if path == STDOUT:
        return
    if not path:
        raise UsageError(
            "a report needs the name of a file",
            hint="name a file, for example keys.html, or - for standard output",
            effect=Effect.NOTHING_DONE,
        )
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise _unwritable(path, f"there is no folder {folder}", hint=f"mkdir -p {shell_quoted(folder)}")
    if not os.access(folder, os.W_OK):
        raise _unwritable(path, f"the folder {folder} is not writable", hint="name a file in another folder")
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise _unwritable(path, "it is not a regular file, and a report would replace it", hint="name another file")


def _unwritable(path: str, reason: str, *, hint: str) -> FileUnwritable:
    return FileUnwritable(f"the report {path}", reason, hint=hint, effect=Effect.NOTHING_DONE)


def write_report(out: Stdout, path: str, pieces: Callable[[], Iterable[str]]) -> None:
    """Write a report to a file, whole or not at all, or to standard output.

    Raises:
        OSError: it cannot be written; an existing file is unchanged.
    """
    if path == STDOUT:
        out.report(pieces())
    else:
        write_whole(path, pieces())


def failure_message(path: str, reason: str | None) -> str:
    """Return the warning about a report that could not be written; ``reason`` is the system's."""
    if path == STDOUT:
        return f"the report could not be written to standard output ({reason})"
    return f"the report {path} could not be written ({reason}); the existing file was not changed"
