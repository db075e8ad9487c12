"""rich's console with kojikey's settings. Imported only where something is drawn; ``terminal.py`` decides the style.

Owns: what happens when the output is closed, and that only rich itself sends control characters.
Must not: decide an exit code; the command does.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from kojikey.cli.output.streams import silence
from kojikey.model.plain_text import one_line


class PatientConsole(Console):
    """A console that goes on where its reader went away: rich would end the program, with an exit code of its own."""

    def on_broken_pipe(self) -> None:
        """Send the rest nowhere."""
        silence(self.file.fileno())

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, but without the control characters of a text: the last line of defence, as in ``say``.

        A line end within a text would begin a line that looks like one of ours, so it becomes a space.
        """
        if isinstance(renderable, Text) and not renderable.plain.isprintable():
            renderable = _harmless(renderable)
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:  # the lines into which rich broke a text
                yield Segment("\n".join(map(one_line, segment.text.split("\n"))), segment.style)


def _harmless(text: Text) -> Text:
    kept = (
        text[place] if character.isprintable() else one_line(character) for place, character in enumerate(text.plain)
    )
    return text.blank_copy().join(Text(part) if isinstance(part, str) else part for part in kept)
