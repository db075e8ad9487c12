"""What `run`, `list` and completion need to know of the providers, without reading TOML.

Owns: ``definitions/index.json``, which is generated from the bundled definitions by ``python -m
kojikey.providers.index`` and checked for freshness by a test. On the way of `kojikey run`: imports nothing slow.
"""

from __future__ import annotations

import json
import os

from kojikey.model.allocation import BUILT_IN
from kojikey.model.errors import UnknownProvider
from kojikey.model.fast_namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from kojikey.providers.catalog import Mistake
    from kojikey.providers.definition import Definition

RESERVED_IDS = ("check", "schema", "new")
"""Words of ``kojikey providers``, which could not be told from ids."""

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "definitions")
INDEX = os.path.join(FOLDER, "index.json")
_REPEATABLE = r"[a-z][a-z0-9_-]{0,14}|[a-z][a-z_-]{0,31}|[A-Za-z][A-Za-z_-]{0,14}"
"""What an error may repeat: a word that is too short for a key, or has no digit in it and no capitals."""


class IndexEntry(NamedTuple):
    """A provider in brief. ``env`` is in the definition's order; ``base_url_env`` is ``""`` where there is none.

    ``base_url`` is ``""`` where the provider has none that is everybody's. ``base_url_env_path`` is what that variable
    has after the base URL. ``shapes`` are the expressions of the key formats that no other provider has. ``aliases``
    and ``llm_names`` are names under which other programs keep a key of the provider.
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

    def base_url_variable(self, base_url: str | None) -> dict[str, str]:
        """Return the variable that tells the provider's SDK about a base URL other than its default one."""
        if not self.base_url_env or not base_url or base_url == self.base_url:
            return {}
        return {self.base_url_env: base_url + self.base_url_env_path}


def read_index(
    user_folder: str | None = None, *, told: Callable[[Mistake], object] = lambda _: None
) -> dict[str, IndexEntry]:
    """Return all providers by id, Koji's two first, the bundled ones before those of the user's folder of ``*.toml``.

    ``told`` is told of each file of the user's that is not used.
    """
    with open(INDEX, encoding="utf-8") as file:
        bundled = json.load(file)
    entries = {name: _entry(document) for name, document in bundled.items()}
    if user_folder and has_definitions(user_folder):
        from kojikey.providers.catalog import load_catalog

        catalog = load_catalog(user_folder)
        entries.update({name: entry_of(catalog.get(name)) for name in catalog.ids() if name not in entries})
        for mistake in catalog.mistakes:
            told(mistake)
    return entries


def unknown_provider(name: str, known: Sequence[str]) -> UnknownProvider:
    """Return the error for a provider that does not exist; its hint names the closest id.

    The name is repeated only where it cannot be a key: a program that swaps two arguments passes one here.
    """
    import re

    hint = "kojikey providers lists them: " + ", ".join(known)
    if not re.fullmatch(_REPEATABLE, name):
        return UnknownProvider("of that name (it was not repeated here, in case it is a key)", known, hint=hint)
    from kojikey.model.nearest import nearest

    typed = name.lower().replace("-", "_")
    with_word = [candidate for candidate in known if typed in candidate.split("_")]
    suggestion = nearest(typed, known) or next(iter(with_word), "")
    return UnknownProvider(name, known, hint=f"did you mean {suggestion}? {hint}" if suggestion else hint)


def has_definitions(folder: str) -> bool:
    """Tell whether a folder has ``*.toml`` files; one that is not there has none."""
    try:
        with os.scandir(folder) as found:
            return any(item.name.endswith(".toml") for item in found)
    except OSError:
        return False


def entry_of(definition: Definition) -> IndexEntry:
    """Return a definition in brief."""
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
    )


def generated() -> str:
    """Return what ``index.json`` should be."""
    from kojikey.providers.catalog import load_catalog

    catalog = load_catalog(None)
    lines = [f"{json.dumps(name)}: {json.dumps(entry_of(catalog.get(name))._asdict())}" for name in catalog.ids()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _entry(document: dict[str, Any]) -> IndexEntry:
    fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in document.items()}
    return IndexEntry(**fields)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of providers in the order in which they are shown: Koji's two, then by name."""
    known = set(names)
    return (*(name for name in BUILT_IN if name in known), *sorted(known.difference(BUILT_IN)))


if __name__ == "__main__":
    text = generated()
    with open(INDEX, "w", encoding="utf-8") as output:
        output.write(text)
