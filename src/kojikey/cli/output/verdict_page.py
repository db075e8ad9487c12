"""Prints a verdict for people: after a test, after a change of a key, or in a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from kojikey.cli.output.page import STYLE, Page
from kojikey.cli.output.verdict_text import ago, detail_of, outcome_words, steps_of, unkept_lines, usage_words
from kojikey.model.key import TestRecord
from kojikey.model.next_step import Hint, joined
from kojikey.model.verdict import Outcome, Verdict
from kojikey.operations.results import ChangeResult, TestResult


def show_verdict(page: Page, verdict: Verdict, *, who: str, tail: str, after: Sequence[str] = ()) -> None:
    """Print a verdict: one line for the key and the outcome, then the lines of :func:`show_explanation`."""
    head = page.marked(verdict.outcome)
    head.append(f"{who}  {page.terminal.masked(tail)}  ", style="default")
    page.line(head.append(outcome_words(verdict), style=STYLE[verdict.outcome]))
    show_explanation(page, verdict, after=after)


def show_explanation(page: Page, verdict: Verdict, *, after: Sequence[str] = ()) -> None:
    """Print the lines under a verdict: what happened, what was or was not changed, and what to type.

    ``after`` begins with a sentence about the saved key; the rest are commands to type beside the verdict's hint.
    """
    if detail := page.terminal.without_warning(detail_of(verdict)):
        page.line(detail, indent=2)
    if after:
        page.line(after[0], indent=2)
    if steps := steps_of(verdict, after[1:]):
        page.line(Hint("" if page.terminal.quiet else "next: ", joined("; ", steps)), indent=2)
    if verdict.permissions:
        page.line(f"its permissions: {', '.join(verdict.permissions)}", indent=2, style="dim")
    if verdict.expires_at and verdict.reason.value != "expired":
        page.line(f"it expires {verdict.expires_at[:10]}", indent=2, style="dim")
    if verdict.usage:
        page.line(usage_words(verdict.usage), indent=2, style="dim")


def show_tests(page: Page, results: Sequence[TestResult], *, with_account: bool) -> None:
    """Print the results of a run."""
    for result in results:
        who = f"{result.account}/{result.provider}" if with_account else result.provider
        is_unknown = result.version is not None and result.verdict.outcome is Outcome.INDETERMINATE
        after = ["the saved key was not changed"] if is_unknown else []
        show_verdict(page, result.verdict, who=who, tail=result.tail, after=after)
        for line in unkept_lines(result):
            page.line(line, indent=2)


def show_retirement(page: Page, result: ChangeResult, verdict: Verdict) -> None:
    """Print the test of a previous key. It is a failure that the provider still accepts it."""
    if verdict.outcome is Outcome.INDETERMINATE:
        show_verdict(page, verdict, who=result.provider, tail=result.tail)
        return
    is_accepted = verdict.outcome is not Outcome.REJECTED
    words = "the provider still accepts it" if is_accepted else "the provider no longer accepts it"
    shown = Outcome.VALID if not is_accepted else Outcome.LIMITED if result.action else Outcome.REJECTED
    line = page.marked(shown)
    line.append(f"{result.provider}  {page.terminal.masked(result.tail)}  ", style="default")
    page.line(line.append(words, style=STYLE[shown]))


def last_test_cell(page: Page, test: TestRecord | None, *, is_brief: bool = False) -> Text:
    """Return the table cell for a key's last test; ``is_brief`` leaves out its age."""
    if test is None:
        return Text("never", style="yellow")
    outcome = Outcome(test.outcome)
    words = test.outcome if outcome is Outcome.VALID else test.reason
    when = "" if is_brief else f", {ago(test.tested_at)}"
    return Text(f"{page.mark(outcome)} {words}{when}", style=STYLE[outcome])
