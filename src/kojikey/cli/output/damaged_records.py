"""Reports the records that were changed outside kojikey: a warning for each, and the exit code at the end.

Owns: warnings, the ``error`` of the JSON document, the exit code. Must not: stop the command.
"""

from __future__ import annotations

from kojikey.cli.exits import Exit
from kojikey.cli.output.failure import Failure
from kojikey.cli.output.terminal import Terminal
from kojikey.model.errors import CannotOpen
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ref import Document

_HINT = Hint(next_step("doctor"), " looks at every record; the others are not affected")


class DamagedRecords:
    """Collects the errors about damaged records while a command reads the others."""

    def __init__(self, terminal: Terminal, *, hint: str = _HINT) -> None:
        self._terminal, self._hint = terminal, hint
        self._errors: list[str] = []

    def __call__(self, error: CannotOpen) -> None:
        """Warn about one damaged record, and remember it for the exit code."""
        self._terminal.warn(str(error))
        self._errors.append(str(error))

    @property
    def code(self) -> Exit:
        """The exit code for the damaged records; OK if there were none."""
        return Exit.CANNOT_OPEN if self._errors else Exit.OK

    @property
    def error(self) -> Document | None:
        """The ``error`` of the command's JSON document, or None if no record was damaged."""
        if not self._errors:
            return None
        more = f" (and {len(self._errors) - 1} more)" if len(self._errors) > 1 else ""
        return Failure(self.code, self._errors[0] + more, self._hint).as_json()
