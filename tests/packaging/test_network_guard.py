"""No test reaches another machine: attempts are refused and reported, in each way in which kojikey connects."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FunctionType

import pytest

from kojikey.providers.requests.worker_pool import worker_environment
from support import marking
from support.event_loops import each_loop as each_loop
from support.loopback import sitecustomize as loopback
from support.program import SECONDS

ELSEWHERE = "192.0.2.1"  # RFC 5737: nobody has this address


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file of this test alone for the attempts."""
    path = tmp_path / "report"
    monkeypatch.setenv(loopback.REPORT, str(path))
    return path


async def by_transport() -> None:
    await asyncio.get_running_loop().create_connection(asyncio.Protocol, ELSEWHERE, 9)


async def by_socket() -> None:
    with socket.socket() as connecting:
        connecting.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connecting, (ELSEWHERE, 9))


@pytest.mark.server
@pytest.mark.usefixtures("each_loop")
@pytest.mark.parametrize("connect", [by_transport, by_socket])
def test_a_connection_to_another_machine_is_refused_and_reported(
    report: Path, connect: Callable[[], Awaitable[None]]
) -> None:
    async def connected() -> None:
        async with asyncio.timeout(SECONDS):
            await connect()

    with pytest.raises(OSError, match="no connections to other machines"):
        asyncio.run(connected())
    assert ELSEWHERE in report.read_text()


@pytest.mark.external
def test_a_connection_of_a_worker_process_is_refused_and_reported(report: Path) -> None:
    code = f"""
import asyncio
from kojikey.providers.requests import fast_loop

async def connect():
    await asyncio.get_running_loop().create_connection(asyncio.Protocol, "{ELSEWHERE}", 9)

fast_loop.run(connect())
"""
    command = [sys.executable, "-P", "-c", code]
    ended = subprocess.run(
        command, env=worker_environment(os.environ), capture_output=True, check=False, timeout=SECONDS
    )
    assert b"no connections to other machines" in ended.stderr
    assert ELSEWHERE in report.read_text()


def test_the_watching_functions_need_no_names_when_python_ends() -> None:
    for watch in (loopback._watch, marking._note):
        FunctionType(watch.__code__, {"__builtins__": {}})("cpython.PyInterpreterState_Clear", ())
