"""``kojikey store rekey``: moves a store to another KEK."""

from __future__ import annotations

from kojikey.cli.command import Call, Command, Text
from kojikey.cli.commands.store.kek_input import KEK, check_kek, with_recipients
from kojikey.cli.commands.store.recipient_input import RECIPIENT
from kojikey.cli.context import Context, context_of
from kojikey.cli.options import STORE_OPTIONS
from kojikey.model.environment import Environment
from kojikey.model.errors import Effect, InputNeeded, UsageError
from kojikey.model.next_step import Hint, next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.operations.open_store import OpenStore
    from kojikey.operations.results import RekeyResult
    from kojikey.sealing.kek.base import KekInputs

NEW_PASSPHRASE_FILE = Text(
    "--new-passphrase-file", help="a file whose first line is the new passphrase", metavar="PATH", complete="file"
)


def rekey(call: Call) -> int:
    """Run ``kojikey store rekey`` and return the exit code."""
    from kojikey import wiring
    from kojikey.cli.output import documents
    from kojikey.operations.store_admin.describing import KEK_BESIDE_STORE, lies_beside
    from kojikey.operations.store_admin.rekeying import rekey as rekey_store

    context = context_of(call)
    source = call[KEK]
    if not source:
        raise UsageError(
            "rekey needs --kek with the new KEK's source", hint=next_step("store rekey", "--kek", "SOURCE")
        )
    check_kek(source)
    if call[NEW_PASSPHRASE_FILE] is not None and source != "passphrase":
        raise UsageError(
            "--new-passphrase-file is for --kek passphrase",
            hint=next_step("store rekey", "--kek", "passphrase", *NEW_PASSPHRASE_FILE.example),
            effect=Effect.NOTHING_DONE,
        )
    open_store = wiring.open_existing(context.settings, context.person)
    try:
        result = rekey_store(open_store, source=source, new_inputs=_new_inputs(context, open_store, source))
    except KeyboardInterrupt:
        again = next_step("store rekey", "--kek", source)
        message = Hint("interrupted; every key still opens: run ", again, " again to finish")
        raise KeyboardInterrupt(context.terminal.completed(message)) from None
    if lies_beside(open_store.header["kek"], open_store.store):
        context.terminal.warn(KEK_BESIDE_STORE)
    if context.terminal.json:
        action = "unchanged" if result.is_same_place else "rekeyed"
        fields = {"action": action, "rewrapped": result.rewrapped, "already": result.already}
        return documents.write("store rekey", 0, [fields | {"kek": result.kek, "resumed": result.resumed}])
    _show_rekey(context, open_store.store.place, result)
    return 0


def _show_rekey(context: Context, place: str, result: RekeyResult) -> None:
    from kojikey.cli.output.page import Page

    page = Page(context.terminal)
    if result.is_same_place:
        page.line(f"{place} already has this key-encryption key: {result.kek}; nothing was changed")
        return
    if result.is_same_kek:
        page.line(f"{place} has the same key-encryption key as before, now from: {result.kek}")
        page.line("nothing was wrapped anew, and no provider key changed", indent=2)
        return
    page.line(f"{place} now has another key-encryption key: {result.kek}")
    page.line(
        f"accounts wrapped anew: {result.rewrapped}, done before: {result.already}; no provider key changed", indent=2
    )
    page.line("the old KEK no longer opens anything here, but old backups of the store still need it", indent=2)


def _new_inputs(context: Context, open_store: OpenStore, source: str) -> KekInputs:
    """Return the inputs of the new KEK's source; a new passphrase is never read from the file of the old one.

    Raises:
        InputNeeded: a new passphrase is needed, and no question is allowed.
    """
    from kojikey import wiring

    inputs = with_recipients(context, wiring.kek_inputs(context.settings, context.person))
    inputs = inputs._replace(actor=open_store.actor)
    path = context.call[NEW_PASSPHRASE_FILE]
    if path is not None:
        return inputs._replace(environ=Environment(inputs.environ).joined({"KOJIKEY_PASSPHRASE_FILE": path}))
    if source == "passphrase" and open_store.header["kek"]["source"] == "passphrase":
        if inputs.ask_passphrase is None:
            under_way = " (of the re-keying under way)" if open_store.header.get("next_kek") else ""
            raise InputNeeded(
                f"the new passphrase{under_way} is needed",
                hint="give it with --new-passphrase-file PATH, and the old one in KOJIKEY_PASSPHRASE_FILE",
                effect=Effect.NOTHING_CHANGED,
            )
        return inputs._replace(environ=Environment(inputs.environ).without("KOJIKEY_PASSPHRASE_FILE"))
    return inputs


COMMANDS = (
    Command(
        "store rekey",
        "move the store to another key-encryption key",
        rekey,
        options=(*STORE_OPTIONS, KEK, RECIPIENT, NEW_PASSPHRASE_FILE),
        description="Wraps each account's data key anew; the sealed keys stay as they are, and no provider key changes "
        "(that is `rotate`). If it is killed, every key still opens, and running it again finishes.",
        examples=("kojikey store rekey --kek keychain", "kojikey store rekey --kek file:/etc/kojikey/kek"),
    ),
)
