"""``kojikey store copy``: copies keys into another store, re-sealed, read back and verified."""

from __future__ import annotations

from kojikey.cli.command import Call, Command, Texts
from kojikey.cli.context import Context, context_of
from kojikey.cli.exits import Exit
from kojikey.cli.options import DRY_RUN, STORE_OPTIONS, TO
from kojikey.cli.output.damaged_records import DamagedRecords
from kojikey.model.account import checked_account
from kojikey.model.errors import CannotOpen, Conflict, Effect, KojikeyError, NotFound, StoreUnavailable, UsageError
from kojikey.model.next_step import Hint, next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.operations.open_store import OpenStore
    from kojikey.operations.store_admin.copying import CopyResult

ONLY_ACCOUNTS = Texts("--account", "-a", help="only this account; may be repeated", metavar="NAME", complete="account")

_HINT = Hint(
    "this account was not copied, the others were: ",
    next_step("audit", "--verify"),
    " says what is wrong; then run the same command again",
)


_ACTIONS = ("copied", "would_copy", "already", "conflict", "unfinished")


def store_copy(call: Call) -> int:
    """Run ``kojikey store copy`` and return the exit code."""
    from kojikey import wiring
    from kojikey.operations.store_admin.copying import copy

    context = context_of(call)
    accounts = tuple(dict.fromkeys(checked_account(name) for name in call[ONLY_ACCOUNTS]))
    source, target = _open_both(context)
    for open_store in (source, target):
        _get_kek(open_store)
    results: list[CopyResult] = []
    dry_run = call[DRY_RUN]
    damage = DamagedRecords(context.terminal, hint=_HINT)
    try:
        with context.terminal.status(f"copying into {target.store.place}"):
            results.extend(copy(source, target, accounts=accounts, dry_run=dry_run, damaged=damage))
    except KojikeyError as error:
        if not dry_run and not isinstance(error, NotFound):  # NotFound is raised before the first key
            done = sum(result.action == "copied" for result in results)
            once = "" if isinstance(error, (StoreUnavailable, Conflict)) else "once that is fixed, "
            context.terminal.note(
                f"copied before this: {done}; nothing was deleted; {once}run the same command again to continue"
            )
        raise
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; nothing was deleted: run the same command again to continue") from None
    finally:
        wiring.close_all(source, target)
    return _show(context, results, target.store.place, accounts, damage)


def _get_kek(open_store: OpenStore) -> None:
    """Get the KEK of one of the two stores, from a person if that is necessary.

    Raises:
        CannotOpen: it is not available, or is another one; the error names the store.
    """
    try:
        open_store.ask_now()
        open_store.kek()
    except CannotOpen as error:
        error.place = open_store.store.place
        raise


def _open_both(context: Context) -> tuple[OpenStore, OpenStore]:
    """Open the source and the target of the copy.

    Raises:
        UsageError: they are the same store, or no target is named. StoreNotFound: one of them does not exist.
    """
    from kojikey import wiring

    to = context.call[TO]
    if to is None:
        raise UsageError("copy needs the store to copy to", hint=next_step("store copy", "--to", "NAME|URL"))
    source = wiring.open_existing(context.settings, context.person)
    target = wiring.open_existing(context.settings.for_store(to), context.person)
    if source.store_id == target.store_id:
        raise UsageError(
            "that is the same store",
            hint=Hint("name another one: ", next_step("store list"), " lists them"),
            effect=Effect.NOTHING_COPIED,
        )
    return source, target


def _show(
    context: Context, results: list[CopyResult], place: str, accounts: tuple[str, ...], damage: DamagedRecords
) -> int:
    from kojikey.cli.output import documents
    from kojikey.model.masking import mask

    counts = {name: sum(r.action == name for r in results) for name in _ACTIONS}
    code = damage.code or (Exit.CONFLICT if counts["conflict"] else Exit.OK)
    if not counts["unfinished"]:
        del counts["unfinished"]
    else:
        context.terminal.warn(
            Hint(
                "keys that are being created at their providers were left out: finish them with ",
                next_step("rotate", "PROVIDER", "--resume"),
                " or --abort, then copy again",
            )
        )
    if context.terminal.json:
        rows = [
            {"account": r.account, "provider": r.provider, "masked": mask(r.tail), "action": r.action} for r in results
        ]
        return documents.write(
            "store copy", code, rows, summary=counts, accounts=list(accounts) or "all", error=damage.error
        )
    _show_table(context, results, place, accounts, counts)
    return int(code)


def _show_table(
    context: Context, results: list[CopyResult], place: str, accounts: tuple[str, ...], counts: dict[str, int]
) -> None:
    from kojikey.cli.output.page import Page

    page = Page(context.terminal)
    cells = [(r.account, r.provider, context.terminal.masked(r.tail), r.action.replace("_", " ")) for r in results]
    if cells:
        page.table(("ACCOUNT", "PROVIDER", "KEY", "RESULT"), cells)
    totals = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count) or "no keys"
    page.line(f"{totals}; into {place}, nothing was deleted", style="bold")
    if accounts or context.settings.account.origin != "default":
        page.line(_accounts_line(accounts, context.settings.account.origin), indent=2)
    if counts["conflict"]:
        to = context.call[TO] or ""
        remove = next_step("remove", "PROVIDER", "--account", "NAME", "--store", to)
        context.terminal.warn(
            Hint("the other store already has other keys there; they were not changed: ", remove, " makes room for one")
        )


def _accounts_line(accounts: tuple[str, ...], origin: str) -> str:
    """Return the line about the accounts that were copied. A variable that is set for other commands limits nothing."""
    if accounts:
        return f"of the account{'' if len(accounts) == 1 else 's'} {', '.join(accounts)} only"
    return f"of all accounts: {origin} does not limit a copy, --account does"


COMMANDS = (
    Command(
        "store copy",
        "copy keys into another store, with their history; deletes nothing",
        store_copy,
        options=(*STORE_OPTIONS, TO, ONLY_ACCOUNTS, DRY_RUN.with_help("show what would be copied, and copy nothing")),
        description="Each key is re-sealed for the other store, read back and compared. If it is killed or "
        "repeated, it continues where it stopped. A different key that exists there is not changed (exit 6). All "
        "accounts "
        "are copied unless --account names some: KOJIKEY_ACCOUNT does not limit a copy.",
        examples=("kojikey store copy --to team --dry-run", "kojikey store copy --to team --account acme"),
    ),
)
