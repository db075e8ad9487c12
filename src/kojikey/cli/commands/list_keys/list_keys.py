"""``kojikey list``: shows the saved keys. Opens no key and needs no KEK."""

from __future__ import annotations

from kojikey.cli.call_settings import refuse_account_with_all_accounts
from kojikey.cli.command import Call, Command
from kojikey.cli.commands.list_keys.options import CSV, DUE, FAILING, OUTCOME, SORT
from kojikey.cli.context import Context, context_of
from kojikey.cli.options import ALL_ACCOUNTS, COMMON, JSON, PROVIDERS
from kojikey.cli.output.stdout import write_line
from kojikey.model.allocation import BUILT_IN
from kojikey.model.next_step import Hint, next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from kojikey.cli.commands.list_keys.rows import Totals
    from kojikey.cli.output.damaged_records import DamagedRecords
    from kojikey.operations.results import ListRow


def list_keys(call: Call) -> int:
    """Run ``kojikey list`` and return the exit code."""
    from kojikey.cli.commands.list_keys.rows import Totals, check_options, chosen_rows
    from kojikey.cli.output.damaged_records import DamagedRecords

    context = context_of(call)
    refuse_account_with_all_accounts(call)
    check_options(call)
    damage, totals = DamagedRecords(context.terminal), Totals()
    rows = totals.counted(chosen_rows(call, _all_rows(context, damage)))
    if call[JSON]:
        from kojikey.cli.output import documents
        from kojikey.cli.output.long_document import write_long

        return write_long(
            "list",
            map(documents.list_fields, rows),
            lambda: (damage.code, {"summary": totals.as_document(), "error": damage.error}),
        )
    if call[CSV]:
        from kojikey.cli.commands.list_keys.csv_output import lines

        for line in lines(rows):
            write_line(line)
        return int(damage.code)
    _show_table(context, rows, totals, damage)
    return int(damage.code)


def _show_table(context: Context, rows: Iterable[ListRow], totals: Totals, damage: DamagedRecords) -> None:
    """Print the rows and the totals; if there is no key, the command that adds one."""
    from kojikey.cli.commands.list_keys.table import show_keys
    from kojikey.cli.output.page import Page

    call, page = context.call, Page(context.terminal)
    shown = show_keys(page, rows, with_account=call[ALL_ACCOUNTS])
    if shown and not context.terminal.quiet:
        page.line(totals.as_line(), style="bold")
        if not (totals.keys or damage.code or call[PROVIDERS]):
            adds = next_step("add", "PROVIDER")
            context.terminal.note(Hint(f"account {context.account} has no key of its own; ", adds, " adds one"))
    if not shown and not damage.code:
        context.terminal.note(_empty_note(call))


def _all_rows(context: Context, damage: DamagedRecords) -> Iterable[ListRow]:
    """Return the rows of the named providers, or of all, before filters.

    Raises:
        UnknownProvider: a named provider is unknown, and the account has no key of that name.
    """
    from kojikey import wiring
    from kojikey.operations import listing

    named = tuple(dict.fromkeys(context.call[PROVIDERS]))
    all_accounts = context.call[ALL_ACCOUNTS]
    index = wiring.provider_index(context.settings)
    open_store = wiring.open_chosen_store(context.settings, None)
    for provider in named:
        if provider not in index and (all_accounts or not open_store.find_key(context.account, provider)):
            wiring.checked_provider(provider, context.settings)
    if all_accounts:
        return listing.list_all_keys(open_store.store, providers=named, damaged=damage)
    rows = listing.list_keys(open_store.store, account=context.account, providers=named or BUILT_IN, damaged=damage)
    return (row for row in rows if not named or row.provider in named)


def _empty_note(call: Call) -> str:
    if call.given(FAILING, DUE, OUTCOME):
        return "no key matches these filters"
    if call[PROVIDERS]:
        adds = next_step("add", call[PROVIDERS][0])
        return Hint(f"no {' or '.join(call[PROVIDERS])} key in this store; ", adds, " adds one")
    return Hint("no keys in this store; ", next_step("add", "PROVIDER"), " adds one")


COMMANDS = (
    Command(
        "list",
        "show the keys, masked, and where the built-in allocation is used",
        list_keys,
        options=(
            *COMMON,
            ALL_ACCOUNTS,
            FAILING,
            DUE,
            OUTCOME,
            SORT,
            CSV,
        ),
        arguments=(PROVIDERS,),
        description="Never opens a key and never needs the key-encryption key.",
        examples=(
            "kojikey list",
            "kojikey list --all-accounts --failing --sort tested",
            "kojikey list --all-accounts --csv > keys.csv",
        ),
    ),
)
