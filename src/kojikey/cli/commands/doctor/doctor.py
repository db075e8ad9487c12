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
    """Run ``kojikey doctor`` and return the exit code of the first finding that is wrong."""
    from kojikey.cli.commands.doctor.checks import check_up, unusable_config
    from kojikey.cli.output import documents

    try:
        context = context_of(call)
        findings = list(check_up(context))
    except (BadConfig, UnsafeConfig) as error:
        context = context_of(call, config={})
        findings = list(unusable_config(error))
    findings = [each._replace(fix=each.fix and context.terminal.completed(each.fix)) for each in findings]
    code = next((finding.code for finding in findings if finding.state == "wrong"), 0)
    if context.terminal.json:
        return documents.write("doctor", code, [finding.as_document() for finding in findings])
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
    """Print the findings, each with its fix."""
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
        if finding.fix:
            page.line(finding.fix, indent=4)


_LABELS = {"wrong": "to fix", "note": "to look at", "ok": "in order", "normal": "for information"}


def _summary(states: list[str]) -> str:
    """Return the number of findings of each kind, those that need a person first."""
    counts = [f"{states.count(state)} {label}" for state, label in _LABELS.items() if state in states]
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
