"""An event loop whose time is not real: waiting ends at once where nothing else is to be done.

Owns: time. Threads and sockets are real; while only they can go on, their real time passes.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Hurried(selectors.DefaultSelector):
    """Gives the loop what is ready; with nothing ready, moves the clock to when something is due."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        # a moment of real time: a thread that works for the loop is not to be overtaken by the clock
        ready = super().select(0 if timeout == 0 else 0.002 if timeout else None)
        if not ready and timeout:
            self.now += timeout
        return ready


def run_hurried(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end. ``asyncio.get_running_loop().time()`` is the time in it."""
    selector = _Hurried()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main)
