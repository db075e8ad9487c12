"""Lays out results for people with rich: lines, tables, blocks and pairs.

Owns: marks and columns. A mark is a sign and a colour, never a colour alone, and a table never cuts a name that a
person has to type. A command's text is in its own module, a verdict's in ``verdict_page.py``, JSON in ``documents.py``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from kojikey.cli.output.stdout import write_line
from kojikey.cli.output.terminal import Terminal, encodes
from kojikey.model.next_step import typed_commands
from kojikey.model.verdict import Outcome

if TYPE_CHECKING:
    from typing import TextIO

    from rich.table import Table

STYLE = {
    Outcome.VALID: "green",
    Outcome.LIMITED: "yellow",
    Outcome.REJECTED: "bold red",
    Outcome.INDETERMINATE: "cyan",
}
_MARK = {Outcome.VALID: "✓", Outcome.LIMITED: "!", Outcome.REJECTED: "✗", Outcome.INDETERMINATE: "?"}
_ASCII_MARK = {Outcome.VALID: "+", Outcome.LIMITED: "!", Outcome.REJECTED: "x", Outcome.INDETERMINATE: "?"}

_NARROWEST = 14  # columns; the least width of a table's last column, which is wrapped

Cells = list[str | Text]
"""The cells of one row of a table."""


class Page:
    """A stream with layout, by default standard output. Tables in a pipe always go to standard output."""

    def __init__(self, terminal: Terminal, stream: TextIO | None = None) -> None:
        self.terminal = terminal
        self.console: Console = terminal.console(stream or sys.stdout)
        self._unicode = encodes(stream or sys.stdout, "✓✗–·")

    def line(self, text: str | Text = "", *, style: str = "", indent: int = 0) -> None:
        """Write a line; a terminal gets a long one wrapped between words, with the next lines indented.

        No command of a :class:`.Hint` is broken, because a shell would carry out the first part of what is pasted.
        """
        shown = text if isinstance(text, Text) else Text(self.plain(text), style=style)
        shown = Text(" " * indent).append_text(shown)
        whole = () if isinstance(text, Text) else tuple(map(self.plain, typed_commands(text)))
        for part in wrapped_lines(shown, self.console.width, whole) if self._is_on_terminal else [shown]:
            self.console.print(part, soft_wrap=True)

    @property
    def _is_on_terminal(self) -> bool:
        return not self.console.soft_wrap  # rich's is_terminal is also true where colour is forced

    def plain(self, text: str) -> str:
        """Return a text in which the characters that the encoding lacks are replaced."""
        if self._unicode:
            return text
        replaced = text.replace("–", "-").replace("·", "-").replace("…", "...")
        encoding = self.console.encoding or "ascii"
        return replaced.encode(encoding, "replace").decode(encoding)

    def mark(self, outcome: Outcome) -> str:
        """Return the sign of an outcome, one character."""
        return (_MARK if self._unicode else _ASCII_MARK)[outcome]

    def marked(self, outcome: Outcome) -> Text:
        """Return the sign of an outcome in its colour, and a space, to begin a line."""
        return Text(f"{self.mark(outcome)} ", style=STYLE[outcome])

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, head: str = "") -> None:
        """Write a table without borders. Its last column is wrapped between words to fit the terminal.

        If it still does not fit, each row becomes a block, because a name or URL that was cut cannot be copied.
        ``head`` stands before the first cell of a block, where the cell alone would not be understood.
        """
        lines = [[cell if isinstance(cell, Text) else Text(self.plain(cell)) for cell in row] for row in rows]
        if self.is_too_wide(columns, lines):
            for line in lines:
                self.block(columns, [Text(head).append_text(line[0]), *line[1:]])
            return
        table = _borderless(show_header=True)
        for number, column in enumerate(columns):
            table.add_column(escape(column), no_wrap=number < len(columns) - 1, overflow="fold")
        for line in lines:
            table.add_row(*line)
        self._draw(table)

    def is_too_wide(self, columns: Sequence[str], lines: Sequence[Sequence[str | Text]]) -> bool:
        """Return whether a table does not fit the terminal, even with its last column wrapped."""
        *others, last = zip(columns, *(map(str, line) for line in lines), strict=True)
        widths = [max(map(cell_len, column)) for column in others]
        narrowest = max(_longest_word(last), min(_NARROWEST, max(map(cell_len, last))))
        return self._is_on_terminal and sum(widths) + 2 * len(widths) + narrowest > self.console.width

    def first_fitting(self, columns: Sequence[str], tables: Sequence[list[Cells]]) -> list[Cells]:
        """Return the first of several variants of a table that fits, or the first of all if none does."""
        return next((table for table in tables if not self.is_too_wide(columns, table)), tables[0])

    def block(self, columns: Sequence[str], cells: Sequence[Text]) -> None:
        """Write a row as a block: its first cell, and under it the others after their column names."""
        self.line(cells[0])
        for name, cell in zip(columns[1:], cells[1:], strict=True):
            if cell:
                self.line(Text(f"{name.lower()}  ", style="bold").append_text(cell), indent=2)

    def pairs(self, rows: Iterable[tuple[str, str]]) -> None:
        """Write names and values: in two columns if every word fits into its column, else each pair on a line."""
        rows = list(rows)
        names = max(cell_len(name) for name, _ in rows) + 2
        if self._is_on_terminal and names + _longest_word(value for _, value in rows) > self.console.width:
            for name, value in rows:
                self.line(Text(f"{name}  ", style="bold").append_text(Text(self.plain(value))))
            return
        table = _borderless(show_header=False)
        table.add_column(no_wrap=True, style="bold")
        table.add_column(overflow="fold")
        for name, value in rows:
            table.add_row(Text(name), Text(self.plain(value)))
        self._draw(table)

    def _draw(self, table: Table) -> None:
        """Draw a table; in a pipe without the spaces that fill up its last column."""
        if self.console.is_terminal:
            self.console.print(table)
            return
        with self.console.capture() as drawn:
            self.console.print(table)
        for line in drawn.get().splitlines():
            write_line(line.rstrip())


def wrapped_lines(text: Text, width: int, whole: Sequence[str] = ()) -> list[Text]:
    """Wrap a line between words; later lines are indented two columns more.

    A word that is too wide stays whole, and so does each text in ``whole``.
    """
    plain = text.plain
    indent = len(plain) - len(plain.lstrip()) + 2
    starts, used = [], 0
    for word in re.finditer(rf"\s*((?:{'|'.join(map(re.escape, whole))})\S*|\S+)" if whole else r"\s*(\S+)", plain):
        if used and used + cell_len(word[0]) > width:
            starts.append(word.start(1))
            used = indent + cell_len(word[1])
        else:
            used += cell_len(word[0])
    parts = list(text.divide(starts))
    for part in parts:
        part.rstrip()
    return [*parts[:1], *(Text(" " * indent).append_text(part) for part in parts[1:])]


def _borderless(*, show_header: bool) -> Table:
    from rich.table import Table  # `test` of one key draws no table and does without this import

    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=show_header, header_style="bold")


def _longest_word(texts: Iterable[str]) -> int:
    return max((cell_len(word) for text in texts for word in text.split()), default=0)
