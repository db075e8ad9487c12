"""Refuses every connection of a process to another machine, and reports each attempt.

Python imports this module by itself in each process with this folder in its PYTHONPATH; ``tests/conftest.py`` loads it
into the process of the tests. Attempts are written to a file, because a program may handle the error. Imports only
modules that Python has loaded anyway, so that the tests of the start-up time are not changed.

Python reports connections as audit events. uvloop makes its own to an address and reports none, so its method is
replaced when its first loop opens a socket.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any  # importing it would take as long as Python takes to start

REPORT = "PYTHON_TESTS_NETWORK_REPORT"  # kojikey's worker processes inherit variables of Python
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
    if not event.startswith("socket."):  # first, because at the end of Python this module's names are gone
        return
    if event == "socket.__new__":
        _watch_uvloop()
    elif event in _PLACES or event in _NAMES:
        _refuse(event, host_of(event, arguments))


def _watch_uvloop() -> None:
    kind = getattr(sys.modules.get("uvloop"), "Loop", None)
    connect = getattr(kind, "create_connection", None)
    if connect is None or connect.__module__ == __name__:
        return

    def create_connection(loop: Any, protocol: Any, host: Any = None, *more: Any, **named: Any) -> Any:
        _refuse("uvloop.create_connection", str(host or ""))
        return connect(loop, protocol, host, *more, **named)

    setattr(kind, "create_connection", create_connection)  # noqa: B010 - mypy does not know the class


def _refuse(event: str, host: str) -> None:
    """Report an event about another machine, and raise an error that prevents it."""
    if is_loopback(host):
        return
    report = os.environ.get(REPORT)
    if report:
        with open(report, "a", encoding="utf-8") as file:
            file.write(f"{event} {host!r}\n")
    raise OSError("the tests make no connections to other machines")


sys.addaudithook(_watch)
