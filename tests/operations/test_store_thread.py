"""The thread for store calls: one at a time, and what the store has done is never reported as not done."""

from __future__ import annotations

import asyncio
import threading

import pytest

from kojikey.operations.store_calls import StoreThread


class Call:
    """A store call that runs until it is let go."""

    def __init__(self) -> None:
        self.has_begun, self.may_end = threading.Event(), threading.Event()

    def __call__(self) -> str:
        self.has_begun.set()
        self.may_end.wait()
        return "done"

    async def begun(self) -> None:
        while not self.has_begun.is_set():
            await asyncio.sleep(0)


def test_a_running_call_of_a_cancelled_task_is_finished_and_the_task_ends_at_its_next_wait() -> None:
    reached: list[str] = []

    async def step(in_store: StoreThread, call: Call) -> None:
        reached.append(await in_store(call))
        await asyncio.Event().wait()

    async def run() -> None:
        call = Call()
        with StoreThread() as in_store:
            task = asyncio.ensure_future(step(in_store, call))
            await call.begun()
            task.cancel()
            await asyncio.sleep(0)
            call.may_end.set()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
    assert reached == ["done"]


def test_the_last_call_of_a_cancelled_task_returns_its_result() -> None:
    async def run() -> str:
        call = Call()
        with StoreThread() as in_store:
            task = asyncio.ensure_future(in_store(call))
            await call.begun()
            task.cancel()
            await asyncio.sleep(0)
            call.may_end.set()
            return await task

    assert asyncio.run(run()) == "done"


def test_a_call_that_has_not_begun_when_its_task_is_cancelled_is_never_made() -> None:
    made: list[str] = []

    async def run() -> None:
        first = Call()
        with StoreThread() as in_store:
            running = asyncio.ensure_future(in_store(first))
            await first.begun()
            waiting = asyncio.ensure_future(in_store(lambda: made.append("second")))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            assert waiting.cancelled()
            first.may_end.set()
            await running
            await in_store(lambda: made.append("third"))

    asyncio.run(run())
    assert made == ["third"]


def test_the_error_of_a_call_is_raised_where_it_is_awaited() -> None:
    def broken() -> None:
        raise ValueError("this call")

    async def run() -> None:
        with StoreThread() as in_store:
            await in_store(broken)

    with pytest.raises(ValueError, match="this call"):
        asyncio.run(run())
