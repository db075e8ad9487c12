"""An event loop with simulated time: a wait ends at once if nothing else is ready to run.

Owns: the loop's clock. Threads and sockets are real, and take real time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _SimulatedTime(selectors.DefaultSelector):
    """Returns the ready events; if there are none, moves the clock to the next timer."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        # wait a moment of real time, so that the clock does not overtake a thread that works for the loop
        ready = super().select(0 if timeout == 0 else 0.002 if timeout else None)
        if not ready and timeout:
            self.now += timeout
        return ready


def run_in_simulated_time(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end. Its simulated time is ``asyncio.get_running_loop().time()``."""
    selector = _SimulatedTime()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main)
