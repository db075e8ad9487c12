"""The composition root: chooses the store, the KEK source and the prober of a command. Only this module names adapters.

`kojikey run` imports this: modules that not every command needs are imported inside functions.
"""

from __future__ import annotations

import os
import sys

from kojikey.config.known_keks import KnownKekFiles
from kojikey.config.settings import Settings
from kojikey.model.credential import Credential
from kojikey.model.environment import Environment
from kojikey.model.errors import (
    Effect,
    KekMissing,
    KojikeyError,
    StoreExists,
    StoreNotFound,
    StoreUnavailable,
    UnknownProvider,
)
from kojikey.model.next_step import Hint, next_step
from kojikey.model.plain_text import one_line
from kojikey.model.ref import Document
from kojikey.operations.open_store import OpenStore
from kojikey.operations.record_checks import FORMAT
from kojikey.sealing.kek.base import KekInputs
from kojikey.stores.base import Store
from kojikey.stores.registry import store_from_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from kojikey.config.known_trails import KnownTrailFile
    from kojikey.model.secret import Secret
    from kojikey.operations.adding import Destination
    from kojikey.providers.catalog import Catalog, Mistake
    from kojikey.providers.index import IndexEntry
    from kojikey.providers.requests.proxies import Proxies
    from kojikey.sealing.kek.base import Purpose

    class Person(Protocol):
        """The person who is asked while a store is opened or created. A program that uses the library has none."""

        @property
        def interactive(self) -> bool:
            """Whether anything may be asked."""

        @property
        def may_ask_passphrase(self) -> bool:
            """Whether the passphrase of a store may be asked for."""

        @property
        def why_unasked(self) -> str:
            """Why nothing may be asked, if that is so."""

        def note(self, text: str) -> None:
            """Show a sentence."""

        def passphrase_prompt(self, store: str) -> Callable[[Purpose], Secret]:
            """Return a function that asks for the passphrase of a store; the name is empty for the local one."""

        def identity_prompt(self) -> Callable[[str], Secret]:
            """Return a function that asks for the passphrase of an identity, given the place of the identity."""


NO_STORE: Document = {"format": FORMAT, "store_id": "", "created_at": "", "kek": {"kid": ""}, "next_kek": None}

_WAYS_TO_A_KEK = Hint(
    "choose where the key-encryption key lives: set KOJIKEY_KEK or KOJIKEY_PASSPHRASE_FILE, or run ",
    next_step("store init", "--kek", "file:PATH"),
    " (or keychain, passphrase, env, recipients)",
)


def resolve_for_program(provider: str, *, account: str | None, store: str | None) -> Credential:
    """Carry out :func:`kojikey.resolve`: resolve as ``kojikey run`` does, without asking anybody."""
    settings = Settings(Environment(os.environ), account=account, store=store, no_input=True)
    settings.check_account()
    checked_provider(provider, settings)
    from kojikey.operations.resolving import resolve

    open_store = open_chosen_store(settings, None)
    try:
        return resolve(open_store, account=settings.account.value, provider=provider)
    finally:
        open_store.close()


def provider_index(settings: Settings) -> dict[str, IndexEntry]:
    """Return the index entries of all providers by id, without reading TOML if the user has no definitions.

    A definition of the user that cannot be used is left out, with one warning.
    """
    from kojikey.providers.entries import read_entries

    return read_entries(settings.home.providers, on_mistake=lambda mistake: _warn_of(mistake, settings))


def unusable_definition(name: str, settings: Settings) -> Mistake | None:
    """Return the mistake for which a provider's definition is not used, None if there is no such mistake."""
    from kojikey.providers.catalog import mistake_about

    return mistake_about(name, settings.mistakes.values())


def _warn_of(mistake: Mistake, settings: Settings) -> None:
    is_new = mistake.path not in settings.mistakes
    settings.mistakes[mistake.path] = mistake
    if is_new and settings.warnings is not None:
        settings.warnings.mistake(mistake)


def checked_provider(name: str, settings: Settings) -> IndexEntry:
    """Return the index entry of a provider.

    Raises:
        BadDefinition, UnsafeDefinition: its definition cannot be used.
        UnknownProvider: there is no provider with this id. A text that may be a key is not repeated.
    """
    from kojikey.providers.index import unknown_provider

    index = provider_index(settings)
    if name not in index:
        error = unusable_definition(name, settings) or unknown_provider(name, tuple(index))
        if isinstance(error, UnknownProvider) and _has_key(name, settings):
            folder = settings.home.providers
            error.hint = f"there is a key for it, but its definition is missing: put its file back into {folder}"
        raise error
    return index[name]


