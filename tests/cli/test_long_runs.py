"""``kojikey test`` over so many keys that it uses another event loop: signals and lost output are as with a few."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from kojikey.cli.commands.test.key_run import FEW
from support.many import fill_home
from support.program import COMMAND, KEK, PATIENT, SECONDS, Program

ACCOUNTS = FEW // 2 + 2  # each has two keys
KEYS = 2 * ACCOUNTS
PIPE = 65_536  # the bytes that a pipe takes on Linux
ALL = ("test", "--all-accounts", "--jobs", "1", "--concurrency", "4", *PATIENT)


@pytest.fixture
def long(kojikey: Program) -> Iterator[Program]:
    kojikey.sandbox.accept_any = True
    fill_home(kojikey.home, KEK, kojikey.sandbox, ACCOUNTS)
    kojikey.sandbox.forget()
    yield kojikey
    kojikey.sandbox.accept_any = False


def started(program: Program, form: str = "--jsonl") -> subprocess.Popen[str]:
    """Start it in a process group of its own, as a shell does: one whose parent is of another session cannot stop."""
    return subprocess.Popen(
        [*COMMAND, *ALL, form],
        env=program.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def wait_for_requests(program: Program, count: int) -> None:
    while len(program.sandbox.requests) < count:
        program.sandbox.wait_for_request()


def rows_of(out: str) -> list[dict[str, object]]:
    return [row for row in map(json.loads, out.splitlines()) if "account" in row]


def test_a_long_run_uses_uvloop(long: Program) -> None:
    with long.sandbox.hold():
        running = started(long)
        wait_for_requests(long, 1)
        with open(f"/proc/{running.pid}/maps") as file:
            mapped = file.read()
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=SECONDS)
    assert "/uvloop/" in mapped


@pytest.mark.parametrize("form", ["--jsonl", "--json"])
def test_tests_go_on_while_nobody_reads_the_results(long: Program, form: str) -> None:
    with long.sandbox.hold(after=2 * KEYS - 1):
        running = started(long, form)
        wait_for_requests(long, 2 * KEYS)  # all of them, though the pipe takes less than half of the results
    out, err = running.communicate(timeout=SECONDS)
    assert running.returncode == 0, err
    outcomes = rows_of(out) if form == "--jsonl" else json.loads(out)["results"]
    assert [row["outcome"] for row in outcomes] == ["valid"] * KEYS
    assert len(out) > 2 * PIPE


def test_ctrl_c_stops_a_run_whose_results_nobody_reads(long: Program) -> None:
    with long.sandbox.hold(after=2 * KEYS - 1):
        running = started(long)
        wait_for_requests(long, 2 * KEYS)
    running.send_signal(signal.SIGINT)
    out, _ = running.communicate(timeout=SECONDS)
    assert running.returncode == 130
    assert {row["recorded"] for row in rows_of(out)} == {True}


def test_ctrl_c_stops_a_long_run_and_finished_outcomes_are_kept(long: Program) -> None:
    with long.sandbox.hold(after=100):
        running = started(long)
        wait_for_requests(long, 104)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=SECONDS)
    rows = rows_of(out)
    assert running.returncode == 130
    assert "Traceback" not in err
    assert 46 <= len(rows) <= 52
    assert {row["recorded"] for row in rows} == {True}
    tested = [row for row in long("list", "--all-accounts", "--json").results if row["last_test"] is not None]
    assert len(tested) == len(rows)


def test_ctrl_z_and_fg_during_a_long_run_lose_no_key(long: Program) -> None:
    with long.sandbox.hold(after=100):
        running = started(long)
        wait_for_requests(long, 104)
        running.send_signal(signal.SIGTSTP)
        _, status = os.waitpid(running.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
    running.send_signal(signal.SIGCONT)
    out, err = running.communicate(timeout=SECONDS)
    assert running.returncode == 0, err
    assert len({(row["account"], row["provider"]) for row in rows_of(out)}) == KEYS
