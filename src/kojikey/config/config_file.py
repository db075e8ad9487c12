"""Reads config.toml, and reports its mistakes by line and key. Imported only if the file exists.

Must not: write the file; ``config_edit.py`` does.
"""

from __future__ import annotations

import re
from typing import Any

from kojikey.model.errors import BadConfig, Conflict, Effect, UsageError
from kojikey.model.key_detection import looks_like_key
from kojikey.model.plain_file import open_plain
from kojikey.model.text_file import decoded
from kojikey.model.toml_text import parse_toml

SETTINGS = {
    "account": "the account, unless named",
    "store": "the store, unless named",
    "kek": "the KEK source of a new local store",
    "admin_account": "whose admin keys rotate --mint uses, unless named",
}
_ACCOUNTS = ("account", "admin_account")  # a key has the form of an account's name, and messages repeat the name
_PLAIN_NAME = re.compile(r"[A-Za-z0-9 ._-]{1,64}")
STORE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def parse_config(text: str, path: str) -> dict[str, Any]:
    """Return the values of config.toml.

    Raises:
        BadConfig: all mistakes at once, each with its line and key.
    """
    try:
        config = parse_toml(text)
    except ValueError as error:
        raise BadConfig(path, [f"it is not TOML: {error}"]) from None
    problems = [problem for name, value in config.items() for problem in _problems(name, value, text)]
    if problems:
        raise BadConfig(path, problems)
    return config


def read_text(path: str) -> str:
    """Return the text of config.toml, without a byte-order mark and with ``\\n`` as line end.

    Raises:
        BadConfig: it cannot be read, or is not text.
    """
    try:
        with open_plain(path) as file:
            text = decoded(file.read())
    except OSError as error:
        raise unreadable(path, error) from None
    if text is None:
        raise BadConfig(path, ["it is not UTF-8 text"])
    return text.replace("\r\n", "\n")


def unreadable(path: str, error: OSError | ValueError) -> BadConfig:
    """Return the error about a config.toml that exists, or may exist, and cannot be read."""
    reason = error.strerror if isinstance(error, OSError) else "that is not a path"
    hint = f"make {path} readable, or set KOJIKEY_HOME to another folder"
    return BadConfig(path, [f"it cannot be read ({reason})"], hint=hint)


def _problems(name: str, value: object, text: str) -> list[str]:
    if name == "stores":
        return _store_problems(value, text)
    if name not in SETTINGS:
        known = ", ".join([*SETTINGS, "stores.NAME.url"])
        return [f"line {_line(text, name)}: {_shown(name)} is not a setting (known: {known})"]
    if not isinstance(value, str) or not value:
        return [f"line {_line(text, name)}: {name} must be text in quotes that is not empty"]
    if name in _ACCOUNTS and looks_like_key(value):
        return [f"line {_line(text, name)}: {name} looks like a provider key; it was not used and is not repeated"]
    return []


def _store_problems(stores: object, text: str) -> list[str]:
    if not isinstance(stores, dict):
        return [f"line {_line(text, 'stores')}: stores must be tables like [stores.team]"]
    problems = []
    for name, store in stores.items():
        line, shown = _line(text, name), _shown(name)
        if not STORE_NAME.fullmatch(name):
            problems.append(f"line {line}: stores.{shown} is not a name (a-z 0-9 . _ -)")
        if not isinstance(store, dict):
            problems.append(f"line {line}: stores.{shown} must be a table with a url")
            continue
        problems += [
            f"line {_line(text, key)}: stores.{shown}.{_shown(key)} is not a setting (known: url)"
            for key in store
            if key != "url"
        ]
        if not isinstance(store.get("url"), str) or "://" not in store["url"]:
            problems.append(f"line {line}: stores.{shown}.url must be a store URL in quotes")
    return problems


def _shown(name: str) -> str:
    """Return a name for a message, without one that may be a pasted key or that has unusual characters."""
    is_plain = _PLAIN_NAME.fullmatch(name) is not None and not looks_like_key(name)
    return name if is_plain else "(a name that is not shown)"


def _line(text: str, key: str) -> int:
    """Return the number of the first line with this key; 1 if the key is written in an unusual way."""
    pattern = re.compile(rf"^\s*(\[.*)?[\"']?{re.escape(key)}[\"']?\s*([=\].]|$)")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)), 1)


def check_store_name(config: dict[str, Any], path: str, name: str, url: str) -> None:
    """Check that a store may have this name in config.toml, before the store is created.

    Raises:
        UsageError: it has a wrong form, or is the name of the local store. Conflict: another store has it already.
    """
    if not STORE_NAME.fullmatch(name):
        raise UsageError(
            "that is not a name for a store (a-z 0-9 . _ -)",
            hint="choose another, for example team",
            effect=Effect.NOTHING_CREATED,
        )
    if name == "local":
        raise UsageError(
            "local is the name of the store in the data folder", hint="choose another", effect=Effect.NOTHING_CREATED
        )
    if config.get("stores", {}).get(name, {"url": url})["url"] != url:
        raise Conflict(
            f"the name {name} belongs to another store already (in {path})",
            hint=f"choose another name, or take [stores.{name}] out of {path}",
            effect=Effect.NOTHING_CREATED,
        )
