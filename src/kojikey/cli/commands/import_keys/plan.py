"""Finds the keys among names and values, and decides which of them ``kojikey import`` saves. Asks nothing.

Owns: the provider of a name, the choice among several values, and the values that are not keys. Must not: read a
source, open a store, or hold a value as anything other than a secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kojikey.cli.commands.import_keys.non_keys import non_key_kind
from kojikey.cli.commands.import_keys.sources import STDIN, Binding, Source
from kojikey.cli.exits import Exit
from kojikey.model.environment_names import is_variable_name
from kojikey.model.errors import Effect, KojikeyError, UsageError
from kojikey.model.key_detection import looks_like_key
from kojikey.model.plain_text import printable, quoted
from kojikey.providers.index import IndexEntry, unknown_provider

if TYPE_CHECKING:
    from kojikey.model.next_step import Hint
    from kojikey.model.secret import Secret
    from kojikey.operations.results import ChangeResult

    Again = Callable[..., Hint]

_VALUE_NAMES = ("value", "key", "api_key", "apiKey", "token", "secret", "computed")
"""The names of a key's value in a JSON object that is named after the key (Doppler: ``computed``)."""

_LONGEST_SHAPED = 512
_SHOWN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")


@dataclass(slots=True)
class Row:
    """A key that was found, and its result.

    ``also`` are other statements with the same value. ``secret`` is the key after cleaning, ``base_url`` the base URL
    of its source. ``action`` is None while the key is still to be saved. ``mapping`` is the value of ``--map`` that
    imports a key with an unknown name.
    """

    binding: Binding
    provider: str | None
    also: list[Binding] = field(default_factory=list)
    action: str | None = None
    detail: str = ""
    hint: str = ""
    code: Exit = Exit.OK
    holds_key: bool = True
    secret: Secret | None = None
    tail: str | None = None
    base_url: str | None = None
    result: ChangeResult | None = None
    commented_out: set[tuple[str, int | None]] = field(default_factory=set)
    mapping: str = ""

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """All statements with this value."""
        return (self.binding, *self.also)

    @property
    def in_clear(self) -> tuple[Binding, ...]:
        """The statements in files that still hold the key in plain text."""
        if not self.holds_key:
            return ()
        files = (binding for binding in self.bindings if binding.is_kept)
        return tuple(binding for binding in files if (binding.file, binding.line) not in self.commented_out)

    def refuse(self, detail: str, hint: str = "", code: Exit = Exit.USAGE) -> None:
        """Set the result: the key is not saved, for this reason."""
        self.action, self.detail, self.hint, self.code = "refused", detail, hint, code

    def fail(self, error: KojikeyError, code: Exit) -> None:
        """Set the result: an error about this key alone."""
        self.refuse(str(error), error.hint or "", code)

    def skip(self, detail: str, hint: str = "", *, holds_key: bool = True) -> None:
        """Set the result: the statement has no key to save; ``holds_key`` if its value is still a key."""
        self.action, self.detail, self.hint, self.holds_key = "skipped", detail, hint, holds_key


def shown_name(binding: Binding) -> str:
    """Return a name for people: plain if its form is, else quoted; a name that may be a key is not repeated."""
    name = f"{binding.group}.{binding.name}" if binding.group else binding.name
    return name if _SHOWN.fullmatch(name) and not looks_like_key(name) else quoted(name)


def place_of(binding: Binding) -> str:
    """Return the place of a statement for people: ``file:line``."""
    if binding.file is None:
        return "the environment"
    file = "standard input" if binding.file == STDIN else printable(binding.file)
    return f"{file}:{binding.line}" if binding.line else file


def read_maps(pairs: Iterable[str], index: Mapping[str, IndexEntry]) -> dict[str, str]:
    """Return the providers of ``--map`` by name.

    Raises:
        UsageError: a pair is not NAME=PROVIDER. UnknownProvider: there is no such provider.
    """
    maps: dict[str, str] = {}
    for pair in pairs:
        name, equals, provider = pair.rpartition("=")
        if not name or not equals or not provider:
            raise UsageError(
                "--map takes NAME=PROVIDER", hint="--map MY_KEY=google_gemini", effect=Effect.NOTHING_CHANGED
            )
        if provider not in index:
            raise unknown_provider(provider, tuple(index))
        if maps.setdefault(name, provider) != provider:
            raise UsageError(
                "--map maps one name to two providers", hint="--map MY_KEY=openai", effect=Effect.NOTHING_CHANGED
            )
    return maps


def plan(
    sources: Sequence[Source], index: Mapping[str, IndexEntry], maps: Mapping[str, str], *, again: Again
) -> list[Row]:
    """Return a row for each key that was found, in the order of the sources.

    ``again`` returns this command line with more words, as a hint.
    """
    names = _Names(index, maps)
    rows: list[Row] = []
    for source in sources:
        rows += _rows(source, names, index, again)
    _skip_overridden(rows)
    for row in rows:
        if row.action is None:
            _skip_non_key(row)
    _join_equal(rows)
    _refuse_two_values(rows)
    return [row for row in rows if row.action != "joined"]


