"""Finds the adapter for a store's URL. A new adapter of kojikey needs a line in the table and a function ``from_url``.

An adapter of another package has an entry point in the group ``kojikey.stores``, with the scheme as its name and its
``from_url`` as its value. Owns: the URL schemes. An adapter is imported only when its URL is used.
Must not: repeat a URL, or any text in place of one, in a message: it may contain a password or be a key.
"""

from __future__ import annotations

import re

from kojikey.model.errors import Effect, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from kojikey.stores.base import Store

_ADAPTERS = {
    "sqlite": "kojikey.stores.sqlite.store",
    "postgresql": "kojikey.stores.postgres.store",
    "dynamodb": "kojikey.stores.dynamodb.store",
}
_ALIASES = {"postgres": "postgresql"}  # libpq accepts both
GROUP = "kojikey.stores"
_SCHEME = r"[a-z][a-z0-9+.-]{0,30}"
_SHAPES = "name a store by a URL, for example sqlite:///home/me/keys.db, or by its name in config.toml"


def schemes() -> tuple[str, ...]:
    """Return the URL schemes of all stores: ours, then those of other installed packages."""
    from importlib.metadata import entry_points

    others = {entry.name for entry in entry_points(group=GROUP) if re.fullmatch(_SCHEME, entry.name)}
    return (*_ADAPTERS, *sorted(others.difference(_ADAPTERS)))


def _from_other_package(scheme: str) -> Callable[[str], Store] | None:
    """Return another package's ``from_url`` for a scheme, None if no package has the scheme.

    Raises:
        UsageError: a package has it, but cannot be imported.
    """
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP, name=scheme):
        try:
            from_url: Callable[[str], Store] = entry.load()
        except Exception as error:
            raise UsageError(
                f"the package for {scheme}:// stores cannot be used ({type(error).__name__})",
                hint=f"repair or reinstall the package of {entry.value}",
                effect=Effect.NOTHING_DONE,
            ) from None
        return from_url
    return None


def store_from_url(url: str) -> Store:
    """Return the store for a URL, without connecting to it or opening it.

    Raises:
        UsageError: it is not the URL of a store. The message repeats at most an unknown scheme.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise UsageError("that is not the URL of a store (it is not repeated here)", hint=_SHAPES)
    known = _ALIASES.get(scheme.lower(), scheme.lower())
    module = _ADAPTERS.get(known)
    from_url = _from_other_package(known) if module is None else None
    if from_url is not None:
        return from_url(f"{known}://{rest}")
    if module is None:
        named = f"{scheme} " if scheme.isalnum() and scheme.isascii() and len(scheme) <= 20 else ""
        kind = "" if named else " of that kind"
        raise UsageError(
            f"there are no {named}stores{kind}", hint="known are: " + ", ".join(f"{s}://" for s in schemes())
        )

    adapter: Any = __import__(module, fromlist=("from_url",))  # importlib would slow the start
    store: Store = adapter.from_url(f"{known}://{rest}")
    return store
