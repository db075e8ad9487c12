"""Which reports the options ask for. Each is imported only when it is needed."""

from __future__ import annotations

import sys

from kojikey.cli.context import Context
from kojikey.cli.options import ALL_ACCOUNTS, HTML, JSON, JSONL, JUNIT, VERBOSE
from kojikey.cli.reports.base import STDOUT, Report

SHOWN_WHOLE = 50
"""More results than that are shown on a terminal only where they are not valid: the others would scroll them away."""


def reports_of(
    context: Context, *, total: int, is_long: bool, fail_on: str, disabled: frozenset[str]
) -> tuple[list[Report], list[Report]]:
    """Return the reports that get results as they come, and those that get few results in order, at the end.

    ``disabled`` has the disabled accounts, whose keys are never due for rotation.
    """
    call = context.call
    live: list[Report] = []
    held: list[Report] = []
    if call.get(JSONL):
        from kojikey.cli.reports.json_report import JsonLines

        live.append(JsonLines(context.terminal.out))
    elif call.get(JSON):
        from kojikey.cli.reports.json_report import JsonReport

        held.append(JsonReport(context.terminal.out, is_readable=not is_long))
    elif STDOUT not in (call.get(JUNIT), call.get(HTML)):
        from kojikey.cli.reports.screen import Drawn, Plain

        screen = Plain if is_long else Drawn
        is_brief = total > SHOWN_WHOLE and sys.stdout.isatty() and not call.get(VERBOSE)
        held.append(screen(context.terminal, with_account=call.get(ALL_ACCOUNTS), is_brief=is_brief))
    if context.terminal.out.is_on_github or call.get(JUNIT) is not None or call.get(HTML) is not None:
        from kojikey.cli.reports.spool import Spool

        # first: what goes wrong with a file is still to be reported in the others
        live.insert(0, Spool(context, fail_on=fail_on, disabled=disabled))
    return live, held
