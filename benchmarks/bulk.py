"""Throughput and memory of ``kojikey test --all-accounts``, compared with what one would write by hand.

Run it with the Python of an environment that kojikey is installed in: ``python benchmarks/bulk.py [--keys 100 1000
10000] [--latency 0.05] [--concurrency 64]``. It makes its own stores and a sandbox in a process of its own. Beside it:

- a plain httpx2 loop: the same requests with the same concurrency, one client a process; it judges and stores nothing;
- a shell loop: one ``kojikey test`` a key, measured on a sample (``--sample``) and multiplied; the output says so.

Each size is measured in one process and with ``--jobs`` worker processes (by default the cores), the plain loop divided
over as many. The most keys are also tested by ``--shards`` processes at once, which share the run by ``--shard K/N``.

``--store URL`` measures another store instead, newly created there, with the largest number of keys only; for example
an empty PostgreSQL database.

``--latency 0`` shows what the processor allows: its time is in the table as a multiple of that of ``python -c pass``,
start-up included. ``--repeat 4`` runs each row so often and takes the least of each figure; the first run also writes
an event for each key, as every run does for what it finds new.

It prints a table and exits 1 where a limit is exceeded, at any size that it prints: the time, without that of a run
over one key, is at most 1.2 times that of the plain loop in as many processes; at a latency of 200 ms or more also at
most 1.2 times requests x latency / concurrency; without latency, 1,000 keys in one process take at most 0.8 times the
processor time of the plain loop; the memory of a process is at most 1.2 times that for 500 keys; and every shard's keys
together are all keys, none twice. Each test has a connection of its own, so that no answer can be counted for another
key; the plain loop shares its connections.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, NamedTuple

from kojikey.model.key import Key, Stage
from kojikey.model.ref import key_ref
from kojikey.model.secret import Secret
from kojikey.operations.key_records import sealed_version
from kojikey.operations.ledger import Ledger, Plan, event_draft
from kojikey.operations.open_store import OpenStore
from kojikey.operations.store_admin.creating import create
from kojikey.sealing.envelope import Sealer
from kojikey.sealing.kek.base import KekInputs
from kojikey.stores.base import Change
from kojikey.stores.registry import store_from_url
from kojikey.testing import Sandbox, load_key

KEK = base64.urlsafe_b64encode(bytes(range(32))).decode()
PASS = ("-c", "pass")
PASSES = 20
PROVIDERS = ("elevenlabs", "google_gemini")
REQUESTS_A_KEY = 2
TIME_FACTOR, MEMORY_FACTOR, MEMORY_KEYS = 1.2, 1.2, 500
IDEAL_FROM_S = 0.2
PROCESSOR_KEYS, PROCESSOR_FACTOR = 1000, 0.8


class Ran(NamedTuple):
    """How long a run took, its processor time, and the most memory that it had."""

    seconds: float
    processor_s: float
    mebibytes: float


def main() -> int:
    """Measure, print the table, and return 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--latency", type=float, default=0.05, help="seconds before each answer")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--sample", type=int, default=10, help="keys of the shell loop that are measured")
    parser.add_argument("--repeat", type=int, default=1, help="runs of which the least is taken")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="worker processes")
    parser.add_argument("--shards", type=int, default=4, help="processes that share a run")
    parser.add_argument("--store", help="the URL of a store that is not there yet, instead of SQLite")
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--plain", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        return serve(options.serve)
    if options.plain is not None:
        url, keys, concurrency = options.plain
        asyncio.run(plain_loop(url, int(keys), int(concurrency)))
        return 0
    return measure_store(options) if options.store else measure(options)


