"""kojikey, killed before the n-th thing it does to the store or asks of a provider: ``dying_mint.py N ARGUMENTS...``.

Run by ``test_mint_kills``. With N = 0 it ends well, and writes how many such things there were to the file that the
variable STEPS names.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from typing import Any

from kojikey.__main__ import run
from kojikey.providers.requests.exchange import Exchange

STEPS = "STEPS"


def main(deadline: int, arguments: list[str]) -> int:
    done = [0]

    def step() -> None:
        done[0] += 1
        if done[0] == deadline:
            os.kill(os.getpid(), signal.SIGKILL)

    _patch_store(step)
    _patch_requests(step)
    code = run(arguments)
    if not deadline:
        with open(os.environ[STEPS], "w", encoding="ascii") as file:
            file.write(str(done[0]))
    return code


def _patch_store(step: Callable[[], None]) -> None:
    class Stepping(sqlite3.Connection):
        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            if not arguments[0].lstrip().upper().startswith(("SELECT", "PRAGMA")):
                step()
            return super().execute(*arguments)

    connect = sqlite3.connect

    def connected(name: str, **named: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(name, factory=Stepping, **named)
        return connection

    sqlite3.connect = connected  # type: ignore[assignment]


def _patch_requests(step: Callable[[], None]) -> None:
    send = Exchange.send

    async def stepping(self: Exchange, *arguments: Any, **named: Any) -> Any:
        step()
        got = await send(self, *arguments, **named)
        step()  # the provider has done it, and nobody here knows yet
        return got

    Exchange.send = stepping  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
