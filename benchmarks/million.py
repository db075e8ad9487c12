"""What kojikey costs with 1,000,000 keys in PostgreSQL, and with a twentieth of them: what grows faster than the store?

Run it with the Python of a development environment: ``python benchmarks/million.py [--keys N] [--folder FOLDER]``. It
starts a server of its own (with ``fsync``) beside itself, makes the store, prints a table for each size, and takes all
of it away. A million keys take some minutes, 3 GB in the folder, and less than 200 MB of memory outside the server.

Every hundredth account is sealed for real and its keys were never tested: the 1 % that ``test --not-tested-since``
takes. The others are bulk-inserted documents of the same form, tested some hours ago. "Bare" is psycopg with the
statements that read the same rows. Trust the ratios, and the last column: a figure that grows with the store has the
growth of its bare one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from bulk import plan_of

from kojikey.model.ref import account_ref, key_ref
from kojikey.model.secret import Secret
from kojikey.model.timestamps import stamp
from kojikey.model.verdict import Reason, Verdict
from kojikey.operations.audit.audit_verification import verify
from kojikey.operations.key_records import scan_keys
from kojikey.operations.ledger import Ledger
from kojikey.operations.open_store import OpenStore
from kojikey.operations.outcomes import BATCH
from kojikey.operations.probing import Target
from kojikey.operations.resolving import resolve
from kojikey.operations.selecting import select
from kojikey.operations.testing_keys import run_tests
from kojikey.stores.base import Query, encoded, new_revision, slot_of
from stores import KEK, PROVIDER, BarePostgres, _custody, _paged

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))

from support.servers.postgres import Server, running_in

PROVIDERS = ("elevenlabs", "google_gemini")
REAL = 100  # one of so many accounts is sealed for real
RUNS = 300  # of what takes milliseconds
ROLE, FEW_GRANTS, MANY_GRANTS = "reader", 1, 1_000
LEAST = 40 * MANY_GRANTS  # keys, so that the smaller store has an account for each grant
KOJIKEY = os.path.join(os.path.dirname(sys.executable), "kojikey")


class Figure(NamedTuple):
    """The seconds of one operation, those of its bare statements, and of each what it took of our own processor time.

    ``mib`` is the peak of memory, where a process of its own did it.
    """

    ours: float
    bare: float
    ours_cpu: float
    bare_cpu: float
    mib: float = 0.0


class Bulk:
    """The documents of an account as bulk data: those of a real one, with other names, moments and fingerprints."""

    def __init__(self, open_store: OpenStore, account: str) -> None:
        self._account = account
        found = open_store.store.read(account_ref(account))
        assert found is not None
        self._owner = encoded(found.document, "")
        self._keys = {stored.ref.provider: stored.document for stored in open_store.store.scan(Query(account=account))}
        self._events = [encoded(event, "") for event in open_store.store.events(account)]
        self._random = random.Random(20261127)

    def rows(self, number: int) -> tuple[list[tuple[Any, ...]], tuple[Any, ...], list[tuple[Any, ...]]]:
        """Return the rows of an account's keys, of itself, and of its events."""
        name, moment = name_of(number), datetime.now(UTC) - timedelta(seconds=self._random.randrange(40_000))
        keys = []
        for provider, document in self._keys.items():
            tested = stamp(moment)
            test = {"outcome": "valid", "reason": "ok", "tested_at": tested, "last_valid_at": tested}
            (version,) = document["versions"]
            created = stamp(moment - timedelta(seconds=self._random.randrange(10**7)))
            more = {"last_test": test, "fingerprint": self._random.randbytes(6).hex(), "created_at": created}
            changed = {**document, "account": name, "created_at": created, "tested_at": tested}
            text = encoded({**changed, "versions": [{**version, **more}]}, "")
            keys.append((name, provider, tested, slot_of(key_ref(name, provider)), new_revision(), text))
        owner = (name, new_revision(), self._owner.replace(self._account, name))
        events = [
            (name, seq, PROVIDERS[seq % 2], stamp(moment), new_revision(), text.replace(self._account, name))
            for seq, text in enumerate(self._events, start=1)
        ]
        return keys, owner, events


