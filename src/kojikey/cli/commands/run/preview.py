"""``kojikey run --dry-run``: shows the variables that a program would get, and the key of each.

Opens no key and needs no KEK. Must not: show a key unmasked, or start anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kojikey import wiring
from kojikey.cli.command import Call
from kojikey.cli.commands.run.keys import held_providers, note_missing_key
from kojikey.cli.options import JSON
from kojikey.cli.output import documents
from kojikey.cli.output.stdout import write_line
from kojikey.cli.output.terminal import Terminal
from kojikey.config.settings import Settings
from kojikey.model.key import Key
from kojikey.model.masking import mask
from kojikey.model.ref import Document
from kojikey.operations.key_records import key_of
from kojikey.operations.open_store import OpenStore
from kojikey.providers.index import IndexEntry


def preview(
    call: Call,
    settings: Settings,
    index: dict[str, IndexEntry],
    listed: tuple[str, ...],
    named: Mapping[str, str],
) -> int:
    """Print the variables that would be set, and return the exit code.

    ``listed`` are the providers of ``--provider``, ``named`` the providers of ``--env`` by variable.
    """
    terminal = Terminal(call, settings)
    open_store = wiring.open_chosen_store(settings, None)
    account = settings.account.value
    wanted = dict.fromkeys((*listed, *named.values())) or held_providers(call, settings, open_store, index)
    keys = dict(_keys(call, open_store, account, wanted))
    shown = {provider: index[provider] for provider in listed or (() if named else keys)}
    rows = list(_rows(keys, shown, named))
    if call[JSON]:
        return documents.write("run", 0, [_fields(name, key, url) for name, key, url in rows])
    for name, key, url in rows:
        write_line(f"{name}  {key.provider}  {url or terminal.masked(key.current.tail)}")
    if not rows:
        terminal.note(f"no variable would be set for account {account}; nothing was started")
    return 0


def _rows(
    keys: Mapping[str, Key], listed: Mapping[str, IndexEntry], named: Mapping[str, str]
) -> Iterator[tuple[str, Key, str | None]]:
    """Yield each variable with its key, and with the base URL if that is its value."""
    for provider, entry in listed.items():
        if provider in keys:
            key = keys[provider]
            yield from ((name, key, None) for name in entry.env)
            yield from ((name, key, url) for name, url in entry.base_url_variable(key.current.base_url).items())
    yield from ((name, keys[provider], None) for name, provider in named.items() if provider in keys)


def _keys(call: Call, open_store: OpenStore, account: str, providers: Mapping[str, None]) -> Iterator[tuple[str, Key]]:
    is_disabled = open_store.is_disabled(account)
    for provider in providers:
        stored = open_store.find_key(account, provider)
        if stored is None or is_disabled:
            note_missing_key(call, open_store, account, provider)
        else:
            yield provider, key_of(stored)


def _fields(name: str, key: Key, url: str | None) -> Document:
    current = key.current
    fields: Document = {"name": name, "account": key.account, "provider": key.provider}
    return fields | {"masked": mask(current.tail), "version": current.number, "base_url": url}
