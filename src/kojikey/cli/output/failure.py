"""How a failed command ends: one message, one hint, one exit code, and JSON where it was requested.

On the hot path, for :func:`say`: nothing is imported at module level.
"""

from __future__ import annotations

import os
import sys

from kojikey.model.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kojikey.cli.command import CommandLine
    from kojikey.cli.exits import Exit
    from kojikey.model.errors import KojikeyError

SCHEMA = "kojikey/1"
REPORT_IT = "please report it, with this line and the command: https://github.com/kojikey/kojikey/issues"


class Failure(NamedTuple):
    """Why a command, or one of its results, failed: an exit code, what happened, and what to type or do next."""

    code: Exit
    message: str
    hint: str | None = None

    @classmethod
    def of(cls, error: KojikeyError) -> Failure:
        """Return the failure that one of our errors is."""
        from kojikey.cli.exits import code_of, hint_of

        return cls(code_of(error), str(error), hint_of(error))

    def as_json(self) -> dict[str, Any]:
        """Return the ``error`` of the JSON contract."""
        return {"code": self.code.word, "message": self.message, "hint": self.hint}

    def say(self) -> None:
        """Write it to stderr for people; a hint that is a command can be typed as it stands."""
        from kojikey.model.next_step import is_command_first

        for line in f"kojikey: {self.message}".split("\n"):
            say(line)
        if self.hint:
            say(f"  try: {self.hint}" if is_command_first(self.hint) else f"  {self.hint}")


def report(line: CommandLine | None, error: Exception) -> int:
    """Report what went wrong and return the exit code."""
    return fail(line, failure_of(error))


def failure_of(error: Exception) -> Failure:
    """Return the failure that an error is. A bug is named by its kind and place, never by its values."""
    from kojikey.cli.exits import Exit
    from kojikey.model.bugs import first_of_ours, kind_and_place
    from kojikey.model.errors import KojikeyError
    from kojikey.model.next_step import next_step

    error = first_of_ours(error)
    if isinstance(error, KojikeyError):
        return Failure.of(error)
    if isinstance(error, OSError) and error.errno is not None:
        # The machine, not a bug: a full disk under standard output, a folder that vanished.
        refused = f"the operating system refused: {os.strerror(error.errno)}"
        return Failure(Exit.STORE_UNAVAILABLE, refused, next_step("doctor"))
    return Failure(Exit.INTERNAL, f"a bug in kojikey: {kind_and_place(error)}", REPORT_IT)


def report_interrupt(line: CommandLine | None, interrupt: KeyboardInterrupt) -> int:
    """Tell what was left when a person pressed Ctrl-C, and return 130."""
    from kojikey.cli.exits import Exit

    note = str(interrupt) or "interrupted; only what is confirmed above was changed"
    print(file=sys.stderr)
    return fail(line, Failure(Exit.INTERRUPTED, note))


def fail(line: CommandLine | None, failure: Failure) -> int:
    """Print a failure for people on stderr and, with ``--json``, as a document on stdout; return the code."""
    from kojikey.cli.options import JSON

    failure.say()
    if line and JSON in line.flags:
        from kojikey.cli.output.stdout import write_json

        try:  # noqa: SIM105 - contextlib costs `run` a millisecond
            write_json(failed(line.name, failure.code, failure.as_json()))
        except OSError:
            pass  # it is standard output that failed
    return int(failure.code)


def failed(command: str | None, code: int, error: dict[str, Any]) -> dict[str, Any]:
    """Return the document of a command that failed as a whole."""
    return {"schema": SCHEMA, "command": command, "exit_code": int(code), "error": error}


def say(line: str) -> None:
    """Write a line for people to stderr; what its encoding lacks is replaced, a closed stderr is no reason to fail."""
    from kojikey.cli.output.stdout import runner_reads
    from kojikey.model.plain_text import one_line

    line = one_line(line)
    if runner_reads(os.environ):
        from kojikey.cli.output.github_escape import inert

        line = inert(line)
    encoding = getattr(sys.stderr, "encoding", None) or "ascii"
    try:
        text = line.encode(encoding, "replace").decode(encoding)
        print(wrapped(text) if sys.stderr.isatty() else text, file=sys.stderr)
    except (OSError, ValueError):
        return


def wrapped(text: str) -> str:
    """Break a long line between words, under its indent; a long path or URL stays whole, to be copied."""
    import shutil
    import textwrap

    width = shutil.get_terminal_size().columns
    indent = "  " + " " * (len(text) - len(text.lstrip()))
    return textwrap.fill(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )
