"""Completes a suggested command with the account and the store of this command line.

Owns: adding ``--account`` and ``--store`` to a command that would otherwise use another account or store. Must not:
write a hint's text (the code that raises the error does), or show a store's URL that has a password. Imported only
where a command is suggested.
"""

from __future__ import annotations

from kojikey.cli.command import Call
from kojikey.cli.options import ACCOUNT, STORE, TO, URL
from kojikey.cli.registry import load
from kojikey.config.settings import Settings
from kojikey.model.account import DEFAULT_ACCOUNT, checked_account
from kojikey.model.errors import KojikeyError
from kojikey.model.next_step import NextCommand, with_commands

_HELP = ("--help", "-h")
_NAMES_ACCOUNT = ("--account", "-a", "--all-accounts", "--batch")
_NAMES_STORE = ("--store", "-s", "--name")
_STORE_PLACEHOLDER = "URL"  # a hint's argument for the store, left out if --store or the environment names the store


def completed(text: str, call: Call, settings: Settings, *, account: str | None = None) -> str:
    """Return a hint whose commands have the options ``--account`` and ``--store`` that they need; text is unchanged.

    ``account`` is the account that the hint is about, None for the one of this command line.
    """
    return with_commands(text, lambda step: _complete(step, call, settings, account))


def _complete(step: NextCommand, call: Call, settings: Settings, account: str | None) -> NextCommand:
    """Add the options that the command needs and does not have yet, after its arguments."""
    if any(word in _HELP for word in step.words):
        return step
    takes = load(step.command).options
    more: list[str] = []
    account = step.account or account or settings.account.value
    if ACCOUNT in takes and not _has(step, _NAMES_ACCOUNT) and _is_needed(account, settings):
        more += ["--account", account]
    store = call.get(STORE) or call.get(URL)
    names_store = _has(step, _NAMES_STORE) or any("://" in word for word in step.words)
    if (
        store is not None
        and not names_two_stores(call)
        and STORE in takes
        and not names_store
        and _is_usable(store, settings)
    ):
        more += ["--store", store]
    is_known = "--store" in more or (
        settings.store.origin not in ("option", "default") and not names_two_stores(call) and _has_url(settings)
    )
    stands_for_store = step.words[:1] == (_STORE_PLACEHOLDER,) and not names_store
    words = step.words[1:] if stands_for_store and is_known else step.words
    index = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    return NextCommand(step.command, (*words[:index], *more, *words[index:]))


def names_two_stores(call: Call) -> bool:
    """Return whether the command reads one store and writes another; then a hint cannot know which one it is about."""
    return call.get(TO) is not None


def _has(step: NextCommand, options: tuple[str, ...]) -> bool:
    return any(word in options for word in step.words)


def _is_needed(account: str, settings: Settings) -> bool:
    """Return whether a command has to name the account: the environment may have another one at the next command."""
    try:
        checked_account(account)
    except KojikeyError:  # a malformed name from a store that was tampered with
        return False
    default = settings.environ.get("KOJIKEY_ACCOUNT") or settings.config.get("account") or DEFAULT_ACCOUNT
    return not account == default == DEFAULT_ACCOUNT


def _is_usable(store: str, settings: Settings) -> bool:
    return _has_url(settings.for_store(store)) and store.isprintable()


def _has_url(settings: Settings) -> bool:
    """Return whether the chosen store can be used; an unknown name cannot, nor a URL with a password as an option."""
    try:
        settings.store_url()
    except KojikeyError:
        return False
    return True
