"""Runs kojikey on a pseudo-terminal, to see its output and whether typing is echoed.

Owns: starting it there, typing, and waiting for its end. Must not: assert what a command asks or answers.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeAlias

import pexpect

from support.program import COMMAND, SECONDS, Program

PLAIN = {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
Child: TypeAlias = "pexpect.spawn[str]"


@contextmanager
def on_a_terminal(
    kojikey: Program, *arguments: str, columns: int = 80, program: Sequence[str] = COMMAND, **environ: str | None
) -> Iterator[Child]:
    """Start kojikey, or a ``program`` that starts it, on a terminal; :func:`shown` returns its output."""
    child = pexpect.spawn(
        program[0], [*program[1:], *arguments], env=kojikey.with_environ({**PLAIN, "COLUMNS": None, **environ}),
        encoding="utf-8", codec_errors="backslashreplace", timeout=SECONDS, dimensions=(24, columns),
    )  # fmt: skip
    child.logfile_read = Log()
    try:
        yield child
    finally:
        child.close(force=True)


def printed_on_a_terminal(
    kojikey: Program, *arguments: str, columns: int = 80, **environ: str | None
) -> tuple[int, str]:
    """Carry out a command that asks nothing, in this process; return the exit code and the output.

    Meanwhile the first three descriptors are the terminal, for libraries that ask them for its width.
    """
    import termios  # here and below: Windows has none

    terminal, streams = os.openpty()
    termios.tcsetwinsize(streams, (24, columns))
    was = [os.dup(number) for number in range(3)]
    with ThreadPoolExecutor(1) as pool:
        text = pool.submit(_read_to_the_end, terminal)
        try:
            for number in range(3):
                os.dup2(streams, number)
            code = kojikey.on((0, 1, 2), *arguments, **{**PLAIN, "COLUMNS": None, **environ})
        finally:
            for number, old in enumerate(was):
                os.dup2(old, number)
            for descriptor in (*was, streams):
                os.close(descriptor)
        return code, text.result(SECONDS).replace("\r\n", "\n")


def _read_to_the_end(terminal: int) -> str:
    found = bytearray()
    try:
        while piece := os.read(terminal, 65536):
            found += piece
    except OSError as error:
        if error.errno != errno.EIO:  # Linux's error for a terminal that no process has open any more
            raise
    finally:
        os.close(terminal)
    return found.decode("utf-8", "backslashreplace")


class Log:
    """Collects the output to a terminal, for pexpect."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        """Do nothing, because nothing is buffered."""


def end(child: Child) -> tuple[int | None, str]:
    """Wait for the end; return the exit code and the output."""
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus, shown(child).replace("\r\n", "\n")


def type_key(child: Child, prompt: str, key: str) -> None:
    child.expect_exact(prompt)
    assert hides(child)
    child.sendline(key)


def hides(child: Child) -> bool:
    """Wait until the terminal does not echo, and return whether it still does not. Earlier typing is always echoed."""
    child.waitnoecho(SECONDS)
    return not echoes(child)


def shown(child: Child) -> str:
    """Return the output so far."""
    log = child.logfile_read
    assert isinstance(log, Log)
    return log.text


def echoes(child: Child) -> bool:
    import termios

    return bool(termios.tcgetattr(child.child_fd)[3] & termios.ECHO)
