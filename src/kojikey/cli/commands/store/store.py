"""``kojikey store``: creates a store, describes it, moves it to another KEK."""

from __future__ import annotations

from kojikey.cli.command import Call, Command, Text
from kojikey.cli.commands.store.recipient_input import RECIPIENT, read_recipients
from kojikey.cli.context import Context, context_of
from kojikey.cli.exits import Exit
from kojikey.cli.options import JSON, NO_COLOR, NO_INPUT, QUIET, STORE, URL
from kojikey.model.environment import Environment
from kojikey.model.errors import Effect, InputNeeded, StoreNotFound, UsageError
from kojikey.model.next_step import Hint, next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.model.ref import Document
    from kojikey.operations.open_store import OpenStore
    from kojikey.operations.results import RekeyResult, StoreInfo
    from kojikey.sealing.kek.base import KekInputs
    from kojikey.stores.base import Store

NAME = Text("--name", help="keep the URL under this name in config.toml", metavar="NAME")
NEW_PASSPHRASE_FILE = Text(
    "--new-passphrase-file", help="a file whose first line is the new passphrase", metavar="PATH", complete="file"
)

KEK = Text(
    "--kek",
    help="where the KEK lives: keychain, passphrase, env, env:NAME, file:PATH, recipients or awskms:KEY-ID?region=R",
    metavar="SOURCE",
    complete="kek",
)


def init(call: Call) -> int:
    """Run ``kojikey store init`` and return the exit code."""
    from kojikey import wiring

    context = context_of(call)
    url = call[URL]
    if url is not None and call[STORE] is not None:
        raise UsageError(
            "name the store once: as a URL, or with --store", hint=next_step("store init", "URL", "--kek", "SOURCE")
        )
    if call[NAME] is not None and (url is None or "://" not in url):
        raise UsageError(
            "--name is for the URL of the store that gets the name",
            hint=next_step("store init", "sqlite:///srv/team/keys.db", "--name", "team", "--kek", "SOURCE"),
        )
    _check_kek(call[KEK])
    if url is not None:
        context.settings.store = context.settings.store._replace(value=url, origin="argument")
    _ensure_name_is_free(context, url)
    made, store = _made(context, _with_recipients(context, wiring.kek_inputs(context.settings, context.person)))
    _keep_name(context, url)
    return _show_init(context, store, made=made)


def _check_kek(source: str | None) -> None:
    """Check that there is such a KEK source, before a store is opened. Raises as ``check_source``."""
    if source is not None:
        from kojikey.sealing.kek.registry import check_source

        check_source(source, effect=Effect.NOTHING_DONE)


def _made(context: Context, inputs: KekInputs) -> tuple[bool, Store]:
    """Make the store, or find that the same one exists. Where a KEK is to live matters only where none was made yet."""
    from kojikey import wiring
    from kojikey.model.errors import StoreExists
    from kojikey.operations.store_admin.creating import create
    from kojikey.stores.registry import store_from_url

    store = store_from_url(context.settings.store_url())
    store.upgrade()
    inputs = inputs._replace(actor=wiring.local_actor())
    try:
        header = store.open().document
    except StoreNotFound:
        try:
            create(store, source=_source(context, inputs, store.place), inputs=inputs)
        except StoreExists:
            header = store.open().document
        else:
            return True, store
    asked = context.call[KEK]
    if asked:
        _ensure_same_kek(store, header, asked, inputs)
    return False, store


def _move_to(source: str) -> Hint:
    """Return how to move a store to the KEK that its source gives now, while the old one is needed there, too."""
    step = "store rekey"
    match source.partition(":")[0]:
        case "env":
            return Hint(next_step(step, "--kek", "env:NAME"), ", with that KEK in the variable NAME")
        case "file":
            return Hint(next_step(step, "--kek", "file:PATH"), ", with that KEK in another file")
        case "passphrase":
            new = next_step(step, "--kek", source, "--new-passphrase-file", "PATH")
            return Hint(new, ", with the old passphrase in KOJIKEY_PASSPHRASE_FILE")
    return next_step(step, "--kek", source)


def _ensure_same_kek(store: Store, header: Document, source: str, inputs: KekInputs) -> None:
    """Check that a store which exists has the KEK that was asked for.

    Raises:
        StoreExists: it has another one, and only ``store rekey`` changes that.
    """
    from kojikey.model.errors import StoreExists
    from kojikey.operations.store_admin.creating import Difference, difference
    from kojikey.sealing.kek.registry import typed_source

    ways: dict[Difference, tuple[str, Hint]] = {
        Difference.SOURCE: (
            f"another KEK source ({typed_source(header['kek'])})", next_step("store rekey", "--kek", source)
        ),
        Difference.RECIPIENTS: (
            "other recipients", Hint(next_step("store recipients"), " lists them, add and remove change them")
        ),
        Difference.KEK: (
            f"another KEK than the one that {source} gives now",
            Hint("to move it to that one: ", _move_to(source)),
        ),
    }  # fmt: skip
    found = difference(store, header, source=source, inputs=inputs)
    if found is not None:
        what, hint = ways[found]
        message = f"the store {store.place} exists already with {what}; it was not changed"
        raise StoreExists(store.place, message, hint=hint)


def _with_recipients(context: Context, inputs: KekInputs) -> KekInputs:
    """Return the inputs with the recipients that were named.

    Raises:
        UsageError: one is not a recipient, or the KEK is not one of several people.
    """
    values = context.call[RECIPIENT]
    if values and context.call[KEK] != "recipients":
        raise UsageError("--recipient is for --kek recipients", effect=Effect.NOTHING_DONE)
    return inputs._replace(recipients=read_recipients(values)) if values else inputs


