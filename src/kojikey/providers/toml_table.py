"""Reads one table of a definition: returns the value of each key with its type, and collects all mistakes.

Must not: know the meaning of the keys (:mod:`.definition_file` and :mod:`.check_tables` do).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from types import UnionType
from typing import Any, TypeVar

from kojikey.model.key_detection import looks_like_key
from kojikey.model.plain_text import without_quotes
from kojikey.providers.bounded_regex import matches_anything, unbounded

T = TypeVar("T")
_FALLBACK = re.compile("")
_NOTHING = object()
_SHOWN = re.compile(r"[A-Za-z0-9_-]{1,24}(?:\[[0-9]+\])?")


def shown_name(name: str) -> str:
    """Return a name from a file in the form for messages, which leaves out a possible pasted key."""
    return name if _SHOWN.fullmatch(name) and not looks_like_key(name) else "(a name that is not shown)"


class Table:
    """A TOML table that is read key by key. Mistakes are added to ``problems``, which all tables of a file share.

    For a missing or wrong value a harmless one of the right type is returned, so that reading goes on and finds the
    other mistakes; the caller refuses a file with any problem.
    """

    def __init__(self, content: dict[str, Any], path: str, problems: list[str]) -> None:
        self._content, self._path, self._problems = content, path, problems
        self._seen: set[str] = set()

    def at(self, key: str) -> str:
        """Return the key's path for messages, ``checks[2].path``, without a name that may be a pasted key."""
        shown = ".".join(map(shown_name, key.split(".")))
        return f"{self._path}.{shown}" if self._path else shown

    def problem(self, key: str, predicate: str) -> None:
        """Add a mistake: a sentence whose subject is the key's path."""
        self._problems.append(f"{self.at(key)} {predicate}")

    def has(self, key: str) -> bool:
        """Return whether the table has the key."""
        return key in self._content

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text that is not empty; ``default=None`` means that the key is required."""
        value = self._take(key, str, "text", default)
        if value == "" and default is None and self.has(key):
            self.problem(key, "is empty")
        return value if value is not None else ""

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        return bool(self._take(key, bool, "true or false", default))

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...]:
        """Return a list of texts, none of which is empty or a duplicate."""
        values = self._list(key, required=required)
        good = [value for value in values if isinstance(value, str) and value]
        if len(good) != len(values):
            self.problem(key, "must be a list of texts")
        if len(set(good)) != len(good):
            self.problem(key, "contains the same value twice")
        return tuple(good)

    def numbers(self, key: str) -> frozenset[int]:
        """Return a list of HTTP statuses."""
        values = self._list(key)
        good = [v for v in values if isinstance(v, int) and not isinstance(v, bool) and 100 <= v <= 599]
        if len(good) != len(values):
            self.problem(key, "must be a list of HTTP statuses")
        return frozenset(good)

    def words(self, key: str) -> frozenset[str]:
        """Return a list of texts and of true and false, which are returned as texts."""
        values = self._list(key)
        good = [str(v).lower() if isinstance(v, bool) else v for v in values if isinstance(v, bool | str) and v != ""]
        if len(good) != len(values):
            self.problem(key, "must be a list of texts, true or false")
        return frozenset(good)

    def number(self, key: str) -> float | None:
        """Return a number, None if the key is missing."""
        value = self._take(key, int | float, "a number", _NOTHING)
        if isinstance(value, bool):
            self.problem(key, "must be a number")
        return None if value is _NOTHING or isinstance(value, bool) else float(value)

    def one_of(self, key: str, known: tuple[str, ...], default: str | None = None) -> str:
        """Return a text that is one of those known."""
        value = self.text(key, default)
        if value and value not in known:
            self.problem(key, f"is not one of {', '.join(known)}")
            return known[0]
        return value

    def shape(self, key: str, *, is_shared: bool) -> re.Pattern[str]:
        """Return the expression of a key format; only one that ``is_shared`` may match other companies' keys."""
        regex = self.compiled(key, self.text(key), is_shape=True)
        if matches_anything(regex) and not is_shared:
            self.problem(
                key, "matches keys of other companies too: it must include the beginning of this company's keys"
            )
        return regex

    def pattern(self, key: str) -> re.Pattern[str] | None:
        """Return a regular expression, None if the key is missing."""
        return self.compiled(key, self.text(key)) if self.has(key) else None

    def compiled(self, key: str, regex: str, *, is_shape: bool = False) -> re.Pattern[str]:
        """Return the compiled expression; it is a mistake if it does not compile or may take too long to match."""
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
        """Return the address of a page."""
        value = self.text(key, default)
        if value and not re.fullmatch(r"https://[A-Za-z0-9.-]+(/[!-~]*)?", value):
            self.problem(key, "is not an https address")
        return value

    def mapping(self, key: str, *, required: bool = False) -> dict[str, str]:
        """Return a table of texts."""
        content = self._take(key, dict, "a table", None if required else {}) or {}
        for name, value in content.items():
            if not isinstance(value, str):
                self.problem(f"{key}.{name}", "must be text")
        return {name: value for name, value in content.items() if isinstance(value, str)}

    def is_table(self, key: str) -> bool:
        """Return whether the key has a table."""
        return isinstance(self._content.get(key), dict)

    def choices(self, key: str) -> dict[str, tuple[str, ...]]:
        """Return a table whose members are each a text or a list of texts."""
        content = self._take(key, dict, "a table", {}) or {}
        inner = Table(content, self.at(key), self._problems)
        return {name: inner.text_or_texts(name) for name in content}

    def text_or_texts(self, key: str) -> tuple[str, ...]:
        """Return a text or a list of texts."""
        return self.texts(key, required=True) if isinstance(self._content.get(key), list) else (self.text(key),)

    def free(self, key: str) -> dict[str, Any] | None:
        """Return a table of anything, None if the key is missing."""
        return self._take(key, dict, "a table", {}) if self.has(key) else None

    def table(self, key: str, read: Callable[[Table], T]) -> T | None:
        """Read the table at a key, None if the key is missing."""
        content = self.free(key)
        return None if content is None else self._read(content, self.at(key), read)

    def required_table(self, key: str, read: Callable[[Table], T]) -> T:
        """Read the table at a required key; a missing table is one mistake, however many keys it should have."""
        content = self._take(key, dict, "a table", None)
        return read(Table({}, key, [])) if content is None else self._read(content, self.at(key), read)

    def tables(self, key: str, read: Callable[[Table], T], *, required: bool = False) -> tuple[T, ...]:
        """Read the list of tables at a key."""
        return tuple(self._each(key, read, required=required))

    def finish(self) -> None:
        """Add a mistake for each key that was not read: it is unknown."""
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

    def _take(self, key: str, kind: type | UnionType, expected: str, default: Any) -> Any:
        self._seen.add(key)
        if key not in self._content:
            if default is None:
                self.problem(key, "is missing")
            return default
        value = self._content[key]
        if not isinstance(value, kind):
            self.problem(key, f"must be {expected}")
            return default
        return value
