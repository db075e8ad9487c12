"""Marks every test by what it starts, so that a first answer needs neither processes nor servers.

``program``: the test starts a process, or has a terminal of its own. ``server``: it uses a database, a played AWS, a
browser or a secret service that is started for it. Both are found in the code of the test and of its fixtures; where
kojikey itself starts the process, the test is marked by hand. A test that starts a process without a marker fails and
says so.

``exhaustive``: set by hand, for what repeats much or takes long. Such a test runs only where ``-m`` names the marker.

Owns: setting and checking the first two, and what the third one means. Must not: start anything.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from functools import cache
from types import CodeType, FunctionType

import pytest

_SERVERS = {
    ("support.servers.aws", "start"), ("support.servers.postgres", "Server"), ("support.servers.postgres", "running"),
    ("support.servers.secret_service", "session"), ("support.chromium", "browser"),
}  # fmt: skip
_SERVER_PARAMETERS = {
    "awskms",
    "dynamodb",
    "keychain",
    "postgresql",
}  # kinds of stores and KEKs, made when the test runs
_PROGRAMS = {"fork", "forkpty", "installed", "openpty", "pexpect", "shell", "subprocess"}
_STARTS = {"os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"}  # audit events

_OF_TESTS = ("support.", "kojikey.testing.conformance.")  # modules whose functions are followed

_started: list[str] = []  # by the test that runs, as the interpreter saw it


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Set the markers, before pytest looks at them for ``-m``; leave out what is exhaustive and not asked for."""
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
    """Forget what the test before has started."""
    _started.clear()
    return (yield)


@pytest.fixture(autouse=True)
def started_as_marked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that starts a process, or had one started for it, and has no marker that says so."""
    yield
    if _started and not any(request.node.get_closest_marker(name) for name in ("program", "server")):
        pytest.fail(f"mark this test `program`, or `server`: it started {', '.join(_started)}")


def _found(item: pytest.Function) -> set[str]:
    fixtures = [fixture.func for found in item._fixtureinfo.name2fixturedefs.values() for fixture in found]
    names = {name for function in (item.function, *fixtures) for name in _markers(function)}
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    words = [word for value in parameters for word in (value if isinstance(value, tuple) else (value,))]
    if any(isinstance(word, str) and word in _SERVER_PARAMETERS for word in words):
        names.add("server")
    return names


@cache
def _markers(function: object) -> frozenset[str]:
    """Return the markers of a function; thousands of tests share most of their fixtures."""
    return frozenset(_markers_of(function, set()))


def _markers_of(function: object, seen: set[object]) -> Iterator[str]:
    """Yield the markers that a function's code asks for, with what it calls of the tests' own code."""
    function = inspect.unwrap(function) if isinstance(function, FunctionType) else function
    if not isinstance(function, FunctionType) or function in seen:
        return
    seen.add(function)
    for name in _names_in(function.__code__):
        value = function.__globals__.get(name)
        if name in _PROGRAMS:
            yield "program"
        if (getattr(value, "__module__", None), name) in _SERVERS:
            yield "server"
        else:
            for called in _called(value, function.__module__):
                yield from _markers_of(called, seen)


def _called(value: object, module: str) -> Iterator[object]:
    """Yield a function of the tests' own code, and the methods of a class of the same file."""
    if isinstance(value, type) and value.__module__ == module:
        yield from vars(value).values()
    elif isinstance(value, FunctionType) and (value.__module__ == module or value.__module__.startswith(_OF_TESTS)):
        yield value


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event in _STARTS:
        _started.append(event)


sys.addaudithook(_note)