def _source(context: Context, inputs: KekInputs, place: str) -> str:
    from kojikey import wiring

    given = context.call[KEK] or context.settings.config.get("kek")
    return given or wiring.default_kek_source(context.settings, context.person, inputs, place=place)


def _ensure_name_is_free(context: Context, url: str | None) -> None:
    """Check the name that the store is to have, before anything is made. Raises as ``check_store_name``."""
    name = context.call[NAME]
    if name is not None and url is not None:
        from kojikey.config.config_file import check_store_name

        check_store_name(context.settings.config, context.settings.home.config_file, name, url)


def _keep_name(context: Context, url: str | None) -> None:
    name = context.call[NAME]
    if name is not None and url is not None:
        from kojikey.config.config_edit import write_store_name

        write_store_name(context.settings.home.config_file, name, url)
        context.terminal.note(f"named {name} in {context.settings.home.config_file}")


def _show_init(context: Context, store: Store, *, made: bool) -> int:
    from kojikey.cli.commands.doctor.findings import BESIDE
    from kojikey.cli.output import documents
    from kojikey.operations.store_admin.describing import info, lies_beside

    header = store.open().document
    told = info(store, header)
    if lies_beside(header["kek"], store):
        context.terminal.warn(BESIDE)
    if context.terminal.json:
        return documents.write(
            "store init", 0, [{"action": "created" if made else "exists", **documents.store_fields(told)}]
        )
    from kojikey.cli.output.page import Page

    page = Page(context.terminal)
    page.line(f"created the store {told.place}" if made else f"exists already: {told.place}; nothing was changed")
    page.line(f"its key-encryption key: {told.kek}", indent=2)
    if store.shared_by:
        page.line(f"to limit a role to one account: {context.terminal.completed(store.shared_by)}", indent=2)
    return 0


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
    Page(context.terminal).pairs([*_described(told), *here])
    return 0


def _described(info: StoreInfo) -> list[tuple[str, str]]:
    """Return what a store says of itself."""
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


def rekey(call: Call) -> int:
    """Run ``kojikey store rekey`` and return the exit code."""
    from kojikey import wiring
    from kojikey.cli.commands.doctor.findings import BESIDE
    from kojikey.cli.output import documents
    from kojikey.operations.store_admin.describing import lies_beside
    from kojikey.operations.store_admin.rekeying import rekey as rekey_store

    context = context_of(call)
    source = call[KEK]
    if not source:
        raise UsageError(
            "rekey needs --kek with the new KEK's source", hint=next_step("store rekey", "--kek", "SOURCE")
        )
    _check_kek(source)
    open_store = wiring.open_existing(context.settings, context.person)
    try:
        result = rekey_store(open_store, source=source, new_inputs=_new_inputs(context, open_store, source))
    except KeyboardInterrupt:
        again = next_step("store rekey", "--kek", source)
        left = Hint("interrupted; every key still opens: run ", again, " again to finish")
        raise KeyboardInterrupt(context.terminal.completed(left)) from None
    if lies_beside(open_store.header["kek"], open_store.store):
        context.terminal.warn(BESIDE)
    if context.terminal.json:
        action = "unchanged" if result.is_same_place else "rekeyed"
        fields = {"action": action, "rewrapped": result.rewrapped, "already": result.already}
        return documents.write("store rekey", 0, [fields | {"kek": result.kek, "resumed": result.resumed}])
    _show_rekey(context, open_store.store.place, result)
    return int(Exit.OK)


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
    """Return what the new KEK's source may ask: a new passphrase is never taken from where the old one is kept.

    Raises:
        InputNeeded: a new passphrase is needed, and there is no terminal to ask for it.
    """
    from kojikey import wiring

    inputs = _with_recipients(context, wiring.kek_inputs(context.settings, context.person))
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


_OPTIONS = (STORE, JSON, NO_INPUT, QUIET, NO_COLOR)

COMMANDS = (
    Command(
        "store init",
        "create a store with a chosen key-encryption key",
        init,
        options=(
            *_OPTIONS,
            KEK,
            RECIPIENT,
            NAME,
        ),
        arguments=(URL,),
        description="Safe to repeat: a second run changes nothing. Without --kek: KOJIKEY_KEK or "
        "KOJIKEY_PASSPHRASE_FILE where one is set, else the OS keychain, else a passphrase that is asked for.",
        examples=(
            "kojikey store init --kek passphrase",
            "kojikey store init sqlite:///srv/team/keys.db --name team --kek file:/etc/kojikey/kek",
            "kojikey store init --kek recipients --recipient @team.txt",
        ),
    ),
    Command(
        "store info",
        "show what and where the store is, and who can open it",
        info,
        options=_OPTIONS,
        examples=("kojikey store info", "kojikey store info --store team --json"),
    ),
    Command(
        "store rekey",
        "move the store to another key-encryption key",
        rekey,
        options=(
            *_OPTIONS,
            KEK,
            RECIPIENT,
            NEW_PASSPHRASE_FILE,
        ),
        description="Wraps each account's data key anew; the sealed keys stay as they are, and no provider key changes "
        "(that is `rotate`). If it is killed, every key still opens, and running it again finishes.",
        examples=("kojikey store rekey --kek keychain", "kojikey store rekey --kek file:/etc/kojikey/kek"),
    ),
)