def _has_key(provider: str, settings: Settings) -> bool:
    """Return whether the account has a key at a provider; False if the store cannot be read."""
    try:
        open_store = open_chosen_store(settings, None)
    except KojikeyError:
        return False
    try:
        return open_store.find_key(settings.account.value, provider) is not None
    except KojikeyError:
        return False
    finally:
        open_store.close()


def catalog(settings: Settings) -> Catalog:
    """Return all provider definitions."""
    from kojikey.providers.catalog import load_catalog

    found = load_catalog(settings.home.providers)
    for mistake in found.mistakes:
        _warn_of(mistake, settings)
    return found


def kek_inputs(settings: Settings, person: Person | None) -> KekInputs:
    """Return the inputs of KEK sources: the environment, and prompts if there is a person who may be asked."""
    warn = settings.warnings.text if settings.warnings is not None else None
    inputs = KekInputs(settings.environ, None, warn, known=KnownKekFiles(settings.home.data, warn))
    if person is None:
        return inputs
    if not person.may_ask_passphrase:
        return inputs._replace(why_unasked=person.why_unasked)
    ask = person.passphrase_prompt(_spoken_name(settings))
    return inputs._replace(ask_passphrase=ask, ask_identity=person.identity_prompt())


def _spoken_name(settings: Settings) -> str:
    """Return the store's name for a prompt; ``""`` for the local one, and for a URL that may have a password."""
    name = settings.store.value
    return "" if settings.is_local or "@" in name or not name.isprintable() else name


def actor(store: Store) -> str:
    """Return the actor for the audit trail: the effective OS user, the host, and the database role if there is one."""
    role = store.role()
    return one_line(local_actor() + (f" as {role}" if role else ""))  # an event with other characters is refused


def local_actor() -> str:
    """Return the actor without a database role."""
    import socket

    return one_line(f"{_user()}@{socket.gethostname()}")


def _user() -> str:
    uid = os.geteuid() if hasattr(os, "geteuid") else None  # Windows has none
    try:
        import pwd

        return pwd.getpwuid(os.geteuid()).pw_name
    except (ImportError, KeyError):
        return os.environ.get("USERNAME") or (f"uid {uid}" if uid is not None else "an unknown user")


def open_chosen_store(settings: Settings, person: Person | None, *, may_ask: bool = True) -> OpenStore:
    """Open and return the chosen store. A local store that does not exist counts as empty, and is not created.

    Without ``may_ask``, no passphrase is asked for, and a KEK that needs one is not available.

    Raises:
        StoreNotFound: a named store does not exist. StoreUnavailable: the store cannot be used.
    """
    store = store_from_url(settings.store_url())
    inputs = kek_inputs(settings, person if may_ask else None)
    try:
        header = store.open().document
    except StoreNotFound:
        if not settings.is_local:
            raise
        _refuse_file_for_folder(settings.home.data)
        store, header = _empty_store(), NO_STORE
    return OpenStore(store, header, inputs, actor=actor(store) if person else "")


def open_existing(settings: Settings, person: Person) -> OpenStore:
    """Open and return the chosen store, which has to exist.

    Raises:
        StoreNotFound: it does not exist. StoreUnavailable: it cannot be used.
    """
    open_store = open_chosen_store(settings, person)
    if open_store.header is NO_STORE:
        missing = StoreNotFound(settings.home.database)
        missing.hint = Hint(next_step("store init"), ", or ", next_step("add", "PROVIDER"), ", which creates it")
        raise missing
    return open_store


def _refuse_file_for_folder(path: str) -> None:
    if os.path.lexists(path) and not os.path.isdir(path):
        hint = "set KOJIKEY_HOME to a folder, which is created if it does not exist"
        raise StoreUnavailable(path, "cannot be used: that is not a folder", hint=hint, effect=Effect.NOTHING_CHANGED)


def known_trails(settings: Settings, open_store: OpenStore) -> KnownTrailFile:
    """Return the remembered ends of a store's audit trails, from their last verification on this machine."""
    from kojikey.config.known_trails import KnownTrailFile

    warn = settings.warnings.text if settings.warnings is not None else None
    return KnownTrailFile(settings.home.data, open_store.store_id, warn)


def close_all(*open_stores: OpenStore) -> None:
    """Close stores."""
    for open_store in open_stores:
        open_store.close()


