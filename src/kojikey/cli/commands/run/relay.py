"""Stays beside the program of ``kojikey run --mask``, and carries everything to and fro until it ends.

Owns: the loop, the keyboard, stopping and going on together with the program. Must not: mask anything
(``masked_output.py``), or start a program (``masked.py``).
"""

from __future__ import annotations

import os
import select
import signal
import time
from dataclasses import dataclass, field

from kojikey.cli.commands.run.masked_output import Output
from kojikey.cli.commands.run.session import RealTerminal, Session, copy_size
from kojikey.cli.commands.run.signals import (
    end_as,
    handle,
    kill_group,
    pass_on,
    pass_on_keyboard,
    pass_on_what_was_sent,
    woken,
)

_BACKGROUND_S = 0.1  # nobody says when a shell brings a job that runs into the foreground: it is looked for so often


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
        with woken() as self.wake:
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
        return end_as(self.status)

    def _turn(self) -> None:
        if self.session and not self.terminal.is_handed_over:
            self.terminal.hand_over()
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
            output.release()
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
        now = time.monotonic()
        waits = [max(0.0, output.deadline - now) for output in self.outputs if output.deadline is not None]
        if self.session and not self.terminal.is_handed_over:
            waits.append(_BACKGROUND_S)
        return min(waits, default=None)

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
            kill_group(self.session.pid, signal.SIGCONT)

    def _look_after_child(self) -> None:
        if self.session is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = status if pid else None

    def _handle_signals(self) -> None:
        pass_on(self.pid)
        handle(("SIGCHLD",), lambda *_: None)
        handle(("SIGWINCH",), lambda *_: self._resize())
        if self.session:
            pass_on_keyboard(self.pid)
            handle(("SIGTSTP",), lambda *_: kill_group(self.pid, signal.SIGTSTP))
            handle(("SIGCONT",), lambda *_: self._go_on())
        else:
            pass_on_what_was_sent(self.pid)

    def _resize(self) -> None:
        for output in self.outputs:
            if output.is_open and output.is_terminal:
                copy_size(output.target, output.source)
