"""After a kill at any point, an SQLite store is in the state before or after the change."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kojikey.model.errors import StoreNotFound
from kojikey.model.ref import account_ref, key_ref
from kojikey.stores.base import Change
from kojikey.stores.sqlite.store import SqliteStore
from kojikey.testing.conformance.contention import COUNTER
from support.exhaustive import exhaustive

DYING = str(Path(__file__).with_name("dying.py"))


def dies(verb: str, path: Path, step: int) -> bool:
    """Do something in a process that is killed before that step; return whether it was killed."""
    ended = subprocess.run([sys.executable, DYING, verb, str(path), str(step)], capture_output=True, check=False)
    assert ended.returncode in {0, -signal.SIGKILL}, ended.stderr.decode()
    return ended.returncode != 0


STRIDES = [4, exhaustive(1)]
"""The normal run kills at every fourth step, the exhaustive run at each."""


@pytest.mark.parametrize("stride", STRIDES)
def test_a_kill_while_a_store_is_created_leaves_a_whole_store_or_none(tmp_path: Path, stride: int) -> None:
    outcomes = []
    for step in itertools.count(1, stride):
        path = tmp_path / str(step) / "deep" / "keys.db"
        if not dies("create", path, step):
            break
        store = SqliteStore(str(path))
        try:
            assert store.open().document == {"format": 1}
            outcomes.append("whole")
        except StoreNotFound:
            outcomes.append("none")
            store.create({"format": 2})  # what is left of the first attempt does not hinder the second
            assert store.open().document == {"format": 2}
        store.commit([Change(key_ref("acme", "elevenlabs"), {}, None)])
        store.close()
        for left in path.parent.iterdir():
            assert left.stat().st_mode & 0o077 == 0
    assert outcomes == sorted(outcomes)  # "none" until the file has its name, "whole" from then on
    assert outcomes.count("none") > 15 // stride
    assert outcomes.count("whole") > 2 // stride


@pytest.mark.parametrize("stride", STRIDES)
def test_a_kill_during_a_change_leaves_it_whole_or_not_done(tmp_path: Path, stride: int) -> None:
    path = tmp_path / "keys.db"
    store = SqliteStore(str(path))
    store.create({"format": 1})
    keys = [Change(key_ref("acme", f"old-{n}"), {"n": 0, "pad": "x" * 4_000}, None) for n in range(40)]
    store.commit([*keys, Change(account_ref("acme"), {"events": 0}, None)])
    store.close()
    left_undone = 0
    for step in itertools.count(1, stride):
        before = path.read_bytes()
        if not dies("commit", path, step):
            break
        left_undone += path.with_name("keys.db-journal").exists() and path.read_bytes() != before
        assert state(path) == 0
    assert step > 50
    assert left_undone > 5 // stride  # else nothing had to be rolled back, and this test showed nothing
    assert state(path) == 1
    assert not path.with_name("keys.db-journal").exists()


def state(path: Path) -> int:
    """Return the number of changes in the store, after checking that keys, account and events agree."""
    store = SqliteStore(str(path))
    account = store.read(account_ref("acme"))
    assert account is not None
    seen: int = account.document["events"]
    assert [event["seq"] for event in store.events()] == list(range(1, seen + 1))
    keys = {key.ref.provider: key.document["n"] for key in store.scan()}
    assert keys == {f"old-{n}": seen for n in range(40)} | {f"new-{n}": n for n in range(1, seen + 1)}
    store.close()
    return seen


@pytest.mark.parametrize("acknowledged", [1, 5, 34, *map(exhaustive, (2, 3, 8, 13, 21))])
def test_changes_acknowledged_before_a_kill_are_there_and_no_half_change_is(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "keys.db"
    SqliteStore(str(path)).create({"format": 1})
    command = [
        sys.executable,
        "-m",
        "kojikey.testing.conformance.contention",
        "increment",
        f"sqlite://{path}",
        "1000000",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        seen = [process.stdout.readline() for _ in range(acknowledged + 1)]  # "ready" is the first
        process.kill()
        seen += process.stdout.readlines()
    store = SqliteStore(str(path))
    counter = store.read(COUNTER)
    assert counter is not None
    last = int(next(line for line in reversed(seen) if line.endswith("\n")))
    assert counter.document["count"] in {last, last + 1}  # the very last may have had no time to say so
    assert [event["seq"] for event in store.events()] == list(range(1, counter.document["count"] + 1))
