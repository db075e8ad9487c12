"""Refuses every connection of a process to another machine, and reports each attempt.

Python imports this module by itself in each process with this folder in its PYTHONPATH; ``tests/conftest.py`` loads it
into the process of the tests. Attempts are written to a file, because a program may handle the error. Imports only
modules that Python has loaded anyway, so that the tests of the start-up time are not changed.
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
    """Return the host of an event, ``""`` if it has none, for example for a socket with a path."""
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
    raise OSError("the tests make no connections to other machines")


sys.addaudithook(_watch)
