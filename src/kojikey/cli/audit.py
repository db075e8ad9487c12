"""``kojikey audit``: what happened to the keys, by whom and when; and whether that story was touched."""

from __future__ import annotations

from datetime import UTC, datetime

from kojikey.cli.command import COMMON, Call, Command, Option
from kojikey.cli.desk import Desk, desk_of
from kojikey.model.errors import UsageError
from kojikey.operations.results import AuditResult


def audit(call: Call) -> int:
    """Carry out ``kojikey audit``."""
    from kojikey.cli import documents, wiring
    from kojikey.model.moment import span
    from kojikey.operations import auditing

    desk = desk_of(call)
    everyone = call.flag("all_accounts") or desk.settings.account.origin == "default"
    if call.flag("all_accounts") and call.text("account") is not None:
        raise UsageError("--all-accounts goes without --account")
    since = call.text("since")
    moment = datetime.now(UTC) - span(since, what="--since") if since is not None else None
    account = None if everyone else desk.account
    custody = wiring.open_custody(desk.settings, desk.terminal)
    if call.flag("verify"):
        if call.text("provider") is not None or since is not None:
            raise UsageError("--verify recomputes whole chains: it goes without --provider and --since")
        return _verify(desk, auditing.verify(custody, account=account))
    result = auditing.events(custody.store, account=account, provider=call.text("provider"), since=moment)
    if desk.terminal.json:
        return documents.write("audit", 0, result.events)
    from kojikey.cli.render import Page

    if result.events:
        Page(desk.terminal).audit(result.events, with_account=everyone)
    else:
        desk.terminal.note("no events")
    return 0


def _verify(desk: Desk, result: AuditResult) -> int:
    from kojikey.cli import documents

    if desk.terminal.json:
        summary = {"accounts": len(result.verified), "unsigned": result.unsigned, "lost": result.lost}
        accounts = [{"account": name, "verified": True} for name in result.verified]
        return documents.write("audit", 0, accounts, summary=summary)
    from kojikey.cli.render import Page

    page = Page(desk.terminal)
    count = len(result.verified)
    page.line(f"the audit trail of {count} account{'' if count == 1 else 's'} is whole")
    if result.unsigned:
        were = "event is" if result.unsigned == 1 else "events are"
        page.line(f"{result.unsigned} {were} unsigned: made without the key-encryption key", indent=2)
    if result.lost:
        events = "event" if result.lost == 1 else "events"
        page.line(f"{result.lost} {events} can not be recomputed: an account was removed, and its data key", indent=2)
    return 0


COMMANDS = (
    Command(
        "audit",
        "show what happened to the keys, or verify that nobody changed that story",
        audit,
        options=(
            *COMMON,
            Option(("--provider", "-p"), "only events of this provider", "text", "P", "provider"),
            Option(("--since",), "only events of the last span, such as 7d", "text", "7d"),
            Option(("--all-accounts",), "the events of every account (as without --account)"),
            Option(("--verify",), "recompute the chain; exit 8 names the first event that was touched"),
        ),
        examples=("kojikey audit --since 7d", "kojikey audit --verify --all-accounts"),
    ),
)
