"""Asking a person on the controlling terminal: one line, shown as it is typed or hidden.

Owns: the terminal's echo from the question until its answer. It is off whenever a hidden line is read and as it was
before whenever nothing is read: also across Ctrl-Z and ``fg``, a lost connection (SIGHUP) and SIGTERM. ``getpass``
leaves the echo on after ``fg``, because shells restore it while a job is stopped.
Must not: know what is asked for, or be used off the main thread: only there Ctrl-C and the other signals arrive.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from kojikey.model.secret import HiddenBytes

try:
    import termios
except ImportError:  # Windows
    termios = None  # type: ignore[assignment]

_CONTROLLING = "/dev/tty"
_ENDING = ("SIGHUP", "SIGTERM", "SIGQUIT")
_PIECE = 4096  # bytes; a line that a terminal edits is never longer
_LOCAL_MODES = 3  # the place of c_lflag in what tcgetattr returns


def exists() -> bool:
    """Return whether there is a terminal to ask on."""
    if termios is None:
        return sys.stdin is not None and sys.stdin.isatty()
    try:
        with _opened():
            return True
    except OSError:
        return False


def ask(question: str, *, hidden: bool) -> str:
    """Ask for one line, and return it without its line end.

    Raises:
        EOFError: the input ended, or there is no terminal. KeyboardInterrupt: Ctrl-C; the echo is as it was before.
        UnicodeDecodeError: the line is not text. It holds what was typed: never let it out.
    """
    sys.stderr.flush()
    if termios is None:
        return _ask_on_windows(question, hidden=hidden)
    try:
        with _opened() as descriptor, _Question(descriptor, question, is_hidden=hidden) as asked:
            line = HiddenBytes(asked.line())
    except (OSError, termios.error):
        raise EOFError from None
    return line.decode(getattr(sys.stdin, "encoding", None) or "utf-8")


def discard_typed() -> None:
    """Drop what was typed or pasted and not read yet, so that the shell does not get it."""
    if termios is not None:
        with contextlib.suppress(OSError, termios.error), _opened() as descriptor:
            termios.tcflush(descriptor, termios.TCIFLUSH)


def _ask_on_windows(question: str, *, hidden: bool) -> str:
    if hidden:
        import getpass

        return getpass.getpass(question)
    sys.stderr.write(question)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\r\n")


@contextlib.contextmanager
def _opened() -> Iterator[int]:
    """Open the controlling terminal; without one, use standard input where that is a terminal.

    Raises:
        OSError: neither is there.
    """
    try:
        descriptor = os.open(_CONTROLLING, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        if sys.stdin is None or not sys.stdin.isatty():
            raise
        descriptor = os.dup(sys.stdin.fileno())
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class _Question:
    """A question that waits for its answer."""

    def __init__(self, descriptor: int, text: str, *, is_hidden: bool) -> None:
        self._descriptor, self._is_hidden = descriptor, is_hidden
        self._text = text.encode(getattr(sys.stderr, "encoding", None) or "utf-8", "replace")
        self._typed = b""
        self._before = termios.tcgetattr(descriptor)
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> _Question:
        for name in _ENDING:
            self._handle(getattr(signal, name), self._end)
        if self._is_hidden:
            self._handle(signal.SIGTSTP, self._stop)
        self._handle(signal.SIGCONT, self._go_on)
        try:
            self._ask()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def line(self) -> bytes:
        """Return the line that was entered. A signal that comes while it is read is handled, and reading goes on.

        Raises:
            EOFError: the input ended before anything was entered.
        """
        self._typed = b""
        while not self._typed.endswith(b"\n"):
            piece = HiddenBytes(os.read(self._descriptor, _PIECE))
            self._typed += piece
            if not piece:
                break
        if self._is_hidden or not self._typed.endswith(b"\n"):
            self._write(b"\n")
        if not self._typed:
            raise EOFError
        return self._typed.rstrip(b"\r\n")

    def _handle(self, number: int, handler: Any) -> None:
        if signal.getsignal(number) is not signal.SIG_IGN:  # under nohup a lost connection is to be survived
            self._handlers[number] = signal.signal(number, handler) or signal.SIG_DFL

    def _ask(self) -> None:
        # The modes first: in the background this waits (SIGTTOU) until the question may be asked.
        if self._is_hidden:
            modes = list(self._before)
            modes[_LOCAL_MODES] = modes[_LOCAL_MODES] & ~termios.ECHO | termios.ICANON | termios.ISIG
            self._set(modes)
        self._write(self._text)

    def _restore(self) -> None:
        # What was typed and not read is dropped with it: it may be the rest of a key, and the shell would show it.
        if self._is_hidden:
            with contextlib.suppress(termios.error):  # the terminal is gone
                self._set(self._before)

    def _set(self, modes: list[Any]) -> None:
        import errno

        while True:
            try:
                termios.tcsetattr(self._descriptor, termios.TCSAFLUSH, modes)
            except termios.error as error:
                if error.args[0] != errno.EINTR:
                    raise
            else:
                return

    def _write(self, text: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._descriptor, text)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        """Stop as Ctrl-Z wants it, with the echo restored; go on hidden."""
        self._restore()
        waiting = signal.signal(signal.SIGCONT, signal.SIG_DFL)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # it returns after `fg`
        signal.signal(number, self._stop)
        signal.signal(signal.SIGCONT, waiting)
        self._begin_again()

    def _go_on(self, _number: int, _frame: FrameType | None) -> None:
        self._begin_again()

    def _begin_again(self) -> None:
        """Ask again: what was typed before the stop is gone, and shells change the modes meanwhile."""
        self._typed = b""
        self._ask()

    def _end(self, number: int, _frame: FrameType | None) -> None:
        """End as the signal wants it, with the echo restored."""
        self._restore()
        signal.signal(number, self._handlers[number])
        os.kill(os.getpid(), number)
