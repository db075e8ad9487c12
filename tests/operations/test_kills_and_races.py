"""The installed program, killed and run several times at once: no key is lost, and every message is true."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from kojikey.operations.audit import auditing
from kojikey.testing import SandboxKey
from support.program import COMMAND, PATIENT, Program
from support.sample_store import ADAPTERS, KEKS, NEW, OLD, SECOND_KEK, Held, SampleStore

SECONDS = 60
DYING = str(Path(__file__).with_name("dying_rekey.py"))
ACCOUNTS = 50


def start(kojikey: Program, *arguments: str, stdin: str = "") -> subprocess.Popen[str]:
    """Start the program, give it its input, and do not wait for it."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=kojikey.with_environ({}),
    )
    assert process.stdin is not None
    process.stdin.write(stdin)
    process.stdin.close()
    process.stdin = None
    return process


def until(condition: Callable[[], bool]) -> None:
    """Look until it is so."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came to it"


def ended(process: subprocess.Popen[str]) -> int:
    _, err = process.communicate(timeout=SECONDS)
    assert "Traceback" not in err
    assert "a bug" not in err
    return process.returncode


def adding(kojikey: Program, key: SandboxKey, *more: str) -> subprocess.Popen[str]:
    return start(kojikey, "add", key.provider, "--stdin", "--base-url", key.base_url, *PATIENT, *more, stdin=key.key)


def rotating(kojikey: Program, key: SandboxKey, *more: str) -> subprocess.Popen[str]:
    return start(kojikey, "rotate", key.provider, "--stdin", *PATIENT, *more, stdin=key.key)


def revealed(kojikey: Program, provider: str = "elevenlabs") -> str:
    found = kojikey("get", provider, "--reveal")
    assert found.code == 0, found.said
    return found.out


def verified(kojikey: Program) -> None:
    found = kojikey("audit", "--verify", "--all-accounts")
    assert found.code == 0, found.said


# killed


def test_a_rotation_that_is_killed_during_its_test_keeps_both_keys(kojikey: Program) -> None:
    old, new = kojikey.added(), kojikey.key("elevenlabs", "ok_2")
    kojikey.sandbox.forget()
    with kojikey.sandbox.hold():
        process = rotating(kojikey, new)
        kojikey.sandbox.wait_for_request()
        process.kill()
        assert ended(process) == -signal.SIGKILL
    assert revealed(kojikey) == old.key
    assert kojikey.listed()["staged"] is not None
    again = kojikey.rotate("elevenlabs", "ok_2")
    assert again.code == 6
    assert "--resume" in again.err
    assert kojikey.installed("rotate", "elevenlabs", "--resume").code == 0
    assert revealed(kojikey) == new.key
    assert kojikey.installed("rotate", "elevenlabs", "--rollback").code == 0
    assert revealed(kojikey) == old.key
    verified(kojikey)


def test_adding_a_key_killed_during_its_test_saves_nothing_and_can_be_repeated(kojikey: Program) -> None:
    key = kojikey.key()
    kojikey.sandbox.forget()
    with kojikey.sandbox.hold():
        process = adding(kojikey, key)
        kojikey.sandbox.wait_for_request()
        process.kill()
        assert ended(process) == -signal.SIGKILL
    assert kojikey.listed()["source"] == "built_in"
    assert ended(adding(kojikey, key)) == 0
    assert revealed(kojikey) == key.key


def test_ctrl_c_during_a_test_says_which_version_is_staged(kojikey: Program) -> None:
    kojikey.added()
    kojikey.sandbox.forget()
    with kojikey.sandbox.hold():
        process = rotating(kojikey, kojikey.key("elevenlabs", "ok_2"))
        kojikey.sandbox.wait_for_request()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert "--resume" in err
    assert "Traceback" not in err
    assert kojikey.listed()["staged"] is not None


def opened(sample_store: SampleStore) -> None:
    """Make sure that every account's key opens, with the KEKs at hand."""
    for number in range(ACCOUNTS):
        assert sample_store.held(f"account-{number:02}") == Held(OLD)


@pytest.fixture
def full(tmp_path: Path) -> SampleStore:
    """Return a vault with many accounts, in a file."""
    sample_store = SampleStore.made(ADAPTERS["sqlite"](tmp_path))
    for number in range(ACCOUNTS):
        sample_store.add(account=f"account-{number:02}")
    return sample_store


def rekey_until(path: Path, commits: int) -> int:
    """Re-key in a process that kills itself around that commit; return how it ended."""
    environ = {**os.environ, **KEKS}
    command = [sys.executable, DYING, str(path), str(commits)]
    return subprocess.run(command, env=environ, check=False, timeout=SECONDS).returncode


def test_a_rekeying_killed_several_times_loses_no_key_and_finishes(full: SampleStore, tmp_path: Path) -> None:
    chance = random.Random(20261123)
    kills = 0
    while rekey_until(tmp_path / "keys.db", chance.randint(1, 12)) == -signal.SIGKILL:
        kills += 1
        opened(full)
    assert kills > 3, "it was hardly ever killed, and this test showed little"
    full.environ = dict(SECOND_KEK)
    opened(full)
    full.verify()
    actions = Counter(event["action"] for event in full.events(None))
    assert actions == {"added": ACCOUNTS, "rekeyed": ACCOUNTS}


