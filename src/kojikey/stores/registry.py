"""Finds the adapter for a store's URL. To add one of ours, write a line in the table and a module with ``from_url``.

That of another package is found by its entry point of the group ``kojikey.stores``, which is named after the scheme and
refers to its ``from_url``. Owns: the URL schemes. An adapter is imported only when its URL is used.
Must not: repeat a URL, or a text in its place, in a message: it may hold a password or be a key.
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
_ALSO = {"postgres": "postgresql"}  # libpq takes both
GROUP = "kojikey.stores"
_SCHEME = r"[a-z][a-z0-9+.-]{0,30}"
_SHAPES = "name a store by a URL, for example sqlite:///home/me/keys.db, or by its name in config.toml"


def schemes() -> tuple[str, ...]:
    """Return the URL schemes that stores have: ours, then those of other packages that are installed."""
    from importlib.metadata import entry_points

    others = {entry.name for entry in entry_points(group=GROUP) if re.fullmatch(_SCHEME, entry.name)}
    return (*_ADAPTERS, *sorted(others.difference(_ADAPTERS)))


def _others(scheme: str) -> Callable[[str], Store] | None:
    """Return the function of another package for a scheme, None where none is installed.

    Raises:
        UsageError: there is one, and it cannot be imported.
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
    """Return the store for a URL. Nothing is touched yet; the verbs tell whether the store exists.

    Raises:
        UsageError: not the URL of a store. The message repeats no more of it than an unknown scheme.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise UsageError("that is not the URL of a store (it is not repeated here)", hint=_SHAPES)
    known = _ALSO.get(scheme.lower(), scheme.lower())
    module = _ADAPTERS.get(known)
    from_url = _others(known) if module is None else None
    if from_url is not None:
        return from_url(f"{known}://{rest}")
    if module is None:
        named = f"{scheme} " if scheme.isalnum() and scheme.isascii() and len(scheme) <= 20 else ""
        kind = "" if named else " of that kind"
        raise UsageError(
            f"there are no {named}stores{kind}", hint="known are: " + ", ".join(f"{s}://" for s in schemes())
        )

    adapter: Any = __import__(module, fromlist=("from_url",))  # importlib costs a start more
    store: Store = adapter.from_url(f"{known}://{rest}")
    return store
