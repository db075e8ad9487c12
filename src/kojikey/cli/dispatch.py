"""Runs a parsed command line, returns its exit code, and reports output that was lost at the end.

Owns: the order of three steps: refuse keys as arguments, run the command, complete the hint of its error.
On the hot path. Must not: parse a command line (``parsing`` does), or write an error's text.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

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


def after_lost_output(stream: TextIO, error: OSError, code: int) -> int:
    """Return the exit code after the last output to a standard stream failed: ``code``, or that of lost results.

    A second attempt would seem to succeed: Python forgets text that does not fit into the buffer of a file.
    """
    from kojikey.cli.output.streams import silence

    silence(stream.fileno())
    if stream is sys.stderr or isinstance(error, BrokenPipeError):
        return code  # the reader closed the pipe (`kojikey list | head -1`): not a failure
    from kojikey.cli.output.failure import fail, output_lost

    return fail(None, output_lost(error.strerror or type(error).__name__))