def name_of(number: int) -> str:
    """Return the name of an account."""
    return f"account-{number:07}"


def fill(open_store: OpenStore, url: str, numbers: range) -> None:
    """Add the accounts with these numbers: the real ones by the ledger, the others by COPY."""
    import psycopg

    real = [number for number in numbers if number % REAL == 0]
    for number in real:
        name = name_of(number)
        Ledger(open_store).record(name, lambda sealer, a=name, n=number: plan_of(sealer, a, n, "http://127.0.0.1:9"))  # type: ignore[misc]
    bulk = Bulk(open_store, name_of(real[0]))
    with psycopg.connect(url, autocommit=True) as connection:
        for start in range(numbers.start, numbers.stop, 10_000):
            chunk = [bulk.rows(number) for number in range(start, min(start + 10_000, numbers.stop)) if number % REAL]
            _copy(connection, b"keys (account, provider, tested_at, slot, revision, document)",
                  (row for keys, _, _ in chunk for row in keys))  # fmt: skip
            _copy(connection, b"accounts (account, revision, document)", (owner for _, owner, _ in chunk))
            _copy(connection, b"events (account, seq, provider, time, revision, document)",
                  (row for _, _, events in chunk for row in events))  # fmt: skip
        connection.execute("CREATE TABLE IF NOT EXISTS bare_events (LIKE kojikey.events)")
        connection.execute("ANALYZE kojikey.keys, kojikey.accounts, kojikey.events")