def store_place(settings: Settings) -> str:
    """Return the chosen store's place, without credentials, whether it exists or not."""
    return store_from_url(settings.store_url()).place


def prepare_destination(open_store: OpenStore, settings: Settings, person: Person, *, account: str) -> Destination:
    """Return the destination of a new key: the store, or a local store that is created when the key is saved.

    All questions to a person are asked now, before the key.

    Raises:
        CannotOpen: the store's KEK is missing or wrong. KekMissing: no place for the KEK of a new store was found.
    """
    from kojikey.operations.adding import Destination

    if open_store.header is not NO_STORE:
        open_store.prepare(account)
        return Destination(open_store)
    inputs = kek_inputs(settings, person)
    source = settings.config.get("kek") or default_kek_source(settings, person, inputs)
    inputs = _checked_inputs(source, inputs, person)
    return Destination(open_store, lambda: _create_local_store(settings, person, source, inputs))


def _checked_inputs(source: str, inputs: KekInputs, person: Person) -> KekInputs:
    """Return the inputs, with a new passphrase if the source needs one; try a source that saves nothing elsewhere.

    Raises:
        KekMissing, KekUnavailable, UsageError: the source has no KEK.
    """
    from kojikey.sealing.kek.registry import make

    if _is_typed(source, inputs) and inputs.ask_passphrase is not None:
        person.note("there is no store yet; the new one needs a passphrase, which nobody can recover")
        chosen = inputs.ask_passphrase("new")
        return inputs._replace(ask_passphrase=lambda _: chosen)
    if source.partition(":")[0] in ("env", "passphrase", "recipients"):
        make(source, store_id="", inputs=inputs._replace(warn=None))
    return inputs


def _is_typed(source: str, inputs: KekInputs) -> bool:
    from kojikey.sealing.kek.base import PASSPHRASE_FILE_VARIABLE

    return source == "passphrase" and not inputs.environ.get(PASSPHRASE_FILE_VARIABLE)


def _create_local_store(settings: Settings, person: Person, source: str, inputs: KekInputs) -> OpenStore:
    from kojikey.operations.store_admin.creating import create
    from kojikey.operations.store_admin.describing import KEK_BESIDE_STORE, lies_beside
    from kojikey.sealing.kek.registry import describe

    store = store_from_url(settings.store_url())
    try:
        header, kek = create(store, source=source, inputs=inputs)
    except StoreExists:
        return open_chosen_store(settings, person)  # another process created it first
    person.note(f"created the store {store.place}")
    person.note(f"its key-encryption key: {describe(header['kek'])}")
    if _is_typed(source, inputs) and sys.platform == "linux":
        person.note(Hint("to type the passphrase once for some hours, not at each command: ", next_step("unlock")))
    if lies_beside(header["kek"], store) and settings.warnings is not None:
        settings.warnings.text(KEK_BESIDE_STORE)
    open_store = OpenStore(store, header, inputs, actor=actor(store))
    open_store.adopt(kek)
    return open_store


def default_kek_source(settings: Settings, person: Person, inputs: KekInputs, *, place: str | None = None) -> str:
    """Return the default KEK source of a new store; ``place`` is given for a store other than the local one.

    Raises:
        KekMissing: no keychain, no terminal, nothing set.
    """
    from kojikey.sealing.kek.registry import available_default

    source = available_default(inputs, interactive=person.interactive)
    if source is None:
        raise KekMissing(
            f"there is no store yet at {place or settings.home.database}, and no place for its key-encryption key was "
            f"found (no OS keychain answered, no variable is set, and {person.why_unasked})",
            hint=_WAYS_TO_A_KEK,
            effect="no store was created",
        )
    return source


def _empty_store() -> Store:
    from kojikey.stores.memory import MemoryStore

    store = MemoryStore()
    store.create(NO_STORE)
    return store


def proxies(warn: Callable[[str], object]) -> Proxies:
    """Return the proxies that the environment names; ``warn`` is called with a sentence about ignored settings."""
    from kojikey.providers.requests.proxies import Proxies

    found = Proxies.read(Environment(os.environ))
    warning = found.warning()
    if warning:
        warn(warning)
    return found


def check_network(base_url: str) -> None:
    """Check that no proxy of the environment prevents requests to a base URL, before a key is asked for or staged.

    Raises:
        BadNetworkSettings: requests would go through a proxy that cannot be used.
    """
    from kojikey.providers.requests.proxies import Proxies

    Proxies.read(Environment(os.environ)).proxy_for(base_url)
