"""The table of a batch on a terminal: one row per line, as results arrive, in columns of fixed width.

Must not: show a key unmasked, or any part of a line that failed its form check.
"""

from __future__ import annotations

import sys

from kojikey.cli.exits import Exit
from kojikey.cli.output.failure import wrapped
from kojikey.cli.output.terminal import Terminal, encodes
from kojikey.model.next_step import typed_commands
from kojikey.model.plain_text import one_line, shortened
from kojikey.operations.rotating_many import DoneLine, LineResult, PlannedLine

_ACCOUNT, _PROVIDER, _KEY = 24, 16, 12  # characters of the columns
_COLOUR = {Exit.OK: "\x1b[32m", Exit.INDETERMINATE: "\x1b[36m", Exit.CONFLICT: "\x1b[33m"}
_FAILED = "\x1b[1;31m"


class BatchTable:
    """Formats the rows as text; the first row follows a line with the names of the columns."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._is_coloured = terminal.is_coloured(sys.stdout)
        self._is_begun = False
        self._ok, self._not_ok, self._unsure = "✓✗?" if encodes(sys.stdout, "✓✗") else "+x?"

    def row(self, item: LineResult, code: Exit, what: str) -> str:
        """Return the row of a line, and below it the lines about what is wrong."""
        key = item.result if isinstance(item, DoneLine) else item
        masked = "" if key.tail is None else self._terminal.masked(key.tail)
        cells = [f"{item.number:>5}", _fitted(key.account or "", _ACCOUNT), _fitted(key.provider or "", _PROVIDER),
                 _fitted(masked, _KEY)]  # fmt: skip
        head = "" if self._is_begun else self._row(" ", [" LINE", *_head()], "RESULT") + "\n"
        self._is_begun = True
        mark = self._ok if code is Exit.OK else self._unsure if code is Exit.INDETERMINATE else self._not_ok
        result = f"would: {what}" if isinstance(item, PlannedLine) else _result(item, what)
        text = head + self._row(self._coloured(mark, code), cells, self._coloured(result, code)) + "\n"
        details = (wrapped(f"        {one_line(line)}", unbroken=typed_commands(line)) for line in _details(item))
        return text + "".join(f"{line}\n" for line in details)

    def _row(self, mark: str, cells: list[str], result: str) -> str:
        return f"{mark} " + "  ".join([*cells, result])

    def _coloured(self, text: str, code: Exit) -> str:
        return f"{_COLOUR.get(code, _FAILED)}{text}\x1b[0m" if self._is_coloured else text


def _head() -> list[str]:
    return [_fitted("ACCOUNT", _ACCOUNT), _fitted("PROVIDER", _PROVIDER), _fitted("KEY", _KEY)]


def _fitted(text: str, width: int) -> str:
    """Return a text with the width of its column: padded, or without the middle of a long one."""
    if len(text) > width:
        text = shortened(text, width) if encodes(sys.stdout, "…") else text[:width]
    return text.ljust(width)


def _result(item: LineResult, what: str) -> str:
    if not isinstance(item, DoneLine):
        return what
    verdict = item.result.verdict
    return what if verdict is None or verdict.reason.value == "ok" else f"{what}: {verdict.reason.value}"


def _details(item: LineResult) -> list[str]:
    """Return the lines below a row: why it failed, and what to do."""
    if isinstance(item, PlannedLine):
        return []
    if isinstance(item, DoneLine):
        verdict = item.result.verdict
        is_plain = verdict is None or verdict.reason.value == "ok"
        return [] if is_plain or verdict is None else [text for text in (verdict.detail, verdict.hint) if text]
    return [str(item.error), *([item.error.hint] if item.error.hint else [])]
