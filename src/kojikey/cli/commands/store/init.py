"""``kojikey store init``: creates a store with a chosen KEK."""

from __future__ import annotations

from kojikey.cli.command import Call, Command, Text
from kojikey.cli.commands.store.kek_input import KEK, check_kek, with_recipients
from kojikey.cli.commands.store.recipient_input import RECIPIENT
from kojikey.cli.context import Context, context_of
from kojikey.cli.options import STORE, STORE_OPTIONS, URL
from kojikey.model.errors import ConfigUnwritable, StoreNotFound, UsageError
from kojikey.model.next_step import Hint, next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.model.ref import Document
    from kojikey.sealing.kek.base import KekInputs
    from kojikey.stores.base import Store

NAME = Text("--name", help="keep the URL under this name in config.toml", metavar="NAME")


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
    check_kek(call[KEK])
    if url is not None:
        context.settings.store = context.settings.store._replace(value=url, origin="argument")
    _ensure_name_is_free(context, url)
    made, store = _create(context, with_recipients(context, wiring.kek_inputs(context.settings, context.person)))
    _keep_name(context, url)
    return _show_init(context, store, made=made)


def _create(context: Context, inputs: KekInputs) -> tuple[bool, Store]:
    """Create the store, and return whether it was created now; an existing one has to have the KEK of ``--kek``.

    Raises:
        StoreExists: it has another KEK.
    """
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
    """Return the command that moves a store to the KEK that the source has now, while the old one is needed too."""
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


def _rekey_to(source: str) -> Hint:
    """Return the command that moves a store to another KEK source."""
    recipients = ("--recipient", "R") if source == "recipients" else ()
    return next_step("store rekey", "--kek", source, *recipients)


def _named_source(spec: Document) -> str:
    """Return the source of a store's KEK as people type it; of one that this version does not know, its name."""
    from kojikey.model.plain_text import shown
    from kojikey.sealing.kek.registry import SOURCES, typed_source

    return typed_source(spec) if spec.get("source") in SOURCES else shown(spec.get("source"))


def _ensure_same_kek(store: Store, header: Document, source: str, inputs: KekInputs) -> None:
    """Check that an existing store has the KEK of ``--kek``.

    Raises:
        StoreExists: it has another one, which only ``store rekey`` changes.
    """
    from kojikey.model.errors import StoreExists
    from kojikey.operations.store_admin.creating import Difference, difference

    ways: dict[Difference, tuple[str, Hint]] = {
        Difference.SOURCE: (
            f"another KEK source ({_named_source(header['kek'])})", _rekey_to(source)
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


def _source(context: Context, inputs: KekInputs, place: str) -> str:
    from kojikey import wiring

    given = context.call[KEK] or context.settings.config.get("kek")
    return given or wiring.default_kek_source(context.settings, context.person, inputs, place=place)


def _ensure_name_is_free(context: Context, url: str | None) -> None:
    """Check the name for the store before anything is created. Raises the errors of ``check_store_name``."""
    name = context.call[NAME]
    if name is not None and url is not None:
        from kojikey.config.config_file import check_store_name

        check_store_name(context.settings.config, context.settings.home.config_file, name, url)


def _keep_name(context: Context, url: str | None) -> None:
    name = context.call[NAME]
    if name is not None and url is not None:
        from kojikey.config.config_edit import write_store_name

        try:
            write_store_name(context.settings.home.config_file, name, url)
        except ConfigUnwritable as error:
            error.hint = f"the store exists, and has no name yet: {error.hint}, then run the same command again"
            raise
        context.terminal.note(f"named {name} in {context.settings.home.config_file}")


def _show_init(context: Context, store: Store, *, made: bool) -> int:
    from kojikey.cli.output import documents
    from kojikey.operations.store_admin.describing import KEK_BESIDE_STORE, info, lies_beside

    header = store.open().document
    told = info(store, header)
    if lies_beside(header["kek"], store):
        context.terminal.warn(KEK_BESIDE_STORE)
    if context.terminal.json:
        return documents.write(
            "store init", 0, [{"action": "created" if made else "exists", **documents.store_fields(told)}]
        )
    from kojikey.cli.output.page import Page

    page = Page(context.terminal)
    page.line(f"created the store {told.place}" if made else f"exists already: {told.place}; nothing was changed")
    page.line(f"its key-encryption key: {told.kek}", indent=2)
    if store.shared_by:
        page.line(Hint("to limit a role to one account: ", context.terminal.completed(store.shared_by)), indent=2)
    return 0


COMMANDS = (
    Command(
        "store init",
        "create a store with a chosen key-encryption key",
        init,
        options=(*STORE_OPTIONS, KEK, RECIPIENT, NAME),
        arguments=(URL,),
        description="Safe to repeat: a second run changes nothing. Without --kek: KOJIKEY_KEK or "
        "KOJIKEY_PASSPHRASE_FILE where one is set, else the OS keychain, else a passphrase that is asked for.",
        examples=(
            "kojikey store init --kek passphrase",
            "kojikey store init sqlite:///srv/team/keys.db --name team --kek file:/etc/kojikey/kek",
            "kojikey store init --kek recipients --recipient @team.txt",
        ),
    ),
)
