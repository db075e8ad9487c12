"""A program that has imported kojikey and forks a child for each command line, so that none waits for the imports.

Each line of its input is a JSON object with ``arguments``, ``environ``, ``deadline`` (the number of the step at which
the child kills itself; 0: never) and ``days`` (by how many the time of ``rotate --due`` is later). Steps are: a
statement that changes a store, the moments before and after each COMMIT, the moment before a request is sent, and the
moment after its answer. Each line of its output is a JSON object about the end of the child: its exit ``code``, the
number of ``steps``, and its output ``said``.

Owns: forking, counting steps, and SIGKILL. Must not: open a store or a connection, because the child would share it.
"""

from __future__ import annotations

import json
import mmap
import os
import pkgutil
import signal
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

_COUNT = 4  # bytes
_STREAMS = (1, 2)  # stdout and stderr


class Steps:
    """Counts the steps of one child, in memory that its parent can read after the child's end."""

    def __init__(self, deadline: int) -> None:
        self._deadline, self._shared = deadline, mmap.mmap(-1, _COUNT)

    @property
    def count(self) -> int:
        """The number of steps that were begun."""
        return int.from_bytes(self._shared[:_COUNT], "big")

    def __call__(self) -> None:
        """Count a step, and kill this process if it is the last one."""
        count = self.count + 1
        self._shared[:_COUNT] = count.to_bytes(_COUNT, "big")
        if count == self._deadline:
            os.kill(os.getpid(), signal.SIGKILL)


def serve() -> None:
    """Carry out command lines until the input ends."""
    _import_all()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryFile() as said:
            ended = _warmed(asked, said.fileno()) if asked["is_warming"] else _forked(asked, said.fileno())
            said.seek(0)
            ended["said"] = said.read().decode("utf-8", "backslashreplace")
        print(json.dumps(ended), flush=True)


def _warmed(asked: dict[str, Any], said: int) -> dict[str, Any]:
    """Carry out a command line in this process, so that all children have what it imports and caches."""
    kept = [os.dup(number) for number in _STREAMS]
    code = _carried_out(asked, said)
    for number, file in zip(_STREAMS, kept, strict=True):
        os.dup2(file, number)
        os.close(file)
    return {"code": code, "steps": 0}


def _forked(asked: dict[str, Any], said: int) -> dict[str, Any]:
    steps = Steps(asked["deadline"])
    child = os.fork()
    if not child:
        _step_in_sqlite(steps)
        _step_in_postgres(steps)
        _step_in_requests(steps)
        _pass_days(asked["days"])
        _ask_at_once()
        os._exit(_carried_out(asked, said))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"code": code, "steps": steps.count}


def _carried_out(asked: dict[str, Any], said: int) -> int:
    from kojikey.__main__ import run

    for number in _STREAMS:
        os.dup2(said, number)
    os.environ.clear()
    os.environ.update(asked["environ"])
    code = run(asked["arguments"])
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _import_all() -> None:
    import kojikey

    for module in pkgutil.walk_packages(kojikey.__path__, "kojikey."):
        if not module.name.endswith("__main__"):
            import_module(module.name)


def _pass_days(days: int) -> None:
    from kojikey.operations.minting import due_rotations

    later = (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    due_rotations.now = lambda: later  # type: ignore[attr-defined]


def _ask_at_once() -> None:
    """Poll Google's operations without waiting."""
    from kojikey.providers.management import google_gemini

    google_gemini.POLL_S = 0.0


def _step_in_sqlite(step: Callable[[], None]) -> None:
    class Stepping(sqlite3.Connection):
        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            words = arguments[0].lstrip().upper()
            if not words.startswith(("SELECT", "PRAGMA")):
                step()
            done = super().execute(*arguments)
            if words == "COMMIT":
                step()
            return done

    connect = sqlite3.connect

    def connected(name: str, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(name, factory=Stepping, **named)
        return connection

    sqlite3.connect = connected  # type: ignore[assignment]


def _step_in_postgres(step: Callable[[], None]) -> None:
    import psycopg

    execute, leave = psycopg.Connection.execute, psycopg.Transaction.__exit__

    def stepping(self: Any, query: Any, *arguments: Any, **named: Any) -> Any:
        if not str(query).lstrip().upper().startswith("SELECT"):
            step()
        return execute(self, query, *arguments, **named)

    def left(self: Any, *arguments: Any) -> Any:
        step()  # before COMMIT
        done = leave(self, *arguments)
        step()
        return done

    psycopg.Connection.execute = stepping  # type: ignore[method-assign]
    psycopg.Transaction.__exit__ = left  # type: ignore[method-assign]


def _step_in_requests(step: Callable[[], None]) -> None:
    from kojikey.providers.requests.exchange import Exchange

    send = Exchange.send

    async def stepping(self: Exchange, *arguments: Any, **named: Any) -> Any:
        step()
        got = await send(self, *arguments, **named)
        step()  # the provider has done it, and this process has not seen the answer
        return got

    Exchange.send = stepping  # type: ignore[method-assign]


if __name__ == "__main__":
    serve()
