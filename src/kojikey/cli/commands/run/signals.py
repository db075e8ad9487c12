"""The signals of ``kojikey run --mask``: they are passed on to the program, and this process stops and ends as it does.

Owns: which signals are passed on, and stopping or dying by the same signal. Must not: read or write a stream.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from types import FrameType

_FROM_THE_KEYBOARD = ("SIGINT", "SIGQUIT", "SIGTSTP")
_OF_THIS_PROCESS = (
    "SIGKILL", "SIGSTOP", "SIGCONT", "SIGCHLD", "SIGTTIN", "SIGTTOU", "SIGWINCH",
    "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGEMT", "SIGSYS", "SIGPIPE", "SIGXCPU", "SIGXFSZ",
)  # fmt: skip
"""The signals that are not simply passed on: they cannot be caught, or report an event of this process."""

Handler = Callable[[int, FrameType | None], object]


def handle(numbers: Iterable[int], handler: Handler) -> None:
    """Set a handler for signals, except for ignored ones, which the program inherits as ignored."""
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def pass_on(pid: int) -> None:
    """Pass the signals that processes send to each other on to the program, also while a write blocks."""
    excluded = {*_numbers(_FROM_THE_KEYBOARD), *_numbers(_OF_THIS_PROCESS)}
    handle(signal.valid_signals() - excluded, lambda number, _: kill(pid, number))


def pass_on_keyboard(pid: int) -> None:
    """Pass interrupts on: a program with its own terminal gets none from the keyboard of ours."""
    handle((signal.SIGINT, signal.SIGQUIT), lambda number, _: kill(pid, number))
    handle((signal.SIGTSTP,), lambda number, _: kill_group(pid, number))


def pass_on_sent_interrupts(pid: int) -> None:
    """Pass on an interrupt that a process sent to us; the program gets one from the keyboard itself."""
    numbers = [number for number in _numbers(_FROM_THE_KEYBOARD) if signal.getsignal(number) is not signal.SIG_IGN]
    if not hasattr(signal, "sigwaitinfo"):
        handle(numbers, lambda number, _: None if _has_foreground() else kill(pid, number))
        return
    if not numbers:
        return

    def watch() -> None:
        while True:
            heard = signal.sigwaitinfo(numbers)
            if heard.si_code <= 0:  # sent by a process; the kernel's codes are positive (sigaction(2))
                kill(pid, heard.si_signo)

    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    threading.Thread(target=watch, daemon=True).start()


def _numbers(names: Sequence[str]) -> list[int]:
    """Return the numbers of the signals that this system has."""
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


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


def stop_as(number: int) -> None:
    """Stop by the signal that stopped the program, so that the shell shows its prompt; return when resumed.

    The keyboard's own SIGTSTP may be pending too. Both are sent before one is let through: the resumption clears the
    other, which would stop this process again.
    """
    handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTSTP,))
    # To this thread: another one may be waiting for the signal, and would take it.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP if number == signal.SIGSTOP else signal.SIGTSTP)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTSTP,))
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    signal.signal(signal.SIGTSTP, handler)


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
