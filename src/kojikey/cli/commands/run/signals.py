"""Signals of ``kojikey run --mask``: they are the program's, and its end is ours.

Owns: what is passed on, and dying of the same signal. Must not: read or write a stream.
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
    """Have a function called for signals; what is ignored, the program ignores as well."""
    for name in names:
        number = getattr(signal, name)
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def pass_on(pid: int) -> None:
    """Pass the signals that one process sends to another on to the program, also while a write waits for its reader."""
    handle(_PASSED_ON, lambda number, _: kill(pid, number))


def pass_on_keyboard(pid: int) -> None:
    """Pass interrupts on: the program has a terminal of its own, and gets none from the keyboard of ours."""
    handle(_FROM_THE_KEYBOARD, lambda number, _: kill(pid, number))


def pass_on_what_was_sent(pid: int) -> None:
    """Pass an interrupt on that was sent to us alone; one from the keyboard the program has got already."""
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
            if heard.si_code <= 0:  # of a process; the kernel's own are positive, see sigaction(2)
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


class woken:  # noqa: N801 - used as a context manager alone
    """A pipe in which a byte arrives with each signal, so that waiting ends."""

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
    """Send a signal to a process that may have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def kill_group(group: int, number: int) -> None:
    """Send a signal to a group of processes that may have ended."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def end_as(status: int | None) -> int:
    """End as the program did: return its exit code, or die of the same signal, without a core of our own."""
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
