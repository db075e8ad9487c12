"""``kojikey doctor``: checks the whole set-up, and says how to fix each thing that is wrong."""

from __future__ import annotations

from kojikey.cli.command import Call, Command
from kojikey.cli.context import context_of
from kojikey.cli.options import COMMON
from kojikey.model.errors import BadConfig, UnsafeConfig
from kojikey.model.next_step import Hint, next_step

TYPE_CHECKING = False
if TYPE_CHECKING:  # `kojikey --help` imports every command's module
    from collections.abc import Sequence

    from kojikey.cli.commands.doctor.findings import Finding
    from kojikey.cli.output.page import Page


def doctor(call: Call) -> int:
    """Carry out ``kojikey doctor``; the exit code is that of the first thing that is wrong."""
    from kojikey.cli.commands.doctor.checks import check_up, unusable_config
    from kojikey.cli.output import documents

    try:
        context = context_of(call)
        found = list(check_up(context))
    except (BadConfig, UnsafeConfig) as error:
        context = context_of(call, config={})
        found = list(unusable_config(error))
    findings = [finding._replace(mend=finding.mend and context.terminal.completed(finding.mend)) for finding in found]
    code = next((finding.code for finding in findings if finding.state == "wrong"), 0)
    if context.terminal.json:
        rows = [{**finding._asdict(), "code": int(finding.code)} for finding in findings]
        return documents.write("doctor", code, rows)
    from kojikey.cli.output.page import Page

    page = Page(context.terminal)
    _show(page, findings)
    states = [finding.state for finding in findings]
    page.line(_summary(states), style="bold")
    if "wrong" not in states and not context.terminal.quiet:
        more = context.terminal.completed(
            Hint("doctor does not ask the providers whether the keys work: ", next_step("test", "--all"))
        )
        page.line(more, indent=2)
    return int(code)


def _show(page: Page, findings: Sequence[Finding]) -> None:
    """Write what was found, with how to mend what is wrong."""
    from rich.text import Text

    from kojikey.model.verdict import Outcome

    marks = {"ok": Outcome.VALID, "note": Outcome.LIMITED, "wrong": Outcome.REJECTED}
    for finding in findings:
        outcome = marks.get(finding.state)
        mark = page.marked(outcome) if outcome else Text(page.plain("· "))
        detail, *more = finding.detail.split("\n")
        page.line(mark.append(finding.name, style="bold").append(f"  {page.plain(detail)}", style="default"))
        for each in more:
            page.line(page.plain(each), indent=4)
        if finding.mend:
            page.line(finding.mend, indent=4)


_COUNTED = {"wrong": "to mend", "note": "to look at", "ok": "in order", "normal": "for information"}


def _summary(states: list[str]) -> str:
    """Return how many findings there are of each kind, what needs a person first."""
    counts = [f"{states.count(state)} {words}" for state, words in _COUNTED.items() if state in states]
    if "wrong" in states:
        return ", ".join(counts)
    return ("nothing to fix: " if "note" in states else "all is well: ") + ", ".join(counts)


COMMANDS = (
    Command(
        "doctor",
        "check the whole set-up, and say how to fix what is wrong",
        doctor,
        options=COMMON,
        description="Asks no provider, but tries a KEK in KMS. "
        "Exit 0 when nothing is wrong, else the exit code of the first thing that is.",
        examples=("kojikey doctor", "kojikey doctor --json"),
    ),
)
