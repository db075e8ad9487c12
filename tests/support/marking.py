"""Marks each test by what it starts, so that the fast tests can be run alone.

``program``: the test runs the whole command line, in this process or in another, or starts any other process.
``server``: the test needs a listener on loopback: the sandbox, a scripted server, a database, a played AWS.
``external``: the test needs more than this process: another process, a terminal, a database, a played AWS, a browser,
a secret service. It also has one of the first two markers. The tests without it run on every system, and in mutation
testing.

These three are derived from the code of the test and of its fixtures. If kojikey itself starts the process, the test is
marked ``external`` by hand. A test that starts a process, listens or connects without the marker fails.

``exhaustive``: set by hand, for tests that repeat much or take long. They run only if ``-m`` names the marker.

Owns: setting and checking the first three markers, and leaving out the tests with the fourth. Must not: start anything.
"""

from __future__ import annotations

import inspect
import socket
import sys
from collections.abc import Iterator
from functools import cache
from types import CodeType, FunctionType
from typing import Any

import pytest

_PROGRAM, _SERVER = frozenset({"program"}), frozenset({"server"})
_EXTERNAL = "external"

# Markers by an object that a name in the code refers to: the module that defines it, and its name there.
_BY_VALUE = {
    ("kojikey.__main__", "main"): _PROGRAM,
    ("kojikey.__main__", "run"): _PROGRAM,
    ("kojikey.testing.sandbox.sandbox", "Sandbox"): _SERVER,
    ("kojikey.testing.sandbox.server", "Server"): _SERVER,
    ("support.chromium", "browser"): _SERVER | {_EXTERNAL},
    ("support.program", "Program"): _PROGRAM,
    ("support.scripted_server", "playing"): _SERVER,
    ("support.servers.aws", "start"): _SERVER | {_EXTERNAL},
    ("support.servers.postgres", "Server"): _SERVER | {_EXTERNAL},
    ("support.servers.postgres", "running"): _SERVER | {_EXTERNAL},
    ("support.servers.scripted_aws", "scripted"): _SERVER,
    ("support.servers.secret_service", "session"): _SERVER | {_EXTERNAL},
}
# Markers by the name alone of a function, a method or a module.
_BY_NAME = {
    **dict.fromkeys(
        ("fork", "forkpty", "installed", "openpty", "pexpect", "shell", "subprocess"), _PROGRAM | {_EXTERNAL}
    ),
    **dict.fromkeys(("HTTPServer", "ThreadingHTTPServer", "create_server", "start_server"), _SERVER),
}
# Markers by a parameter of the test: kinds of stores and KEKs that need a server.
_BY_PARAMETER = dict.fromkeys(("awskms", "dynamodb", "keychain", "postgresql"), _SERVER | {_EXTERNAL})

_STARTS = {"os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"}  # audit events
_TALKS = {"socket.bind", "socket.connect"}
_INTERNET = (socket.AF_INET, socket.AF_INET6)

_OF_TESTS = ("support.", "kojikey.testing.conformance.")  # modules whose functions are followed

_seen: dict[str, str] = {}  # the markers that the running test needs, each with the audit event that showed it


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Set the markers before pytest evaluates ``-m``, and leave out exhaustive tests that ``-m`` does not name."""
    if "exhaustive" not in config.getoption("markexpr"):
        left_out = [item for item in items if item.get_closest_marker("exhaustive")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("exhaustive")]
    for item in items:
        if isinstance(item, pytest.Function):
            for name in _found(item):
                item.add_marker(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """Forget what the previous test started."""
    _seen.clear()
    return (yield)


@pytest.fixture(autouse=True)
def started_as_marked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that starts something, itself or by a fixture, without the marker for it."""
    yield
    missing = [f"`{name}`: {what}" for name, what in _seen.items() if not request.node.get_closest_marker(name)]
    if missing:
        pytest.fail(f"mark this test {', '.join(missing)}")


def _found(item: pytest.Function) -> set[str]:
    fixtures = [fixture.func for found in item._fixtureinfo.name2fixturedefs.values() for fixture in found]
    names = {name for function in (item.function, *fixtures) for name in _markers(function)}
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    words = [word for value in parameters for word in (value if isinstance(value, tuple) else (value,))]
    for word in words:
        if isinstance(word, str):
            names |= _BY_PARAMETER.get(word, frozenset())
    if item.get_closest_marker(_EXTERNAL) and "server" not in names:
        names |= _PROGRAM
    return names


@cache
def _markers(function: object) -> frozenset[str]:
    """Return the markers of a function, cached because thousands of tests share most of their fixtures."""
    return frozenset(_markers_of(function, set()))


def _markers_of(function: object, seen: set[object]) -> Iterator[str]:
    """Yield the markers that the code of a function and of the test functions that it calls needs."""
    function = inspect.unwrap(function) if isinstance(function, FunctionType) else function
    if not isinstance(function, FunctionType) or function in seen:
        return
    seen.add(function)
    for name in _names_in(function.__code__):
        value = function.__globals__.get(name)
        yield from _BY_NAME.get(name, ())
        markers = _BY_VALUE.get((getattr(value, "__module__", ""), name))
        if markers:
            yield from markers
        else:
            for called in _called(value, function.__module__):
                yield from _markers_of(called, seen)


def _called(value: object, module: str) -> Iterator[object]:
    """Yield the value if it is a function of the tests' own code, or its methods if it is a class of the same file."""
    if isinstance(value, type) and value.__module__ == module:
        yield from vars(value).values()
    elif isinstance(value, FunctionType) and (value.__module__ == module or value.__module__.startswith(_OF_TESTS)):
        yield value


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if not event.startswith(("os.", "socket.", "subprocess.")):  # at the end of Python this module's names are gone
        return
    if event in _STARTS:
        _seen[_EXTERNAL] = event
    elif event in _TALKS and arguments[0].family in _INTERNET and sys.platform != "win32":
        # On Windows an event loop connects to itself, because there are no socket pairs.
        _seen["server"] = event


sys.addaudithook(_note)
