"""The table of ``kojikey test``: drawn at the end for few keys; for many, one line per key as results arrive.

rich takes a millisecond for a line, so thousands of them would slow the requests: those are written without rich.
"""

from __future__ import annotations

import sys

from kojikey.cli.output.failure import wrapped
from kojikey.cli.output.terminal import Terminal, encodes
from kojikey.cli.output.verdict_text import detail_lines, outcome_words
from kojikey.cli.reports.base import Group, Item, RunEnd, Tally
from kojikey.model.masking import ASCII_BULLET, BULLET, mask
from kojikey.model.plain_text import one_line
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
    """What both ways have in common: the summary. ``is_brief`` leaves out the keys that are valid."""

    repeats_steps = True

    def __init__(self, terminal: Terminal, *, with_account: bool, is_brief: bool = False) -> None:
        self.terminal, self.with_account, self.is_brief = terminal, with_account, is_brief

    def leaves_out(self, item: Item) -> bool:
        """Return whether a result has no line of its own; a record that does not open is named on stderr."""
        return isinstance(item, Unopened) or (self.is_brief and item.verdict.outcome is Outcome.VALID)

    def closing_lines(self, ending: RunEnd) -> list[str]:
        tally, summary = ending.tally, ending.tally.summary
        if tally.finished < 2:
            return []
        counts = [f"{getattr(summary, name.value)} {name.value}" for name in Outcome if getattr(summary, name.value)]
        if tally.unopened:
            counts.append(f"{tally.unopened} did not open")
        lines = [f"{summary.tested} tested: " + ", ".join(counts)]
        return lines + group_lines(tally, repeats=self.repeats_steps, with_accounts=self.with_account)


class Plain(_Screen):
    """A line a key, as they come."""

    def __init__(self, terminal: Terminal, *, with_account: bool, is_brief: bool = False) -> None:
        super().__init__(terminal, with_account=with_account, is_brief=is_brief)
        self._is_coloured = terminal.is_coloured(sys.stdout)
        is_unicode = encodes(sys.stdout, "✓✗")
        self._marks = dict(zip(Outcome, "✓!✗?" if is_unicode else "+!x?", strict=True))
        self._bullet = BULLET if encodes(sys.stdout, BULLET) else ASCII_BULLET

    def add(self, item: Item) -> None:
        """Write a result, with its reason where it is not valid."""
        if isinstance(item, Unopened) or self.leaves_out(item):
            return
        verdict = item.verdict
        who = f"{item.account}/{item.provider}" if self.with_account else item.provider
        words = outcome_words(verdict)
        line = f"{who}  {mask(item.tail, bullet=self._bullet)}  "
        self._write(
            self._dyed(self._marks[verdict.outcome], verdict) + " " + one_line(line) + self._dyed(words, verdict)
        )
        for detail in detail_lines(item):
            self._write_wrapped("  " + one_line(detail))

    def end(self, ending: RunEnd) -> None:
        """Write the summary."""
        for line in self.closing_lines(ending):
            self._write_wrapped(one_line(line))
        self.terminal.out.flush()

    def _dyed(self, text: str, verdict: Verdict) -> str:
        return f"{_COLOUR[verdict.outcome]}{text}\x1b[0m" if self._is_coloured else text

    def _write_wrapped(self, line: str) -> None:
        """Write a line without colour; on a terminal a long one is broken between words."""
        self._write(wrapped(line) if sys.stdout.isatty() else line)

    def _write(self, line: str) -> None:
        encoding = getattr(sys.stdout, "encoding", None) or "ascii"
        text = line.encode(encoding, "replace").decode(encoding)
        self.terminal.out.text(text + "\n")


class Drawn(_Screen):
    """All results at the end, by rich."""

    repeats_steps = False  # what to do about a key stands right above

    def __init__(self, terminal: Terminal, *, with_account: bool, is_brief: bool = False) -> None:
        super().__init__(terminal, with_account=with_account, is_brief=is_brief)
        self._results: list[TestResult] = []

    def add(self, item: Item) -> None:
        """Keep a result for the end."""
        if not isinstance(item, Unopened) and not self.leaves_out(item):
            self._results.append(item)

    def end(self, ending: RunEnd) -> None:
        """Draw the results and the summary."""
        from kojikey.cli.output.page import Page
        from kojikey.cli.output.verdict_page import show_tests

        page = Page(self.terminal)
        show_tests(page, self._results, with_account=self.with_account)
        for number, line in enumerate(self.closing_lines(ending)):
            page.line(line, style="" if number else "bold")


def group_lines(tally: Tally, *, repeats: bool, with_accounts: bool) -> list[str]:
    """Return a line for each reason, with how many keys have it, whose they are, and what to do about it.

    Without ``repeats`` the last is left out where the keys' own lines say the same.
    """
    lines = []
    for group in tally.worst_first():
        lines.append(f"  {group.count} {group.provider} {group.outcome.value}: {group.reason}")
        if with_accounts:
            more = f" and {group.unnamed} more" if group.unnamed else ""
            lines.append(f"    accounts: {', '.join(group.accounts)}{more}")
        if repeats or not _is_told(group):
            lines.append(f"    next: {group.step}")
    return lines


def _is_told(group: Group) -> bool:
    hint = group.first.verdict.hint
    return bool(hint) and (group.count == 1 or group.step == hint)