def _copy(connection: Any, table: bytes, rows: Iterator[tuple[Any, ...]]) -> None:
    with connection.cursor().copy(b"COPY kojikey." + table + b" FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def measure(open_store: OpenStore, server: Server, count: int) -> dict[str, Figure]:
    """Return the figures of a store of so many accounts."""
    bare, environ = BarePostgres(server.url("keys")), {**os.environ, **KEK, "KOJIKEY_STORE": server.url("keys")}
    with tempfile.TemporaryDirectory(prefix="kojikey-benchmark-") as home:
        environ["KOJIKEY_HOME"] = home
        names = [name_of(number) for number in random.Random(1).sample(range(0, count, REAL), min(RUNS, count // REAL))]
        since = stamp(datetime.now(UTC) - timedelta(hours=24))
        query, due = Query(not_tested_since=since), Due(bare, since)
        require = ("check", "--all-accounts", "--require", ",".join(PROVIDERS), "--json")
        everyone = ("list", "--all-accounts", "--json")
        figures = {
            "all keys are read and checked": _timed(lambda: _read(open_store), bare.scan),
            "list --all-accounts --json": _process(everyone, environ, bare.scan),
            "check --all-accounts --json": _process(require, environ, bare.scan),
            "test: the 1 % that is due is counted": _timed(lambda: select(open_store.store, query, ahead=1), due.count),
            "test: it is read, opened, saved": _timed(lambda: _test(open_store, query), due.save),
            "audit --verify of an account, ms": _each(names, lambda name: verify(open_store, account=name),
                                                      lambda name: _audit_rows(bare, name)),
            "resolve, ms": _each(names, lambda name: resolve(open_store, account=name, provider=PROVIDER),
                                 lambda name: _resolve_rows(bare, name)),
        }  # fmt: skip
        for grants in (FEW_GRANTS, MANY_GRANTS):
            as_role = {**environ, "KOJIKEY_STORE": server.url("keys", ROLE)}
            _grant(server, [name_of(number) for number in range(0, count, max(1, count // grants))][:grants])
            role = BarePostgres(server.url("keys", ROLE))
            of_role = f"list of a role with {grants:,} account{'' if grants == 1 else 's'}"
            figures[of_role] = _process(everyone, as_role, lambda g=grants: _granted_rows(bare, g))  # type: ignore[misc]
            role.close()
    bare.close()
    return figures


class Due:
    """The statements for the keys that are due."""

    def __init__(self, bare: BarePostgres, since: str) -> None:
        self._bare, self._since = bare, since

    def count(self) -> object:
        """Count all keys, and those that are due."""
        every = self._bare._rows(b"SELECT provider, count(*) FROM kojikey.keys GROUP BY provider", ())
        due = b"SELECT provider, count(*) FROM kojikey.keys WHERE tested_at IS NULL OR tested_at < %s GROUP BY provider"
        return every, self._bare._rows(due, (self._since,))

    def save(self) -> None:
        """Read those that are due and their accounts, and write the rows of all outcomes and their events."""
        select = b"SELECT account, provider, document, revision FROM kojikey.keys"
        rows = self._bare._rows(select + b" WHERE tested_at IS NULL OR tested_at < %s", (self._since,))
        for account in dict.fromkeys(row[0] for row in rows):
            self._bare.read("account", {"account": account})
        for start in range(0, len(rows), BATCH):
            self._write(rows[start : start + BATCH])

    def _write(self, rows: list[tuple[Any, ...]]) -> None:
        connection = self._bare._connection
        with connection.pipeline(), connection.transaction():
            for account, provider, document, _ in rows:
                place = {"account": account, "provider": provider, "document": document}
                for statement in _WRITES:
                    connection.execute(statement, place)


_WRITES = (
    b"UPDATE kojikey.keys SET tested_at = tested_at, document = %(document)s"
    b" WHERE account = %(account)s AND provider = %(provider)s",
    b"UPDATE kojikey.accounts SET document = document WHERE account = %(account)s",
    b"INSERT INTO bare_events SELECT * FROM kojikey.events WHERE account = %(account)s AND seq = 1",
)


def _read(open_store: OpenStore) -> int:
    return sum(1 for _ in scan_keys(open_store.store, Query(), damaged=lambda ref, _: sys.exit(f"damaged: {ref}")))


def _test(open_store: OpenStore, query: Query) -> None:
    """Test what is due with an answer that comes at once."""

    async def answer(_: Secret, __: Target) -> Verdict:
        return Verdict(Reason.OK, authentic=True, tested_at=stamp(datetime.now(UTC)))

    emitted: list[object] = []
    sources = select(open_store.store, query, ahead=1).sources
    asyncio.run(run_tests(open_store, *sources, probe=answer, emit=emitted.append, concurrency=64))
    if not emitted:
        sys.exit("no key was due")


def _audit_rows(bare: BarePostgres, name: str) -> None:
    bare._rows(b"SELECT account, seq, document FROM kojikey.events WHERE account = %s ORDER BY seq", (name,))
    _resolve_rows(bare, name)


def _resolve_rows(bare: BarePostgres, name: str) -> None:
    for kind in ("key", "account"):
        bare.read(kind, {"account": name, "provider": PROVIDER})


def _granted_rows(bare: BarePostgres, grants: int) -> int:
    select = (
        b"SELECT k.account, k.provider, k.document, k.revision"
        b" FROM kojikey.keys k JOIN kojikey.grants g USING (account)"
        b" WHERE (k.account, k.provider) > (%s, %s) ORDER BY k.account, k.provider LIMIT %s"
    )
    return _paged(lambda after: bare._rows(select, (*after, max(400, grants))), max(400, grants))


def _grant(server: Server, names: list[str]) -> None:
    """Grant accounts to the role, as ``store grant`` does, and take all others away."""
    rows = ", ".join(f"('{name}', '{ROLE}'::regrole, '{new_revision()}', '{{}}')" for name in names)
    server.sql(
        "DELETE FROM kojikey.grants; INSERT INTO kojikey.grants (account, role, revision, document) VALUES " + rows
        + f"; GRANT USAGE ON SCHEMA kojikey TO {ROLE}; GRANT SELECT ON ALL TABLES IN SCHEMA kojikey TO {ROLE}"
        + "; ANALYZE kojikey.grants",
        database="keys",
    )  # fmt: skip


def _timed(ours: Callable[[], object], bare: Callable[[], object]) -> Figure:
    (bare_seconds, bare_cpu), (seconds, cpu) = _spent(bare), _spent(ours)
    return Figure(seconds, bare_seconds, cpu, bare_cpu)


def _spent(work: Callable[[], object]) -> tuple[float, float]:
    """Return the time that something took, and the processor time of this process and of those that it started."""
    before, begun = os.times(), time.perf_counter()
    work()
    spent, after = time.perf_counter() - begun, os.times()
    return spent, sum(after[:4]) - sum(before[:4])


def _process(arguments: tuple[str, ...], environ: dict[str, str], bare: Callable[[], object]) -> Figure:
    """Run a command whose output is thrown away, and watch its memory."""
    peak = 0

    def run() -> None:
        nonlocal peak
        with subprocess.Popen([KOJIKEY, *arguments], env=environ, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None:
                peak = max(peak, _memory_of(process.pid))
                time.sleep(0.02)
        if process.returncode != 0:
            sys.exit(f"{' '.join(arguments)} ended with {process.returncode}")

    return _timed(run, bare)._replace(mib=peak / 1024)


def _memory_of(process: int) -> int:
    """Return the most memory that a process had so far, in KiB."""
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


def _each(names: list[str], ours: Callable[[str], object], bare: Callable[[str], object]) -> Figure:
    figures = [_timed(lambda n=name: ours(n), lambda n=name: bare(n)) for name in names]  # type: ignore[misc]
    return Figure(*(statistics.median(side) for side in zip(*(figure[:4] for figure in figures), strict=True)))


@contextmanager
def a_server(folder: str | None) -> Iterator[Server]:
    """Give a server that writes to the disk, as one in use does."""
    with tempfile.TemporaryDirectory(prefix="kjk-million-", dir=folder) as name:
        os.chmod(name, 0o711)
        settings = {"fsync": "on", "shared_buffers": "512MB", "max_wal_size": "2GB"}
        with running_in(Path(name), settings=settings) as server:
            yield server


def main() -> int:
    """Make the store in two steps, measure each, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000, help="of the larger store (default 1,000,000)")
    parser.add_argument("--folder", help="where the server keeps its data (default: the folder for temporary files)")
    options = parser.parse_args()
    if options.keys < LEAST:
        parser.error(f"--keys takes at least {LEAST:,}: the smaller store has a twentieth of them")
    sizes = [options.keys // 20 // 2, options.keys // 2]
    with a_server(options.folder) as server:
        server.sql("CREATE DATABASE keys")
        server.sql(f"CREATE ROLE {ROLE} LOGIN")
        open_store = _custody(server.url("keys"))
        found: list[dict[str, Figure]] = []
        for start, stop in zip([0, *sizes], sizes, strict=False):
            begun = time.perf_counter()
            fill(open_store, server.url("keys"), range(start, stop))
            print(f"{2 * stop:,} keys: made in {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
            found.append(measure(open_store, server, stop))
            _print(2 * stop, found)
        open_store.close()
        print(json.dumps({name: figure._asdict() for name, figure in found[-1].items()}), file=sys.stderr)
    return 0


def _print(keys: int, found: list[dict[str, Figure]]) -> None:
    print(f"\n{keys:,} keys of {keys // 2:,} accounts; seconds, unless it says ms; processor time without the server's")
    print(
        f"{'operation':<38}{'kojikey':>9}{'bare':>9}{'ratio':>7}{'processor':>11}{'bare':>7}{'memory':>9}"
        f"{'growth':>8}{'bare':>7}"
    )
    for name, figure in found[-1].items():
        scale = 1000 if name.endswith("ms") else 1
        memory = f"{figure.mib:.0f} MiB" if figure.mib else ""
        growth = ""
        if len(found) > 1:
            growth = f"{figure.ours / found[0][name].ours:>8.1f}{figure.bare / found[0][name].bare:>7.1f}"
        seconds = f"{figure.ours * scale:>9.2f}{figure.bare * scale:>9.2f}{figure.ours / figure.bare:>7.1f}"
        cpu = f"{'':>18}" if scale > 1 else f"{figure.ours_cpu:>11.2f}{figure.bare_cpu:>7.2f}"
        print(f"{name:<38}{seconds}{cpu}{memory:>9}{growth}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