def test_a_killed_rekeying_process_is_finished_by_the_same_command(full: SampleStore, tmp_path: Path) -> None:
    program = [*COMMAND, "store", "rekey", "--kek", "env:NEW_KEK"]
    environ = {**os.environ, **KEKS, "KOJIKEY_HOME": str(tmp_path)}
    with subprocess.Popen(program, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        until(
            lambda: (
                process.poll() is not None
                or any(event["action"] == "rekeyed" for event in auditing.events(full.opener(), account=None).events)
            )
        )
        process.kill()
    opened(full)
    assert subprocess.run(program, env=environ, check=False, capture_output=True).returncode == 0
    full.environ = dict(SECOND_KEK)
    opened(full)
    full.verify()


# at once


def test_of_two_rotations_at_once_one_wins_and_nothing_is_lost(kojikey: Program) -> None:
    old = kojikey.added()
    new = [kojikey.key("elevenlabs", "ok_2"), kojikey.sandbox.add_key("elevenlabs", "sk_" + "ab12" * 12)]
    kojikey.sandbox.forget()
    with kojikey.sandbox.hold():
        processes = [rotating(kojikey, key) for key in new]
        kojikey.sandbox.wait_for_request()
        until(lambda: any(process.poll() is not None for process in processes))
        loser = next(number for number, process in enumerate(processes) if process.poll() is not None)
        assert ended(processes[loser]) == 6
        assert revealed(kojikey) == old.key
    assert ended(processes[1 - loser]) == 0
    assert revealed(kojikey) == new[1 - loser].key
    assert [event["action"] for event in kojikey("audit", "--json").results if event["provider"]] == [
        "added", "staged", "revealed", "promoted", "revealed",
    ]  # fmt: skip
    assert kojikey("rotate", "elevenlabs", "--rollback").code == 0
    assert revealed(kojikey) == old.key
    verified(kojikey)


def test_of_two_concurrent_first_additions_one_finds_that_the_key_exists(kojikey: Program) -> None:
    keys = [kojikey.key("elevenlabs", name) for name in ("ok", "ok_2")]
    kojikey.sandbox.forget()
    with kojikey.sandbox.hold() as gate:
        processes = [adding(kojikey, key) for key in keys]
        until(lambda: len({request.key_name for request in kojikey.sandbox.requests}) == len(keys))
        gate.open()
        codes = [ended(process) for process in processes]
    assert sorted(codes) == [0, 6]
    assert revealed(kojikey) == keys[codes.index(0)].key
    assert [path.name for path in kojikey.home.iterdir()] == ["keys.db"]
    verified(kojikey)


def test_many_concurrent_additions_create_one_store_and_one_trail_that_verifies(kojikey: Program) -> None:
    keys = [kojikey.key("elevenlabs"), kojikey.key("google_gemini")]
    places = [(key, account) for key in keys for account in ("default", "acme", "other")]
    processes = [adding(kojikey, key, "--account", account) for key, account in places]
    assert [ended(process) for process in processes] == [0] * len(places)
    for key, account in places:
        assert kojikey("get", key.provider, "--reveal", "--account", account).out == key.key
    verified(kojikey)


def test_rotating_a_key_that_is_removed_meanwhile_is_a_conflict(kojikey: Program) -> None:
    kojikey.added()
    kojikey.sandbox.forget()
    with kojikey.sandbox.hold():
        process = rotating(kojikey, kojikey.key("elevenlabs", "ok_2"))
        kojikey.sandbox.wait_for_request()
        assert kojikey("remove", "elevenlabs", "--yes").code == 0
    assert ended(process) == 6
    assert kojikey.listed()["source"] == "built_in"
    verified(kojikey)


def test_keys_that_are_added_during_a_rekeying_open_afterwards(
    full: SampleStore, kojikey: Program, tmp_path: Path
) -> None:
    for name, value in KEKS.items():
        kojikey.environ[name] = value
    kojikey.environ["KOJIKEY_HOME"] = str(tmp_path)
    key = kojikey.key()
    rekeying = start(kojikey, "store", "rekey", "--kek", "env:NEW_KEK")
    added = [adding(kojikey, key, "--no-test", "--account", f"new-{number}") for number in range(5)]
    assert ended(rekeying) == 0
    assert [ended(process) for process in added] == [0] * len(added)
    full.environ = dict(SECOND_KEK)
    opened(full)
    for number in range(len(added)):
        assert full.held(f"new-{number}") == Held(key.key)
    full.verify()


def test_two_rekeyings_at_once_leave_a_store_with_one_kek(full: SampleStore, kojikey: Program, tmp_path: Path) -> None:
    for name, value in KEKS.items():
        kojikey.environ[name] = value
    kojikey.environ["KOJIKEY_HOME"] = str(tmp_path)
    both = [start(kojikey, "store", "rekey", "--kek", "env:NEW_KEK") for _ in range(2)]
    codes = [ended(process) for process in both]
    assert set(codes) <= {0, 6}
    assert 0 in codes
    assert full.opener().open().document["kek"]["name"] == "NEW_KEK"
    assert full.opener().open().document["next_kek"] is None
    full.environ = dict(SECOND_KEK)
    opened(full)
    full.verify()
    full.rotate(NEW, account="account-00")