def measure_store(options: argparse.Namespace) -> int:
    """Measure the most keys on another store; return 1 where they take too long."""
    count = max(options.keys)
    with tempfile.TemporaryDirectory(prefix="kojikey-fleet-") as home, sandbox_process(options.latency) as url:
        fill(options.store, count, url)
        environ = {**clean_environment(), "KOJIKEY_HOME": home, "KOJIKEY_STORE": options.store}
        ran = timed([test_command(options.concurrency, options.jobs)], environ)
    ideal = count * REQUESTS_A_KEY * options.latency / options.concurrency
    print(f"{count} keys: {ran.seconds:.1f} s, {times(ran.seconds, ideal)} times the ideal; {ran.mebibytes:.0f} MiB")
    return 1 if ideal and ran.seconds > TIME_FACTOR * ideal else 0


def measure(options: argparse.Namespace) -> int:
    """Print the table as it comes; return 1 where a promise is not kept."""
    broken: list[str] = []
    with tempfile.TemporaryDirectory(prefix="kojikey-bulk-") as folder, sandbox_process(options.latency) as url:
        few = kojikey_run(filled_home(folder, MEMORY_KEYS, url), options.concurrency, jobs=1)
        least = least_of(lambda: timed([[sys.executable, *PASS]], clean_environment()), PASSES).processor_s
        print(
            f"latency {options.latency * 1000:g} ms, concurrency {options.concurrency}, {REQUESTS_A_KEY} requests a key"
        )
        print(f"kojikey with {MEMORY_KEYS} keys: {few.mebibytes:.0f} MiB\n")
        columns = "keys", "processes", "ideal", "kojikey", "of the ideal", "keys/s", "processor a key", "in pass"
        print(" | ".join(("", *columns, "memory", "plain loop", "")).strip())
        print("|---:" * (len(columns) + 2) + "|")
        for count in options.keys:
            for jobs in sorted({1, options.jobs}):
                broken += row(options, folder, url, count, jobs, few, least)
            shell = shell_run(filled_home(folder, count, url), count, options.sample)
            print(f"\na shell loop over {count} keys: about {shell:.0f} s\n", flush=True)
        broken += shard_run(options, folder, url)
    print("\n".join(["", *broken]) if broken else "\nall promises are kept")
    return 1 if broken else 0


def row(
    options: argparse.Namespace, folder: str, url: str, count: int, jobs: int, few: Ran, least: float
) -> Iterator[str]:
    """Measure so many keys in so many processes, print a row, and yield the promises that are not kept.

    ``least`` is the processor time of ``python -c pass``.
    """
    one = kojikey_run(filled_home(folder, 2, url), options.concurrency, jobs=jobs)
    home = filled_home(folder, count, url)
    ours = least_of(lambda: kojikey_run(home, options.concurrency, jobs=jobs), options.repeat)
    plain = least_of(lambda: plain_run(url, count, options.concurrency, jobs), options.repeat)
    ideal = count * REQUESTS_A_KEY * options.latency / options.concurrency
    taken = ours.seconds - one.seconds
    processor = (ours.processor_s - one.processor_s) / count
    print(
        f"| {count} | {jobs} | {ideal:.1f} s | {ours.seconds:.1f} s ({one.seconds:.1f} s to start) "
        f"| {times(taken, ideal)} | {count / ours.seconds:.0f} | {processor * 1000:.2f} ms "
        f"| {ours.processor_s / least:.0f} | {ours.mebibytes:.0f} MiB "
        f"| {plain.seconds:.1f} s, {plain.processor_s / count * 1000:.2f} ms, {plain.processor_s / least:.0f} |",
        flush=True,
    )
    if not ideal and jobs == 1 and count == PROCESSOR_KEYS and ours.processor_s > PROCESSOR_FACTOR * plain.processor_s:
        share = ours.processor_s / plain.processor_s
        yield f"{count} keys took {share:.2f} times the processor time of the plain loop, over {PROCESSOR_FACTOR}"
    if taken > TIME_FACTOR * plain.seconds:
        yield f"{count} keys in {jobs} took {taken / plain.seconds:.2f} times the plain loop, over {TIME_FACTOR}"
    if options.latency >= IDEAL_FROM_S and taken > TIME_FACTOR * ideal:
        yield f"{count} keys in {jobs} took {taken / ideal:.2f} times the ideal, over {TIME_FACTOR}"
    if ours.mebibytes > MEMORY_FACTOR * few.mebibytes:
        ratio = ours.mebibytes / few.mebibytes
        yield f"{count} keys in {jobs} took {ratio:.2f} times the memory of {MEMORY_KEYS}, over {MEMORY_FACTOR}"


