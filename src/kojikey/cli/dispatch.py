"""Runs a command line that was understood, returns its exit code, and checks the standard streams at the end.

Owns: the order of the guard against keys as arguments, the command itself, and completing the hint of its error.
On the hot path. Must not: read a command line (``parsing`` does), or write an error's text.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.cli.command import Call


def carry_out(call: Call) -> int:
    """Carry out a command line that was understood, and return the exit code.

    Raises:
        UsageError: an argument looks like a key. Otherwise what the command raises; its hint is completed.
    """
    from kojikey.cli.parsing.key_guard import refuse_keys

    refuse_keys(call)
    try:
        return call.command.handler(call)
    except Exception as error:
        from kojikey.cli.error_hints import complete_hint

        complete_hint(error, call)
        raise


def settle(code: int) -> int:
    """Write out what is left for standard output, and return the exit code: another one where that failed."""
    from kojikey.cli.output.streams import silence

    try:
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout.fileno())  # the reader went away (`kojikey list | head -1`), which is its right
    except OSError as error:
        from kojikey.cli.output.failure import report

        silence(sys.stdout.fileno())
        code = report(None, error)
    try:
        sys.stderr.flush()
    except OSError:
        silence(sys.stderr.fileno())
    return code
