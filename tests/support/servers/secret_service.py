"""A real Secret Service for the tests: gnome-keyring with its own session bus and folder.

If it is not installed, the tests fail with the command that installs it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kojikey.sealing.kek.base import KekInputs

INSTALL = "apt-get install -y --no-install-recommends gnome-keyring dbus"
UNLOCKED = "printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null; "
WAIT = 'echo "$DBUS_SESSION_BUS_ADDRESS"; read end'


def session(folder: Path, before: str) -> Iterator[KekInputs]:
    """Yield the environment of a new session; its processes are ended afterwards."""
    for program in ("dbus-run-session", "gnome-keyring-daemon"):
        if shutil.which(program) is None:
            pytest.fail(f"this test needs {program}: {INSTALL}")
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
    """End daemons that outlive their session bus; they are recognised by their runtime folder."""
    mark = f"XDG_RUNTIME_DIR={runtime}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)
        except (OSError, ProcessLookupError):
            continue
