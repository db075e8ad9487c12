"""``kojikey run --mask``: starts the program so that the keys in its output can be replaced.

There are two ways to start it. If standard input and output are a terminal, the program gets its own terminal, session
and job control (``session.py``). Otherwise it stays in this process group, so that signals that a shell or a supervisor
sends to the group still reach it; each stream of its output is a pipe, or a pseudo-terminal where ours is a terminal.
Owns: the choice, and the streams. Must not: read or write them (``relay.py``).
"""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Mapping, Sequence

from kojikey.cli.commands.run.masked_output import Output
from kojikey.cli.commands.run.relay import MaskedRun
from kojikey.cli.commands.run.session import RealTerminal, Session, Streams, open_terminal, start_program
from kojikey.cli.output.terminal import encodes
from kojikey.model.masking import ASCII_BULLET, BULLET, mask, tail_of
from kojikey.model.secret import Secret
from kojikey.scanning.masker import Masker


def run_masked(program: Sequence[str], environ: Mapping[str, str], keys: Sequence[Secret]) -> MaskedRun:
    """Start a program whose output will be masked.

    Raises:
        OSError: it is not found, or cannot be started. ValueError: a word or variable has a null byte.
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
    usual_modes = None if RealTerminal().is_ours else termios.tcgetattr(slave)
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
    return MaskedRun(outputs, pid=session.pid, session=session, master=master, usual_modes=usual_modes)


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
    child.returncode = 0  # MaskedRun waits for it; without a code Popen would warn that it still runs
    return MaskedRun(outputs, pid=child.pid)


def _channel(target: int) -> tuple[int, int]:
    """Return both ends of a stream for the program's output: a pseudo-terminal if ours is a terminal, else a pipe."""
    if not os.isatty(target):
        return os.pipe()
    master, slave = open_terminal(target)
    settings = termios.tcgetattr(slave)
    settings[1] &= ~termios.OPOST  # the real terminal converts line ends
    termios.tcsetattr(slave, termios.TCSANOW, settings)
    return master, slave


def _is_one_file(first: int, second: int) -> bool:
    try:
        return os.path.sameopenfile(first, second)
    except OSError:
        return False
