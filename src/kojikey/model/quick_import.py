"""Importing a library at the start of a command, without a module that it can do without.

httpcore2 asks ``importlib.metadata`` for its own version and does nothing with it: with email and zipfile that module
was a tenth of what ``kojikey test`` takes to start. msgspec prefers ``typing_extensions`` to what ``typing`` has in
each Python that we run on: with inspect and ast a seventh of what ``kojikey list`` takes.
Must not: be used in somebody else's program, where another thread may import the module meanwhile.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def import_msgspec() -> None:
    """Import msgspec, while there is no ``typing_extensions``."""
    _import("msgspec", without="typing_extensions", stand_in=None)


def import_httpcore() -> None:
    """Import httpcore2, while a stand-in answers for the module that it only asks for its version."""
    name = "importlib.metadata"
    stand_in = type(sys)(name)
    vars(stand_in)["version"] = lambda _: ""
    _import("httpcore2", without=name, stand_in=stand_in)


def _import(name: str, *, without: str, stand_in: ModuleType | None) -> None:
    if name in sys.modules or without in sys.modules:
        return
    sys.modules[without] = stand_in  # type: ignore[assignment]  # None: the import system finds no such module
    try:
        __import__(name)
    finally:
        del sys.modules[without]
