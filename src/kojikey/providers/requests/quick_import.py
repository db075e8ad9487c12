"""Importing httpcore2 at the start of a command, without what it does not need.

httpcore2 asks ``importlib.metadata`` for its own version and does nothing with it: with email and zipfile that
module was a tenth of what ``kojikey test`` takes to start. Must not: be called in somebody else's program, where
another thread may import the module meanwhile.
"""

from __future__ import annotations

import sys
from types import ModuleType

_METADATA = "importlib.metadata"


def import_httpcore() -> None:
    """Import httpcore2, while a stand-in answers for the module that it only asks for its version."""
    if _METADATA in sys.modules or "httpcore2" in sys.modules:
        return
    stand_in = ModuleType(_METADATA)
    vars(stand_in)["version"] = lambda _: ""
    sys.modules[_METADATA] = stand_in
    try:
        __import__("httpcore2")
    finally:
        del sys.modules[_METADATA]
