"""The table of ``kojikey test``: drawn at the end for few keys; for many, one line per key as results arrive.

rich takes a millisecond for a line, and thousands of lines would delay the requests: those are written without rich.
"""

from __future__ import annotations

import sys

from kojikey.cli.exits import hint_of
from kojikey.cli.output.failure import wrapped
from kojikey.cli.output.terminal import Terminal, encodes
from kojikey.cli.output.verdict_text import detail_lines, outcome_words
from kojikey.cli.reports.base import Group, Item, RunEnd, Tally
from kojikey.model.masking import ASCII_BULLET, BULLET, mask
from kojikey.model.next_step import Hint, typed_commands
from kojikey.model.plain_text import counted, one_line
from kojikey.model.verdict import Outcome, Verdict
from kojikey.operations.results import TestResult
from kojikey.operations.testing_keys import Unopened

_COLOUR = {
    Outcome.VALID: "\x1b[32m",
    Outcome.LIMITED: "\x1b[33m",
    Outcome.REJECTED: "\x1b[1;31m",
    Outcome.INDETERMINATE: "\x1b[36m",
}


class _Screen:
    """The base of both tables, with the summary. ``is_brief`` leaves out the keys that are valid."""

    _repeats_steps = True
    """Whether the summary repeats a next step that a line above it has."""

    def __init__(self, terminal: Terminal, *, with_account: bool, is_brief: bool = False) -> None:
        self.terminal, self.with_account, self.is_brief = terminal, with_account, is_brief

    def _leaves_out(self, item: Item) -> bool:
        """Return whether a result has no line in the table; stderr names the records that do not open."""
        return isinstance(item, Unopened) or (self.is_brief and item.verdict.outcome is Outcome.VALID)

    def _closing_lines(self, ending: RunEnd) -> list[str]:
        tally, summary = ending.tally, ending.tally.summary
        if tally.finished < 2:
            return self._unopened_lines(tally)
        counts = [f"{getattr(summary, name.value)} {name.value}" for name in Outcome if getattr(summary, name.value)]
        if tally.unopened:
            counts.append(f"{tally.unopened} did not open")
        lines = [f"{summary.tested} tested: " + ", ".join(counts)]
        lines += group_lines(tally, repeats=self._repeats_steps, with_accounts=self.with_account)
        return lines + self._unopened_lines(tally)

    def _unopened_lines(self, tally: Tally) -> list[str]:
        """Return lines about the keys that did not open: how many, and the next step for the first of them."""
        first = tally.first_unopened
        if first is None:
            return []
        hint = self.terminal.completed(hint_of(first.error), account=first.account)
        return [f"  {counted(tally.unopened, 'key')} did not open", Hint("    next: ", hint)]


class StreamedTable(_Screen):
    """A line for each key, written as results arrive."""

    def __init__(self, terminal: Terminal, *, with_account: bool, is_brief: bool = False) -> None:
        super().__init__(terminal, with_account=with_account, is_brief=is_brief)
        self._is_coloured = terminal.is_coloured(sys.stdout)
        is_unicode = encodes(sys.stdout, "✓✗")
        self._marks = dict(zip(Outcome, "✓!✗?" if is_unicode else "+!x?", strict=True))
        self._bullet = BULLET if encodes(sys.stdout, BULLET) else ASCII_BULLET

    def add(self, item: Item) -> None:
        """Write a result, with its reason if it is not valid."""
        if isinstance(item, Unopened) or self._leaves_out(item):
            return
        verdict = item.verdict
        who = f"{item.account}/{item.provider}" if self.with_account else item.provider
        mark, words = self._marks[verdict.outcome], outcome_words(verdict)
        key = one_line(f"{who}  {mask(item.tail, bullet=self._bullet)}  ")
        self._write(self._coloured(mark, verdict) + f" {key}" + self._coloured(words, verdict))
        for detail in detail_lines(item):
            self._write_wrapped(Hint("  ", detail))

    def end(self, ending: RunEnd) -> None:
        """Write the summary."""
        for line in self._closing_lines(ending):
            self._write_wrapped(line)
        self.terminal.out.flush()

    def _coloured(self, text: str, verdict: Verdict) -> str:
        return f"{_COLOUR[verdict.outcome]}{text}\x1b[0m" if self._is_coloured else text

    def _write_wrapped(self, line: str) -> None:
        """Write a line without colour, wrapped between words on a terminal."""
        text = one_line(line)
        self._write(wrapped(text, unbroken=typed_commands(line)) if sys.stdout.isatty() else text)

    def _write(self, line: str) -> None:
        self.terminal.out.text(line + "\n")


class DrawnTable(_Screen):
    """All results, drawn by rich at the end."""

    _repeats_steps = False

    def __init__(self, terminal: Terminal, *, with_account: bool, is_brief: bool = False) -> None:
        super().__init__(terminal, with_account=with_account, is_brief=is_brief)
        self._results: list[TestResult] = []

    def add(self, item: Item) -> None:
        """Keep a result for the end."""
        if not isinstance(item, Unopened) and not self._leaves_out(item):
            self._results.append(item)

    def end(self, ending: RunEnd) -> None:
        """Draw the results and the summary."""
        from kojikey.cli.output.page import Page
        from kojikey.cli.output.verdict_page import show_tests

        page = Page(self.terminal)
        show_tests(page, self._results, with_account=self.with_account)
        for number, line in enumerate(self._closing_lines(ending)):
            page.line(line, style="" if number else "bold")


def group_lines(tally: Tally, *, repeats: bool, with_accounts: bool) -> list[str]:
    """Return lines for each reason: how many keys have it, whose keys they are, and the next step.

    Without ``repeats`` a next step is left out if the lines of its keys have it.
    """
    lines = []
    for group in tally.worst_first():
        lines.append(f"  {group.count} {group.provider} {group.outcome.value}: {group.reason}")
        if with_accounts:
            more = f" and {group.unnamed} more" if group.unnamed else ""
            lines.append(f"    accounts: {', '.join(group.accounts)}{more}")
        if repeats or not _shows_step(group):
            lines.append(Hint("    next: ", group.step))
    return lines


def _shows_step(group: Group) -> bool:
    """Return whether the line of a key in the group already has the group's next step."""
    hint = group.first.verdict.hint
    return bool(hint) and (group.count == 1 or group.step == hint)
