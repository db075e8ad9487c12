"""How long ``kojikey scan`` takes, compared with ``grep -rF -f`` on the same tree, and with git on the same history.

``python benchmarks/scan.py [--tree FOLDER] [--runs N]``, with the Python of an environment that has kojikey.
It makes its own home, store and keys, a tree of source-like files (unless one is named) and a repository with at least
100 MiB of objects, runs both sides in turn, prints a table of medians and the most memory that all processes of one
search had together, and exits 1 if one is over budget.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kojikey.model.secret import Secret
from kojikey.operations.adding import Destination, NewKey, add
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Target
from kojikey.operations.store_admin.creating import create
from kojikey.sealing.kek.base import KekInputs
from kojikey.stores.registry import store_from_url

KOJIKEY = os.path.join(os.path.dirname(sys.executable), "kojikey")
KEYS = (2, 100, 1000)
OVER_GREP, OVER_GIT = 3.0, 1.5
MEMORY_MIB = 120


class Row(NamedTuple):
    """One comparison: seconds of ours, seconds of the other side, and how many times those ours may take."""

    name: str
    ours: float
    other: float
    budget: float


def main() -> int:
    """Measure, print the table, and return 1 where one is over budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", type=Path, help="the folder to search (default: 1 GiB in 40,000 files is made)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each side (default 5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kojikey-benchmark-") as folder:
        work = Path(folder)
        tree = options.tree or make_tree(work / "tree")
        rows = [against_grep(work, tree, count, options.runs) for count in KEYS]
        rows.append(against_git(work, make_repository(work / "repository"), options.runs))
        memory = memory_of(work, tree, KEYS[-1])
    return show(rows, memory)


def against_grep(work: Path, tree: Path, count: int, runs: int) -> Row:
    """Compare with grep for the same keys."""
    environ, keys = make_store(work / f"home-{count}", count)
    strings = work / f"strings-{count}"
    strings.write_text("\n".join(keys) + "\n")
    ours = (KOJIKEY, "scan", "--json", "--all-accounts", str(tree))
    ours_s, other_s = in_turn(ours, ("grep", "-rF", "-f", str(strings), str(tree)), environ, runs)
    return Row(f"{count} keys, grep -rF -f", ours_s, other_s, OVER_GREP)


def against_git(work: Path, repository: Path, runs: int) -> Row:
    """Compare with git's own reading of all objects."""
    environ, _ = make_store(work / "home-git", 100)
    ours = (KOJIKEY, "scan", "--git", "--json", "--all-accounts", str(repository))
    other = ("git", "-C", str(repository), "cat-file", "--batch-all-objects", "--batch")
    ours_s, other_s = in_turn(ours, other, environ, runs)
    return Row("100 keys, git cat-file --batch-all-objects --batch", ours_s, other_s, OVER_GIT)


def in_turn(ours: Sequence[str], other: Sequence[str], environ: dict[str, str], runs: int) -> tuple[float, float]:
    """Return the median seconds of two commands; they take turns, so that noise meets them alike."""
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(runs + 1):  # the first round warms the caches
        for command, seconds in zip((ours, other), taken, strict=True):
            began = time.perf_counter()
            ended = subprocess.run(
                command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
            )
            if ended.returncode not in (0, 1, 3):  # 1: grep found nothing; 3: we found something
                raise SystemExit(f"{command[0]} ended with {ended.returncode}: {ended.stderr.decode()}")
            if number:
                seconds.append(time.perf_counter() - began)
    return statistics.median(taken[0]), statistics.median(taken[1])


def memory_of(work: Path, tree: Path, count: int) -> float:
    """Return the most MiB that a search and its processes had at one moment; pages that they share count once."""
    environ, _ = make_store(work / "home-memory", count)
    ours = (KOJIKEY, "scan", "--json", "--all-accounts", str(tree))
    most = 0
    with subprocess.Popen(ours, env=environ, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as process:
        while process.poll() is None:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            pids = [process.pid, *map(int, children.read_text().split())]
            most = max(most, sum(map(proportional_kib, pids)))
            time.sleep(0.01)
    return most / 1024


def proportional_kib(pid: int) -> int:
    """Return a process's share of the memory that it uses, 0 where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def make_store(home: Path, count: int) -> tuple[dict[str, str], list[str]]:
    """Make a store with so many keys, an account each; return an environment for it, and the keys."""
    kek = base64.urlsafe_b64encode(os.urandom(32)).decode()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("KOJIKEY_")}
    environ |= {"KOJIKEY_HOME": str(home), "KOJIKEY_KEK": kek}
    home.mkdir(mode=0o700)
    store = store_from_url(f"sqlite://{home}/keys.db")
    inputs = KekInputs({"KOJIKEY_KEK": kek}, None, print)
    header, source = create(store, source="env", inputs=inputs)
    opened = OpenStore(store, header, inputs, actor="benchmark")
    opened.adopt(source)
    keys = [f"sk_{os.urandom(24).hex()}" for _ in range(count)]
    target = Target("elevenlabs", "https://api.elevenlabs.io")
    for number, key in enumerate(keys):
        new = NewKey(f"account-{number}", target, Secret(key), KeySettings())
        asyncio.run(add(Destination(opened), new, test=None, approve=lambda _: True))
    opened.close()
    return environ, keys


def make_tree(folder: Path) -> Path:
    """Make 1 GiB of lines in 40,000 files of many sizes; the keys are in none of them."""
    chance = random.Random(0)
    words = [chance.randbytes(chance.randrange(2, 8)).hex() for _ in range(5000)]
    lines = (" ".join(chance.choices(words, k=chance.randrange(1, 14))) for _ in range(20_000))
    text = "\n".join(lines).encode()
    for number in range(40_000):
        path = folder / f"{number % 800}" / f"file{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = 200_000 if number % 16 == 0 else 15_000
        begin = chance.randrange(len(text) - size)
        path.write_bytes(text[begin : begin + size])
    return folder


def make_repository(folder: Path) -> Path:
    """Make a repository with 100 MiB of objects in 60 commits, packed."""
    chance = random.Random(1)
    git = ("git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.org")
    subprocess.run(("git", "init", "-q", str(folder)), check=True)
    for number in range(60):
        for name in range(20):
            (folder / f"file{name}").write_text(chance.randbytes(45_000).hex())
        subprocess.run((*git, "add", "-A"), check=True)
        subprocess.run((*git, "commit", "-qm", f"change {number}"), check=True)
    subprocess.run((*git, "gc", "-q"), check=True)
    return folder


def show(rows: list[Row], memory: float) -> int:
    """Print the table; return 1 where one is over budget."""
    print(f"{'compared with':<52}{'kojikey':>9}{'other':>9}{'ratio':>7}{'at most':>9}")
    over = False
    for row in rows:
        ratio = row.ours / row.other
        over |= ratio > row.budget
        print(f"{row.name:<52}{row.ours:>8.2f}s{row.other:>8.2f}s{ratio:>7.2f}{row.budget:>9}")
    print(f"memory of all processes, {KEYS[-1]} keys: {memory:.0f} MiB of at most {MEMORY_MIB}")
    return int(over or memory > MEMORY_MIB)


if __name__ == "__main__":
    sys.exit(main())
