"""The thread for store calls: one at a time, and what the store has done is never reported as not done."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from kojikey.model.errors import KeyExists
from kojikey.model.secret import Secret
from kojikey.model.verdict import Reason
from kojikey.operations import adding, rotating
from kojikey.operations.adding import Destination, NewKey
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Target
from kojikey.operations.results import ChangeResult
from kojikey.operations.rotating import Replacement
from kojikey.operations.store_calls import StoreCalls, StoreThread
from kojikey.stores.base import Store
from support.faulty import FaultyStore, Result
from support.sample_store import ACCOUNT, ADAPTERS, BASE_URL, NEW, PROVIDER, SETTINGS, FakeTester, SampleStore, no


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


class StoreOfAThread(FaultyStore):
    """Records the threads that use the store."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner, RuntimeError(), reads=True)
        self.threads: set[int] = set()

    def _step(self, act: Callable[[], Result], *, is_read: bool) -> Result:
        self.threads.add(threading.get_ident())
        return super()._step(act, is_read=is_read)


Step = Callable[[OpenStore, FakeTester, StoreCalls], Coroutine[Any, Any, ChangeResult]]
ADDED = NewKey("globex", Target(PROVIDER, BASE_URL), Secret(NEW), SETTINGS)
REPLACED = Replacement(ACCOUNT, PROVIDER, Secret(NEW), SETTINGS)
NAMED: dict[str, Any] = {"account": ACCOUNT, "provider": PROVIDER}
STEPS: dict[str, Step] = {
    "add": lambda o, test, c: adding.add(Destination(o), ADDED, test=test, approve=no, in_store=c),
    "add or keep": lambda o, test, c: adding.add_or_keep(Destination(o), ADDED, test=test, approve=no, in_store=c),
    "rotate": lambda o, test, c: rotating.rotate(o, REPLACED, test=test, approve=no, in_store=c),
    "resume": lambda o, test, c: rotating.resume(o, **NAMED, test=test, approve=no, in_store=c),
    "rollback": lambda o, test, c: rotating.rollback(o, **NAMED, test=test, approve=no, in_store=c),
    "retire": lambda o, test, c: rotating.retire(o, **NAMED, test=test, in_store=c),
}


def threads_of(folder: Path, step: Step, tester: FakeTester, *, is_staged: bool) -> set[int]:
    """Return the threads that used the store in a step on a key with a previous and perhaps a staged version."""
    sample_store = SampleStore.made(ADAPTERS["memory"](folder))
    sample_store.add("sk_first_key_0123456789")
    sample_store.rotate("sk_second_key_0123456789")
    if is_staged:
        sample_store.stage("sk_third_key_0123456789")
    store = StoreOfAThread(sample_store.opener())
    open_store = sample_store.open_store(store)
    store.threads.clear()

    async def run() -> None:
        with StoreThread() as in_store:
            await step(open_store, tester, in_store)

    asyncio.run(run())
    return store.threads


@pytest.mark.parametrize("reason", [Reason.OK, Reason.INVALID_KEY, Reason.TIMEOUT], ids=str)
@pytest.mark.parametrize("name", STEPS)
def test_all_store_calls_of_a_step_are_made_in_the_thread(tmp_path: Path, name: str, reason: Reason) -> None:
    threads = threads_of(tmp_path, STEPS[name], FakeTester(reason), is_staged=name == "resume")
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_a_key_that_is_there_is_compared_in_the_thread() -> None:
    sample_store = SampleStore.in_memory()
    sample_store.add(account="globex")
    store = StoreOfAThread(sample_store.opener())
    open_store = sample_store.open_store(store)
    store.threads.clear()

    async def run() -> None:
        with StoreThread() as in_store, pytest.raises(KeyExists):
            await adding.add_or_keep(Destination(open_store), ADDED, test=None, approve=no, in_store=in_store)

    asyncio.run(run())
    assert threading.get_ident() not in store.threads
