"""``kojikey audit --verify``: what was changed outside kojikey or rolled back, and how a restored backup is accepted.

Owns: the question before a rollback is accepted, and how the result is shown. Must not: decide what was changed
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
from kojikey.model.next_step import Hint, next_step
from kojikey.model.plain_text import counted
from kojikey.model.ref import Document
from kojikey.operations.audit import audit_verification
from kojikey.operations.open_store import OpenStore
from kojikey.operations.results import AuditResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.operations.audit.known_trail import KnownTrails

_NAMED = 10  # errors or accounts, in one message
_MEND = Hint(
    "restore what was changed from a backup, or remove the key and add it again: ", next_step("remove", "PROVIDER")
)


def verify(context: Context, open_store: OpenStore, *, account: str | None, accepts: bool) -> int:
    """Verify one account or all, remember what is whole, and accept what was rolled back where that was asked for."""
    with closing(wiring.known_trails(context.settings, open_store)) as known:
        result = audit_verification.verify(open_store, account=account, known=known)
        if accepts and result.acceptable:
            result = _accepted(context, known, result)
    return _show_json(context, result) if context.terminal.json else _show(context, result)


def named_errors(errors: Sequence[CannotOpen], rest: str, *, hint: str) -> Failure:
    """Return the failure that names the first of some errors, and says the rest."""
    more = len(errors) - _NAMED
    message = "; ".join([*map(str, errors[:_NAMED]), *([f"and {more} more"] if more > 0 else []), rest])
    return Failure(Exit.CANNOT_OPEN, message, hint)


def _accepted(context: Context, known: KnownTrails, result: AuditResult) -> AuditResult:
    """Ask whether the present state of the accounts that were rolled back is to be remembered, and remember it.

    Raises:
        InputNeeded: nobody can be asked. UsageError: the answer was no.
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
    failure = named_errors(problems, _others(result), hint=_way_out(context, result)) if problems else None
    code = Exit.CANNOT_OPEN if problems else Exit.OK
    return documents.write("audit", code, rows, summary=summary, error=failure.as_json() if failure else None)


def _show(context: Context, result: AuditResult) -> int:
    """Show what was verified, and all that was touched: it decides about the exit code."""
    _show_verified(Page(context.terminal), result)
    problems = _problems(result)
    if not problems:
        return int(Exit.OK)
    for line in (*map(str, problems), _others(result)):
        say(f"kojikey: {line}")
    say(f"  {_way_out(context, result)}")
    return int(Exit.CANNOT_OPEN)


def _way_out(context: Context, result: AuditResult) -> str:
    """Return what to do: a rollback may be a backup that was restored on purpose, anything else was not meant to be."""
    if len(result.acceptable) < len(result.broken):
        return _MEND
    only = ("--account", *result.acceptable) if len(result.acceptable) == 1 else ()
    accept = next_step("audit", "--verify", "--accept", *only)
    otherwise = "; otherwise restore a newer backup, or rotate the keys"
    return context.terminal.completed(Hint("if a backup was restored on purpose, ", accept, otherwise))


def _others(result: AuditResult) -> str:
    broken = _accounts(len(result.broken))
    return f"{broken} changed outside kojikey, {_accounts(len(result.verified))} whole; nothing was changed"


def _accounts(count: int) -> str:
    return counted(count, "account")


def _show_verified(page: Page, result: AuditResult) -> None:
    if result.verified or not (result.broken or result.accepted):
        page.line(_found(result))
    if result.accepted:
        page.line(f"accepted as the known state on this machine: {_names(result.accepted)}", indent=2)
    if result.lost:
        events = "event" if result.lost == 1 else "events"
        page.line(f"{result.lost} {events} cannot be recomputed: an account and its data key were removed", indent=2)
    if result.unsigned:
        were = "event is" if result.unsigned == 1 else "events are"
        page.line(f"{result.unsigned} {were} unsigned: written without the key-encryption key", indent=2)


def _found(result: AuditResult) -> str:
    """Say what was verified, and of nothing that was not that it is whole."""
    count = len(result.verified)
    if not count:
        return "there is no account, so nothing was verified"
    trails = f"the audit trail of {_accounts(count)}"
    return f"{trails}: all events that can still be verified are intact" if result.lost else f"{trails} is whole"
