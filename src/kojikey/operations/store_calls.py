"""Makes the store calls of an asynchronous operation: directly for one key, in a separate thread for many.

Owns: that a store is used by one thread at a time, and that a call which has begun is finished. Must not: know what a
call does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

_Result = TypeVar("_Result")


class StoreCalls(Protocol):
    """Makes a store call and returns its result."""

    async def __call__(self, call: Callable[[], _Result]) -> _Result:
        """Return the result of the call. Raises the error of the call."""
        ...


async def in_place(call: Callable[[], _Result]) -> _Result:
    """Make a store call in the event loop's own thread: for an operation on one key, when no other task waits."""
    return call()


class StoreThread:
    """Makes store calls one after the other in a separate thread, while the event loop handles requests."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "kojikey-store")

    def __enter__(self) -> StoreThread:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()

    async def __call__(self, call: Callable[[], _Result]) -> _Result:
        """Make a store call and return its result, even if the task is cancelled during the call.

        The cancellation is raised at the task's next wait. So a change that the store has made is never reported as not
        made. A call that has not begun when its task is cancelled is not made.
        """
        submitted = self._executor.submit(call)
        waiter = asyncio.wrap_future(submitted)
        try:
            return await asyncio.shield(waiter)
        except asyncio.CancelledError:
            if waiter.cancelled() or submitted.cancel():
                raise
            await asyncio.wait([waiter])
            task = asyncio.current_task()
            if task is not None:
                asyncio.get_running_loop().call_soon(task.cancel)
            return waiter.result()
