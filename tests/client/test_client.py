"""``kojikey.Client``: from memory for a while, one question for many who ask, and nothing secret to be seen."""

from __future__ import annotations

import asyncio
import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
import traceback
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import kojikey as package
from kojikey import Client, wiring
from kojikey.client import _MOST_KEPT
from kojikey.model.errors import (
    BadAccount,
    StoreLocked,
    StoreNotFound,
    StoreUnavailable,
    UnknownProvider,
    UnsafePermissions,
    UsageError,
)
from kojikey.operations.open_store import OpenStore
from kojikey.stores.sqlite.store import SqliteStore
from support.program import Program, pieces_in


@pytest.fixture
def here(kojikey: Program) -> Iterator[Program]:
    """Return the program with a key, in whose environment this process is."""
    kojikey.added()
    with mock.patch.dict(os.environ, kojikey.environ, clear=True):
        yield kojikey


class Clock:
    """The time that a client sees."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr("kojikey.client.time", found)
    return found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the providers that the store was asked for."""
    names: list[str] = []
    held = OpenStore.find_key_with_account

    def counted(self: OpenStore, account: str, provider: str) -> Any:
        names.append(provider)
        return held(self, account, provider)

    monkeypatch.setattr(OpenStore, "find_key_with_account", counted)
    return names


def revealed(credential: package.Credential) -> str:
    assert credential.secret is not None
    return credential.secret.reveal()


def test_a_client_returns_the_same_credential_as_resolve(here: Program) -> None:
    with Client() as client:
        for provider in ("elevenlabs", "google_gemini", "openai"):
            mine, plain = client.resolve(provider), package.resolve(provider)
            assert mine[:3] == plain[:3]
            assert mine[4:] == plain[4:]
        assert revealed(client.resolve("elevenlabs")) == revealed(package.resolve("elevenlabs"))
        assert client.resolve("elevenlabs", account="nobody").source == "built_in"


def test_a_client_reads_the_store_once_within_the_cache_time_and_again_after_it(
    here: Program, clock: Clock, asked: list[str]
) -> None:
    with Client(cache=60) as client:
        old = revealed(client.resolve("elevenlabs"))
        assert here.rotate("elevenlabs", "ok_2").code == 0
        new = here.key("elevenlabs", "ok_2").key
        clock.now += 59
        asked.clear()
        assert revealed(client.resolve("elevenlabs")) == old
        assert asked == []
        clock.now += 1
        assert revealed(client.resolve("elevenlabs")) == new
        assert here("remove", "elevenlabs", "--yes").code == 0
        clock.now += 60
        assert client.resolve("elevenlabs").source == "built_in"


def test_without_a_cache_every_change_is_seen_at_once(here: Program) -> None:
    with Client(cache=0) as client:
        assert client.resolve("elevenlabs").source == "byok"
        assert here("account", "disable", "default").code == 0
        assert client.resolve("elevenlabs").source == "built_in"
        assert here("account", "enable", "default").code == 0
        assert client.resolve("elevenlabs").source == "byok"


def test_while_the_store_cannot_be_reached_cached_credentials_are_returned_until_they_expire(
    here: Program, clock: Clock
) -> None:
    path = here.home / "keys.db"
    with Client(f"sqlite://{path}") as client:
        key = revealed(client.resolve("elevenlabs"))
        path.write_bytes(b"no database at all, and larger than a header of one" * 100)
        clock.now += 59
        assert revealed(client.resolve("elevenlabs")) == key
        clock.now += 1
        with pytest.raises(StoreUnavailable):
            client.resolve("elevenlabs")


@pytest.mark.parametrize("is_named", [False, True])
def test_a_missing_store_file_is_an_error_and_not_the_built_in_allocation(
    here: Program, clock: Clock, is_named: bool
) -> None:
    path = here.home / "keys.db"
    with Client(f"sqlite://{path}" if is_named else None) as client:
        key = revealed(client.resolve("elevenlabs"))
        away = path.rename(here.home / "away.db")
        clock.now += 59
        assert revealed(client.resolve("elevenlabs")) == key
        clock.now += 1
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="is no longer there"):
                client.resolve("elevenlabs")
        away.rename(path)
        assert revealed(client.resolve("elevenlabs")) == key


def test_a_store_whose_file_was_replaced_is_read_from_the_new_file(here: Program) -> None:
    path = here.home / "keys.db"
    before = path.read_bytes()
    with Client(cache=0) as client:
        first = revealed(client.resolve("elevenlabs"))
        assert here.rotate("elevenlabs", "ok_2").code == 0
        assert revealed(client.resolve("elevenlabs")) != first
        restored = here.home / "restored.db"
        restored.write_bytes(before)
        restored.chmod(0o600)
        restored.replace(path)
        assert revealed(client.resolve("elevenlabs")) == first


def test_a_store_that_others_become_able_to_read_is_refused(here: Program) -> None:
    with Client(cache=0) as client:
        client.resolve("elevenlabs")
        (here.home / "keys.db").chmod(0o644)
        with pytest.raises(UnsafePermissions):
            client.resolve("elevenlabs")


