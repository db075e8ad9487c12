"""A process that is killed before its n-th write to the disk: ``dying.py create|commit|remember PATH N``.

Run by ``test_sqlite_crash`` and ``test_known_trails``. It exits with 0 if it has fewer writes.
"""

from __future__ import annotations

import _sqlite3
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

from kojikey.config.known_trails import KnownTrailFile
from kojikey.model.ref import account_ref, key_ref
from kojikey.model.trail_end import TrailEnd
from kojikey.stores.base import Change
from kojikey.stores.sqlite.store import SqliteStore

EVENT = {"provider": "elevenlabs", "time": "2026-11-23T04:47:00Z"}


def main(verb: str, path: str, deadline: str) -> None:
    store = SqliteStore(path)
    kill_at(int(deadline))
    if verb == "create":
        store.create({"format": 1})
    elif verb == "commit":
        commit(store)
    else:
        remember(KnownTrailFile(path, "a store", None), int(deadline))


def remember(known: KnownTrailFile, seq: int) -> None:
    """Remember the end of the audit trail of a thousand accounts."""
    for number in range(1000):
        known.remember(f"account-{number}", TrailEnd(seq, "0" * 64, EVENT["time"]))
    known.close()


def commit(store: SqliteStore) -> None:
    """Add one to every key, to the account's count of events, and that many events."""
    keys, account = list(store.scan()), store.read(account_ref("acme"))
    assert account is not None
    seq = account.document["events"] + 1
    changes = [Change(key.ref, {**key.document, "n": key.document["n"] + 1}, key.revision) for key in keys]
    changes += [Change(account.ref, {"events": seq}, account.revision)]
    changes += [Change(key_ref("acme", f"new-{seq}"), {"n": seq, "pad": "y" * 4_000}, None)]
    store.commit(changes, [{**EVENT, "account": "acme", "seq": seq}])


def kill_at(deadline: int) -> None:
    steps = count(1)

    def step() -> None:
        if next(steps) == deadline:
            os.kill(os.getpid(), signal.SIGKILL)

    def stepping(function: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*arguments: Any, **named: Any) -> Any:
            step()
            return function(*arguments, **named)

        return stepped

    class Stepping(sqlite3.Connection):
        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            step()
            return super().execute(*arguments)

        def close(self) -> None:
            step()
            super().close()

    connect = sqlite3.connect

    def connected(name: str, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(name, factory=Stepping, **named)
        # a cache of a few pages: a change is written to the file in part long before it is committed
        sqlite3.Connection.execute(connection, "PRAGMA cache_size = 2")
        return connection

    for module in (sqlite3, _sqlite3):  # the remembered trails use the one, the store the other
        module.connect = connected  # type: ignore[attr-defined]
    for name in ("mkdir", "open", "close", "fsync", "link", "unlink"):
        setattr(os, name, stepping(getattr(os, name)))


if __name__ == "__main__":
    main(*sys.argv[1:])
