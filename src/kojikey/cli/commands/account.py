"""``kojikey account``: lists accounts, disables and enables their own keys, and removes an account with its keys."""

from __future__ import annotations

from kojikey.cli.command import Argument, Call, Command, Text
from kojikey.cli.context import Context, context_of
from kojikey.cli.options import STORE_OPTIONS
from kojikey.model.account import checked_account
from kojikey.model.errors import Effect, UsageError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.plain_text import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from kojikey.cli.output.left_at_provider import LeftKey
    from kojikey.model.key import Key

NAME = Argument("name", "NAME", "the account", complete="account")
CONFIRM = Text("--confirm", help="the account's name, instead of typing it", metavar="NAME")


def list_accounts(call: Call) -> int:
    """Run ``kojikey account list`` and return the exit code."""
    from kojikey import wiring
    from kojikey.cli.output import documents
    from kojikey.cli.output.damaged_records import DamagedRecords
    from kojikey.operations.store_admin import accounts

    context = context_of(call)
    damage = DamagedRecords(context.terminal)
    rows = accounts.list_accounts(wiring.open_chosen_store(context.settings, None).store, damaged=damage)
    if context.terminal.json:
        results = [
            {"account": row.account, "keys": row.keys, "disabled": row.disabled, "created_at": row.created_at}
            for row in rows
        ]
        return documents.write("account list", damage.code, results, error=damage.error)
    from kojikey.cli.output.page import Page

    cells = [
        (row.account, str(row.keys), row.created_at[:10], "disabled: built-in allocation" if row.disabled else "")
        for row in rows
    ]
    if cells:
        Page(context.terminal).table(("ACCOUNT", "KEYS", "SINCE", "NOTE"), cells)
    elif not damage.code:
        context.terminal.note(Hint("no accounts in this store; ", next_step("add", "PROVIDER"), " creates the first"))
    return int(damage.code)


def disable(call: Call) -> int:
    """Run ``kojikey account disable`` and return the exit code."""
    return _set_disabled(call, disabled=True)


def enable(call: Call) -> int:
    """Run ``kojikey account enable`` and return the exit code."""
    return _set_disabled(call, disabled=False)


def _set_disabled(call: Call, *, disabled: bool) -> int:
    from kojikey import wiring
    from kojikey.operations.store_admin import accounts

    context = context_of(call)
    account = checked_account(call[NAME])
    open_store = wiring.open_chosen_store(context.settings, context.person)
    result = accounts.set_disabled(open_store, account=account, disabled=disabled)
    if not result.recorded:
        context.terminal.warn(
            Hint(
                "the account's record is damaged, so no event was added to the audit trail; ",
                next_step("audit", "--verify"),
                " says what is wrong",
            )
        )
    word = "disabled" if disabled else "enabled"
    lines = [f"account {account} is {word}" + ("" if result.changed else " already; nothing was changed")]
    if disabled:
        lines.append("its keys are kept; run and resolve use the built-in allocation")
    else:
        lines.append("run and resolve use its own keys again")
    return _show(context, account, word if result.changed else "unchanged", lines, audit_recorded=result.recorded)


def remove(call: Call) -> int:
    """Run ``kojikey account remove`` and return the exit code."""
    from kojikey import wiring
    from kojikey.operations.store_admin import accounts

    context = context_of(call)
    account = checked_account(call[NAME])
    open_store = wiring.open_chosen_store(context.settings, context.person)
    accounts.ensure_removable(open_store, account=account)
    _confirm(context, account)
    left = _left_at_providers(context, accounts.readable_keys(open_store, account))
    keys, signed = accounts.remove_account(open_store, account=account)
    if not signed:
        context.terminal.warn(
            "the key-encryption key is not available, or the account's record was damaged, so the audit event of this "
            "removal is unsigned"
        )
    lines = [
        f"account {account} is removed, with {counted(keys, 'key')} and its data key",
        "a backup of its sealed records no longer opens, unless the data key's record is in it and the KEK is kept",
        *(["the providers still accept the keys: revoke them there"] if keys else []),
    ]
    fields = [key.as_document() for key in left]
    code = _show(context, account, "removed", lines, keys=keys, audit_signed=signed, left_at_provider=fields)
    if not context.terminal.json:
        _show_left(context, left)
    return code


def _left_at_providers(context: Context, keys: Iterable[Key]) -> list[LeftKey]:
    """Return the keys with a known id, which still work at their providers, and the keys whose values are lost."""
    from kojikey import wiring
    from kojikey.cli.output.left_at_provider import known_there

    index = wiring.provider_index(context.settings)
    return [left for key in keys for left in known_there(key, index)]


def _show_left(context: Context, keys: Iterable[LeftKey]) -> None:
    """Print the keys that still work at their providers, also with ``--quiet``: nothing shows their ids later."""
    from kojikey.cli.output.page import Page

    page = Page(context.terminal)
    for key in keys:
        if key.version is None:
            line = f"{key.provider} may have a key named {key.name}, whose value is lost: {key.page}"
        else:
            line = f"{key.provider} {key.key_id} still works: {key.page}"
        page.line(line, indent=2)


def _confirm(context: Context, account: str) -> None:
    """Ask the person to type the account's name, unless ``--confirm`` gives it.

    Raises:
        UsageError: it is another name, or no question is allowed; nothing was removed.
    """
    given = context.call[CONFIRM]
    if given is None and context.terminal.interactive:
        given = context.terminal.ask_line("This cannot be undone. Type the account's name to remove it: ")
    if given != account:
        is_missing = given is None
        raise UsageError(
            "removing an account needs its name as a confirmation" if is_missing else "that is not the account's name",
            hint=next_step("account remove", account, "--confirm", account),
            effect=Effect.NOTHING_REMOVED,
        )


def _show(context: Context, account: str, action: str, lines: list[str], **more: object) -> int:
    from kojikey.cli.output import documents

    if context.terminal.json:
        result = {"account": account, "action": action, **more}
        return documents.write(context.call.command.name, 0, [result])
    from kojikey.cli.output.page import Page

    page = Page(context.terminal)
    page.line(lines[0])
    if not context.terminal.quiet:
        for line in lines[1:]:
            page.line(line, indent=2)
    return 0


COMMANDS = (
    Command(
        "account list",
        "show the accounts of the store",
        list_accounts,
        options=STORE_OPTIONS,
        examples=("kojikey account list",),
    ),
    Command(
        "account disable",
        "disable an account's own keys: it falls back to the built-in allocation",
        disable,
        options=STORE_OPTIONS,
        arguments=(NAME,),
        description="The keys are kept. `run` and `resolve` use the built-in allocation until `enable`.",
        examples=("kojikey account disable acme",),
    ),
    Command(
        "account enable",
        "use an account's own keys again",
        enable,
        options=STORE_OPTIONS,
        arguments=(NAME,),
        examples=("kojikey account enable acme",),
    ),
    Command(
        "account remove",
        "delete an account's keys and its data key, for good",
        remove,
        options=(*STORE_OPTIONS, CONFIRM),
        arguments=(NAME,),
        description="Backups of the account's sealed records become unreadable without the data key's record. One of "
        "the whole store has that too: move to another KEK with `store rekey`, and destroy the old one. Its audit "
        "events stay, and an account that was disabled is still disabled when it is created again.",
        examples=("kojikey account remove acme --confirm acme",),
    ),
)
