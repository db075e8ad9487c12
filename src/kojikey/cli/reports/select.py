"""Selects the reports that the options ask for. Each is imported only when it is needed."""

from __future__ import annotations

import sys

from kojikey.cli.context import Context
from kojikey.cli.options import ALL_ACCOUNTS, HTML, JSON, JSONL, JUNIT, VERBOSE
from kojikey.cli.reports.base import STDOUT, Report

ALL_SHOWN_UP_TO = 50
"""For more keys than this a terminal shows only those that are not valid; the others would push them off the screen."""


def select_reports(
    context: Context, *, total: int, is_long: bool, fail_on: str, disabled: frozenset[str]
) -> tuple[list[Report], list[Report]]:
    """Return two lists: reports that receive results as they arrive, and reports that receive few results in order.

    A long run sends its results to the second list as they arrive, too. ``disabled`` has the disabled accounts, whose
    keys are never due for rotation.
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
        from kojikey.cli.reports.screen import DrawnTable, StreamedTable

        screen = StreamedTable if is_long else DrawnTable
        is_brief = total > ALL_SHOWN_UP_TO and sys.stdout.isatty() and not call.get(VERBOSE)
        held.append(screen(context.terminal, with_account=call.get(ALL_ACCOUNTS), is_brief=is_brief))
    if context.terminal.out.is_on_github or call.get(JUNIT) is not None or call.get(HTML) is not None:
        from kojikey.cli.reports.spool import Spool

        # first: the JSON document and the summary report the failure to write a file
        live.insert(0, Spool(context, fail_on=fail_on, disabled=disabled))
    return live, held
