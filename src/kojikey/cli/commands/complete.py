"""``kojikey complete``: prints the values that completion scripts offer. Opens no key, asks nothing, shows no error."""

from __future__ import annotations

import re

from kojikey.cli.call_settings import settings_of
from kojikey.cli.command import Argument, Call, Command, OptionalArgument
from kojikey.cli.options import ACCOUNT, STORE
from kojikey.cli.output.stdout import write_line
from kojikey.config.settings import LOCAL
from kojikey.model.errors import KojikeyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

KIND = Argument("kind", "KIND", "what to complete")
PROVIDER_TYPED = OptionalArgument("provider", "PROVIDER", "the provider whose capabilities are completed")

# A word in which no shell expands anything. Names come from stores and files that others may write.
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+:/-]*")


def complete(call: Call) -> int:
    """Print the values of a kind, one per line, except those that a shell could expand; none if they cannot be read."""
    values = _VALUES.get(call[KIND])
    try:
        words = [word for word in values(call) if _WORD.fullmatch(word)] if values else []
    except (KojikeyError, OSError):
        return 0
    for word in words:
        write_line(word)
    return 0


def _providers(call: Call) -> Iterable[str]:
    from kojikey.providers.entries import read_entries

    return read_entries(settings_of(call).home.providers)


def _providers_or_words(call: Call) -> Iterable[str]:
    """Return what may follow ``kojikey providers``."""
    from kojikey.providers.index import RESERVED_IDS

    return (*RESERVED_IDS, *_providers(call))


def _accounts(call: Call) -> Iterable[str]:
    from kojikey import wiring

    return (stored.ref.account for stored in wiring.open_chosen_store(settings_of(call), None).store.accounts())


def _stores(call: Call) -> Iterable[str]:
    return (LOCAL, *settings_of(call).config.get("stores", {}))


def _config(call: Call) -> Iterable[str]:
    from kojikey.config import config_file

    return (*config_file.SETTINGS, *(f"stores.{name}.url" for name in settings_of(call).config.get("stores", {})))


def _capabilities(call: Call) -> Iterable[str]:
    from kojikey.providers.catalog import load_catalog

    definitions = load_catalog(settings_of(call).home.providers).definitions
    chosen = definitions.get(call[PROVIDER_TYPED] or "")
    wanted = [chosen] if chosen else definitions.values()
    return dict.fromkeys(name for definition in wanted for name in definition.capabilities)


def _settings_of_a_key(_: Call) -> Iterable[str]:
    from kojikey.operations.key_settings import SETTINGS

    return SETTINGS


def _shells(_: Call) -> Iterable[str]:
    from kojikey.cli.completion.shells import SHELLS

    return SHELLS


def _topics(_: Call) -> Iterable[str]:
    from kojikey.cli.registry import GROUPS, HIDDEN, MODULES

    return ("exit-codes", *(name for name in MODULES if name not in HIDDEN and " " not in name), *GROUPS)


_VALUES: dict[str, Callable[[Call], Iterable[str]]] = {
    "provider": _providers,
    "provider_or_word": _providers_or_words,
    "account": _accounts,
    "store": _stores,
    "config": _config,
    "capability": _capabilities,
    "kek": lambda _: ("keychain", "passphrase", "env", "file:", "recipients", "awskms:"),
    "setting": _settings_of_a_key,
    "shell": _shells,
    "topic": _topics,
}


COMMANDS = (
    Command(
        "complete",
        "print values for completion scripts",
        complete,
        options=(ACCOUNT, STORE),
        arguments=(KIND, PROVIDER_TYPED),
    ),
)
