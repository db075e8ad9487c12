"""``kojikey audit``: what happened to the keys, by whom and when; and whether that story was touched."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from kojikey.cli.command import Call, Command, Flag, Text
from kojikey.cli.context import Context, context_of
from kojikey.cli.exits import Exit
from kojikey.cli.options import ACCOUNT, ALL_ACCOUNTS, COMMON
from kojikey.cli.output.failure import Failure
from kojikey.model.errors import CannotOpen, UsageError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ref import Document

TYPE_CHECKING = False
if TYPE_CHECKING:  # `kojikey --help` imports every command's module
    from kojikey.operations.results import AuditResult

OF_PROVIDER = Text("--provider", "-p", help="only events of this provider", metavar="P", complete="provider")
SINCE = Text("--since", help="only events of the last span, such as 7d", metavar="7d")
VERIFY = Flag("--verify", help="recompute the chain and open every key; exit 8 names what was touched")

_NAMED = 10  # damaged events, in one message
_MEND = Hint(
    "restore what was touched from a backup, or remove the key and add it again: ", next_step("remove", "PROVIDER")
)


def audit(call: Call) -> int:
    """Carry out ``kojikey audit``."""
    from kojikey import wiring
    from kojikey.model.timestamps import short_span
    from kojikey.operations.audit import audit_verification, auditing

    context = context_of(call)
    everyone = call[ALL_ACCOUNTS] or context.settings.account.origin == "default"
    if call[ALL_ACCOUNTS] and call[ACCOUNT] is not None:
        raise UsageError("--all-accounts cannot be combined with --account", hint=next_step("audit", "--all-accounts"))
    since = call[SINCE]
    moment = datetime.now(UTC) - short_span(since, what="--since") if since is not None else None
    account = None if everyone else context.account
    open_store = wiring.open_chosen_store(context.settings, context.person)
    if call[VERIFY]:
        if call[OF_PROVIDER] is not None or since is not None:
            raise UsageError(
                "--verify recomputes whole chains: it cannot be combined with --provider or --since",
                hint=next_step("audit", "--verify"),
            )
        return _verify(context, audit_verification.verify(open_store, account=account))
    result = auditing.events(open_store.store, account=account, provider=call[OF_PROVIDER], since=moment)
    _tell_unknown(context, result)
    return _show(context, result, everyone=everyone)


def _tell_unknown(context: Context, result: AuditResult) -> None:
    """Say where the provider that was asked for is no provider: there may be events of one whose definition is gone."""
    from kojikey import wiring
    from kojikey.providers.index import unknown_provider

    provider = context.call[OF_PROVIDER]
    if provider is None or result.events:
        return
    index = wiring.provider_index(context.settings)
    if provider not in index:
        unknown = unknown_provider(provider, tuple(index))
        context.terminal.note(f"{unknown}, and no event names one; {unknown.hint}")


def _show(context: Context, result: AuditResult, *, everyone: bool) -> int:
    """List what can be read; what cannot is named beside it, and decides about the exit code."""
    from kojikey.cli.output import documents

    error = _damage(result)
    code = Exit.CANNOT_OPEN if error else Exit.OK
    if context.terminal.json:
        documents.write("audit", code, result.events, error=error.as_json() if error else None)
    elif result.events:
        from kojikey.cli.output.render import Page

        Page(context.terminal).audit(result.events, with_account=everyone)
    elif error is None:
        context.terminal.note("no events")
    if error is not None:
        error.say()
    return int(code)


def _damage(result: AuditResult) -> Failure | None:
    """Return the error that names the events which cannot be read, None where all can."""
    if not result.unreadable:
        return None
    return _error(result.unreadable, "the others are listed", hint=next_step("audit", "--verify"))


def _error(errors: Sequence[CannotOpen], rest: str, *, hint: str) -> Failure:
    more = len(errors) - _NAMED
    message = "; ".join([*map(str, errors[:_NAMED]), *([f"and {more} more"] if more > 0 else []), rest])
    return Failure(Exit.CANNOT_OPEN, message, hint)


def _verify(context: Context, result: AuditResult) -> int:
    """Show what was verified, and all that was touched: it decides about the exit code."""
    from kojikey.cli.output import documents
    from kojikey.cli.output.failure import say

    problems = [error for errors in result.broken.values() for error in errors]
    code = Exit.CANNOT_OPEN if problems else Exit.OK
    if context.terminal.json:
        summary = {
            "accounts": len(result.verified), "broken": len(result.broken),
            "unsigned": result.unsigned, "lost": result.lost,
        }  # fmt: skip
        rows: list[Document] = [
            {"account": name, "verified": True, "events": result.last_events[name]} for name in result.verified
        ]
        rows += [
            {"account": name or None, "verified": False, "problems": [str(error) for error in errors]}
            for name, errors in result.broken.items()
        ]
        failure = _error(problems, _others(result), hint=_MEND) if problems else None
        return documents.write("audit", code, rows, summary=summary, error=failure.as_json() if failure else None)
    _show_verified(context, result)
    if problems:
        for line in (*map(str, problems), _others(result)):
            say(f"kojikey: {line}")
        say(f"  try: {_MEND}")
    return int(code)


def _others(result: AuditResult) -> str:
    broken = _accounts(len(result.broken))
    return f"{broken} touched from outside, {_accounts(len(result.verified))} whole; nothing was changed"


def _accounts(count: int) -> str:
    return f"{count} account{'' if count == 1 else 's'}"


def _show_verified(context: Context, result: AuditResult) -> None:
    from kojikey.cli.output.render import Page

    page = Page(context.terminal)
    if result.verified or not result.broken:
        page.line(_found(result))
    if result.lost:
        events = "event" if result.lost == 1 else "events"
        page.line(f"{result.lost} {events} cannot be recomputed: an account was removed, and its data key", indent=2)
    if result.unsigned:
        were = "event is" if result.unsigned == 1 else "events are"
        page.line(f"{result.unsigned} {were} unsigned: made without the key-encryption key", indent=2)


def _found(result: AuditResult) -> str:
    """Say what was verified, and of nothing that was not that it is whole."""
    count = len(result.verified)
    if not count:
        return "there is no account, so there was nothing to verify"
    trails = f"the audit trail of {_accounts(count)}"
    return f"{trails}: all events that can still be verified are intact" if result.lost else f"{trails} is whole"


COMMANDS = (
    Command(
        "audit",
        "show what happened to the keys, or verify that nobody changed that story",
        audit,
        options=(
            *COMMON,
            OF_PROVIDER,
            SINCE,
            ALL_ACCOUNTS.explained("the events of every account (as without --account)"),
            VERIFY,
        ),
        examples=("kojikey audit --since 7d", "kojikey audit --verify --all-accounts"),
    ),
)
