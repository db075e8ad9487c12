"""``kojikey complete``: prints the values that completion scripts offer. Opens no key, asks nothing, shows no error."""

from __future__ import annotations

import re

from kojikey.cli.call_settings import settings_of
from kojikey.cli.command import Argument, Call, Command
from kojikey.cli.options import ACCOUNT, STORE
from kojikey.cli.output.stdout import write_line
from kojikey.config.settings import LOCAL
from kojikey.model.errors import KojikeyError

KIND = Argument("kind", "KIND", "what to complete")

# A word in which no shell expands anything. Names come from stores and files that others may write.
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+:/-]*")


def complete(call: Call) -> int:
    """Print the values of a kind, one per line, except those that a shell could expand; none if they cannot be read."""
    try:
        values = _values(call[KIND], call)
    except (KojikeyError, OSError):
        return 0
    for value in values:
        if _WORD.fullmatch(value):
            write_line(value)
    return 0


def _values(kind: str, call: Call) -> list[str]:
    from kojikey import wiring
    from kojikey.providers.catalog import load_catalog
    from kojikey.providers.entries import read_entries

    settings = settings_of(call)
    if kind == "provider":
        return list(read_entries(settings.home.providers))
    if kind == "account":
        return [stored.ref.account for stored in wiring.open_chosen_store(settings, None).store.accounts()]
    if kind == "store":
        return [LOCAL, *settings.config.get("stores", {})]
    if kind == "config":
        from kojikey.config import config_file

        return [*config_file.SETTINGS, *(f"stores.{name}.url" for name in settings.config.get("stores", {}))]
    if kind == "capability":
        catalog = load_catalog(settings.home.providers)
        names = [name for provider in catalog.ids() for name in catalog.get(provider).capabilities]
        return list(dict.fromkeys(names))
    if kind == "kek":
        return ["keychain", "passphrase", "env", "file:", "awskms:"]
    if kind == "setting":
        from kojikey.operations.key_settings import SETTINGS

        return list(SETTINGS)
    if kind == "shell":
        from kojikey.cli.completion.shells import SHELLS

        return list(SHELLS)
    if kind == "topic":
        from kojikey.cli.registry import GROUPS, HIDDEN, MODULES

        return ["exit-codes", *(name for name in MODULES if name not in HIDDEN and " " not in name), *GROUPS]
    return []


COMMANDS = (
    Command(
        "complete",
        "print values for completion scripts",
        complete,
        options=(ACCOUNT, STORE),
        arguments=(KIND,),
    ),
)
