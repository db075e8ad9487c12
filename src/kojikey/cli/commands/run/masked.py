"""``kojikey run --mask``: stays beside the program, and replaces the keys in what it writes.

Two ways to start it. On a terminal (standard input and output are one) the program gets a terminal of its own, a
session and job control (``session.py``). Elsewhere it stays in this process group, so that what a shell or a
supervisor does to the group reaches it as ever; each stream of its output is a pipe, or a pseudo-terminal where ours is
a terminal. Owns: reading and writing, signals, the exit status. Must not: buffer what cannot become a key.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

from kojikey.cli.commands.run.session import RealTerminal, Session, Streams, copy_size, open_terminal, start_program
from kojikey.cli.output.terminal import encodes
from kojikey.model.masking import ASCII_BULLET, BULLET, mask, tail_of
from kojikey.model.secret import Secret
from kojikey.scanning.masker import Masker

MOMENT_S = 0.02
_LAG_S = 0.2
_PIECE = 65536
_PASSED_ON = ("SIGHUP", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM")
_FROM_THE_KEYBOARD = ("SIGINT", "SIGQUIT")


@dataclass(slots=True)
class Output:
    """One stream of the program's output, on its way to ours."""

    source: int
    target: int
    masker: Masker
    is_terminal: bool = False
    deadline: float | None = None
    is_open: bool = True

    @property
    def _patience(self) -> float:
        return _LAG_S if self.is_terminal else 0

    def read(self) -> bool:
        """Pass on what is there now; return whether there was anything."""
        try:
            data = os.read(self.source, _PIECE)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:  # the program's end of a pseudo-terminal is closed
                raise
            data = b""
        if not data:
            self.close()
            return False
        ready = self.masker.feed(data)
        if not self.masker.holds_few:
            self.deadline = None
        elif ready or self.deadline is None:
            self.deadline = time.monotonic() + MOMENT_S
        self._write(ready)
        return True

    def let_go(self) -> None:
        """Write what was held for a moment, where the moment is over."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            self.deadline = None
            self._write(self.masker.let_go())

    def drain(self) -> None:
        """Pass on what is left after the program's end, but wait for no other program that it left behind.

        The kernel takes a moment to carry what was written to a pseudo-terminal to its other end.
        """
        while self.is_open and select.select((self.source,), (), (), self._patience)[0]:
            self.read()
        self.close()

    def close(self) -> None:
        """Write what is held, and read no more: a program that still writes hears that nobody reads."""
        if self.is_open:
            self.is_open = False
            os.close(self.source)
            self._write(self.masker.finish())

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.target, view) :]
            except BlockingIOError:
                select.select((), (self.target,), ())
            except OSError:  # our own reader went away: so it does for the program
                if self.is_open:
                    self.is_open = False
                    os.close(self.source)
                return


@dataclass(slots=True)
class MaskedRun:
    """A program under way, and all that goes to and fro."""

    outputs: list[Output]
    pid: int = 0
    status: int | None = None
    session: Session | None = None
    master: int | None = None
    terminal: RealTerminal = field(default_factory=RealTerminal)
    typed: bytes = b""
    is_typing_over: bool = False
    wake: int = -1

    def relay(self) -> int:
        """Pass everything on until the program ends, and return its exit code; a signal that ended it ends us too."""
        with _woken() as self.wake:
            self._handle_signals()
            try:
                if self.session:
                    self.terminal.hand_over()
                while self.status is None:
                    self._turn()
                for output in self.outputs:
                    output.drain()
            finally:
                self.terminal.take_back()
                if self.session:
                    self.session.close()
        return _end_as(self.status)

    def _turn(self) -> None:
        readable = [output.source for output in self.outputs if output.is_open]
        readable.append(self.wake)
        writable: list[int] = []
        if self.session and self.master is not None:
            readable.append(self.session.reports)
            if self.typed:
                writable.append(self.master)
            elif self._may_read_keyboard():
                readable.append(0)
        ready, able, _ = select.select(readable, writable, (), self._patience())
        for output in self.outputs:
            if output.source in ready and output.is_open:
                output.read()
            output.let_go()
        if self.wake in ready:
            os.read(self.wake, 4096)
            self._look_after_child()
        if self.session:
            self._carry_keys(typed=0 in ready, able=bool(able))
            if self.session.reports in ready:
                self._hear(self.session)

    def _may_read_keyboard(self) -> bool:
        master_is_open = any(output.is_open and output.source == self.master for output in self.outputs)
        return not self.is_typing_over and master_is_open and self.terminal.is_ours

    def _patience(self) -> float | None:
        deadlines = [output.deadline for output in self.outputs if output.deadline is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _carry_keys(self, *, typed: bool, able: bool) -> None:
        """Carry what was typed to the program, which may take its time to read it."""
        if typed:
            try:
                self.typed = os.read(0, 4096)
            except OSError:
                self.typed = b""
            self.is_typing_over = not self.typed
        if self.typed and (typed or able) and self.master is not None:
            try:
                self.typed = self.typed[os.write(self.master, self.typed) :]
            except BlockingIOError:
                return
            except OSError:
                self.typed = b""

    def _hear(self, session: Session) -> None:
        for kind, value in session.heard():
            if kind == "ended":
                self.status = value
            elif kind == "stopped":
                self._stop_with_it(value)

    def _stop_with_it(self, number: int) -> None:
        """Stop as the program did, so that the shell that started us has its prompt again; then go on together."""
        self.terminal.take_back()
        before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP if number != signal.SIGSTOP else signal.SIGSTOP)
        signal.signal(signal.SIGTSTP, before)
        self._go_on()

    def _go_on(self) -> None:
        if self.session and self.master is not None:
            self.terminal.hand_over()
            copy_size(0, self.master)
            _kill_group(self.session.pid, signal.SIGCONT)

    def _look_after_child(self) -> None:
        if self.session is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None

    # --- signals: each is passed on at once, also while a write waits for its reader ---

    def _handle_signals(self) -> None:
        self._on(_PASSED_ON, lambda number, _: _kill(self.pid, number))
        self._on(("SIGCHLD",), lambda *_: None)
        self._on(("SIGWINCH",), lambda *_: self._resize())
        if self.session:
            self._on(_FROM_THE_KEYBOARD, lambda number, _: _kill(self.pid, number))
            self._on(("SIGTSTP",), lambda *_: _kill_group(self.pid, signal.SIGTSTP))
            self._on(("SIGCONT",), lambda *_: self._go_on())
        else:
            self._watch_keyboard_signals()

    def _on(self, names: Sequence[str], handler: object) -> None:
        for name in names:
            number = getattr(signal, name)
            if signal.getsignal(number) is not signal.SIG_IGN:  # what is ignored, the program ignores as well
                signal.signal(number, handler)  # type: ignore[arg-type]

    def _resize(self) -> None:
        for output in self.outputs:
            if output.is_open and output.is_terminal:
                copy_size(output.target, output.source)

    def _watch_keyboard_signals(self) -> None:
        """Pass an interrupt on that was sent to us alone; one from the keyboard the program has got already."""
        if not hasattr(signal, "sigwaitinfo"):

            def pass_on(number: int, _: FrameType | None) -> None:
                if not _has_foreground():
                    _kill(self.pid, number)

            self._on(_FROM_THE_KEYBOARD, pass_on)
            return
        numbers = [getattr(signal, name) for name in _FROM_THE_KEYBOARD]
        numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        if not numbers:
            return

        def watch() -> None:
            while True:
                heard = signal.sigwaitinfo(numbers)
                if heard.si_code <= 0:  # of a process; the kernel's own are positive, see sigaction(2)
                    _kill(self.pid, heard.si_signo)

        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        threading.Thread(target=watch, daemon=True).start()


def run_masked(program: Sequence[str], environ: Mapping[str, str], keys: Sequence[Secret]) -> MaskedRun:
    """Start a program whose output is masked.

    Raises:
        OSError: it is not there, or cannot be started. ValueError: a zero byte.
    """
    bullet = BULLET if encodes(sys.stdout, BULLET) else ASCII_BULLET
    masks = [mask(tail_of(key.reveal()), bullet=bullet).encode() for key in keys]
    if os.isatty(0) and os.isatty(1):
        return _on_a_terminal(program, environ, keys, masks)
    return _in_pipes(program, environ, keys, masks)


def _on_a_terminal(
    program: Sequence[str], environ: Mapping[str, str], keys: Sequence[Secret], masks: Sequence[bytes]
) -> MaskedRun:
    master, slave = open_terminal(0)
    outputs = [Output(master, 1, Masker(keys, masks), is_terminal=True)]
    error = slave
    if not os.isatty(2):
        source, error = os.pipe()
        outputs.append(Output(source, 2, Masker(keys, masks)))
    try:
        session = Session(program, environ, (slave, slave, error), slave)
    finally:
        for number in {slave, error}:
            os.close(number)
    os.set_blocking(master, False)
    return MaskedRun(outputs, pid=session.pid, session=session, master=master)


def _in_pipes(
    program: Sequence[str], environ: Mapping[str, str], keys: Sequence[Secret], masks: Sequence[bytes]
) -> MaskedRun:
    source, written = _channel(1)
    outputs = [Output(source, 1, Masker(keys, masks), is_terminal=os.isatty(1))]
    error = written
    if not _is_one_file(1, 2):
        source, error = _channel(2)
        outputs.append(Output(source, 2, Masker(keys, masks), is_terminal=os.isatty(2)))
    streams: Streams = (None, written, error)
    try:
        child = start_program(program, environ, streams)
    finally:
        for number in {written, error}:
            os.close(number)
    child.returncode = 0  # it is waited for here, and Popen does not warn that it still runs
    return MaskedRun(outputs, pid=child.pid)


def _channel(target: int) -> tuple[int, int]:
    """Return what the program's output is read from and written to: a terminal where ours is one."""
    if not os.isatty(target):
        return os.pipe()
    master, slave = open_terminal(target)
    settings = termios.tcgetattr(slave)
    settings[1] &= ~termios.OPOST  # line ends are made by the real terminal
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    return master, slave


def _is_one_file(first: int, second: int) -> bool:
    try:
        return os.path.sameopenfile(first, second)
    except OSError:
        return False


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


class _woken:  # noqa: N801 - used as a context manager alone
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


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _kill_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return


def _end_as(status: int | None) -> int:
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
