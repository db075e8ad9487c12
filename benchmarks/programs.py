"""What ``kojikey.Client`` costs a program: an answer from memory, one from the store, 32 threads, and memory.

Run it with the Python of a development environment: ``python benchmarks/programs.py [--accounts N]``. It makes its own
stores and server, prints the figures, and exits 1 where one is over its limit. Trust the ratios: "alone" is the
engine's own client with the statements that read a key and its account (``benchmarks/stores.py``). "Uncached" is with
``cache=0``, of keys that the client has opened before: it asks the store each time whether anything changed. The first
answer about a key has no limit.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

from kojikey import Client
from stores import ENGINES, KEK, PROVIDER, Place, _add, _custody, _Rows

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))

CACHED_US = 20.0
UNCACHED_RATIO = 1.5
THREADS = 32
GROWTH_MIB = 4.0
RUNS = 2_000
ACCOUNTS = 100
WITH_KEY = 5_001  # accounts, more than a client keeps in memory
_over: list[str] = []


def main() -> int:
    """Measure, print, and tell whether all of it is within its limits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=100_000, help="how many accounts the memory is measured over")
    options = parser.parse_args()
    for name in ("SQLite", "PostgreSQL"):
        with ENGINES[name]() as place, mock.patch.dict(os.environ, {**KEK, "KOJIKEY_HOME": "/nonexistent"}):
            _measure(name, place)
    with ENGINES["SQLite"]() as place, mock.patch.dict(os.environ, {**KEK, "KOJIKEY_HOME": "/nonexistent"}):
        _memory(place, options.accounts)
    return 1 if _over else 0


def _measure(name: str, place: Place) -> None:
    names = [f"account-{number}" for number in range(ACCOUNTS)]
    store, twin = _custody(place.url), _custody(place.bare_url)
    for account in names:
        _add(store, account)
        _add(twin, account)
    store.close()
    twin.close()
    bare, rows = place.bare(), _Rows("", "", "")
    rows._revisions = dict.fromkeys(names, "")
    with Client(place.url) as client:
        cached = statistics.median(_timed(client.resolve, PROVIDER, names[0]) for _ in range(RUNS))
        _print(name, "cached, µs", cached * 1e6, CACHED_US)
    with Client(place.url, cache=0) as client:
        pairs = [
            (
                _timed(client.resolve, PROVIDER, names[n % ACCOUNTS]),
                _timed(rows.get, bare, names[n % ACCOUNTS]),
            )
            for n in range(RUNS)
        ]
        first, bare_first = (statistics.median(side) for side in zip(*pairs[:ACCOUNTS], strict=True))
        print(f"{name:<12}{'first answers, ratio':<38}{first / bare_first:>10.2f}")
        ours, alone = (statistics.median(side) for side in zip(*pairs[ACCOUNTS:], strict=True))
        print(f"{name:<12}{'uncached / alone, µs':<28}{ours * 1e6:>10.1f}{alone * 1e6:>10.1f}")
        _print(name, "uncached, ratio", ours / alone, UNCACHED_RATIO)
    with Client(place.url, cache=0) as client, ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(lambda n: client.resolve(PROVIDER, names[n % ACCOUNTS]).source, range(RUNS)))
        _print(name, f"lost by {THREADS} threads", float(RUNS - found.count("byok")), 0.0)
    bare.close()


def _memory(place: Place, accounts: int) -> None:
    """Measure the memory that more and more accounts take, once the caches are full: with a key, and without one."""
    store = _custody(place.url)
    for number in range(WITH_KEY):
        _add(store, f"key-{number}")
    store.close()
    with Client(place.url) as client:
        tracemalloc.start()
        before = _resolved(client, range(accounts // 10))
        after = _resolved(client, range(accounts // 10, accounts))
        tracemalloc.stop()
    _print("SQLite", f"growth to {accounts:,} accounts, MiB", max(0, after - before) / 2**20, GROWTH_MIB)


def _resolved(client: Client, numbers: range) -> int:
    """Ask for an account without a key, and for one of more than the client keeps; return the memory in use then."""
    for number in numbers:
        client.resolve(PROVIDER, f"key-{number % WITH_KEY}" if number % 2 else f"none-{number}")
    return tracemalloc.get_traced_memory()[0]


def _timed(work: Callable[..., object], *arguments: object) -> float:
    begun = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - begun


def _print(name: str, what: str, found: float, limit: float) -> None:
    mark = "" if found <= limit else "  over"
    _over.extend([what] if mark else [])
    print(f"{name:<12}{what:<38}{found:>10.2f}  at most {limit:g}{mark}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
