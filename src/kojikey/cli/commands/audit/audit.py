"""``kojikey audit``: shows what happened to the keys, by whom and when; ``verify.py`` has ``--verify``."""

from __future__ import annotations

from datetime import UTC, datetime

from kojikey.cli.call_settings import refuse_account_with_all_accounts
from kojikey.cli.command import Call, Command, Flag, Text
from kojikey.cli.context import Context, context_of
from kojikey.cli.exits import Exit
from kojikey.cli.options import ALL_ACCOUNTS, COMMON, YES
from kojikey.cli.output.failure import Failure
from kojikey.model.errors import UsageError
from kojikey.model.next_step import Hint, next_step

TYPE_CHECKING = False
if TYPE_CHECKING:  # `kojikey --help` imports every command's module
    from collections.abc import Sequence

    from kojikey.cli.output.page import Cells, Page
    from kojikey.model.ref import Document
    from kojikey.operations.results import AuditResult

OF_PROVIDER = Text("--provider", "-p", help="only events of this provider", metavar="P", complete="provider")
SINCE = Text("--since", help="only events of the last span, for example 7d", metavar="7d")
VERIFY = Flag("--verify", help="recompute the chain and open every key; exit 8: something was changed outside kojikey")
ACCEPT = Flag("--accept", help="with --verify: accept an older state, for example that of a restored backup")


def audit(call: Call) -> int:
    """Run ``kojikey audit`` and return the exit code."""
    from kojikey import wiring
    from kojikey.model.timestamps import short_span
    from kojikey.operations.audit import auditing

    _check_options(call)
    context = context_of(call)
    all_accounts = call[ALL_ACCOUNTS] or context.settings.account.origin == "default"
    since = call[SINCE]
    moment = datetime.now(UTC) - short_span(since, what="--since") if since is not None else None
    account = None if all_accounts else context.account
    open_store = wiring.open_chosen_store(context.settings, context.person)
    if call[VERIFY]:
        from kojikey.cli.commands.audit.verify import verify

        return verify(context, open_store, account=account, may_accept=call[ACCEPT])
    result = auditing.events(open_store.store, account=account, provider=call[OF_PROVIDER], since=moment)
    _note_unknown_provider(context, result)
    return _show(context, result, all_accounts=all_accounts)


def _check_options(call: Call) -> None:
    """Check the combination of options.

    Raises:
        UsageError: two options exclude each other, or one needs another.
    """
    refuse_account_with_all_accounts(call)
    if call[VERIFY] and (call[OF_PROVIDER] is not None or call[SINCE] is not None):
        raise UsageError(
            "--verify recomputes whole chains: it cannot be combined with --provider or --since",
            hint=next_step("audit", "--verify"),
        )
    if call[ACCEPT] and not call[VERIFY]:
        raise UsageError("--accept needs --verify", hint=next_step("audit", "--verify", "--accept"))
    if call[YES] and not call[ACCEPT]:
        raise UsageError("--yes needs --accept", hint=next_step("audit", "--verify", "--accept", "--yes"))


def _note_unknown_provider(context: Context, result: AuditResult) -> None:
    """Note that ``--provider`` is unknown if no event names it: an event may name one whose definition is gone."""
    from kojikey import wiring
    from kojikey.providers.index import unknown_provider

    provider = context.call[OF_PROVIDER]
    if provider is None or result.events:
        return
    index = wiring.provider_index(context.settings)
    if provider not in index:
        unknown = unknown_provider(provider, tuple(index))
        context.terminal.note(Hint(f"{unknown}, and no event names one; ", unknown.hint or ""))


def _show(context: Context, result: AuditResult, *, all_accounts: bool) -> int:
    """Print the events that can be read, then the error about the others; return the exit code."""
    from kojikey.cli.output import documents

    error = _damage(result)
    code = Exit.CANNOT_OPEN if error else Exit.OK
    if context.terminal.json:
        documents.write("audit", code, result.events, error=error.as_json() if error else None)
    elif result.events:
        from kojikey.cli.output.page import Page

        _show_events(Page(context.terminal), result.events, with_account=all_accounts)
    elif error is None:
        context.terminal.note("no events")
    if error is not None:
        error.say()
    return int(code)


def _show_events(page: Page, events: Sequence[Document], *, with_account: bool) -> None:
    """Print a table of events, with seconds in their times if the terminal is wide enough."""
    columns = [*(["ACCOUNT"] if with_account else []), "TIME", "SEQ", "ACTION", "PROVIDER", "VER", "BY"]
    tables = [[_cells(event, length, with_account=with_account) for event in events] for length in (19, 16)]
    page.table(columns, page.first_fitting(columns, tables))


def _cells(event: Document, length: int, *, with_account: bool) -> Cells:
    outcome, reason = event.get("outcome"), event.get("reason")
    if event.get("settings"):
        detail = ", ".join(event["settings"])
    elif outcome:
        detail = str(outcome) if reason == "ok" else f"{outcome}: {reason}"
    else:
        detail = event.get("role") or event.get("recipient") or ""
    signed = "" if event.get("signed") else " unsigned"
    cells: Cells = [
        str(event.get("time", "")).replace("T", " ")[:length],
        str(event.get("seq")),
        f"{event.get('action')}{signed}",
        str(event.get("provider") or ""),
        str(event.get("version") or ""),
        "; ".join(str(part) for part in (event.get("actor"), detail) if part),
    ]
    return [str(event.get("account")), *cells] if with_account else cells


def _damage(result: AuditResult) -> Failure | None:
    """Return the error about the events that cannot be read, None if all can."""
    if not result.unreadable:
        return None
    from kojikey.cli.commands.audit.verify import named_errors

    return named_errors(result.unreadable, "the others are listed", hint=next_step("audit", "--verify"))


COMMANDS = (
    Command(
        "audit",
        "show what happened to the keys, or verify that nobody changed this record",
        audit,
        options=(
            *COMMON,
            OF_PROVIDER,
            SINCE,
            ALL_ACCOUNTS.with_help("the events of every account (as without --account)"),
            VERIFY,
            ACCEPT,
            YES.with_help("with --accept: do not ask"),
        ),
        description="`--verify` remembers in the data folder where the audit trail of each account ends. An account "
        "that was put back to a state from before that is named at the next `--verify`, exit 8. Where a backup was "
        "restored on purpose, `--accept` remembers its state instead.",
        examples=("kojikey audit --since 7d", "kojikey audit --verify --all-accounts"),
    ),
)
