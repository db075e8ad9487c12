"""Several processes find the same as one, even if one of them is lost, and none is left behind."""

from __future__ import annotations

import gzip
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kojikey.model.secret import Secret
from kojikey.scanning.engine import Engine
from kojikey.scanning.files import FileSearch, InFile
from kojikey.scanning.scanner import Found, Scanner
from kojikey.scanning.tally import Tally
from kojikey.scanning.tree import TreeSearch
from kojikey.scanning.workers import Workers, useful_processes

KEY = "sk_9f27c1e4b8d06a3575e1f0c2ab94d8637e5a2c18b04f9d36"

pytestmark = [pytest.mark.external, pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")]


@pytest.fixture(params=[0, 1, 3])
def processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return the number of processes, 0 if this process cannot be forked."""
    count: int = request.param
    monkeypatch.setattr("kojikey.scanning.workers.useful_processes", lambda: count)
    return count


def numbered(line: int) -> InFile:
    return InFile("a\udcff\nb", Found(line, None, "plain", 7, None, ""))


def test_a_large_tree_is_searched_whole(processes: int, tmp_path: Path) -> None:
    expected = []
    for number in range(500):
        path = tmp_path / f"d{number % 7}" / f"f{number}"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{number}\n" * number + (f"{KEY}\n{KEY}" if number % 9 == 0 else ""))
        expected += [(str(path), number + 1), (str(path), number + 2)] if number % 9 == 0 else []
    (tmp_path / "d1" / "archive").write_bytes(gzip.compress(b"x"))
    tally = Tally()
    search = TreeSearch(FileSearch(Scanner(Engine([Secret(KEY)])), tally))
    assert sorted((place.path, place.found.line) for place in search.path(str(tmp_path))) == sorted(expected)
    assert (tally.files, tally.skipped["archive"], tally.unreadable_count) == (501, 1, 0)


def test_few_large_files_are_searched_whole(processes: int, tmp_path: Path) -> None:
    for number in range(3):
        with open(tmp_path / f"{number}", "wb") as file:
            file.write(KEY.encode())
            file.truncate(40 * 1024 * 1024)
    tally = Tally()
    search = TreeSearch(FileSearch(Scanner(Engine([Secret(KEY)])), tally))
    places = [place.path for place in search.path(str(tmp_path))]
    assert sorted(places) == [str(tmp_path / f"{number}") for number in range(3)]
    assert tally.files == 3


def test_the_counts_of_all_processes_are_added(processes: int) -> None:
    def work(batch: list[str], tally: Tally) -> Iterator[InFile]:
        tally.files += len(batch)
        tally.objects += 1
        tally.skipped["link"] += 2
        tally.could_not_read(batch[0], "it is closed")
        yield numbered(len(batch))

    tally = Tally()
    with Workers(work, InFile, tally) as workers:
        found = [*workers.search(["a\udcff", "b"]), *workers.search(["c"]), *workers.finish(["d"])]
    assert sorted(found) == [numbered(1), numbered(1), numbered(2)]
    assert (tally.files, tally.objects, tally.skipped["link"], tally.unreadable_count) == (4, 3, 6, 3)
    assert sorted(tally.unreadable) == [(name, "it is closed") for name in ("a\udcff", "c", "d")]


@pytest.mark.parametrize("reported", [0, 5000])
def test_a_lost_process_causes_no_lost_or_repeated_finding(processes: int, reported: int) -> None:
    ours = os.getpid()

    def work(batch: list[str], tally: Tally) -> Iterator[InFile]:
        for line in range(10_000 * len(batch)):
            if line == reported and os.getpid() != ours:
                os.kill(os.getpid(), signal.SIGKILL)
            yield numbered(line)
        tally.files += len(batch)

    tally = Tally()
    with Workers(work, InFile, tally) as workers:
        found = [place for _ in range(5) for place in workers.search(["x"])]
        found += workers.finish([])
    assert sorted(place.found.line or 0 for place in found) == sorted([*range(10_000)] * 5)
    assert tally.files == 5


def test_no_process_is_left_behind(processes: int) -> None:
    with Workers(lambda batch, tally: (numbered(os.getpid()) for _ in batch), InFile, Tally()) as workers:
        found = [place for _ in range(30) for place in workers.search(["x"])]
        found += workers.finish([])
        used = {place.found.line or 0 for place in found}
    assert bool(used - {os.getpid()}) == bool(processes)
    for pid in used - {os.getpid()}:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_when_no_process_starts_everything_is_searched_in_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("kojikey.scanning.workers.useful_processes", lambda: 2)
    monkeypatch.setattr(os, "fork", refuse)
    before = os.listdir("/proc/self/fd")
    with Workers(lambda batch, tally: map(numbered, range(len(batch))), InFile, Tally()) as workers:
        found = [*workers.search(["a", "b"]), *workers.finish(["c"])]
    assert found == [numbered(0), numbered(1), numbered(0)]
    assert os.listdir("/proc/self/fd") == before
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_process_with_threads_is_not_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 4, 5}, raising=False)
    monkeypatch.setattr("threading.active_count", lambda: 1)
    assert useful_processes() == (4 if sys.platform == "linux" else 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert useful_processes() == 0
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 3}, raising=False)
    monkeypatch.setattr("threading.active_count", lambda: 2)
    assert useful_processes() == 0
