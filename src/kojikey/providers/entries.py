"""The index entries of all providers: the bundled index, and the user's own definitions if there are any.

`kojikey run` uses this: TOML is read only if the user's folder has definitions.
"""

from __future__ import annotations

import os

from kojikey.providers.index import IndexEntry, entry_of, read_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kojikey.providers.catalog import Mistake


def read_entries(folder: str, *, on_mistake: Callable[[Mistake], object] = lambda _: None) -> dict[str, IndexEntry]:
    """Return all providers by id, the bundled ones before those in the user's ``folder``.

    ``on_mistake`` is called for each of the user's files that is not used.
    """
    entries = read_index()
    if _has_definitions(folder):
        from kojikey.providers.catalog import load_catalog

        catalog = load_catalog(folder)
        entries.update({name: entry_of(catalog.get(name)) for name in catalog.ids() if name not in entries})
        for mistake in catalog.mistakes:
            on_mistake(mistake)
    return entries


def _has_definitions(folder: str) -> bool:
    """Return whether a folder may have ``*.toml`` files; one that does not exist has none."""
    try:
        with os.scandir(folder) as found:
            return any(item.name.endswith(".toml") for item in found)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # it cannot be read, which the catalog reports
        return True
