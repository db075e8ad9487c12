"""Reads the lines of a batch: a JSON object per line. A malformed line fails alone.

Must not: repeat any part of a line.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from kojikey.cli.commands import key_input
from kojikey.model.account import checked_account
from kojikey.model.errors import Effect, KojikeyError, UsageError
from kojikey.model.key_detection import looks_like_key
from kojikey.model.text_file import UTF_8_MARK
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.rotating import Replacement
from kojikey.operations.rotating_many import FailedLine, Line
from kojikey.providers.catalog import Catalog
from kojikey.providers.key_cleaning import clean

_LONGEST_LINE = 64 * 1024
_REQUIRED = ("account", "provider", "key")
_MEMBERS = {*_REQUIRED, "base_url", "label"}
_FORM = "a line is a JSON object with account, provider and key, and base_url or label where they are needed"
_SHORTEST_SEARCHED = 8  # characters; a shorter key may be part of an ordinary name


def count_lines(stream: BinaryIO) -> int | None:
    """Return the number of lines that ``read_lines`` will yield; None for a pipe, whose end is not known."""
    try:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            return None
    except OSError:  # not a stream of the operating system
        return None
    start, count = stream.tell(), 0
    while part := stream.readline(_LONGEST_LINE):
        count += bool(part.strip()) and (part.endswith(b"\n") or len(part) < _LONGEST_LINE)
    stream.seek(start)
    return count


def read_lines(
    stream: BinaryIO,
    catalog: Catalog,
    settings: KeySettings,
    *,
    is_shape_forced: bool,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Line | FailedLine]:
    """Yield the lines of a batch, except blank ones; a malformed line is yielded as failed.

    ``settings`` apply to every key; ``tell`` receives notes about a line.
    """
    number = 0
    while raw := stream.readline(_LONGEST_LINE + 1):
        number += 1
        raw = raw.removeprefix(UTF_8_MARK) if number == 1 else raw
        is_whole = raw.endswith(b"\n") or len(raw) <= _LONGEST_LINE
        rest = raw
        while not rest.endswith(b"\n") and rest and not is_whole:
            rest = stream.readline(_LONGEST_LINE)
        if not raw.strip():
            continue
        try:
            fields = _fields(raw if is_whole else None)
        except UsageError as error:
            yield FailedLine(number, None, None, _numbered(error, number))
            continue
        yield _line(number, fields, catalog, settings, is_shape_forced=is_shape_forced, tell=tell)


def _numbered(error: KojikeyError, number: int) -> KojikeyError:
    return UsageError(f"line {number}: {error}", hint=error.hint or _FORM)


def _fields(raw: bytes | None) -> dict[str, str]:
    if raw is None:
        raise UsageError(f"it has more than {_LONGEST_LINE} bytes")
    try:
        fields = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError):
        fields = None  # the error holds the line, which may have a key: do not raise from it
    if not isinstance(fields, dict):
        raise UsageError("it is not a JSON object in which each member occurs once")
    missing = [name for name in _REQUIRED if name not in fields]
    if missing:
        raise UsageError("it lacks " + " and ".join(missing))
    if set(fields) - _MEMBERS:
        raise UsageError("it has members other than account, provider, key, base_url and label")
    given = {name: value for name, value in fields.items() if value is not None}
    if not all(isinstance(value, str) for value in given.values()) or not all(name in given for name in _REQUIRED):
        raise UsageError("its members are not all text")
    return given


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a member occurs twice")
    return dict(pairs)


def _line(
    number: int,
    fields: dict[str, str],
    catalog: Catalog,
    settings: KeySettings,
    *,
    is_shape_forced: bool,
    tell: Callable[[str], None],
) -> Line | FailedLine:
    from msgspec.structs import replace

    def tell_number(text: str) -> None:
        tell(f"line {number}: {text}")

    account = provider = None
    try:
        _refuse_keys(fields)
        account = checked_account(fields["account"])
        definition = catalog.get(fields["provider"])
        provider = definition.id
        base_url, label = fields.get("base_url"), fields.get("label")
        settings = replace(
            settings,
            base_url=key_input.read_base_url(base_url, definition, tell_number) if base_url is not None else None,
            label=key_input.checked_label(label),
        )
        secret = clean(fields["key"], definition, catalog, force_shape=is_shape_forced).secret
    except KojikeyError as error:
        return FailedLine(number, account, provider, _numbered(error, number))
    return Line(number, Replacement(account, provider, secret, settings))


def _refuse_keys(fields: dict[str, str]) -> None:
    """Check that only the member ``key`` holds a key: another member is stored unsealed, and printed.

    Raises:
        UsageError: another member looks like a key; it is not repeated.
    """
    key = fields["key"].strip()
    for name, value in fields.items():
        if name != "key" and (looks_like_key(value) or (len(key) >= _SHORTEST_SEARCHED and key in value)):
            raise UsageError(
                f"its {name} looks like a provider key; it is not repeated here",
                hint="the key goes into the member key, and nowhere else",
                effect=Effect.NOTHING_CHANGED,
            )
