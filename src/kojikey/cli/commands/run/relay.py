"""The loop of ``kojikey run --mask``: relays input, output and signals until the program ends.

Owns: the loop, the keyboard, and stopping and resuming together with the program. Must not: mask anything
(``masked_output.py``), or start a program (``masked.py``).
"""

from __future__ import annotations

import os
import select
import signal
import time
from dataclasses import dataclass, field
from typing import Any

from kojikey.cli.commands.run.masked_output import Output
from kojikey.cli.commands.run.session import RealTerminal, Session, copy_size, set_modes_if_unchanged
from kojikey.cli.commands.run.signals import (
    end_as,
    handle,
    kill,
    kill_group,
    pass_on,
    pass_on_keyboard,
    pass_on_sent_interrupts,
    stop_as,
    wakeup_pipe,
)

_BACKGROUND_S = 0.1  # the interval of a check: no signal reports that a running job is now in the foreground


@dataclass(slots=True)
class MaskedRun:
    """A running program and its streams.

    ``session`` and ``master`` (the pseudo-terminal) are None for a program without its own terminal. ``status`` is the
    wait status after the program's end. ``typed`` are bytes from the keyboard that the program has not read yet.
    ``usual_modes`` are the modes of ``master`` if this process started in the background, where ours are not known.
    """

    outputs: list[Output]
    pid: int = 0
    status: int | None = None
    session: Session | None = None
    master: int | None = None
    usual_modes: list[Any] | None = None
    terminal: RealTerminal = field(default_factory=RealTerminal)
    typed: bytes = b""
    is_typing_over: bool = False
    wake: int = -1

    def relay(self) -> int:
        """Relay until the program ends, and return its exit code; a signal that killed it kills this process too."""
        with wakeup_pipe() as self.wake:
            self._handle_signals()
            try:
                while self.status is None:
                    self._step()
                for output in self.outputs:
                    output.drain()
            finally:
                self.terminal.restore()
                if self.session:
                    self.session.close()
        return end_as(self.status)

    def _step(self) -> None:
        if self.session and not self.terminal.is_raw:
            self._take_keyboard()
        readable = [output.source for output in self.outputs if output.is_open]
        readable.append(self.wake)
        writable: list[int] = []
        if self.session and self.master is not None:
            readable.append(self.session.reports)
            if self.typed:
                writable.append(self.master)
            elif self._may_read_keyboard():
                readable.append(0)
        ready, able, _ = select.select(readable, writable, (), self._timeout())
        for output in self.outputs:
            if output.source in ready and output.is_open:
                output.read()
            output.release_expired()
        if self.wake in ready:
            os.read(self.wake, 4096)
            self._reap_child()
        if self.session:
            self._relay_typed(typed=0 in ready, able=bool(able))
            if self.session.reports in ready:
                self._read_reports(self.session)

    def _take_keyboard(self) -> None:
        """Switch to raw mode if we are in the foreground; the program's terminal gets our modes the first time."""
        self.terminal.set_raw()
        if self.terminal.is_raw and self.usual_modes and self.master is not None:
            set_modes_if_unchanged(self.master, self.usual_modes, self.terminal.modes)
            self.usual_modes = None

    def _may_read_keyboard(self) -> bool:
        master_is_open = any(output.is_open and output.source == self.master for output in self.outputs)
        return not self.is_typing_over and master_is_open and self.terminal.is_ours

    def _timeout(self) -> float | None:
        now = time.monotonic()
        waits = [max(0.0, output.deadline - now) for output in self.outputs if output.deadline is not None]
        if self.session and not self.terminal.is_raw:
            waits.append(_BACKGROUND_S)
        return min(waits, default=None)

    def _relay_typed(self, *, typed: bool, able: bool) -> None:
        """Pass typed bytes on to the program; what it does not read yet is kept."""
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

    def _read_reports(self, session: Session) -> None:
        for kind, value in session.read_reports():
            if kind == "ended":
                self.status = value
            elif kind == "stopped":
                self._stop_with_program(value)

    def _stop_with_program(self, number: int) -> None:
        """Stop like the program, so that the shell shows its prompt again; then resume together with the program."""
        self.terminal.restore()
        stop_as(number)
        self._resume()

    def _resume(self) -> None:
        if self.session and self.master is not None:
            self._take_keyboard()
            copy_size(0, self.master)
            kill_group(self.pid, signal.SIGCONT)
        else:
            kill(self.pid, signal.SIGCONT)

    def _reap_child(self) -> None:
        """Take the news of a program without a session: it ended, or stopped."""
        if self.session is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                self._stop_with_program(os.WSTOPSIG(status))
            elif pid:
                self.status = status

    def _handle_signals(self) -> None:
        pass_on(self.pid)
        handle((signal.SIGCHLD,), lambda *_: None)
        handle((signal.SIGWINCH,), lambda *_: self._resize())
        handle((signal.SIGCONT,), lambda *_: self._resume())
        if self.session:
            pass_on_keyboard(self.pid)
        else:
            pass_on_sent_interrupts(self.pid)

    def _resize(self) -> None:
        """Pass on a new size, and the signal itself, which some servers take for a command."""
        kill(self.pid, signal.SIGWINCH)
        for output in self.outputs:
            if output.is_open and output.is_terminal:
                copy_size(output.target, output.source)
