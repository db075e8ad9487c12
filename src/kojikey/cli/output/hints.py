"""A command that is suggested means the same account and the same store as the one that suggests it.

Owns: completing each ``kojikey …`` of a text with ``--account`` and ``--store`` where it would else mean others.
Must not: word a hint (the place that knows does), or show a store's URL that has a password.
Imported only where something is suggested.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from kojikey.cli.call_settings import settings_of
from kojikey.cli.commands import MODULES, load
from kojikey.cli.parsing.command import Call
from kojikey.config.settings import Settings, has_password
from kojikey.model.account import DEFAULT_ACCOUNT, checked_account
from kojikey.model.errors import KojikeyError, StoreNotFound
from kojikey.providers.entries import read_entries

_SUGGESTED = re.compile(r"(?<![\w/-])kojikey (?=[a-z])")
_END = re.compile(r"[,;:)](?=\s|$)")
_HELP = ("--help", "-h")
_NAMES_ACCOUNT = ("--account", "-a", "--all-accounts", "--batch")
_NAMES_STORE = ("--store", "-s")


class Chosen(NamedTuple):
    """What a suggested command has to say to mean the same: None where it need not. ``arguments`` may follow a name."""

    account: str | None
    store: str | None
    arguments: frozenset[str]


def chosen(call: Call, settings: Settings, *, account: str | None = None) -> Chosen:
    """Return what was chosen; ``account`` is the one that the text is about, where it may be another."""
    account = account or settings.account.value
    store = call.text("store") or call.text("url")
    return Chosen(
        account if _is_needed(account, settings) else None,
        store if store is not None and _is_usable(store, settings) else None,
        _providers(settings.home.providers) | {account},
    )


@cache
def _providers(folder: str) -> frozenset[str]:
    try:
        return frozenset(read_entries(folder))
    except KojikeyError:
        return frozenset()


def _is_needed(account: str, settings: Settings) -> bool:
    """Tell whether an account has to be said; one in the environment may be another for the next command."""
    try:
        checked_account(account)
    except KojikeyError:  # of a store that was tampered with
        return False
    unsaid = settings.environ.get("KOJIKEY_ACCOUNT") or settings.config.get("account") or DEFAULT_ACCOUNT
    return not account == unsaid == DEFAULT_ACCOUNT


def _is_usable(store: str, settings: Settings) -> bool:
    try:
        settings.for_store(store).store_url()
    except KojikeyError:  # a name that is not known, a URL with a password
        return False
    return store.isprintable()


def completed(text: str, what: Chosen) -> str:
    """Return a text in which every suggested command says the account and the store that it is about."""
    first, *rest = _SUGGESTED.split(text)
    return first + "".join("kojikey " + _completed(piece, what) for piece in rest)


def _completed(piece: str, what: Chosen) -> str:
    """Complete the command that a piece begins with, after its name and its arguments."""
    words = piece.replace(",", " ").replace(";", " ").split()
    name = next((name for name in (" ".join(words[:2]), words[0]) if name in MODULES), None)
    if name is None:
        return piece
    arguments = "|".join(["[A-Z]{2,}", *map(re.escape, sorted(what.arguments))])
    spelt = re.match(rf"{name}(?: (?:{arguments})(?=[\s,;:)]|$))*", piece)
    if spelt is None:
        return piece
    end = _END.search(piece)
    more = _options(name, piece[: end.start() if end else len(piece)].split(), what)
    return spelt[0] + "".join(f" {word}" for word in more) + piece[spelt.end() :]


def _options(name: str, words: list[str], what: Chosen) -> list[str]:
    takes = {option.name for option in load(name).options if option.kind == "text"}
    if _has(words, _HELP):
        return []
    more: list[str] = []
    if what.account and "account" in takes and not _has(words, _NAMES_ACCOUNT):
        more += ["--account", what.account]
    if what.store and "store" in takes and not _has(words, _NAMES_STORE) and "://" not in " ".join(words):
        more += ["--store", shlex.quote(what.store)]
    return more


def _has(words: Iterable[str], options: tuple[str, ...]) -> bool:
    return any(word in options for word in words)


def complete_hint(error: Exception, call: Call) -> None:
    """Give an error that a command raised the hint that people are to read, completed."""

    from kojikey.cli.exits import hint_of
    from kojikey.cli.output.failure import first_of_ours

    ours = first_of_ours(error)
    if not isinstance(ours, KojikeyError):
        return
    hint = hint_of(ours, command=call.command.name)
    if call.command.name != "store copy":  # a hint would have to name one of its two stores
        try:
            settings = settings_of(call)
        except KojikeyError:
            pass
        else:
            hint = _own_url(ours, settings) or hint
            hint = completed(hint, chosen(call, settings, account=getattr(ours, "account", None)))
    ours.hint = hint


def _own_url(error: KojikeyError, settings: Settings) -> str | None:
    """Return how to make a store that is not there by the URL that it was named by: its place may be no URL."""
    if not isinstance(error, StoreNotFound) or error.hint or not error.store:
        return None
    try:
        url = settings.store_url()
    except KojikeyError:
        return None
    return None if has_password(url) else f"kojikey store init {shlex.quote(url)} --kek SOURCE"
