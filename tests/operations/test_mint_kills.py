"""The whole cycle of rotation at the provider, killed at any step: no key is lost, and none is left over.

What is real: every kill is a SIGKILL of a process that carries out one command line, with its own connection to the
store (a SQLite file, or a PostgreSQL server) and to the provider, which the sandbox plays with state. What is not: the
process is forked from one that has imported kojikey, which saves the start of an interpreter each time; and it dies
where a step begins (each statement that changes the store, each COMMIT before and after, each request before it is
sent and after its answer came), so that no kill falls into the middle of a system call. The order of commands and the
steps are a seed's. Kills at any moment, of the installed program, are in ``test_due_at_once``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from kojikey.stores.registry import store_from_url
from kojikey.stores.sqlite.store import SqliteStore
from support.killing import Forks, forks
from support.loopback import sitecustomize as loopback
from support.minted_life import Life
from support.minting import LISTING, Mint, prepare, set_up
from support.program import KEK, Program
from support.sample_store import SampleStore
from support.servers.postgres import Server

FEW, MANY = 12, 125  # for each of eight providers
EACH_FEW = ("xai", "deepgram")


@pytest.fixture(scope="module")
def started() -> Iterator[Forks]:
    """Return where command lines are killed."""
    with forks({"PATH": os.environ["PATH"], "PYTHONPATH": os.path.dirname(str(loopback.__file__))}) as forked:
        yield forked


@pytest.fixture
def forked(started: Forks, kojikey: Program, tmp_path: Path) -> Forks:
    """Return where command lines are killed, after one of each kind was carried out there."""
    if not started.is_warm:
        home = tmp_path / "warm"
        other = Program(home, kojikey.sandbox, {**kojikey.environ, "KOJIKEY_HOME": str(home)})
        set_up(other, "xai")
        started.warm(other, "rotate", "xai", "--mint", "--no-input", "--propagation", "0s")
        started.warm(other, "rotate", "xai", "--retire", "--yes", "--no-input", "--propagation", "0s")
        kojikey.sandbox.forget_managed()
    return started


def live(forked: Forks, kojikey: Program, sample_store: SampleStore, provider: str, kills: int) -> None:
    life = Life(forked, Mint(kojikey, provider), sample_store, Random(f"{provider} {kills}"))
    prepare(kojikey, provider)
    life.live(kills)
    assert life.kills >= kills
    sample_store.verify()


@pytest.mark.parametrize(
    ("provider", "kills"),
    [
        *(pytest.param(provider, FEW, id=f"{provider} few") for provider in EACH_FEW),
        *(pytest.param(provider, MANY, id=provider, marks=pytest.mark.exhaustive) for provider in LISTING),
    ],
)
def test_a_mint_killed_at_any_step_on_sqlite_loses_no_key_and_leaves_no_orphan(
    forked: Forks, kojikey: Program, provider: str, kills: int
) -> None:
    sample_store = SampleStore(lambda: SqliteStore(str(kojikey.home / "keys.db")), {"KOJIKEY_KEK": KEK})
    live(forked, kojikey, sample_store, provider, kills)


@pytest.mark.parametrize(
    ("provider", "kills"),
    [
        *(pytest.param(provider, FEW, id=f"{provider} few") for provider in EACH_FEW),
        *(pytest.param(provider, MANY, id=provider, marks=pytest.mark.exhaustive) for provider in LISTING),
    ],
)
def test_a_mint_killed_at_any_step_on_postgresql_loses_no_key_and_leaves_no_orphan(
    forked: Forks, kojikey: Program, postgres: Server, database: str, provider: str, kills: int
) -> None:
    url = postgres.url(database)
    kojikey.environ["KOJIKEY_STORE"] = url
    assert kojikey("store", "init", url, "--kek", "env").code == 0
    store = store_from_url(url)
    live(forked, kojikey, SampleStore(lambda: store, {"KOJIKEY_KEK": KEK}), provider, kills)
    store.close()
