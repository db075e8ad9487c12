"""Work on lines: at most so many at once, lines about one key after each other, results in the order of the input."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from kojikey.operations.line_runs import run_lines
from support.program import SECONDS

LINES = [(number, f"key-{number % 7}") for number in range(60)]


def test_results_come_in_the_order_of_the_lines_and_concurrency_is_bounded() -> None:
    running: Counter[str] = Counter()
    most: list[int] = []
    emitted: list[int] = []

    async def work(line: tuple[int, str]) -> int:
        number, key = line
        running[key] += 1
        most.append(running.total())
        assert running[key] == 1, "two lines about one key at once"
        for _ in range(number % 5):
            await asyncio.sleep(0)
        running[key] -= 1
        return number

    asyncio.run(run_lines(LINES, work, emitted.append, concurrency=4, same=lambda line: line[1]))
    assert emitted == [number for number, _ in LINES]
    assert max(most) <= 4


def test_as_many_lines_run_concurrently_as_requested() -> None:
    running: list[int] = []

    async def run() -> None:
        all_run = asyncio.Event()

        async def work(line: int) -> None:
            running.append(line)
            if len(running) == 4:
                all_run.set()
            await all_run.wait()

        async with asyncio.timeout(SECONDS):
            await run_lines([0, 1, 2, 3], work, lambda _: None, concurrency=4, same=lambda _: None)

    asyncio.run(run())
    assert sorted(running) == [0, 1, 2, 3]


def test_an_error_in_the_work_stops_the_run_and_finished_lines_are_emitted() -> None:
    emitted: list[int] = []

    async def work(line: int) -> int:
        if line == 1:
            await asyncio.sleep(0)
            raise ValueError("the store went away")
        return line

    with pytest.raises(ValueError, match="went away"):
        asyncio.run(run_lines([0, 1, 2], work, emitted.append, concurrency=3, same=lambda _: None))
    assert emitted[0] == 0
    assert 1 not in emitted


def test_an_error_in_reading_the_lines_is_raised() -> None:
    def lines() -> Iterator[int]:
        yield 0
        raise OSError("the file")

    async def work(line: int) -> int:
        return line

    emitted: list[int] = []
    with pytest.raises(OSError, match="the file"):
        asyncio.run(run_lines(lines(), work, emitted.append, concurrency=1, same=lambda _: None))
    assert emitted == [0]
