"""Importing a library at the start of a command, without a module that it can do without.

httpcore2 asks ``importlib.metadata`` for its own version and does nothing with it: with email and zipfile that module
was a tenth of what ``kojikey test`` takes to start. msgspec prefers ``typing_extensions`` to what ``typing`` has in
each Python that we run on: with inspect and ast a seventh of what ``kojikey list`` takes.
Typer's help imports rich's Markdown and tracebacks, and with them pygments, for what is not used here: 100 ms.
Must not: be used in somebody else's program, where another thread may import the module meanwhile.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def import_msgspec() -> None:
    """Import msgspec, while there is no ``typing_extensions``."""
    _import("msgspec", {"typing_extensions": None})


def import_httpcore() -> None:
    """Import httpcore2, while a stand-in answers for the module that it only asks for its version."""
    _import("httpcore2", {"importlib.metadata": _stand_in("importlib.metadata", version=lambda _: "")})


def import_typer_rich() -> None:
    """Import the part of Typer that draws help, while stand-ins are there for what it does not draw with."""
    markdown = _stand_in("rich.markdown", Markdown=object)
    traceback = _stand_in("rich.traceback", Traceback=object)
    _import("typer.rich_utils", {"rich.markdown": markdown, "rich.traceback": traceback})


def _stand_in(name: str, **members: object) -> ModuleType:
    module = type(sys)(name)
    vars(module).update(members)
    return module


def _import(name: str, instead: dict[str, ModuleType | None]) -> None:
    """Import a module with others in place of those that it names; for None there is none."""
    taken = {other: module for other, module in instead.items() if other not in sys.modules}
    if name in sys.modules:
        return
    sys.modules.update(taken)  # type: ignore[arg-type]  # None: the import system finds no such module
    try:
        __import__(name)
    finally:
        for other in taken:
            del sys.modules[other]
