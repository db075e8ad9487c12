"""Reads one table of a definition: takes each key with its type, and collects every mistake with its key path.

Must not: know what the keys mean; that is :mod:`.definition_file`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from types import UnionType
from typing import Any, TypeVar

from kojikey.model.key_detection import looks_like_key
from kojikey.providers.bounded_regex import matches_anything, unbounded

T = TypeVar("T")
_FALLBACK = re.compile("")
_NOTHING = object()
_SHOWN = re.compile(r"[A-Za-z0-9_-]{1,24}(?:\[[0-9]+\])?")


def shown_name(name: str) -> str:
    """Return a name from a file as messages may show it: a possible pasted key is left out."""
    return name if _SHOWN.fullmatch(name) and not looks_like_key(name) else "(a name that is not shown)"


def without_quotes(error: Exception) -> str:
    """Return the text of an error without its quotations from the file."""
    return re.sub(r"'[^']*'?|\"[^\"]*\"?", "...", str(error))


class Table:
    """A TOML table that is read key by key. Mistakes go into ``problems`` (shared by all tables of a file).

    A missing or wrong value becomes a harmless one of the right type, so that reading continues and the rest of
    the mistakes is found too; a file with any problem never becomes a definition.
    """

    def __init__(self, content: dict[str, Any], path: str, problems: list[str]) -> None:
        self._content, self._path, self._problems = content, path, problems
        self._seen: set[str] = set()

    def at(self, key: str) -> str:
        """Return the key's path as people find it: ``checks[2].path``; a name that may be a pasted key is left out."""
        shown = ".".join(map(shown_name, key.split(".")))
        return f"{self._path}.{shown}" if self._path else shown

    def problem(self, key: str, what: str) -> None:
        """Note a mistake at a key."""
        self._problems.append(f"{self.at(key)} {what}")

    def has(self, key: str) -> bool:
        """Return whether the key is there."""
        return key in self._content

    def text(self, key: str, default: str | None = None) -> str:
        """Take a text that is not empty; ``default=None`` means that the key must be there."""
        value = self._take(key, str, "text", default)
        if value == "" and default is None and self.has(key):
            self.problem(key, "is empty")
        return value if value is not None else ""

    def flag(self, key: str, *, default: bool) -> bool:
        """Take true or false."""
        return bool(self._take(key, bool, "true or false", default))

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """Take a list of texts that are not empty and differ."""
        values = self._list(key, required=required)
        good = [value for value in values if isinstance(value, str) and value]
        if len(good) != len(values):
            self.problem(key, "must be a list of texts")
        if len(set(good)) != len(good):
            self.problem(key, "contains the same value twice")
        return tuple(good)

    def numbers(self, key: str) -> frozenset[int]:
        """Take a list of HTTP statuses."""
        values = self._list(key)
        good = [v for v in values if isinstance(v, int) and not isinstance(v, bool) and 100 <= v <= 599]
        if len(good) != len(values):
            self.problem(key, "must be a list of HTTP statuses")
        return frozenset(good)

    def words(self, key: str) -> frozenset[str]:
        """Take a list of texts and of true and false, which become texts."""
        values = self._list(key)
        good = [str(v).lower() if isinstance(v, bool) else v for v in values if isinstance(v, bool | str) and v != ""]
        if len(good) != len(values):
            self.problem(key, "must be a list of texts, true or false")
        return frozenset(good)

    def number(self, key: str) -> float | None:
        """Take a number, None where the key is not there."""
        value = self._take(key, int | float, "a number", _NOTHING)
        if isinstance(value, bool):
            self.problem(key, "must be a number")
        return None if value is _NOTHING or isinstance(value, bool) else float(value)

    def one_of(self, key: str, known: tuple[str, ...], default: str | None = None) -> str:
        """Take a text that is one of those known."""
        value = self.text(key, default)
        if value and value not in known:
            self.problem(key, f"is not one of {', '.join(known)}")
            return known[0]
        return value

    def shape(self, key: str, *, is_shared: bool) -> re.Pattern[str]:
        """Take the regular expression of a whole key, which tells keys of one company from those of others.

        One that ``is_shared`` tells nothing of the kind, and refuses no key.
        """
        regex = self.compiled(key, self.text(key), is_shape=True)
        if matches_anything(regex) and not is_shared:
            self.problem(
                key, "matches keys of other companies too: it must include the beginning of this company's keys"
            )
        return regex

    def pattern(self, key: str) -> re.Pattern[str] | None:
        """Take a regular expression, None where the key is not there."""
        return self.compiled(key, self.text(key)) if self.has(key) else None

    def compiled(self, key: str, regex: str, *, is_shape: bool = False) -> re.Pattern[str]:
        """Return the compiled expression, noting where it is not one or could take too long to match."""
        try:
            compiled = re.compile(regex)
        except (re.error, OverflowError, RecursionError) as error:
            self.problem(key, f"is not a regular expression ({without_quotes(error)})")
            return _FALLBACK
        problem = unbounded(regex, is_shape=is_shape)
        if problem:
            self.problem(key, problem)
        return _FALLBACK if problem else compiled

    def https(self, key: str, default: str | None = None) -> str:
        """Take the address of a page."""
        value = self.text(key, default)
        if value and not re.fullmatch(r"https://[A-Za-z0-9.-]+(/[!-~]*)?", value):
            self.problem(key, "is not an https address")
        return value

    def mapping(self, key: str, *, required: bool = False) -> dict[str, str]:
        """Take a table of texts."""
        content = self._take(key, dict, "a table", None if required else {}) or {}
        for name, value in content.items():
            if not isinstance(value, str):
                self.problem(f"{key}.{name}", "must be text")
        return {name: value for name, value in content.items() if isinstance(value, str)}

    def is_table(self, key: str) -> bool:
        """Return whether there is a table at the key."""
        return isinstance(self._content.get(key), dict)

    def choices(self, key: str) -> dict[str, tuple[str, ...]]:
        """Take a table whose members are a text, or a list of texts, each."""
        content = self._take(key, dict, "a table", {}) or {}
        inner = Table(content, self.at(key), self._problems)
        return {name: inner.text_or_texts(name) for name in content}

    def text_or_texts(self, key: str) -> tuple[str, ...]:
        """Take a text or a list of texts."""
        return self.texts(key, required=True) if isinstance(self._content.get(key), list) else (self.text(key),)

    def free(self, key: str) -> dict[str, Any] | None:
        """Take a table of anything, None where the key is not there."""
        return self._take(key, dict, "a table", {}) if self.has(key) else None

    def table(self, key: str, read: Callable[[Table], T]) -> T | None:
        """Read the table at a key, None where the key is not there."""
        content = self.free(key)
        return None if content is None else self._read(content, self.at(key), read)

    def required_table(self, key: str, read: Callable[[Table], T]) -> T:
        """Read the table at a key that must be there; if it is missing, that is the only problem noted."""
        content = self._take(key, dict, "a table", None)
        return read(Table({}, key, [])) if content is None else self._read(content, self.at(key), read)

    def tables(self, key: str, read: Callable[[Table], T], *, required: bool = False) -> tuple[T, ...]:
        """Read the list of tables at a key."""
        return tuple(self._each(key, read, required=required))

    def finish(self) -> None:
        """Note the keys that were not read: they are unknown."""
        for key in self._content:
            if key not in self._seen:
                self.problem(key, "is not a key of a definition")

    def _each(self, key: str, read: Callable[[Table], T], *, required: bool) -> Iterator[T]:
        for number, content in enumerate(self._list(key, required=required), 1):
            if isinstance(content, dict):
                yield self._read(content, f"{self.at(key)}[{number}]", read)
            else:
                self.problem(f"{key}[{number}]", "must be a table")

    def _read(self, content: dict[str, Any], path: str, read: Callable[[Table], T]) -> T:
        inner = Table(content, path, self._problems)
        result = read(inner)
        inner.finish()
        return result

    def _list(self, key: str, *, required: bool = False) -> list[Any]:
        values = self._take(key, list, "a list", None if required else []) or []
        if required and self.has(key) and not values:
            self.problem(key, "is empty")
        return values

    def _take(self, key: str, kind: type | UnionType, what: str, default: Any) -> Any:
        self._seen.add(key)
        if key not in self._content:
            if default is None:
                self.problem(key, "is missing")
            return default
        value = self._content[key]
        if not isinstance(value, kind):
            self.problem(key, f"must be {what}")
            return default
        return value