def times(seconds: float, of: float) -> str:
    """Return a time as a multiple of another one, "-" where that is none."""
    return f"{seconds / of:.2f}" if of else "-"


def least_of(run: Callable[[], Ran], repeat: int) -> Ran:
    """Return the least time and processor time, and the most memory, of several runs."""
    found = [run() for _ in range(repeat)]
    return Ran(min(r.seconds for r in found), min(r.processor_s for r in found), max(r.mebibytes for r in found))


def shard_run(options: argparse.Namespace, folder: str, url: str) -> Iterator[str]:
    """Let several processes share a run over the most keys, print its time, and yield what is wrong with it."""
    count, parts = max(options.keys), options.shards
    environ = {**clean_environment(), "KOJIKEY_HOME": filled_home(folder, count, url)}
    began = time.perf_counter()
    with ExitStack() as stack:  # files, because a process whose pipe is full waits for its turn to be read
        files = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(parts)]
        running = [
            subprocess.Popen(
                test_command(max(1, options.concurrency // parts), 1, "--shard", f"{part}/{parts}"),
                env=environ, stdout=file,
            )
            for part, file in enumerate(files, 1)
        ]  # fmt: skip
        for process in running:
            process.wait()
        outputs = [lines_of(file) for file in files]
    seconds = time.perf_counter() - began
    rows = [json.loads(line) for lines in outputs for line in lines[:-1]]
    keys = {(row["account"], row["provider"]) for row in rows}
    print(f"{count} keys shared by {parts} processes with --shard: {seconds:.1f} s, {count / seconds:.0f} keys/s")
    if any(process.returncode for process in running) or not len(rows) == len(keys) == count:
        yield f"{parts} shards tested {len(rows)} keys, {len(keys)} different ones, of {count}"


def lines_of(file: IO[str]) -> list[str]:
    """Return all lines of an open file."""
    file.seek(0)
    return file.read().splitlines()


def clean_environment() -> dict[str, str]:
    """Return an environment without proxies, and with the KEK."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "KOJIKEY_KEK": KEK}


def test_command(concurrency: int, jobs: int, *more: str) -> list[str]:
    """Return the command that tests every key."""
    command = [sys.executable, "-m", "kojikey", "test", "--all-accounts", "-q", "--jsonl"]
    return [*command, "--concurrency", str(concurrency), "--jobs", str(jobs), *more]


def kojikey_run(home: str, concurrency: int, *, jobs: int) -> Ran:
    """Test every key of a home."""
    return timed([test_command(concurrency, jobs)], {**clean_environment(), "KOJIKEY_HOME": home})


def plain_run(url: str, count: int, concurrency: int, jobs: int) -> Ran:
    """Run the plain loop, divided over so many processes."""
    command = [sys.executable, os.path.abspath(__file__), "--plain", url, str(count // jobs), str(concurrency // jobs)]
    return timed([command] * jobs, clean_environment())


def shell_run(home: str, count: int, sample: int) -> float:
    """Return the seconds that one command a key would take, measured on some keys."""
    used = min(sample, count // 2)
    test = '"$0" -m kojikey test -q elevenlabs -a "account-$(printf %05d $i)"'
    loop = f"i=0; while [ $i -lt {used} ]; do {test}; i=$((i+1)); done"
    ran = timed([["sh", "-c", loop, sys.executable]], {**clean_environment(), "KOJIKEY_HOME": home})
    return ran.seconds / used * count


def timed(commands: list[list[str]], environ: dict[str, str]) -> Ran:
    """Run commands at once that must succeed. The memory is that of the largest process."""
    began = time.perf_counter()
    processes = [subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) for command in commands]
    usages = []
    for process in processes:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        usages.append(usage)
    seconds = time.perf_counter() - began
    if any(process.returncode for process in processes):
        raise SystemExit(f"{commands[0][:4]} ended with {[process.returncode for process in processes]}")
    processor = sum(usage.ru_utime + usage.ru_stime for usage in usages)
    return Ran(seconds, processor, max(usage.ru_maxrss for usage in usages) / 1024)


async def plain_loop(url: str, count: int, concurrency: int) -> None:
    """Make the requests of the tests with httpx2, and throw the answers away."""
    import httpx2

    numbers = iter(range(count))
    async with httpx2.AsyncClient(limits=httpx2.Limits(max_connections=concurrency), timeout=60) as client:

        async def work() -> None:
            for number in numbers:
                provider = PROVIDERS[number % 2]
                key = load_key(provider, number // 2)
                if provider == "elevenlabs":
                    headers = {"xi-api-key": key}
                    await client.get(f"{url}/elevenlabs/v1/user/subscription", headers=headers)
                    await client.post(f"{url}/elevenlabs/v1/text-to-speech/none", headers=headers, json={"text": ""})
                else:
                    headers = {"x-goog-api-key": key}
                    body = {"contents": [{"parts": [{"text": "x"}]}]}
                    await client.get(f"{url}/google_gemini/v1beta/models?pageSize=50", headers=headers)
                    model = f"{url}/google_gemini/v1beta/models/gemini-2.5-flash:countTokens"
                    await client.post(model, headers=headers, json=body)

        await asyncio.gather(*(work() for _ in range(concurrency)))


def filled_home(folder: str, count: int, url: str) -> str:
    """Make a home with so many keys, two an account, and return it."""
    home = os.path.join(folder, str(count))
    if os.path.exists(home):
        return home
    os.mkdir(home, 0o700)
    fill(f"sqlite://{home}/keys.db", count, url)
    return home


def fill(store_url: str, count: int, url: str) -> None:
    """Make a store with so many keys, two an account."""
    store = store_from_url(store_url)
    inputs = KekInputs({"KOJIKEY_KEK": KEK}, None)
    header, kek = create(store, source="env", inputs=inputs)
    open_store = OpenStore(store, header, inputs, actor="benchmark")
    open_store.adopt(kek)
    for number in range((count + 1) // 2):
        account = f"account-{number:05}"
        Ledger(open_store).record(account, lambda sealer, a=account, n=number: plan_of(sealer, a, n, url))  # type: ignore[misc]
    open_store.close()


def plan_of(sealer: Sealer, account: str, number: int, url: str) -> Plan:
    """Return what adds an account's two keys at once."""
    changes, drafts = [], []
    for provider in PROVIDERS:
        version = sealed_version(
            sealer, Secret(load_key(provider, number)), provider=provider, number=1, stage=Stage.CURRENT,
            base_url=f"{url}/{provider}", expires_at=None,
        )  # fmt: skip
        key = Key(account, provider, (version,), 2, version.created_at, None, (), (), 90, None)
        changes.append(Change(key_ref(account, provider), key.as_document(), None))
        drafts.append(event_draft("added", provider, version))
    return Plan(tuple(changes), tuple(drafts))


def serve(latency: float) -> int:
    """Play the providers until stdin ends."""
    sandbox = Sandbox()
    sandbox.accept_any, sandbox.latency = True, latency
    with sandbox:
        print(sandbox.base_url("elevenlabs").rpartition("/")[0], flush=True)
        sys.stdin.read()
    return 0


@contextmanager
def sandbox_process(latency: float) -> Iterator[str]:
    """Yield the URL of a sandbox in a process of its own."""
    command = [sys.executable, os.path.abspath(__file__), "--serve", str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(20)


if __name__ == "__main__":
    sys.exit(main())
