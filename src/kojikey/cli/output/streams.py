"""The three standard streams in unusual states: closed, full, or no longer read by anybody.

Imported only then. Must not: decide what a command does; only that it ends with one line and the right exit code.
"""

from __future__ import annotations

import contextlib
import os
import sys


def open_closed() -> None:
    """Open the standard streams that were closed, so that no other file takes their numbers.

    A closed standard input is an empty one, and nobody hears a closed standard error. A closed standard output cannot
    be written to, for the result would be lost: a write raises an error. What is opened here is not handed
    on to a program that ``run`` starts: it finds the streams closed, as they were.
    """
    modes = (os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)
    for number, mode in enumerate(modes):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is taken, and all lower ones are open by now.
            os.open(os.devnull, mode)
    # ruff: noqa: SIM115 - they stay open as long as the process
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)


def lost_output(error: OSError) -> str:
    """Return what to say of standard output that cannot be written; one that nobody reads goes nowhere from now on."""
    if not isinstance(error, BrokenPipeError):
        return f"the output cannot be written ({error.strerror})"
    silence(sys.stdout.fileno())
    return "the output was closed"


def silence(number: int) -> None:
    """Send a stream nowhere: Python would report it again when it exits."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
