"""Where the store calls of an asynchronous operation are made: in place for one key, on one thread for many.

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
        """Make the call. Raises what the call raises."""
        ...


async def in_place(call: Callable[[], _Result]) -> _Result:
    """Make a store call here and now: for an operation on one key, beside which nothing else waits."""
    return call()


class StoreThread:
    """Makes store calls one after the other on a thread of its own, so that requests go on meanwhile."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "kojikey-store")

    def __enter__(self) -> StoreThread:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()

    async def __call__(self, call: Callable[[], _Result]) -> _Result:
        """Make a store call, and return its result also where the task is cancelled while the call runs.

        What the store has done is so never reported as not done; the cancellation comes at the task's next wait. A call
        that has not begun when its task is cancelled is never made.
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
