"""A process that competes for a store: ``python -m kojikey.testing.conformance.contention VERB URL …``.

The process prints ``ready``, waits for a line, works, and prints the results. Must not: be imported outside of tests.
"""
# ruff: noqa: S101 - this is part of the tests

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from kojikey.model.errors import ChangedMeanwhile, StoreExists, StoreLocked
from kojikey.model.ref import account_ref
from kojikey.stores.base import Change, Store
from kojikey.stores.registry import store_from_url

COUNTER = account_ref("counter")


def increment(store: Store) -> int:
    """Add one to the shared counter and append the event of that number, retrying conflicts; return the number."""
    while True:
        try:
            before = store.read(COUNTER)
            count = before.document["count"] + 1 if before else 1
            event = {"account": "counter", "seq": count, "provider": "", "time": "2026-11-23T04:47:00Z"}
            store.commit([Change(COUNTER, {"count": count}, before.revision if before else None)], [event])
        except (ChangedMeanwhile, StoreLocked):
            continue  # after these two errors, nothing was changed
        return count


def compete(verb: str, url: str, arguments: Sequence[Sequence[object]]) -> list[list[str]]:
    """Run one process for each of ``arguments``, start their work at the same time, and return the lines of each.

    Raises:
        AssertionError: a process failed.
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", __name__, verb, url, *map(str, own)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for own in arguments
    ]
    for process in processes:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise AssertionError(f"a process that opens {url} ended at once:\n{process.communicate()[1]}")
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = []
    for process in processes:
        out, err = process.communicate()
        assert process.returncode == 0, err
        answers.append(out.split())
    return answers


def main(verb: str, url: str, argument: str) -> None:
    """Compete: ``increment N`` prints each acknowledged number, ``create NAME`` prints "created" or "exists"."""
    store = store_from_url(url)
    print("ready", flush=True)
    sys.stdin.readline()
    if verb == "increment":
        for _ in range(int(argument)):
            print(increment(store), flush=True)
    elif verb == "create":
        try:
            store.create({"by": argument})
            print("created")
        except StoreExists:
            print("exists")
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
