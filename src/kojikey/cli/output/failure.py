"""Reports the failure of a command: one message, one hint, one exit code, and JSON if it was requested."""

from __future__ import annotations

import errno
import os
import sys

from kojikey.model.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from kojikey.cli.command import CommandLine
    from kojikey.cli.exits import Exit
    from kojikey.model.errors import KojikeyError

SCHEMA = "kojikey/1"
_KEPT = "\N{NO-BREAK SPACE}"  # textwrap never breaks a line here
REPORT_IT = "please report it, with this line and the command: https://github.com/kojikey/kojikey/issues"


class Failure(NamedTuple):
    """The failure of a command or of one of its results: an exit code, what happened, and what to type next."""

    code: Exit
    message: str
    hint: str | None = None

    @classmethod
    def of(cls, error: KojikeyError) -> Failure:
        """Return an error of ours as a failure."""
        from kojikey.cli.exits import code_of, hint_of

        return cls(code_of(error), str(error), hint_of(error))

    @classmethod
    def of_run(cls, error: KojikeyError, done: str) -> Failure:
        """Return the error that stopped a run over many keys as a failure; ``done`` says how far the run came."""
        from kojikey.model.errors import Effect

        # only the last step changed nothing
        what = error.message if error.effect in (Effect.NOTHING_CHANGED, Effect.CHANGE_NOT_MADE) else str(error)
        return cls.of(error)._replace(message=f"{what}; {done}")

    def as_json(self) -> dict[str, Any]:
        """Return the member ``error`` of a JSON document."""
        return {"code": self.code.label, "message": self.message, "hint": self.hint}

    def say(self) -> None:
        """Write the message and the hint to stderr; a hint that begins with a command follows the word "try"."""
        from kojikey.model.next_step import is_one_command, typed_commands

        for line in f"kojikey: {self.message}".split("\n"):
            say(line)
        if self.hint:
            whole = f"  try: {self.hint}" if is_one_command(self.hint) else ""
            say(whole or f"  {self.hint}", unbroken=(whole,) if whole else typed_commands(self.hint))


def report(line: CommandLine | None, error: Exception) -> int:
    """Report an error as :func:`fail` does and return the exit code."""
    return fail(line, failure_of(error, command=line.name if line else None))


def failure_of(error: Exception, *, command: str | None = None) -> Failure:
    """Return an error as a failure. A bug is described by its class and line, never by its values."""
    from kojikey.cli.exits import Exit
    from kojikey.model.bugs import first_of_ours, kind_and_place
    from kojikey.model.errors import KojikeyError

    error = first_of_ours(error)
    if isinstance(error, KojikeyError):
        return Failure.of(error)
    if isinstance(error, OSError) and error.errno is not None:
        return _refused(error, os.strerror(error.errno), command)
    return Failure(Exit.INTERNAL, f"a bug in kojikey: {kind_and_place(error)}", REPORT_IT)


def output_lost(reason: str) -> Failure:
    """Return the failure to write to standard output, for example to a full disk."""
    from kojikey.cli.exits import Exit

    message = f"standard output cannot be written ({reason}); what the command did before that is not undone"
    return Failure(Exit.STORE_UNAVAILABLE, message, "send the output to a place that can be written")


def _refused(error: OSError, reason: str, command: str | None) -> Failure:
    """Return a failure of the operating system, which is not a bug: of standard output, or of a file."""
    from kojikey.cli.exits import Exit
    from kojikey.model.next_step import next_step

    if not _has_working_directory():
        return Failure(Exit.STORE_UNAVAILABLE, "the working directory was removed", "cd to a folder that exists")
    # An error about a file has its name; one about a new connection, pipe or process has none either.
    if error.filename is None and error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        from kojikey.cli.output.streams import silence

        silence(sys.stdout.fileno())  # so that the failure is not reported again at the end
        return output_lost(reason)
    hint = "run the command again" if command == "doctor" else next_step("doctor")
    return Failure(Exit.STORE_UNAVAILABLE, f"the operating system refused: {reason}", hint)


def _has_working_directory() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True


def report_interrupt(line: CommandLine | None, interrupt: KeyboardInterrupt) -> int:
    """Report Ctrl-C with the message of ``interrupt``, which says what was changed until then, and return 130."""
    from kojikey.cli.exits import Exit

    note = str(interrupt) or "interrupted; only what is confirmed above was changed"
    print(file=sys.stderr)
    return fail(line, Failure(Exit.INTERRUPTED, note))


def fail(line: CommandLine | None, failure: Failure) -> int:
    """Print a failure on stderr and, with ``--json``, as a document on stdout; return the exit code."""
    from kojikey.cli.options import JSON

    failure.say()
    if line and JSON in line.flags:
        from kojikey.cli.output.stdout import write_json

        try:  # noqa: SIM105 - contextlib costs `run` a millisecond
            write_json(failed(line.name, failure.code, failure.as_json()))
        except OSError:
            pass  # standard output itself failed; stderr has the message
    return int(failure.code)


def failed(command: str | None, code: int, error: dict[str, Any]) -> dict[str, Any]:
    """Return the document of a command that failed as a whole."""
    return {"schema": SCHEMA, "command": command, "exit_code": int(code), "error": error}


def say(line: str, *, unbroken: Sequence[str] = ()) -> None:
    """Write a line to stderr, with "?" for characters that its encoding lacks; a closed stderr is ignored.

    A terminal gets a long line wrapped, but not within one of ``unbroken``.
    """
    from kojikey.cli.output.stdout import encodable, runner_reads
    from kojikey.model.plain_text import one_line

    line = one_line(line)
    if runner_reads(os.environ):
        from kojikey.cli.output.github_escape import escaped

        line = escaped(line)
    try:
        text = encodable(line, sys.stderr)
        print(wrapped(text, unbroken=unbroken) if sys.stderr.isatty() else text, file=sys.stderr)
    except (OSError, ValueError):
        return


def wrapped(text: str, *, unbroken: Sequence[str] = ()) -> str:
    """Wrap a line at the terminal's width, with the next lines indented; a path or URL stays whole to be copied.

    ``unbroken`` are the commands in it: a shell would carry out the first part of one that was broken and pasted.
    """
    import shutil
    import textwrap

    for command in unbroken:
        text = text.replace(command, command.replace(" ", _KEPT))
    width = shutil.get_terminal_size().columns
    indent = "  " + " " * (len(text) - len(text.lstrip(" ")))
    filled = textwrap.fill(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )
    return filled.replace(_KEPT, " ")
