"""rich's console as kojikey has it. Imported only where something is drawn; ``terminal.py`` says how it looks.

Owns: what happens when nobody reads any more. Must not: decide an exit code; the command that draws has one.
"""

from __future__ import annotations

from rich.console import Console

from kojikey.cli.streams import silence


class PatientConsole(Console):
    """A console that goes on where its reader went away: rich would end the program, with an exit code of its own."""

    def on_broken_pipe(self) -> None:
        """Send the rest nowhere."""
        silence(self.file.fileno())
