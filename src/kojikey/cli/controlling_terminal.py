"""Asks a person for one line on the controlling terminal, with or without echo.

Owns: the terminal's modes from the question until the answer. The echo is off while a hidden line is read and is
restored at every other moment, also after Ctrl-Z and ``fg``, a lost connection (SIGHUP) and SIGTERM. ``getpass``
leaves the echo on after ``fg``, because shells restore it while a job is stopped. Enter ends a line also on a terminal
that another program left in raw mode. Of two programs in a pipeline, the second asks when the first is answered.
Must not: know the meaning of a question, or be used outside the main thread, which alone receives signals.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from kojikey.model.secret import HiddenBytes

try:
    import fcntl
    import termios
except ImportError:  # Windows
    fcntl = termios = None  # type: ignore[assignment]

_CONTROLLING = "/dev/tty"
_TERMINATING_SIGNALS = ("SIGHUP", "SIGTERM", "SIGQUIT")
_READ_BYTES = 4096  # a terminal in line mode never returns a longer line (termios(3), ICANON)
_INPUT_MODES, _LOCAL_MODES = 0, 3  # the indexes of c_iflag and c_lflag in the list that tcgetattr returns
_LONGEST = 4095 if sys.platform == "linux" else 1023  # the kernel drops the rest of a longer line without a word
_PASTE_BEGINS, _PASTE_ENDS = b"\x1b[200~", b"\x1b[201~"  # sent where a program left "bracketed paste" on
_FOR_OTHERS = 0o006


class LineTooLong(ValueError):
    """A line has more bytes than a terminal passes on, so its end is missing."""


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
        EOFError: the input ended, or there is no terminal. KeyboardInterrupt: Ctrl-C; the echo is restored.
        UnicodeDecodeError: the line is not text. The error holds the line: never show it. LineTooLong.
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
    """Discard typed or pasted text that was not read yet, so that the shell does not receive it."""
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
    """Open the controlling terminal, or use standard input if only that is a terminal.

    Raises:
        OSError: there is no terminal.
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


class _Turn:
    """The turn to ask on a terminal among the programs of one job, for example ``kojikey run … | kojikey run …``.

    If two asked at the same time, the first answer would restore the echo while the second is still typed. Another job
    does not wait: only the job in the foreground can ask, and this one may be stopped.
    """

    def __init__(self) -> None:
        self._terminal = next((number for number in (2, 0) if _is_private_terminal(number)), None)

    def take(self) -> None:
        """Wait for the turn. There is none on a terminal without locks, or one that other users could lock."""
        self._lock(fcntl.LOCK_EX)

    def give_back(self) -> None:
        """Let the next program ask."""
        self._lock(fcntl.LOCK_UN)

    def _lock(self, operation: int) -> None:
        if self._terminal is not None:
            with contextlib.suppress(OSError):
                fcntl.lockf(self._terminal, operation, 1, os.getpgrp())


def _is_private_terminal(number: int) -> bool:
    try:
        return os.isatty(number) and not os.fstat(number).st_mode & _FOR_OTHERS
    except OSError:
        return False


class _Question:
    """A question on the terminal. In the ``with`` block signals are handled and the modes are those for an answer."""

    def __init__(self, descriptor: int, text: str, *, is_hidden: bool) -> None:
        self._descriptor, self._is_hidden = descriptor, is_hidden
        self._text = text.encode(getattr(sys.stderr, "encoding", None) or "utf-8", "replace")
        self._typed = b""
        self._before: list[Any] = []
        self._handlers: dict[int, Any] = {}
        self._turn = _Turn()

    def __enter__(self) -> _Question:
        self._turn.take()
        # A background process is stopped here (SIGTTOU) until it may ask. Until then the modes are those of the shell,
        # in whose line editor Enter does not end a line.
        _patiently(termios.tcdrain, self._descriptor)
        self._before = termios.tcgetattr(self._descriptor)
        for name in _TERMINATING_SIGNALS:
            self._handle(getattr(signal, name), self._terminate)
        self._handle(signal.SIGTSTP, self._stop)
        self._handle(signal.SIGCONT, self._continue)
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
        self._turn.give_back()

    def line(self) -> bytes:
        """Return the line that was entered. Reading continues after a signal.

        Raises:
            EOFError: the input ended before anything was entered. LineTooLong.
        """
        self._typed = b""
        while not self._typed.endswith(b"\n"):
            piece = HiddenBytes(os.read(self._descriptor, _READ_BYTES))
            self._typed += piece
            if not piece:
                break
        if self._is_hidden or not self._typed.endswith(b"\n"):
            self._write(b"\n")
        if not self._typed:
            raise EOFError
        line = HiddenBytes(self._typed.rstrip(b"\r\n"))
        if len(line) >= _LONGEST:
            raise LineTooLong
        return line.removeprefix(_PASTE_BEGINS).removesuffix(_PASTE_ENDS)

    def _handle(self, number: int, handler: Any) -> None:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP, and it has to stay ignored
            self._handlers[number] = signal.signal(number, handler) or signal.SIG_DFL

    def _ask(self) -> None:
        modes = list(self._before)
        modes[_INPUT_MODES] = modes[_INPUT_MODES] & ~(termios.IGNCR | termios.INLCR) | termios.ICRNL
        modes[_LOCAL_MODES] |= termios.ICANON | termios.ISIG
        if self._is_hidden:
            modes[_LOCAL_MODES] &= ~termios.ECHO
        self._set(modes)
        self._write(self._text)

    def _restore(self) -> None:
        with contextlib.suppress(termios.error):  # the terminal is gone
            self._set(self._before)

    def _set(self, modes: list[Any]) -> None:
        # For a hidden line, unread input is discarded, which may be the rest of a key: the shell would show it.
        when = termios.TCSAFLUSH if self._is_hidden else termios.TCSADRAIN
        _patiently(termios.tcsetattr, self._descriptor, when, modes)

    def _write(self, text: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._descriptor, text)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        """Restore the echo and stop; ask again after ``fg``."""
        self._restore()
        on_continue = signal.signal(signal.SIGCONT, signal.SIG_DFL)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # returns after `fg`
        signal.signal(number, self._stop)
        signal.signal(signal.SIGCONT, on_continue)
        self._ask_again()

    def _continue(self, _number: int, _frame: FrameType | None) -> None:
        self._ask_again()

    def _ask_again(self) -> None:
        """Forget what was typed before the stop, set the modes again, which shells change, and repeat the question."""
        self._typed = b""
        self._ask()

    def _terminate(self, number: int, _frame: FrameType | None) -> None:
        """Restore the echo, and let the signal have its earlier effect."""
        self._restore()
        signal.signal(number, self._handlers[number])
        os.kill(os.getpid(), number)


def _patiently(call: Callable[..., None], *arguments: Any) -> None:
    """Make a call of ``termios``, again if a signal interrupts it.

    Raises:
        termios.error: it failed.
    """
    import errno

    while True:
        try:
            call(*arguments)
        except termios.error as error:
            if error.args[0] != errno.EINTR:
                raise
        else:
            return
