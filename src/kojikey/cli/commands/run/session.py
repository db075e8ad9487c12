"""A terminal of its own for the program of ``kojikey run --mask``: a session, a process group and job control.

Owns: the pseudo-terminal and the monitor. The monitor is a process that leads the session, so that the program's group
is not an orphan: the kernel would not stop an orphaned group at Ctrl-Z. (``sudo`` with ``use_pty`` does the same.)
Must not: read what the program writes.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import termios
import tty
from collections.abc import Callable, Mapping, Sequence
from typing import Any

CAUGHT = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)

Streams = tuple[int | None, int | None, int | None]
"""Standard input, output and error of the program; None where it has ours."""


class RealTerminal:
    """The terminal that a person types on, as standard input has it."""

    def __init__(self) -> None:
        self._before: list[Any] | None = None

    @property
    def is_ours(self) -> bool:
        """Whether this process is in the foreground, and may read what is typed."""
        try:
            return os.tcgetpgrp(0) == os.getpgrp()
        except OSError:
            return False

    @property
    def is_handed_over(self) -> bool:
        """Whether what is typed is let through."""
        return self._before is not None

    def hand_over(self) -> None:
        """Let each key that is typed through as it is: the program's own terminal makes of it what it means."""
        if self._before is None and self.is_ours:
            self._before = termios.tcgetattr(0)
            tty.setraw(0, termios.TCSADRAIN)

    def take_back(self) -> None:
        """Make the terminal what it was."""
        if self._before is not None:
            before, self._before = self._before, None
            with _unstopped():
                termios.tcsetattr(0, termios.TCSADRAIN, before)


class _unstopped:  # noqa: N801 - used as a context manager alone
    """Change a terminal also from the background, where the kernel would stop the process for it."""

    def __enter__(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTOU,))

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTTOU,))


def open_terminal(like: int) -> tuple[int, int]:
    """Return both ends of a new pseudo-terminal with the settings and the size of a terminal."""
    master, slave = os.openpty()
    termios.tcsetattr(slave, termios.TCSANOW, termios.tcgetattr(like))
    copy_size(like, master)
    return master, slave


def copy_size(source: int, target: int) -> None:
    """Give a terminal the size of another; the kernel tells the programs in its foreground."""
    try:
        size = fcntl.ioctl(source, termios.TIOCGWINSZ, b"\0" * 8)
        fcntl.ioctl(target, termios.TIOCSWINSZ, size)
    except OSError:
        return  # it has gone away


def start_program(
    program: Sequence[str], environ: Mapping[str, str], streams: Streams, prepare: Callable[[], None] | None = None
) -> subprocess.Popen[bytes]:
    """Start the program with the files that are open for it, as exec would hand them on.

    Raises:
        OSError: it is not there, or cannot be started. ValueError: a zero byte.
    """
    return subprocess.Popen(
        program, env=dict(environ), stdin=streams[0], stdout=streams[1], stderr=streams[2], close_fds=False,
        preexec_fn=prepare,
    )  # fmt: skip


class Session:
    """A program in a session of its own, and what is heard of it through a pipe."""

    def __init__(self, program: Sequence[str], environ: Mapping[str, str], streams: Streams, slave: int) -> None:
        """Start it.

        Raises:
            OSError, ValueError: as :func:`start_program`.
        """
        self.reports, reported = os.pipe()
        waited_on, self._leave = os.pipe()
        self._left = b""
        self._monitor = os.fork()
        if self._monitor == 0:
            os.close(self.reports)
            os.close(self._leave)
            _monitor(program, environ, streams, slave, reported, waited_on)
        os.close(reported)
        os.close(waited_on)
        kind, value = self._first_heard()
        if kind == "failed":
            self.close()
            raise OSError(value, os.strerror(value)) if value else ValueError
        self.pid = value

    def _first_heard(self) -> tuple[str, int]:
        """Return the first report alone: a short program may have ended already, and that is heard in its turn."""
        line = b""
        while not line.endswith(b"\n"):
            line += os.read(self.reports, 1) or b'["failed", 0]\n'
        kind, value = json.loads(line)
        return kind, value

    def heard(self) -> list[tuple[str, int]]:
        """Return what became of the program: started, stopped (with the signal), ended (with the status)."""
        data = os.read(self.reports, 4096)
        *lines, self._left = (self._left + data).split(b"\n")
        if not data:
            return [("ended", signal.SIGKILL)]  # somebody killed the monitor, and with it the session
        return [(kind, value) for kind, value in map(json.loads, lines)]

    def close(self) -> None:
        """Let the monitor go; what is left of the session hears that its terminal is gone."""
        os.close(self._leave)
        os.waitpid(self._monitor, 0)


def _monitor(
    program: Sequence[str], environ: Mapping[str, str], streams: Streams, slave: int, reported: int, waited_on: int
) -> None:
    """Lead the session, start the program, and report until it ended and nobody waits any more. Never returns."""

    def report(kind: str, value: int) -> None:
        os.write(reported, json.dumps([kind, value]).encode() + b"\n")

    try:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for number in CAUGHT:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda *_: None)  # a handler, unlike SIG_IGN, is not handed on
        try:
            child = start_program(program, environ, streams, lambda: _to_the_foreground(slave))
        except OSError as error:
            report("failed", error.errno or 0)
            os._exit(0)
        except (ValueError, subprocess.SubprocessError):
            report("failed", 0)
            os._exit(0)
        os.close(slave)
        report("started", child.pid)
        _watch(child.pid, report)
        os.read(waited_on, 1)
    finally:
        os._exit(0)


def _to_the_foreground(slave: int) -> None:
    """Make the new process a group of its own, and that the one in the foreground, before its program begins."""
    os.setpgid(0, 0)
    with _unstopped():
        os.tcsetpgrp(slave, os.getpid())


def _watch(pid: int, report: Callable[[str, int], None]) -> None:
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            report("ended", status)
            return
        report("stopped", os.WSTOPSIG(status))
