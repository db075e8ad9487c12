"""A real Secret Service (gnome-keyring on a private session bus) keeps a KEK and gives it back."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kojikey.model.errors import KekMissing, KekUnavailable
from kojikey.sealing.kek import KekInputs, available_default, discard, load, make

INSTALL = "apt-get install -y --no-install-recommends gnome-keyring dbus"
UNLOCKED = "printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null; "
WAIT = 'echo "$DBUS_SESSION_BUS_ADDRESS"; read end'


def session(folder: Path, before: str) -> Iterator[KekInputs]:
    """Yield the environment of a session of its own, which ends with what it started."""
    for program in ("dbus-run-session", "gnome-keyring-daemon"):
        if shutil.which(program) is None:
            pytest.fail(f"{program} is not here, and this test needs it: {INSTALL}")
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    environ = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(runtime), "PATH": os.environ["PATH"]}
    command = ["dbus-run-session", "--", "sh", "-c", before + WAIT]
    with subprocess.Popen(
        command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as bus:
        assert bus.stdin
        assert bus.stdout
        try:
            yield KekInputs({**environ, "DBUS_SESSION_BUS_ADDRESS": bus.stdout.readline().strip()}, None)
        finally:
            bus.stdin.close()
            bus.wait()
            _end_those_of(runtime)


def _end_those_of(runtime: Path) -> None:
    """End daemons that outlive the session bus which started them; they are known by their runtime folder."""
    mark = f"XDG_RUNTIME_DIR={runtime}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)
        except (OSError, ProcessLookupError):
            continue


@pytest.fixture(scope="module")
def unlocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KekInputs]:
    yield from session(tmp_path_factory.mktemp("unlocked"), UNLOCKED)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KekInputs]:
    yield from session(tmp_path_factory.mktemp("locked"), "")


def test_a_keychain_that_answers_is_the_default(unlocked: KekInputs) -> None:
    assert available_default(unlocked, interactive=False) == "keychain"
    assert available_default(unlocked, interactive=False, try_keychain=False) is None


def test_a_kek_is_kept_given_back_and_discarded(unlocked: KekInputs) -> None:
    spec, kek = make("keychain", store_id="s1", inputs=unlocked)
    record = kek.wrap(b"d" * 32, store="s1", account="acme")
    assert load(spec, unlocked).unwrap(record, store="s1", account="acme") == b"d" * 32
    discard(spec, unlocked)
    with pytest.raises(KekMissing):
        load(spec, unlocked)
    discard(spec, unlocked)


def test_discarding_one_kek_leaves_the_other_of_its_store(unlocked: KekInputs) -> None:
    (old, _), (new, kek) = (make("keychain", store_id="s2", inputs=unlocked) for _ in range(2))
    discard(old, unlocked)
    assert load(new, unlocked).kid == kek.kid


def test_a_keychain_that_can_not_be_unlocked_is_no_default_and_an_error_when_named(locked: KekInputs) -> None:
    assert available_default(locked, interactive=False) is None
    with pytest.raises(KekUnavailable, match="the keychain") as caught:
        make("keychain", store_id="s1", inputs=locked)
    assert caught.value.hint
