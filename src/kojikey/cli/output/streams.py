"""Handles standard streams in unusual states: closed, full, or a pipe without a reader.

Imported only in such a state. Must not: decide what a command does then.
"""

from __future__ import annotations

import contextlib
import os
import sys


def open_closed() -> None:
    """Open the standard streams that were closed, so that no other file gets their descriptor numbers.

    A closed standard input becomes empty, and output to a closed standard error is discarded. A closed standard output
    is opened for reading only: a write fails, because the result would be lost. A program that ``run`` starts does not
    inherit these descriptors; it finds the streams closed.
    """
    modes = (os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)
    for number, mode in enumerate(modes):
        try:
            os.fstat(number)
        except OSError:
            # open() returns the lowest free number, and all lower ones are open by now.
            os.open(os.devnull, mode)
    # ruff: noqa: SIM115 - they stay open as long as the process
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)


def lost_output(error: OSError) -> str:
    """Return the message about a failed write to standard output; if its reader closed it, discard further output."""
    if not isinstance(error, BrokenPipeError):
        return f"the output cannot be written ({error.strerror})"
    silence(sys.stdout.fileno())
    return "the output was closed"


def silence(number: int) -> None:
    """Discard further output to a file descriptor; otherwise Python reports the failure again when it exits."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
