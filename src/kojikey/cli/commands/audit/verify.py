"""``kojikey audit --verify``: reports what was changed outside kojikey or rolled back, and accepts a restored backup.

Owns: the question before a rollback is accepted, and the output. Must not: decide what was changed
(``operations/audit`` does).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from kojikey import wiring
from kojikey.cli.context import Context
from kojikey.cli.exits import Exit
from kojikey.cli.options import YES
from kojikey.cli.output import documents
from kojikey.cli.output.failure import Failure, say
from kojikey.cli.output.page import Page
from kojikey.model.errors import CannotOpen, Effect, UsageError
from kojikey.model.next_step import Hint, next_step, typed_commands
from kojikey.model.plain_text import counted
from kojikey.model.ref import Document
from kojikey.operations.audit import audit_verification
from kojikey.operations.open_store import OpenStore
from kojikey.operations.results import AuditResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.operations.audit.known_trail import KnownTrails

_NAMED = 10  # errors or accounts, in one message
_RESTORE = Hint(
    "restore what was changed from a backup, or remove the key and add it again: ", next_step("remove", "PROVIDER")
)


def verify(context: Context, open_store: OpenStore, *, account: str | None, may_accept: bool) -> int:
    """Verify one account or all, and return the exit code. Intact trails are remembered on this machine.

    With ``may_accept`` an older state of a trail is remembered too, after a question.
    """
    with closing(wiring.known_trails(context.settings, open_store)) as known:
        result = audit_verification.verify(open_store, account=account, known=known)
        if may_accept and result.acceptable:
            result = _accepted(context, known, result)
    return _show_json(context, result) if context.terminal.json else _show(context, result)


def named_errors(errors: Sequence[CannotOpen], rest: str, *, hint: str) -> Failure:
    """Return the failure with the messages of the first errors, then the sentence ``rest``."""
    more = len(errors) - _NAMED
    message = "; ".join([*map(str, errors[:_NAMED]), *([f"and {more} more"] if more > 0 else []), rest])
    return Failure(Exit.CANNOT_OPEN, message, hint)


def _accepted(context: Context, known: KnownTrails, result: AuditResult) -> AuditResult:
    """Ask whether to accept the present state of the accounts that were rolled back, and remember it.

    Raises:
        InputNeeded: no question is allowed. UsageError: the answer was no.
    """
    if not context.call[YES]:
        for account in result.acceptable:
            say(f"kojikey: {result.broken[account][0]}")
        question = f"Accept the present state of {_names(result.acceptable)}?"
        if not context.terminal.confirm(question, otherwise=next_step("audit", "--verify", "--accept", "--yes")):
            again = next_step("audit", "--verify", "--accept")
            raise UsageError("it was not accepted", hint=again, effect=Effect.NOTHING_CHANGED)
    return audit_verification.accept(known, result)


def _names(accounts: Sequence[str]) -> str:
    more = len(accounts) - _NAMED
    return ", ".join(accounts[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _problems(result: AuditResult) -> list[CannotOpen]:
    return [error for errors in result.broken.values() for error in errors]


def _show_json(context: Context, result: AuditResult) -> int:
    problems = _problems(result)
    summary = {
        "accounts": len(result.verified), "broken": len(result.broken),
        "unsigned": result.unsigned, "lost": result.lost,
    }  # fmt: skip
    rows: list[Document] = [
        {"account": name, "verified": True, "events": result.last_events.get(name, 0)}
        | ({"accepted": True} if name in result.accepted else {})
        for name in sorted({*result.verified, *result.accepted})
    ]
    rows += [
        {
            "account": name or None, "verified": False, "rolled_back": name in result.rolled_back,
            "problems": [str(error) for error in errors],
        }
        for name, errors in result.broken.items()
    ]  # fmt: skip
    failure = named_errors(problems, _counts(result), hint=_hint(context, result)) if problems else None
    code = Exit.CANNOT_OPEN if problems else Exit.OK
    return documents.write("audit", code, rows, summary=summary, error=failure.as_json() if failure else None)


def _show(context: Context, result: AuditResult) -> int:
    """Print what was verified, then every problem; return the exit code."""
    _show_verified(Page(context.terminal), result)
    problems = _problems(result)
    if not problems:
        return int(Exit.OK)
    for line in (*map(str, problems), _counts(result)):
        say(f"kojikey: {line}")
    hint = _hint(context, result)
    say(f"  {hint}", unbroken=typed_commands(hint))
    return int(Exit.CANNOT_OPEN)


def _hint(context: Context, result: AuditResult) -> str:
    """Return what to do. Only a rollback may be intended: somebody may have restored a backup."""
    if len(result.acceptable) < len(result.broken):
        return _RESTORE
    only = ("--account", *result.acceptable) if len(result.acceptable) == 1 else ()
    accept = next_step("audit", "--verify", "--accept", *only)
    otherwise = "; otherwise restore a newer backup, or rotate the keys"
    return context.terminal.completed(Hint("if a backup was restored on purpose, ", accept, otherwise))


def _counts(result: AuditResult) -> str:
    broken, verified = counted(len(result.broken), "account"), counted(len(result.verified), "account")
    return f"{broken} changed outside kojikey, {verified} whole; nothing was changed"


def _show_verified(page: Page, result: AuditResult) -> None:
    if result.verified or not (result.broken or result.accepted):
        page.line(_verified_line(result))
    if result.accepted:
        page.line(f"accepted as the known state on this machine: {_names(result.accepted)}", indent=2)
    if result.lost:
        events = counted(result.lost, "event")
        page.line(f"{events} cannot be recomputed: an account and its data key were removed", indent=2)
    if result.unsigned:
        were = "event is" if result.unsigned == 1 else "events are"
        page.line(f"{result.unsigned} {were} unsigned: written without the key-encryption key", indent=2)


def _verified_line(result: AuditResult) -> str:
    """Return the line about the accounts that were verified; it claims nothing about events that cannot be."""
    count = len(result.verified)
    if not count:
        return "there is no account, so nothing was verified"
    trails = f"the audit trail of {counted(count, 'account')}"
    return f"{trails}: all events that can still be verified are intact" if result.lost else f"{trails} is whole"
