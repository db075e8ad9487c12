"""``rotate --due`` over many accounts: killed at any moment and run again, and two processes at once.

The program is the installed one, in processes of its own. A kill is a SIGKILL while requests are under way, whose
answers nobody hears: the sandbox holds them back until the process is dead, and answers them then.
"""

from __future__ import annotations

import signal
import subprocess
from contextlib import suppress
from hashlib import sha256

import pytest

from kojikey.model.key import Key
from kojikey.operations.key_settings import KeySettings
from kojikey.stores.registry import store_from_url
from kojikey.stores.sqlite.store import SqliteStore
from kojikey.testing.sandbox.management import Managed
from support.exhaustive import exhaustive_except
from support.program import COMMAND, KEK, PATIENT, Program
from support.sample_store import SampleStore
from support.servers.postgres import Server

PROVIDER = "deepgram"  # whose keys manage themselves: each account has its own admin key
DUE = ("rotate", "--due", "--mint", "--all-accounts", "--no-input", "--propagation", "0s", "--jsonl", *PATIENT)
SOON = KeySettings(expires_at="2026-11-29T00:00:00Z")
SECONDS = 300


class Fleet:
    """Accounts with a key each that is due, and the programs that rotate them."""

    def __init__(self, kojikey: Program, store: SampleStore, accounts: int) -> None:
        self.kojikey, self.store = kojikey, store
        self.managed: Managed = kojikey.sandbox.managed(PROVIDER)
        base_url = kojikey.sandbox.base_url(PROVIDER)
        settings = KeySettings(base_url=base_url, expires_at=SOON.expires_at)
        self.accounts = [f"account-{number:04d}" for number in range(accounts)]
        open_store = store.open_store()
        for account in self.accounts:
            value = old_of(account)
            self.managed.add(value, scopes=["usage:read", "keys:write"])
            store.add(value, account=account, provider=PROVIDER, settings=settings, open_store=open_store)

    def started(self, *more: str) -> subprocess.Popen[bytes]:
        """Start a run."""
        return subprocess.Popen(
            [*COMMAND, *DUE, *more],
            env=self.kojikey.with_environ({}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def killed(self, after: int) -> None:
        """Start a run, and kill it with requests under way, after the sandbox answered so many others."""
        with self.kojikey.sandbox.hold(after=after):
            before, process = self.kojikey.sandbox.request_count, self.started()
            self.until(before + after + 1, process)
            process.kill()
            process.communicate(timeout=SECONDS)

    def until(self, requests: int, *processes: subprocess.Popen[bytes]) -> None:
        """Wait until the sandbox was asked so often, or a process has ended."""
        while self.kojikey.sandbox.request_count < requests and all(each.poll() is None for each in processes):
            with suppress(subprocess.TimeoutExpired):
                processes[0].wait(0.02)

    def run(self, *more: str) -> int:
        """Run to the end and return the exit code."""
        process = self.started(*more)
        process.communicate(timeout=SECONDS)
        return process.returncode

    def is_rotated_once(self) -> None:
        """Check that each account has one new key in use, that the old one is kept, and that there is no other."""
        expected = set()
        for account in self.accounts:
            key, held = self.key(account), self.store.held(account, PROVIDER)
            assert held is not None
            assert (held.previous, held.staged) == (old_of(account), None)
            assert (key.current.number, key.next_version) == (2, 3)
            assert not key.is_mint_unfinished
            expected |= {held.current, old_of(account)}
        assert {key.value for key in self.managed.keys} == expected
        assert len(expected) == len(self.managed.keys) == 2 * len(self.accounts)
        assert sorted(key.name.split()[1] for key in self.managed.keys if key.name != "by hand") == self.accounts
        self.store.verify()

    def key(self, account: str) -> Key:
        key = self.store.key(account, PROVIDER)
        assert key is not None
        return key


def old_of(account: str) -> str:
    return sha256(account.encode()).hexdigest()[:40]


def on_sqlite(kojikey: Program, accounts: int) -> Fleet:
    path = kojikey.home / "keys.db"
    assert kojikey("store", "init", f"sqlite://{path}", "--kek", "env").code == 0
    return Fleet(kojikey, SampleStore(lambda: SqliteStore(str(path)), {"KOJIKEY_KEK": KEK}), accounts)


def on_postgresql(kojikey: Program, url: str, accounts: int) -> Fleet:
    kojikey.environ["KOJIKEY_STORE"] = url
    assert kojikey("store", "init", url, "--kek", "env").code == 0
    store = store_from_url(url)
    return Fleet(kojikey, SampleStore(lambda: store, {"KOJIKEY_KEK": KEK}), accounts)


@pytest.mark.parametrize(
    ("accounts", "kills", "apart"), [(10, 3, 15), pytest.param(1000, 10, 400, marks=pytest.mark.exhaustive)]
)
def test_a_run_killed_several_times_is_finished_by_the_next(
    kojikey: Program, accounts: int, kills: int, apart: int
) -> None:
    fleet = on_sqlite(kojikey, accounts)
    for _ in range(kills):
        fleet.killed(apart)
    assert fleet.run() == 0
    fleet.is_rotated_once()
    before = fleet.kojikey.sandbox.request_count
    assert fleet.run() == 0
    assert fleet.kojikey.sandbox.request_count - before <= 16 * kills  # only names whose answer was lost
    fleet.is_rotated_once()


def test_ctrl_c_is_reported_and_loses_nothing(kojikey: Program) -> None:
    fleet = on_sqlite(kojikey, 6)
    with kojikey.sandbox.hold(after=9):
        before, process = kojikey.sandbox.request_count, fleet.started()
        fleet.until(before + 10, process)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=SECONDS)[0].decode()
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert "--due" in said
    assert "a bug" not in said
    assert "Traceback" not in said
    assert fleet.run() == 0
    fleet.is_rotated_once()


STARTS = [(0,), (7,), (16,), (25,)]
"""After how many requests of the first process the second one starts."""


def at_once(fleet: Fleet, after: int) -> None:
    """Let two processes list the same keys as due, the second while the first is in the middle of it."""
    sandbox = fleet.kojikey.sandbox
    with sandbox.hold(after=after):
        before, first = sandbox.request_count, fleet.started("--concurrency", "4")
        fleet.until(before + after + 4, first)
        second = fleet.started("--concurrency", "4")
        fleet.until(before + after + 5, second)
    ended = [process.communicate(timeout=SECONDS)[0] for process in (first, second)]
    assert {first.returncode, second.returncode} <= {0, 6}, ended
    assert fleet.run() == 0
    fleet.is_rotated_once()


@pytest.mark.parametrize("after", exhaustive_except(STARTS, [(0,), (16,)]))
def test_two_runs_at_once_rotate_each_key_once_on_sqlite(kojikey: Program, after: int) -> None:
    at_once(on_sqlite(kojikey, 8), after)


@pytest.mark.parametrize("after", exhaustive_except(STARTS, [(7,)]))
def test_two_runs_at_once_rotate_each_key_once_on_postgresql(
    kojikey: Program, postgres: Server, database: str, after: int
) -> None:
    at_once(on_postgresql(kojikey, postgres.url(database), 8), after)
