"""The signals of ``kojikey run --mask``: they are passed on to the program, and this process ends as the program does.

Owns: which signals are passed on, and dying of the same signal. Must not: read or write a stream.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType

_PASSED_ON = ("SIGHUP", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM")
_FROM_THE_KEYBOARD = ("SIGINT", "SIGQUIT")

Handler = Callable[[int, FrameType | None], object]


def handle(names: Sequence[str], handler: Handler) -> None:
    """Set a handler for signals, except for ignored ones, which the program inherits as ignored."""
    for name in names:
        number = getattr(signal, name)
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def pass_on(pid: int) -> None:
    """Pass the signals that processes send to each other on to the program, also while a write blocks."""
    handle(_PASSED_ON, lambda number, _: kill(pid, number))


def pass_on_keyboard(pid: int) -> None:
    """Pass interrupts on: a program with its own terminal gets none from the keyboard of ours."""
    handle(_FROM_THE_KEYBOARD, lambda number, _: kill(pid, number))


def pass_on_sent_interrupts(pid: int) -> None:
    """Pass on an interrupt that a process sent to us; the program gets one from the keyboard itself."""
    if not hasattr(signal, "sigwaitinfo"):
        handle(_FROM_THE_KEYBOARD, lambda number, _: None if _has_foreground() else kill(pid, number))
        return
    numbers = [getattr(signal, name) for name in _FROM_THE_KEYBOARD]
    numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    if not numbers:
        return

    def watch() -> None:
        while True:
            heard = signal.sigwaitinfo(numbers)
            if heard.si_code <= 0:  # sent by a process; the kernel's codes are positive (sigaction(2))
                kill(pid, heard.si_signo)

    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    threading.Thread(target=watch, daemon=True).start()


def _has_foreground() -> bool:
    try:
        number = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(number) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(number)


class wakeup_pipe:  # noqa: N801 - used as a context manager alone
    """A pipe that receives a byte with each signal, so that ``select`` returns; the block gets its reading end."""

    def __enter__(self) -> int:
        self._read, self._written = os.pipe()
        os.set_blocking(self._written, False)
        signal.set_wakeup_fd(self._written, warn_on_full_buffer=False)
        os.write(self._written, b"\0")  # the program may have ended already
        return self._read

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        os.close(self._read)
        os.close(self._written)


def kill(pid: int, number: int) -> None:
    """Send a signal to a process, which may have ended already."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def kill_group(group: int, number: int) -> None:
    """Send a signal to a process group, which may have ended already."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def end_as(status: int | None) -> int:
    """Return the exit code of a wait status, or die of the same signal, without a core dump."""
    code = os.waitstatus_to_exitcode(status or 0)
    if code >= 0:
        return code
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if -code not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(-code, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (-code,))
    os.kill(os.getpid(), -code)
    return 128 - code
