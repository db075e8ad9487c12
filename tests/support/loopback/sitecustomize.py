"""Lets a process talk to this machine alone, and tells of every attempt to do otherwise.

Python runs this by itself in each process of the tests that has the folder in its PYTHONPATH; ``tests/conftest.py``
loads it into the process of the tests. What is caught is written to a file, because a program may well survive the
error it is given. Imports nothing that the start-up tests would have to know about.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # importing it would take as long as Python takes to start

REPORT = "KOJIKEY_TESTS_NETWORK_REPORT"
_PLACES = ("socket.connect", "socket.bind", "socket.sendto")
_NAMES = ("socket.getaddrinfo", "socket.gethostbyname")


def host_of(event: str, arguments: tuple[Any, ...]) -> str:
    """Return the host that an event is about; empty where it is none, as for a socket with a path."""
    if event in _PLACES:
        place = arguments[1]
        return str(place[0]) if isinstance(place, tuple) else ""
    host = arguments[0] if event in _NAMES else None
    return bytes(host).decode("ascii", "replace") if isinstance(host, bytes | bytearray) else str(host or "")


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    return host in ("", "localhost", "::1") or host.startswith("127.")


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _PLACES and event not in _NAMES:
        return
    host = host_of(event, arguments)
    if is_loopback(host):
        return
    report = os.environ.get(REPORT)
    if report:
        with open(report, "a", encoding="utf-8") as file:
            file.write(f"{event} {host!r}\n")
    raise OSError("the tests do not leave this machine")


sys.addaudithook(_watch)
