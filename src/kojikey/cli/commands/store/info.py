"""``kojikey store info``: describes a store: where it is, and who can open it."""

from __future__ import annotations

from kojikey.cli.command import Call, Command
from kojikey.cli.context import context_of
from kojikey.cli.options import STORE_OPTIONS
from kojikey.model.next_step import Hint, next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.operations.results import StoreInfo


def info(call: Call) -> int:
    """Run ``kojikey store info`` and return the exit code."""
    from kojikey import wiring
    from kojikey.cli.output import documents
    from kojikey.operations.store_admin.describing import info as store_info

    context = context_of(call)
    open_store = wiring.open_existing(context.settings, context.person)
    told = store_info(open_store.store, open_store.header)
    if context.terminal.json:
        origin = {"chosen_by": context.settings.store.origin, "home": context.settings.home.data}
        return documents.write("store info", 0, [documents.store_fields(told) | origin])
    from kojikey.cli.output.page import Page

    unlocked = [("unlocked", f"until {told.unlocked_until}, in the {told.keyring} keyring")] if told.keyring else []
    here = [
        *unlocked,
        ("chosen by", context.settings.store.origin),
        ("configuration", context.settings.home.config_file),
    ]
    Page(context.terminal).pairs([*_pairs(told), *here])
    return 0


def _pairs(info: StoreInfo) -> list[tuple[str, str]]:
    """Return the lines about a store as names and values."""
    details = [(name, value) for name, value in info.details if name != "format" and value != info.place]
    return [
        ("engine", info.engine),
        ("place", info.place),
        *details,
        ("format", f"{info.format}, created {info.created_at}"),
        ("store id", info.store_id),
        ("KEK", info.kek + (" (re-keying under way)" if info.rekey_under_way else "")),
        ("holds", f"keys {info.keys}, accounts {info.accounts}, audit events {info.events}"),
        *([("damaged", Hint(f"accounts {info.damaged}: ", next_step("doctor")))] if info.damaged else []),
    ]


COMMANDS = (
    Command(
        "store info",
        "show what and where the store is, and who can open it",
        info,
        options=STORE_OPTIONS,
        examples=("kojikey store info", "kojikey store info --store team --json"),
    ),
)
