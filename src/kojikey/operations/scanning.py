"""Searches files, streams and git for a store's keys, and for other text with the shape of a provider's keys.

Owns: which keys are searched for, and which key a match is. Must not: return a key's value; results have only masks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from kojikey.model.errors import RecordChanged
from kojikey.model.key import Key, Stage, Version
from kojikey.model.masking import mask
from kojikey.model.secret import Secret
from kojikey.operations.key_records import key_of
from kojikey.operations.open_store import OpenStore
from kojikey.scanning.engine import Engine, KeyShape
from kojikey.scanning.files import FileSearch
from kojikey.scanning.scanner import Found, Read, Scanner
from kojikey.scanning.tally import Tally
from kojikey.scanning.tree import TreeSearch
from kojikey.stores.base import Query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.providers.definition import Definition
    from kojikey.scanning.git_objects import InObject
    from kojikey.scanning.git_process import Git

_LITERAL = re.compile(r"(?:[A-Za-z0-9_-]|\\[._-])*")
_QUANTIFIED = ("?", "*", "+", "{")
_SHORTEST_PREFIX = 3


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One version of a key of the store, with its plaintext."""

    account: str
    provider: str
    stage: Stage
    tail: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class Finding:
    """A key that was found. ``account`` and ``stage`` are None for a key that is not in the store.

    ``line`` is None for a key in a file's name, ``file`` for one in a git object without a path. ``kind`` is the kind
    of a git object, ``object`` its id, and ``commit`` the first commit that reaches it.
    """

    file: str | None
    line: int | None
    column: int | None
    encoding: str
    account: str | None
    provider: str
    stage: Stage | None
    tail: str
    commit: str | None = None
    object: str | None = None
    kind: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether the key is in the store."""
        return self.account is not None


def known_keys(
    open_store: OpenStore, *, account: str | None, damaged: Callable[[RecordChanged], None]
) -> list[KnownKey]:
    """Return all versions of the keys of an account, or of every account, with their plaintexts.

    The error about a record that was changed outside kojikey is passed to ``damaged``; its key is not searched for.

    Raises:
        CannotOpen: the KEK is missing or wrong.
    """
    found: list[KnownKey] = []
    for stored in open_store.store.scan(Query(account=account)):
        try:
            key = key_of(stored)
            found += [_opened(open_store, key, version) for version in key.versions]
        except RecordChanged as error:
            damaged(error)
    return found


def _opened(open_store: OpenStore, key: Key, version: Version) -> KnownKey:
    return KnownKey(key.account, key.provider, version.stage, version.tail, open_store.open(key, version))


def distinctive_shapes(definitions: Iterable[Definition]) -> list[KeyShape]:
    """Return the shapes that only one provider has and that begin with at least three fixed characters."""
    shapes: list[KeyShape] = []
    for definition in definitions:
        for shape in definition.shapes:
            if shape.shared:
                continue
            prefix = fixed_prefix(shape.regex.pattern)
            if len(prefix) >= _SHORTEST_PREFIX:
                regex = re.compile(shape.regex.pattern.encode())
                shapes.append(KeyShape(definition.id, prefix.encode(), regex))
    return shapes


def fixed_prefix(pattern: str) -> str:
    """Return fixed characters with which every match of a regular expression begins; ``""`` if that is not obvious."""
    literal = _LITERAL.match(pattern)
    text = literal[0] if literal else ""
    rest = pattern[len(text) :]
    if "|" in _outside_groups(pattern):
        return ""
    if rest.startswith(_QUANTIFIED):
        text = text[:-2] if text[-2:-1] == "\\" else text[:-1]
    return text.replace("\\", "")


def _outside_groups(pattern: str) -> str:
    """Return a regular expression without its groups, character classes and escapes."""
    plain, depth = [], 0
    for character in re.sub(r"\\.|\[\^?\]?[^\]]*\]", "", pattern):
        depth += (character == "(") - (character == ")")
        plain.append(character if depth == 0 else "")
    return "".join(plain)


class LeakSearch:
    """A search for some keys in files, streams and git repositories."""

    def __init__(self, keys: Sequence[KnownKey], shapes: Sequence[KeyShape] = ()) -> None:
        self.tally = Tally()
        self._keys = tuple(keys)
        self._engine = Engine([key.secret for key in keys], shapes)
        self._scanner = Scanner(self._engine)
        self._files = FileSearch(self._scanner, self.tally)

    def path(self, path: str) -> Iterator[Finding]:
        """Yield the keys in a file or folder."""
        for place in TreeSearch(self._files).path(path):
            yield self._finding(place.found, file=place.path)

    def stream(self, name: str, read: Read) -> Iterator[Finding]:
        """Yield the keys in a stream; ``name`` is the file's name in the findings."""
        for place in self._files.stream(name, read):
            yield self._finding(place.found, file=place.path)

    def objects(self, git: Git) -> Iterator[Finding]:
        """Yield the keys in all objects of a repository, each with the commit that introduced it."""
        from kojikey.scanning.git import GitSearch
        from kojikey.scanning.git_history import Origin

        self.tally.repositories += 1
        places = list(GitSearch(git, self._scanner, self.tally).objects())
        origins = Origin(git).of({place.object for place in places if place.kind in ("blob", "tree")})
        for place in places:
            commit, file = origins.get(place.object, (None, None))
            yield self._in_object(place, commit, file)

    def staged(self, git: Git) -> Iterator[Finding]:
        """Yield the keys in the content that is about to be committed."""
        from kojikey.scanning.git import GitSearch

        self.tally.repositories += 1
        for place in GitSearch(git, self._scanner, self.tally).staged():
            yield self._finding(place.found, file=place.path, object=place.object, kind="blob")

    def _in_object(self, place: InObject, commit: str | None, file: str | None) -> Finding:
        if place.kind == "commit":
            commit = place.object
        return self._finding(place.found, file=file, commit=commit, object=place.object, kind=place.kind)

    def _finding(
        self,
        found: Found,
        *,
        file: str | None,
        commit: str | None = None,
        object: str | None = None,
        kind: str | None = None,
    ) -> Finding:
        key = None if found.key is None else self._keys[found.key]
        return Finding(
            file=None if file is None else self.shown(file),
            line=found.line,
            column=found.column,
            encoding=found.encoding,
            account=key.account if key else None,
            provider=key.provider if key else found.provider or "",
            stage=key.stage if key else None,
            tail=key.tail if key else found.tail,
            commit=commit,
            object=object,
            kind=kind,
        )

    def shown(self, name: str) -> str:
        """Return a file's name with each key in it masked, as text that every encoding can write."""
        data = os.fsencode(name.removeprefix("./") or name)
        parts: list[bytes] = []
        done = 0
        for match in self._engine.find(data, 0, len(data)):
            if match.start >= done:
                parts += (data[done : match.start], mask("").encode())
                done = match.end
        return b"".join((*parts, data[done:])).decode("utf-8", "backslashreplace")
