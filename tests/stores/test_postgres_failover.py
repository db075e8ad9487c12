"""A primary dies during rotations and its synchronous standby takes over: no change is lost or doubled."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from kojikey.model.errors import StoreReadOnly, StoreUnreachable
from kojikey.model.key import Stage
from kojikey.model.ref import key_ref
from kojikey.model.secret import Secret
from kojikey.operations.adding import NewKey
from kojikey.operations.audit import audit_verification
from kojikey.operations.key_records import key_of
from kojikey.operations.key_settings import KeySettings
from kojikey.operations.open_store import OpenStore
from kojikey.operations.probing import Target
from kojikey.operations.store_admin.creating import create
from kojikey.sealing.kek.base import KekInputs
from kojikey.stores.base import Change
from kojikey.stores.registry import store_from_url
from support import rotation
from support.servers.postgres import Server, running, temporary_folder

ACCOUNT, PROVIDERS = "acme", ("elevenlabs", "google_gemini", "third")
KEK = {"KOJIKEY_KEK": base64.urlsafe_b64encode(bytes(range(32))).decode()}
WORKER = str(Path(__file__).with_name("rotating_for_ever.py"))
POLLS = 5_000


class Pair(NamedTuple):
    """A primary and the standby that confirms each of its commits."""

    primary: Server
    standby: Server
    url: str


def eventually(holds: Callable[[], bool]) -> None:
    """Query a server until a condition holds; each query takes a while, so that this ends."""
    assert any(holds() for _ in range(POLLS))


@pytest.fixture
def pair() -> Iterator[Pair]:
    with ExitStack() as stack:
        primary = stack.enter_context(running())
        folder = stack.enter_context(temporary_folder())
        primary.sql("CREATE DATABASE keys")
        standby = primary.standby(folder / "standby", "standby")
        stack.callback(standby.stop)
        standby.start()
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.sql("SELECT pg_reload_conf()")
        eventually(lambda: primary.sql("SELECT sync_state FROM pg_stat_replication") == [("sync",)])
        hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
        yield Pair(primary, standby, f"postgresql://postgres@{hosts}/keys")


@pytest.fixture
def open_store(pair: Pair) -> Iterator[OpenStore]:
    store = store_from_url(pair.url)
    inputs = KekInputs(KEK, None)
    header, _ = create(store, source="env", inputs=inputs)
    open_store = OpenStore(store, header, inputs, actor="test")
    for provider in PROVIDERS:
        target = Target(provider, "https://api.example.com", (), ())
        new = NewKey(ACCOUNT, target, Secret(f"sk_{provider}_the_first_of_all"), KeySettings())
        rotation.add(open_store, new, test=None, approve=lambda _: True)
    yield open_store
    open_store.close()


@pytest.fixture
def workers(pair: Pair, open_store: OpenStore) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Start a process for each key of one account, whose chain of events they share."""
    with ExitStack() as stack:
        started = {}
        for provider in PROVIDERS:
            started[provider] = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, WORKER, pair.url, provider],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    env={**os.environ, **KEK},
                )
            )
            stack.callback(started[provider].kill)
        yield started


def test_every_change_acknowledged_before_the_primary_died_is_there_exactly_once(
    pair: Pair, open_store: OpenStore, workers: dict[str, subprocess.Popen[str]]
) -> None:
    said: dict[str, list[str]] = {provider: [] for provider in PROVIDERS}

    def listen(provider: str, count: int) -> None:
        """Read lines until ``count`` more rotations were acknowledged."""
        stream = workers[provider].stdout
        assert stream is not None
        while count:
            line = stream.readline()
            assert line, "the worker ended"
            said[provider].append(line.rstrip("\n"))
            count -= line.startswith("acked")

    for provider in PROVIDERS:
        listen(provider, 5)
    pair.primary.kill()  # while all of them are in the middle of something
    for provider in PROVIDERS:
        while not said[provider][-1].startswith("failed"):
            stream = workers[provider].stdout
            assert stream is not None
            said[provider].append(stream.readline().rstrip("\n"))
    pair.standby.promote()
    for provider in PROVIDERS:
        listen(provider, 5)
    for provider, process in workers.items():
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()  # which ends it
        said[provider] += process.stdout.read().splitlines()
        assert process.wait() == 0

    audit = audit_verification.verify(open_store, account=ACCOUNT)
    assert audit.verified == (ACCOUNT,)
    assert audit.unsigned == 0
    event_draft = Counter((e["provider"], e["action"], e["version"]) for e in open_store.store.events(ACCOUNT))
    assert set(event_draft.values()) == {1}
    for provider in PROVIDERS:
        acked = [int(line.split()[1]) for line in said[provider] if line.startswith("acked")]
        promoted = [version for p, action, version in event_draft if (p, action) == (provider, "promoted")]
        assert len(set(acked)) == len(acked)
        assert set(acked) <= set(promoted), "an acknowledged rotation was lost"
        assert promoted == list(range(2, len(promoted) + 2))
        stored = open_store.find_key(ACCOUNT, provider)
        assert stored is not None
        current = key_of(stored).version(Stage.CURRENT)
        assert current is not None
        assert current.number == promoted[-1]
        unsure = sum("is not known" in line for line in said[provider])
        assert len(promoted) - len(acked) <= unsure, "a rotation was made that was never reported as possible"
        open_store.sealer(ACCOUNT).open(
            current.sealed, provider=provider, version=current.number, base_url=current.base_url
        )


def test_the_order_of_the_hosts_does_not_matter(pair: Pair, open_store: OpenStore) -> None:
    hosts = f"127.0.0.1:{pair.standby.port},127.0.0.1:{pair.primary.port}"
    other = store_from_url(f"postgresql://postgres@{hosts}/keys")
    assert other.open().document == open_store.header
    other.close()


def test_a_lone_standby_is_reported_as_a_standby(pair: Pair, open_store: OpenStore) -> None:
    caught_up = "SELECT bool_and(replay_lsn >= pg_current_wal_lsn()) FROM pg_stat_replication"
    eventually(lambda: pair.primary.sql(caught_up) == [(True,)])
    alone = store_from_url(pair.standby.url("keys"))
    with pytest.raises(StoreReadOnly, match="standby"):
        alone.open()
    alone.close()
    reading = store_from_url(pair.standby.url("keys", target_session_attrs="any"))
    assert [found.ref.provider for found in reading.scan()] == list(PROVIDERS)
    with pytest.raises(StoreReadOnly, match="standby"):
        reading.commit([Change(key_ref("acme", "new"), {}, None)])
    reading.close()


def test_without_a_primary_the_store_is_unreachable(pair: Pair, open_store: OpenStore) -> None:
    pair.primary.kill()
    with pytest.raises((StoreUnreachable, StoreReadOnly)):
        open_store.store.open()
    pair.standby.promote()
    assert open_store.store.open().document == open_store.header
