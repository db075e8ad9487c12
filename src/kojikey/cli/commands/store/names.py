"""``kojikey store list`` and ``kojikey store use``: lists the named stores, and chooses the default one."""

from __future__ import annotations

from kojikey.cli.command import Argument, Call, Command, Flag
from kojikey.cli.context import Context, context_of
from kojikey.cli.options import JSON, NO_COLOR, QUIET
from kojikey.cli.output.damaged_records import DamagedRecords
from kojikey.config.settings import LOCAL, without_password
from kojikey.model.errors import Effect, UsageError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.plain_text import counted
from kojikey.model.ref import Document

NAME = Argument("name", "NAME", "local, or a name in config.toml", complete="store")
ROTATE_HERE = Flag(
    "--rotate-here", help="this store, and not the one it was copied from, rotates keys at their providers"
)


def list_names(call: Call) -> int:
    """Run ``kojikey store list`` and return the exit code. No store is opened."""
    from kojikey.cli.output import documents

    context = context_of(call)
    rows = _rows(context)
    if context.terminal.json:
        return documents.write("store list", 0, rows)
    from kojikey.cli.output.page import Page

    page = Page(context.terminal)
    cells = [[row["name"] or page.plain("–"), "*" if row["is_default"] else "", row["url"]] for row in rows]
    page.table(("NAME", "USED", "STORE"), cells)
    if not context.terminal.quiet:
        origin = context.settings.store.origin
        chosen = "by default" if origin == "default" else f"by {origin}"
        page.line(f"* is used where a command names no store: chosen {chosen}", indent=2)
    return 0


def _rows(context: Context) -> list[Document]:
    settings = context.settings
    chosen = settings.store.value
    named: dict[str, str] = {name: store["url"] for name, store in settings.config.get("stores", {}).items()}
    urls = {LOCAL: settings.for_store(LOCAL).store_url(), **named}
    rows: list[Document] = [
        {"name": name, "url": without_password(url), "is_default": name == chosen} for name, url in urls.items()
    ]
    if chosen not in urls and "://" in chosen:
        rows.append({"name": None, "url": without_password(chosen), "is_default": True})
    return rows


def use(call: Call) -> int:
    """Run ``kojikey store use`` and return the exit code."""
    from kojikey.cli.commands.config_change import check_store, show_change
    from kojikey.config.config_edit import set_value

    context = context_of(call)
    name = call[NAME]
    if "://" in name:
        raise UsageError(
            "store use takes the name of a store, not a URL",
            hint=Hint("give it a name first: ", next_step("config set", "stores.NAME.url", "URL")),
            effect=Effect.NOTHING_CHANGED,
        )
    check_store(context, name)
    damage = DamagedRecords(context.terminal, hint=Hint(next_step("doctor", "--store", name), " looks at every record"))
    if context.call[ROTATE_HERE]:
        count = _rotate_here(context, name, damage)
        context.terminal.note(f"{counted(count, 'key')} of this store may now be rotated at the provider")
    is_changed = set_value(context.settings.home.config_file, ("store",), name)
    if context.settings.environ.get("KOJIKEY_STORE"):
        context.terminal.warn("KOJIKEY_STORE is set, and takes precedence over config.toml")
    return show_change(context, "store use", {"name": "store", "value": name}, is_changed=is_changed, damage=damage)


def _rotate_here(context: Context, name: str, damage: DamagedRecords) -> int:
    """Let a copied store create and revoke keys at their providers; return the number of keys.

    A damaged key stays as it is, and is reported.

    Raises:
        StoreNotFound: it does not exist. StoreUnavailable, CannotOpen: the remaining keys are unchanged.
    """
    from kojikey import wiring
    from kojikey.operations.store_admin.copying import rotate_here

    open_store = wiring.open_existing(context.settings.for_store(name), context.person)
    try:
        return rotate_here(open_store, damaged=damage)
    finally:
        open_store.close()


_OPTIONS = (JSON, QUIET, NO_COLOR)

COMMANDS = (
    Command(
        "store list",
        "list the stores that have a name, and which one is used",
        list_names,
        options=_OPTIONS,
        description="Reads only config.toml; no store is opened. A password in a URL is shown as ***.",
        examples=("kojikey store list", "kojikey store list --json"),
    ),
    Command(
        "store use",
        "choose the store that is used where none is named",
        use,
        options=(
            *_OPTIONS,
            ROTATE_HERE,
        ),
        arguments=(NAME,),
        examples=("kojikey store use team", "kojikey store use local"),
    ),
)