def test_many_concurrent_resolves_of_one_key_read_the_store_once(
    here: Program, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    opened = wiring.open_chosen_store

    def slow(*arguments: Any) -> OpenStore:
        go.wait(30)
        return opened(*arguments)

    monkeypatch.setattr(wiring, "open_chosen_store", slow)
    with Client() as client, ThreadPoolExecutor(32) as pool:
        answers = [pool.submit(client.resolve, "elevenlabs") for _ in range(32)]
        go.set()
        assert len({id(answer.result()) for answer in answers}) == 1
    assert asked == ["elevenlabs"]


def test_many_threads_with_many_accounts_lose_nothing(here: Program) -> None:
    with Client(cache=0) as client, ThreadPoolExecutor(32) as pool:
        found = list(pool.map(lambda n: client.resolve("elevenlabs", f"a{n}" if n % 2 else None).source, range(640)))
    assert found == ["byok", "built_in"] * 320


def test_tasks_resolve_without_blocking_each_other(here: Program, asked: list[str]) -> None:
    async def many(client: Client) -> list[package.Credential]:
        return await asyncio.gather(*(client.aresolve("elevenlabs") for _ in range(20)))

    with Client() as client:
        assert len({id(credential) for credential in asyncio.run(many(client))}) == 1
    assert asked == ["elevenlabs"]


def test_the_number_of_cached_credentials_is_bounded(here: Program) -> None:
    with Client() as client:
        for number in range(_MOST_KEPT + 50):
            client.resolve("elevenlabs", f"a{number}")
        assert len(client._kept) == _MOST_KEPT


def test_an_error_is_not_cached(here: Program) -> None:
    with Client() as client:
        for _ in range(2):
            with pytest.raises(UnknownProvider):
                client.resolve("elevenlab")
            with pytest.raises(BadAccount):
                client.resolve("elevenlabs", account="No Account")


def test_a_local_store_that_is_created_later_is_found(kojikey: Program) -> None:
    with mock.patch.dict(os.environ, kojikey.environ, clear=True), Client(cache=0) as client:
        assert client.resolve("elevenlabs").source == "built_in"
        kojikey.added()
        assert client.resolve("elevenlabs").source == "byok"


def test_a_store_that_another_process_locks_is_waited_for_once(here: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = mock.Mock(side_effect=StoreLocked("keys.db", "was locked by another process for too long"))
    with Client(cache=0) as client:
        client.resolve("elevenlabs")
        with monkeypatch.context() as patched:
            patched.setattr(SqliteStore, "_revisions", locked)
            with pytest.raises(StoreLocked):
                client.resolve("elevenlabs")
        assert locked.call_count == 1
        assert client.resolve("elevenlabs").source == "byok"


def test_an_unknown_store_is_an_error_at_once(here: Program) -> None:
    with pytest.raises(StoreNotFound):
        Client("nowhere")
    for cache in (-1, float("nan"), "60", True, 10**9):
        with pytest.raises(UsageError):
            Client(cache=cache)  # type: ignore[arg-type]


def test_a_store_that_is_rekeyed_meanwhile_still_opens(here: Program) -> None:
    with Client(cache=0) as client:
        key = revealed(client.resolve("elevenlabs"))
        assert here("store", "rekey", "--kek", f"file:{here.home.parent}/kek").code == 0
        assert revealed(client.resolve("elevenlabs")) == key


def test_a_closed_client_can_be_used_again(here: Program) -> None:
    client = Client()
    client.resolve("elevenlabs")
    client.close()
    assert client.resolve("elevenlabs").source == "byok"
    client.close()


def test_a_closed_client_holds_no_key_encryption_key_and_no_data_key(here: Program) -> None:
    client = Client()
    client.resolve("elevenlabs")
    first = weakref.ref(client._idle[0])
    client.close()
    gc.collect()
    assert first() is None


def test_neither_repr_nor_pickle_nor_a_copy_shows_a_key(here: Program) -> None:
    with Client() as client:
        key = revealed(client.resolve("elevenlabs"))
        assert pieces_in(key, repr(client) + repr(client._kept) + repr(client.resolve("elevenlabs"))) == []
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                attempt(client)


def test_a_traceback_with_locals_shows_no_key(here: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client() as client:
        credential = client.resolve("elevenlabs")
        monkeypatch.setattr("kojikey.client.keep_report", mock.Mock(side_effect=RuntimeError("broken")))
        try:
            client.report(credential, status=401)
        except RuntimeError as error:
            shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        assert "credential" in shown
        assert pieces_in(revealed(credential), shown) == []


@pytest.mark.parametrize(
    "form", [str, str.encode, lambda key: {"error": {"message": key}}], ids=["text", "bytes", "JSON"]
)
def test_a_traceback_with_locals_shows_no_body_of_a_provider_that_repeats_the_key(here: Program, form: Any) -> None:
    with Client() as client:
        credential = client.resolve("elevenlabs")
        asked: tuple[Any, ...] = (
            lambda body: client.report(credential, status="no number", body=body),  # type: ignore[arg-type]
            lambda body: package.judge("elevenlabs", "no number", body=body),  # type: ignore[arg-type]
            lambda body: package.judge("no provider", 401, body=body),
        )
        for ask in asked:
            try:
                ask(form(revealed(credential)))
            except (ValueError, UnknownProvider) as error:
                inner = traceback.TracebackException.from_exception(error, capture_locals=True)
            shown = "".join("".join(frame.locals.values()) for frame in inner.stack[2:] if frame.locals)
            assert shown
            assert pieces_in(revealed(credential), shown) == []


FORKING = """
import os, sys, kojikey
client = kojikey.Client(cache=0)
key = client.resolve("elevenlabs").secret.reveal()
child = os.fork()
if child == 0:
    same = client.resolve("elevenlabs").secret.reveal() == key
    sys.exit(0 if same else 3)
_, status = os.waitpid(child, 0)
assert client.resolve("elevenlabs").secret.reveal() == key
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_a_forked_child_opens_its_own_connections_and_does_not_touch_the_parents(here: Program, tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", FORKING], env=here.environ, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
