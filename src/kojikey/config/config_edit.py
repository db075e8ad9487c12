"""Changes config.toml: one value at a time, and nothing else in the file. The file is written completely or not at all.

Owns: writing the file. Must not: know which values a setting may have (``config_file.py`` does), or where one comes
from. tomlkit, which keeps comments, is imported only to change an existing file.
"""

from __future__ import annotations

import os
import tomllib
from copy import deepcopy
from typing import Any

from kojikey.config.config_file import check_store_name, parse_config, read_text
from kojikey.model.atomic_file import write_whole
from kojikey.model.errors import BadConfig, ConfigUnwritable
from kojikey.model.private_folder import make_private_folder

_MARK = "\N{BYTE ORDER MARK}"


def write_store_name(path: str, name: str, url: str) -> None:
    """Add ``[stores.NAME] url`` to config.toml.

    Raises:
        BadConfig: the file has mistakes; it was not changed. ConfigUnwritable: it cannot be written.
        UsageError, Conflict: as for :func:`check_store_name`.
    """
    check_store_name(_values(path), path, name, url)
    set_value(path, ("stores", name, "url"), url)


def set_value(path: str, keys: tuple[str, ...], value: str) -> bool:
    """Set a setting, and return whether its value is new. The file is created if it does not exist.

    Raises:
        BadConfig: the file has mistakes, or would have one; it was not changed. ConfigUnwritable: it cannot be written.
    """
    before = _values(path)
    after = deepcopy(before)
    _table(after, keys[:-1])[keys[-1]] = value
    if after == before:
        return False
    if not os.path.lexists(path):
        import tomli_w

        _replace(path, tomli_w.dumps(after))
        return True
    import tomlkit

    document = tomlkit.parse(read_text(path))
    _table(document, keys[:-1])[keys[-1]] = value
    _replace(path, _checked(tomlkit.dumps(document), after, path))
    return True


def unset_value(path: str, keys: tuple[str, ...]) -> bool:
    """Remove a setting and each table that is empty afterwards; return whether it was set.

    Raises:
        BadConfig, ConfigUnwritable: as for :func:`set_value`.
    """
    before = _values(path)
    if value_of(before, keys) is None:
        return False
    after = deepcopy(before)
    _remove(after, keys)
    import tomlkit

    document = tomlkit.parse(read_text(path))
    _remove(document, keys)
    _replace(path, _checked(tomlkit.dumps(document), after, path))
    return True


def value_of(config: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    """Return the value of a setting, None if it is not set."""
    found: Any = config
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, str) else None


def _values(path: str) -> dict[str, Any]:
    return parse_config(read_text(path), path) if os.path.lexists(path) else {}


def _table(document: Any, keys: tuple[str, ...]) -> Any:
    """Return the table under the given keys, after creating it if it does not exist."""
    for key in keys:
        if key not in document:
            document[key] = {}
        document = document[key]
    return document


def _remove(document: Any, keys: tuple[str, ...]) -> None:
    tables = [document]
    for key in keys[:-1]:
        tables.append(tables[-1][key])
    for table, key in zip(reversed(tables), reversed(keys), strict=True):
        if key == keys[-1] or not table[key]:
            del table[key]


def _checked(text: str, expected: dict[str, Any], path: str) -> str:
    """Return the new text of the file, after checking that it has the expected values.

    Raises:
        BadConfig: it has other values, or mistakes.
    """
    parse_config(text, path)
    if tomllib.loads(text) != expected:
        raise BadConfig(
            path, ["kojikey cannot change this value in its present form; it was not changed, edit it by hand"]
        )
    return text


def _replace(path: str, text: str) -> None:
    """Write the file with its old line ends, byte-order mark and mode; a symbolic link is followed, not replaced."""
    target = os.path.realpath(path)
    try:
        make_private_folder(os.path.dirname(target))
        like, form = _form_of(target)
        write_whole(target, (form(text),), like=like)
    except OSError as error:
        raise ConfigUnwritable(path, error.strerror) from None


def _form_of(path: str) -> tuple[os.stat_result | None, Any]:
    """Return the mode and owner of the old file, and a function that encodes a text in the form of the old file."""
    try:
        with open(path, "rb") as file:
            before, like = file.read(), os.fstat(file.fileno())
    except FileNotFoundError:
        return None, str.encode
    mark = _MARK if before.startswith(_MARK.encode()) else ""
    line_end = "\r\n" if b"\r\n" in before else "\n"
    return like, lambda text: (mark + text.replace("\n", line_end)).encode()
