"""All providers that this installation knows: the bundled definitions and the user's own folder.

A user's file adds a provider and never changes a bundled one. What a test of a bundled provider sends, and where,
must not depend on a file that someone else could have placed.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from kojikey.model.errors import BadDefinition, UnsafeDefinition
from kojikey.model.ownership import foreign_writer
from kojikey.providers.bounded_regex import LONGEST_TEXT
from kojikey.providers.definition import Definition
from kojikey.providers.definition_file import parse
from kojikey.providers.index import FOLDER, IndexEntry, entry_of, in_order, read_index, unknown_provider
from kojikey.providers.other_companies import is_of

_LARGEST = 256 * 1024

Mistake: TypeAlias = BadDefinition | UnsafeDefinition
"""The reason why one of the user's files, or the whole folder, is not used."""


class _Definitions(Mapping[str, Definition]):
    """The bundled definitions, each parsed at its first use, and the user's, which are parsed already.

    Parsing a definition compiles some eighty expressions: a command that needs one definition parses one.
    """

    def __init__(self, bundled: Mapping[str, str], own: Mapping[str, Definition]) -> None:
        self._bundled, self._own = bundled, own

    def __getitem__(self, name: str) -> Definition:
        return self._own[name] if name in self._own else _bundled(self._bundled[name])

    def __iter__(self) -> Iterator[str]:
        yield from in_order({*self._bundled, *self._own})

    def __len__(self) -> int:
        return len({*self._bundled, *self._own})


@dataclass(frozen=True, slots=True)
class Catalog:
    """Definitions by id. ``mistakes``: for each of the user's files that is not used, the reason."""

    definitions: Mapping[str, Definition]
    mistakes: tuple[Mistake, ...] = ()

    def ids(self) -> tuple[str, ...]:
        """Return the ids in display order: Koji's two, then by name."""
        return in_order(self.definitions)

    def all(self) -> tuple[Definition, ...]:
        """Return the definitions in the order of their ids."""
        return tuple(self.definitions[name] for name in self.ids())

    def owner_of(self, key: str, *, other_than: Definition) -> str | None:
        """Return the id of the other provider whose keys have this format, None if there is none.

        None too if one of the same company has it.
        """
        owners = self._owners(key, other_than)
        if any(is_of(entry.company, other_than) for entry in owners.values()):
            return None
        return next(iter(owners), None)

    def sibling_of(self, key: str, definition: Definition) -> str | None:
        """Return the id of the same company's other provider whose keys have this format, None if there is none.

        For a provider of models that is the one of its admin keys, and the reverse.
        """
        owners = self._owners(key, definition)
        return next((name for name, entry in owners.items() if is_of(entry.company, definition)), None)

    def _owners(self, key: str, other_than: Definition) -> dict[str, IndexEntry]:
        """Return the other providers whose keys have this format; the index has it for the bundled ones."""
        if len(key) > LONGEST_TEXT:
            return {}  # the time of matching a user's expression is bounded up to this length
        index = read_index()
        entries = {name: index.get(name) or entry_of(self.definitions[name]) for name in self.ids()}
        return {
            name: entry
            for name, entry in entries.items()
            if name != other_than.id and any(re.fullmatch(shape, key) for shape in entry.shapes)
        }

    def get(self, provider: str) -> Definition:
        """Return the definition of that id.

        Raises:
            UnknownProvider: there is none. The hint names the closest id; a possible key is not repeated.
            BadDefinition, UnsafeDefinition: there is one, but its file cannot be used.
        """
        definition = self.definitions.get(provider)
        if definition is None:
            raise mistake_about(provider, self.mistakes) or unknown_provider(provider, self.ids())
        return definition


def mistake_about(provider: str, mistakes: Iterable[Mistake]) -> Mistake | None:
    """Return the reason why a provider's definition is not used, None if no file was ignored for it."""
    found = tuple(mistakes)
    folders = (mistake for mistake in found if not mistake.provider)
    return next((mistake for mistake in found if mistake.provider == provider), None) or next(folders, None)


def load_catalog(user_folder: str | None = None) -> Catalog:
    """Return all definitions: the bundled ones and each ``*.toml`` of the user's folder (which need not exist).

    A bundled file has the name of the id in it and is parsed at its first use; the user's files are parsed here. A
    user's file that has a mistake or a bundled id, or that others can write, is ignored; the others are used.
    """
    bundled = {os.path.basename(path).removesuffix(".toml"): path for path in _files(FOLDER)}
    if not user_folder:
        return Catalog(_Definitions(bundled, {}))
    own, mistakes = _read_own(user_folder, bundled)
    return Catalog(_Definitions(bundled, own), tuple(mistakes))


def _read_own(folder: str, bundled: Mapping[str, str]) -> tuple[dict[str, Definition], list[Mistake]]:
    """Return the user's usable definitions, and the mistakes in the other files."""
    own: dict[str, Definition] = {}
    paths: dict[str, str] = {}
    mistakes: list[Mistake] = []
    try:
        files = _files_of_user(folder)
    except (BadDefinition, UnsafeDefinition) as error:
        return own, [error]
    for path in files:
        try:
            definition = parse(read_of_user(path), path)
        except (BadDefinition, UnsafeDefinition) as error:
            error.provider = error.provider or os.path.basename(path).removesuffix(".toml")
            mistakes.append(error)
            continue
        provider = definition.id
        if provider in bundled:
            # under the name of the file: the provider of that id can be used
            problem = f"id: {provider} comes with kojikey and cannot be replaced; the bundled definition is used"
            mistakes.append(BadDefinition(path, [problem], provider=os.path.basename(path)))
        elif provider in paths:
            own.pop(provider, None)
            problem = f"id: {provider} is in two files (also {os.path.basename(paths[provider])}); neither is used"
            mistakes.append(BadDefinition(path, [problem], provider=provider))
        else:
            own[provider], paths[provider] = definition, path
    return own, mistakes


@cache
def _bundled(path: str) -> Definition:
    """Return the definition in a bundled file, which is parsed once per process."""
    return parse(_read(path), path, is_bundled=True)


def _files_of_user(folder: str) -> list[str]:
    files = _files(folder)
    problem = foreign_writer(os.stat(folder), folder) if files else None
    if problem:
        raise UnsafeDefinition(folder, problem[0], hint=problem[1])
    return files


def _files(folder: str) -> list[str]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".toml") and not name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise BadDefinition(folder, [f"the folder cannot be read ({error.strerror})"]) from None
    return [os.path.join(folder, name) for name in names]


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def skeleton(provider: str) -> str:
    """Return a commented definition to fill in, for a provider of that id."""
    name = provider.replace("_", " ").title()
    text = _read(os.path.join(os.path.dirname(FOLDER), "skeleton.toml"))
    return text.replace("@ID@", provider).replace("@NAME@", name).replace("@VARIABLE@", provider.upper())


def read_of_user(path: str) -> str:
    """Return the text of a user's file. The call never waits for a pipe.

    Raises:
        BadDefinition: it is not a regular file, cannot be read, or is too large.
        UnsafeDefinition: others can write it.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        with open(handle, "rb") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise BadDefinition(path, ["it is not a regular file"])
            problem = foreign_writer(found, path)
            if problem:
                raise UnsafeDefinition(path, problem[0], hint=problem[1])
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise BadDefinition(path, [f"it cannot be read ({error.strerror})"]) from None
    if len(content) > _LARGEST:
        raise BadDefinition(path, [f"it is larger than {_LARGEST} bytes"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadDefinition(path, ["it is not UTF-8 text"]) from None
