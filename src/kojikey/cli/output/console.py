"""rich's console with two rules of ours: it survives a closed output, and it removes control characters from text.

Imported only where rich draws something; ``terminal.py`` decides the style. Must not: decide an exit code.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from kojikey.cli.output.streams import silence
from kojikey.model.plain_text import one_line


class PatientConsole(Console):
    """A console that survives a closed pipe. rich would end the program, with an exit code of its own."""

    def on_broken_pipe(self) -> None:
        """Discard all further output."""
        silence(self.file.fileno())

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002 - rich's signature
        """Never hide the cursor: a signal or Ctrl-Z during a spinner would leave the terminal without one."""
        return False

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, without the control characters of a text: the last line of defence, as in ``say``.

        A line end in a text becomes a space: what follows it could otherwise look like a line of ours.
        """
        if isinstance(renderable, Text) and not renderable.plain.isprintable():
            renderable = _without_control_characters(renderable)
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:  # rich wrapped a text into several lines
                yield Segment("\n".join(map(one_line, segment.text.split("\n"))), segment.style)


def _without_control_characters(text: Text) -> Text:
    kept = (
        text[index] if character.isprintable() else one_line(character) for index, character in enumerate(text.plain)
    )
    return text.blank_copy().join(Text(part) if isinstance(part, str) else part for part in kept)
