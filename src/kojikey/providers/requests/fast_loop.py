"""The event loop of a process that makes thousands of requests: uvloop, where there is one, else asyncio's own.

Owns: the choice. uvloop takes a quarter off the processor time of a test, and its import about as long as twenty tests
save: a command about one key does without it. Must not: be needed, for Windows has none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


def run(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Do as ``asyncio.run``: to its end, with Ctrl-C cancelling it."""
    with asyncio.Runner(loop_factory=_factory()) as runner:
        return runner.run(work)


def _factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
