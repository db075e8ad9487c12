"""The terminal of the program of ``kojikey run --mask``: a pseudo-terminal, a session and job control.

Owns: the pseudo-terminal and the monitor. The monitor is a process that leads the session, so that the program's group
is not orphaned: at Ctrl-Z the kernel does not stop an orphaned group. (``sudo`` with ``use_pty`` does the same.)
Must not: read the program's output.
"""

from __future__ import annotations

import contextlib
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
"""Standard input, output and error of the program; None stands for our own."""


class RealTerminal:
    """The terminal on standard input, on which the person types."""

    def __init__(self) -> None:
        self._before: list[Any] | None = None

    @property
    def is_ours(self) -> bool:
        """Whether this process is in the foreground, so that it may read from the terminal."""
        try:
            return os.tcgetpgrp(0) == os.getpgrp()
        except OSError:
            return False

    @property
    def modes(self) -> list[Any]:
        """The terminal's earlier modes, while it is in raw mode."""
        return list(self._before or ())

    @property
    def is_raw(self) -> bool:
        """Whether the terminal is in raw mode."""
        return self._before is not None

    def set_raw(self) -> None:
        """Switch to raw mode if we are in the foreground: the program's own terminal interprets what is typed."""
        if self._before is None and self.is_ours:
            with contextlib.suppress(termios.error):  # the terminal is gone
                self._before = termios.tcgetattr(0)
                tty.setraw(0, termios.TCSADRAIN)

    def restore(self) -> None:
        """Restore the terminal's earlier mode."""
        if self._before is not None:
            before, self._before = self._before, None
            with _sigttou_blocked(), contextlib.suppress(termios.error):  # the terminal is gone
                termios.tcsetattr(0, termios.TCSADRAIN, before)


class _sigttou_blocked:  # noqa: N801 - used as a context manager alone
    """Allow a change of the terminal from the background, for which the kernel would stop the process (SIGTTOU)."""

    def __enter__(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTOU,))

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTTOU,))


def open_terminal(like: int) -> tuple[int, int]:
    """Return both ends (master, slave) of a new pseudo-terminal with the modes and the size of another terminal.

    While this process is in the background, the modes are those of the shell's line editor; it keeps the usual ones.
    """
    master, slave = os.openpty()
    if RealTerminal().is_ours:
        termios.tcsetattr(slave, termios.TCSANOW, termios.tcgetattr(like))
    copy_size(like, master)
    return master, slave


def set_modes_if_unchanged(master: int, unchanged: list[Any], modes: list[Any]) -> None:
    """Set the modes of the program's terminal, unless the program has set some itself."""
    with contextlib.suppress(termios.error):  # the terminal is gone
        if termios.tcgetattr(master) == unchanged:
            termios.tcsetattr(master, termios.TCSANOW, modes)


def copy_size(source: int, target: int) -> None:
    """Give a terminal the size of another; the kernel sends SIGWINCH to the programs in its foreground."""
    try:
        size = fcntl.ioctl(source, termios.TIOCGWINSZ, b"\0" * 8)
        fcntl.ioctl(target, termios.TIOCSWINSZ, size)
    except OSError:
        return  # the terminal is gone


def start_program(
    program: Sequence[str], environ: Mapping[str, str], streams: Streams, prepare: Callable[[], None] | None = None
) -> subprocess.Popen[bytes]:
    """Start the program; it inherits the same open files as through ``exec``.

    Raises:
        OSError: it is not found, or cannot be started. ValueError: a word or variable has a null byte.
    """
    return subprocess.Popen(
        program, env=dict(environ), stdin=streams[0], stdout=streams[1], stderr=streams[2], close_fds=False,
        preexec_fn=prepare,
    )  # fmt: skip


class Session:
    """A program in its own session, and the pipe through which the monitor reports on it."""

    def __init__(self, program: Sequence[str], environ: Mapping[str, str], streams: Streams, slave: int) -> None:
        """Start the monitor and the program.

        Raises:
            OSError, ValueError: as :func:`start_program`.
        """
        self.reports, reported = os.pipe()
        waited_on, self._release = os.pipe()
        self._partial = b""
        self._monitor = os.fork()
        if self._monitor == 0:
            os.close(self.reports)
            os.close(self._release)
            _monitor(program, environ, streams, slave, reported, waited_on)
        os.close(reported)
        os.close(waited_on)
        kind, value = self._read_first_report()
        if kind == "failed":
            self.close()
            raise OSError(value, os.strerror(value)) if value else ValueError
        self.pid = value

    def _read_first_report(self) -> tuple[str, int]:
        """Return the first report only: a short program may have ended already, and that is a second report."""
        line = b""
        while not line.endswith(b"\n"):
            line += os.read(self.reports, 1) or b'["failed", 0]\n'
        kind, value = json.loads(line)
        return kind, value

    def read_reports(self) -> list[tuple[str, int]]:
        """Return the new reports: ``stopped`` with the signal, ``ended`` with the wait status."""
        data = os.read(self.reports, 4096)
        *lines, self._partial = (self._partial + data).split(b"\n")
        if not data:
            return [("ended", signal.SIGKILL)]  # somebody killed the monitor, which ends the session
        return [(kind, value) for kind, value in map(json.loads, lines)]

    def close(self) -> None:
        """Let the monitor end; other programs of the session get SIGHUP because their terminal is gone."""
        os.close(self._release)
        os.waitpid(self._monitor, 0)


def _monitor(
    program: Sequence[str], environ: Mapping[str, str], streams: Streams, slave: int, reported: int, waited_on: int
) -> None:
    """Lead the session, start the program, report on it, and wait until :meth:`Session.close`. Never returns."""

    def report(kind: str, value: int) -> None:
        os.write(reported, json.dumps([kind, value]).encode() + b"\n")

    try:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for number in CAUGHT:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda *_: None)  # the program does not inherit a handler, unlike SIG_IGN
        try:
            child = start_program(program, environ, streams, lambda: _take_foreground(slave))
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


def _take_foreground(slave: int) -> None:
    """Give the new process its own group and move that to the foreground, before the program is executed."""
    os.setpgid(0, 0)
    with _sigttou_blocked():
        os.tcsetpgrp(slave, os.getpid())


def _watch(pid: int, report: Callable[[str, int], None]) -> None:
    while True:
        _, status = os.waitpid(pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            report("ended", status)
            return
        report("stopped", os.WSTOPSIG(status))
