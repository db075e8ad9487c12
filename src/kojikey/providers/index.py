"""The facts about providers that `run`, `list` and completion need, without reading TOML.

Owns: ``definitions/index.json``, which ``docs/tools/make_index.py`` generates from the bundled definitions.
`kojikey run` uses this: it imports nothing slow. Must not: know the catalog, which reads TOML.
"""

from __future__ import annotations

import json
import os

from kojikey.model.allocation import BUILT_IN
from kojikey.model.errors import UnknownProvider
from kojikey.model.fast_namedtuple import NamedTuple
from kojikey.model.next_step import Hint, next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from kojikey.providers.definition import Definition

RESERVED_IDS = ("check", "schema", "new")
"""Subcommands of ``kojikey providers``, which takes an id in the same place."""

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "definitions")
INDEX = os.path.join(FOLDER, "index.json")
_REPEATABLE = r"[a-z][a-z0-9_-]{0,14}|[a-z][a-z_-]{0,31}|[A-Za-z][A-Za-z_-]{0,14}"
"""A word that an error may repeat: too short for a key, or without digits and mostly without capitals."""


class IndexEntry(NamedTuple):
    """The most used members of a :class:`.Definition`; ``shapes`` are only the expressions of unshared formats.

    A key with ``admin_of`` is an admin key: `run`, `export` and `import` use it only if it is named.
    """

    name: str
    company: str
    purpose: str
    base_url: str
    env: tuple[str, ...]
    base_url_env: str
    base_url_env_path: str
    keys_page: str
    shapes: tuple[str, ...]
    aliases: tuple[str, ...]
    llm_names: tuple[str, ...]
    admin_of: str = ""

    def base_url_variable(self, base_url: str | None) -> dict[str, str]:
        """Return the variable with which the provider's SDK uses a base URL, ``{}`` for the default one."""
        if not self.base_url_env or not base_url or base_url == self.base_url:
            return {}
        return {self.base_url_env: base_url + self.base_url_env_path}


def read_index() -> dict[str, IndexEntry]:
    """Return the bundled providers by id, Koji's two first (:mod:`.entries` adds the user's own)."""
    with open(INDEX, encoding="utf-8") as file:
        bundled = json.load(file)
    return {name: _entry(document) for name, document in bundled.items()}


def unknown_provider(name: str, known: Sequence[str]) -> UnknownProvider:
    """Return the error for a provider that does not exist; its hint names the closest id, or all if none is close.

    The name is repeated only if it cannot be a key: a program that swaps two arguments passes its key here.
    """
    import re

    listed = Hint(next_step("providers"), " lists them")
    every = listed + ": " + ", ".join(known)
    if not re.fullmatch(_REPEATABLE, name):
        return UnknownProvider("of that name (it is not repeated here, in case it is a key)", known, hint=every)
    from kojikey.model.nearest import nearest

    typed = name.lower().replace("-", "_")
    with_word = [candidate for candidate in known if typed in candidate.split("_")]
    suggestion = nearest(typed, known) or next(iter(with_word), "")
    return UnknownProvider(name, known, hint=Hint(f"did you mean {suggestion}? ", listed) if suggestion else every)


def entry_of(definition: Definition) -> IndexEntry:
    """Return the index entry of a definition."""
    return IndexEntry(
        definition.name,
        definition.company,
        definition.purpose,
        definition.base_url,
        definition.env,
        definition.base_url_env,
        definition.base_url_env_path,
        definition.pages.keys,
        tuple(shape.regex.pattern for shape in definition.shapes if not shape.shared),
        definition.aliases,
        definition.llm_names,
        definition.admin_of,
    )


def _entry(document: dict[str, Any]) -> IndexEntry:
    fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in document.items()}
    return IndexEntry(**fields)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of providers in display order: Koji's two, then by name."""
    known = set(names)
    return (*(name for name in BUILT_IN if name in known), *sorted(known.difference(BUILT_IN)))
