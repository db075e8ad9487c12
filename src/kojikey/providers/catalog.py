"""All providers that this installation knows: the bundled definitions and the user's own folder.

A user's file adds a provider and never changes a bundled one: what a test of a bundled provider sends, and where,
must not depend on a file that someone else could have placed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kojikey.model.errors import BadDefinition, UnknownProvider
from kojikey.model.lookalike import looks_like_key
from kojikey.providers.definition import Definition
from kojikey.providers.definition_file import parse
from kojikey.providers.index import FOLDER

_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")
_LARGEST = 256 * 1024


class _Definitions(Mapping[str, Definition]):
    """The bundled definitions, each read when it is first asked for, and the user's, which were read already.

    Reading one compiles some eighty expressions, which is felt in a command that needs only one of them.
    """

    def __init__(self, bundled: Mapping[str, str], own: Mapping[str, Definition]) -> None:
        self._bundled, self._read = bundled, dict(own)

    def __getitem__(self, name: str) -> Definition:
        if name not in self._read:
            path = self._bundled[name]
            self._read[name] = parse(_read(path), path)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        yield from sorted({*self._bundled, *self._read})

    def __len__(self) -> int:
        return len({*self._bundled, *self._read})


@dataclass(frozen=True, slots=True)
class Catalog:
    """Definitions by id."""

    definitions: Mapping[str, Definition]

    def ids(self) -> tuple[str, ...]:
        """Return the ids in alphabetical order."""
        return tuple(sorted(self.definitions))

    def all(self) -> tuple[Definition, ...]:
        """Return the definitions in the order of their ids."""
        return tuple(self.definitions[name] for name in self.ids())

    def get(self, provider: str) -> Definition:
        """Return the definition of that id.

        Raises:
            UnknownProvider: there is none. The hint names the closest id; what looks like a key is not repeated.
        """
        definition = self.definitions.get(provider)
        if definition is None:
            raise _unknown(provider, self.ids())
        return definition


def load_catalog(user_folder: str | None = None) -> Catalog:
    """Return all definitions: the bundled ones and each ``*.toml`` of the user's folder (which need not be there).

    A bundled file is named for the id in it, and read when it is asked for; all of the user's are read here, so that
    a mistake in one is told whatever was asked.

    Raises:
        BadDefinition: a file has mistakes (all are listed), can not be read, or has the id of another definition.
    """
    bundled = {os.path.basename(path).removesuffix(".toml"): path for path in _files(FOLDER)}
    own: dict[str, Definition] = {}
    for path in _files(user_folder) if user_folder else ():
        definition = parse(_read(path), path)
        if definition.id in own or definition.id in bundled:
            whose = "is bundled with kojikey and can not be replaced" if definition.id in bundled else "is in two files"
            raise BadDefinition(path, [f"id: {definition.id} {whose}"])
        own[definition.id] = definition
    return Catalog(_Definitions(bundled, own))


def _files(folder: str) -> list[str]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".toml") and not name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise BadDefinition(folder, [f"the folder can not be read ({error.strerror})"]) from None
    return [os.path.join(folder, name) for name in names]


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_LARGEST + 1)
    except UnicodeDecodeError:
        raise BadDefinition(path, ["it is not UTF-8 text"]) from None
    except OSError as error:
        raise BadDefinition(path, [f"it can not be read ({error.strerror})"]) from None
    if len(text) > _LARGEST:
        raise BadDefinition(path, [f"it is larger than {_LARGEST} characters"])
    return text


def _unknown(provider: str, known: tuple[str, ...]) -> UnknownProvider:
    from difflib import get_close_matches

    hint = "kojikey providers lists them: " + ", ".join(known)
    if not _NAME.fullmatch(provider) or looks_like_key(provider):
        error = UnknownProvider("of that name (it was not repeated here, in case it is a key)", known)
        error.hint = hint
        return error
    error = UnknownProvider(provider, known)
    close = get_close_matches(provider.lower().replace("-", "_"), known, n=1, cutoff=0.5)
    prefixed = [name for name in known if provider.lower() in name.split("_")]
    suggestion = (close or prefixed or [""])[0]
    error.hint = f"did you mean {suggestion}? {hint}" if suggestion else hint
    return error