class _Names:
    """The providers by the names of their keys. If two providers have the same name, the first one counts."""

    def __init__(self, index: Mapping[str, IndexEntry], maps: Mapping[str, str]) -> None:
        self._maps = maps
        self._variables: dict[str, str] = {}
        self._short: dict[str, str] = {}
        for provider, entry in index.items():
            if entry.admin_of:
                continue  # only --map imports an admin key
            for name in (*entry.env, *entry.aliases):
                self._variables.setdefault(name, provider)
            for name in (provider, *entry.llm_names):
                self._short.setdefault(name, provider)

    def provider_of(self, binding: Binding, *, is_json: bool) -> str | None:
        dotted = f"{binding.group}.{binding.name}"
        mapped = self._maps.get(dotted) or self._maps.get(binding.name)
        found = mapped or self._variables.get(binding.name)
        if found or not is_json:
            return found
        if binding.group and binding.name in _VALUE_NAMES:
            return self._maps.get(binding.group) or self._variables.get(binding.group) or self._short.get(binding.group)
        return self._short.get(binding.name)


def _rows(source: Source, names: _Names, index: Mapping[str, IndexEntry], again: Again) -> Iterator[Row]:
    for binding in source.bindings:
        provider = names.provider_of(binding, is_json=source.kind == "json")
        if provider is not None:
            yield Row(binding, provider)
        elif (owner := _owner_of(binding, index)) is not None:
            name = shown_name(binding)
            mapping = f"{name if is_variable_name(name) else 'NAME'}={owner}"
            row = Row(binding, owner, tail=_tail(binding), mapping=mapping)
            only = "and is imported only with --map" if index[owner].admin_of else "but its name is not known"
            row.skip(f"it looks like a key of {index[owner].name}, {only}", again("--map", mapping))
            yield row


def _owner_of(binding: Binding, index: Mapping[str, IndexEntry]) -> str | None:
    """Return the provider whose distinctive shape a value under an unknown name has, None if there is none."""
    value = binding.value.reveal().strip() if binding.value else ""
    if not 16 <= len(value) <= _LONGEST_SHAPED:
        return None
    owners = [name for name, entry in index.items() if any(re.fullmatch(shape, value) for shape in entry.shapes)]
    return next((name for name in owners if index[name].admin_of), next(iter(owners), None))


def _tail(binding: Binding) -> str | None:
    from kojikey.model.masking import tail_of

    return tail_of(binding.value.reveal().strip()) if binding.value else None


def _skip_overridden(rows: list[Row]) -> None:
    """Skip every value of a name that a later, different value overrides."""
    last: dict[tuple[str, str], Row] = {}
    for row in reversed(rows):
        if row.action is not None:
            continue
        winner = last.setdefault((row.binding.group, row.binding.name), row)
        if winner is not row and not _have_same_value(winner, row):
            row.tail = _tail(row.binding)
            is_key = row.binding.value is not None and not non_key_kind(row.binding.value.reveal())
            row.skip(f"overridden by {place_of(winner.binding)}", holds_key=is_key)
            row.tail = row.tail if is_key else None


def _have_same_value(one: Row, other: Row) -> bool:
    first, second = one.binding.value, other.binding.value
    return first is not None and second is not None and first.reveal().strip() == second.reveal().strip()


def _skip_non_key(row: Row) -> None:
    """Skip a row whose value is empty, a reference or a placeholder, and refuse one whose value cannot be read."""
    value = row.binding.value
    if value is None:
        row.refuse("its value cannot be read as text; nothing was sent or saved", "fix the line, or quote the value")
        return
    kind = non_key_kind(value.reveal())
    if kind:
        row.skip(kind, holds_key=False)


def _join_equal(rows: list[Row]) -> None:
    """Join the names of one provider that have the same value into one row, that of the last source."""
    kept: dict[str, list[Row]] = {}
    for row in reversed(rows):
        if row.action is not None or row.provider is None:
            continue
        twin = next((other for other in kept.get(row.provider, ()) if _have_same_value(other, row)), None)
        if twin is None:
            kept.setdefault(row.provider, []).append(row)
        else:
            row.action = "joined"
            if row.binding.file == twin.binding.file:
                twin.also.insert(0, twin.binding)
                twin.binding = row.binding
            else:
                twin.also.append(row.binding)


def _refuse_two_values(rows: list[Row]) -> None:
    """Refuse all keys of a provider for which there are different values."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row.action is None and row.provider is not None:
            found.setdefault(row.provider, []).append(row)
    for provider, several in found.items():
        if len(several) > 1:
            places = " and ".join(f"{shown_name(row.binding)} ({place_of(row.binding)})" for row in several)
            for row in several:
                row.tail = _tail(row.binding)
                row.refuse(
                    f"two values for one provider, {places}: which is the key of {provider}? no key of it was imported",
                    "remove one of them, or import one with --account NAME",
                )
