"""Imports a library at the start of a command without a slow module that the library does not need.

httpcore2 asks ``importlib.metadata`` for its own version and does not use it; with email and zipfile, that module took
a tenth of the start of ``kojikey test``. msgspec prefers ``typing_extensions`` to ``typing``, which has the same names
in each supported Python; with inspect and ast, it took a seventh of the start of ``kojikey list``. Typer's help imports
rich's Markdown and tracebacks, and with them pygments, for features that are not used here: 100 ms.
Must not: be used in somebody else's program, where another thread may import the module meanwhile.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def import_msgspec() -> None:
    """Import msgspec without ``typing_extensions``."""
    _import("msgspec", {"typing_extensions": None})


def import_httpcore() -> None:
    """Import httpcore2 with a stand-in for ``importlib.metadata``."""
    _import("httpcore2", {"importlib.metadata": _stand_in("importlib.metadata", version=lambda _: "")})


def import_typer_rich() -> None:
    """Import the part of Typer that draws help, with stand-ins for two modules of rich that it does not need here."""
    markdown = _stand_in("rich.markdown", Markdown=object)
    traceback = _stand_in("rich.traceback", Traceback=object)
    _import("typer.rich_utils", {"rich.markdown": markdown, "rich.traceback": traceback})


def _stand_in(name: str, **members: object) -> ModuleType:
    module = type(sys)(name)
    vars(module).update(members)
    return module


def _import(name: str, instead: dict[str, ModuleType | None]) -> None:
    """Import a module while others are replaced in ``sys.modules``; None makes importing that module fail."""
    taken = {other: module for other, module in instead.items() if other not in sys.modules}
    if name in sys.modules:
        return
    sys.modules.update(taken)  # type: ignore[arg-type]  # None: importing it raises ModuleNotFoundError
    try:
        __import__(name)
    finally:
        for other in taken:
            del sys.modules[other]
