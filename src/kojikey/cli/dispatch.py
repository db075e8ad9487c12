"""Runs a parsed command line, returns its exit code, and flushes the standard streams at the end.

Owns: the order of three steps: refuse keys as arguments, run the command, complete the hint of its error.
On the hot path. Must not: parse a command line (``parsing`` does), or write an error's text.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.cli.command import Call


def carry_out(call: Call) -> int:
    """Run the command of a call, and return the exit code.

    Raises:
        UsageError: an argument looks like a key. Other errors come from the command; their hints are completed here.
    """
    from kojikey.cli.parsing.key_guard import refuse_keys

    refuse_keys(call)
    try:
        return call.command.handler(call)
    except Exception as error:
        from kojikey.cli.error_hints import complete_hint

        complete_hint(error, call)
        raise


def flush_streams(code: int) -> int:
    """Flush standard output and standard error; return ``code``, or the code of a failure to write the output."""
    from kojikey.cli.output.streams import silence

    try:
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout.fileno())  # the reader closed the pipe (`kojikey list | head -1`): not a failure
    except OSError as error:
        from kojikey.cli.output.failure import fail, output_lost

        silence(sys.stdout.fileno())
        code = fail(None, output_lost(error.strerror or type(error).__name__))
    try:
        sys.stderr.flush()
    except OSError:
        silence(sys.stderr.fileno())
    return code
