"""The end of ``add``, ``rotate`` and ``set``: approval of a key that is not valid, the exit code, and the output."""

from __future__ import annotations

import sys

from kojikey.cli.command import Flag
from kojikey.cli.context import Context
from kojikey.cli.exits import Exit
from kojikey.cli.options import (
    ALLOW_LIMITED,
    ALLOW_UNVERIFIED,
)
from kojikey.cli.output import documents
from kojikey.cli.output.advice import Advice, with_advice
from kojikey.model.next_step import Hint, next_step
from kojikey.model.verdict import Outcome, Verdict
from kojikey.operations.results import ChangeResult

_DONE = ("added", "rotated", "unchanged", "rolled_back", "retired", "removed", "changed")


def option_allowing(verdict: Verdict) -> Flag:
    """Return the option that saves a key with this verdict, limited or indeterminate."""
    return ALLOW_LIMITED if verdict.outcome is Outcome.LIMITED else ALLOW_UNVERIFIED


class Approval:
    """Decides whether a key that is limited or could not be judged is saved: by an option, or by asking the person.

    ``saving`` is what the question proposes, for example ``save it``.
    """

    def __init__(self, context: Context, *, saving: str, advice: Advice) -> None:
        self._context, self._saving, self.advice = context, saving, advice
        self.has_shown_verdict = False
        """Whether the verdict was printed with the question; that is on stderr, because a result on stdout follows."""

    def __call__(self, verdict: Verdict) -> bool:
        """Return whether to save the key with this verdict."""
        option = option_allowing(verdict)
        if self._context.call.get(option):
            return True
        if not self._context.terminal.interactive:
            return False
        from kojikey.cli.output.page import Page
        from kojikey.cli.output.verdict_page import show_explanation

        page = Page(self._context.terminal, sys.stderr)
        page.line(f"{page.mark(verdict.outcome)} {verdict.outcome.value}: {verdict.reason.value}")
        show_explanation(page, self.advice.applied_to(verdict, self._context.terminal))
        self.has_shown_verdict = True
        return self._context.terminal.confirm(f"{self._saving} anyway?", otherwise=option.spelling)


def exit_of(result: ChangeResult) -> Exit:
    """Return the exit code of a change: 0 if it was done, else the code of the test's outcome."""
    if result.verdict is None or result.action in _DONE:
        return Exit.OK
    is_undecided = result.is_unknown_mint or result.verdict.outcome is Outcome.INDETERMINATE
    return Exit.INDETERMINATE if is_undecided else Exit.KEY_FAILED


def kept_previous(result: ChangeResult, keys_page: str) -> list[str]:
    """Return the lines about a previous key that ``rotate --retire`` did not drop: the reason, and what to do next."""
    is_accepted = result.verdict is not None and result.verdict.authentic
    return [
        "the provider still accepts the previous key, so it was kept"
        if is_accepted
        else "the test did not show whether the provider still accepts the previous key, so it was kept",
        Hint(f"revoke it at {keys_page}, then: ", next_step("rotate", result.provider, "--retire")),
    ]


def show(
    context: Context, result: ChangeResult, lines: list[str], *, approval: Approval, is_retirement: bool = False
) -> int:
    """Write the result of a change and return the exit code. ``lines`` are for people: what was done, what to type.

    The verdict is left out if the same terminal already showed it with the question.
    """
    result = with_advice(result, approval.advice, context.terminal)
    code = exit_of(result)
    if context.terminal.json:
        return documents.write(context.call.command.name, code, [documents.change_fields(result)])
    from kojikey.cli.output.page import Page
    from kojikey.cli.output.verdict_page import show_retirement, show_verdict

    page = Page(context.terminal)
    if is_retirement and result.verdict is not None:
        show_retirement(page, result, result.verdict)
    elif result.verdict is not None and not (approval.has_shown_verdict and page.console.is_terminal):
        after: list[str] = []
        if code and not context.terminal.quiet:
            after, lines = lines, []
        show_verdict(page, result.verdict, who=result.provider, tail=result.tail, after=_completed(context, after))
    else:
        page.line(f"{result.provider}  {context.terminal.masked(result.tail)}")
    if not context.terminal.quiet:
        for line in _completed(context, lines):
            page.line(line, indent=2)
    return int(code)


def _completed(context: Context, lines: list[str]) -> list[str]:
    return [context.terminal.completed(line) for line in lines]
