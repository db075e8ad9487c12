"""Our NamedTuple behaves like the one of typing, which it replaces at run time."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import NamedTuple as Theirs

import pytest

import kojikey
from kojikey.model.fast_namedtuple import NamedTuple as Ours
from support.each import each


class Mine(Ours):
    """A place."""

    name: str
    size: int = 3
    tags: tuple[str, ...] = ()

    @property
    def double(self) -> int:
        return self.size * 2


class Typed(Theirs):
    """A place."""

    name: str
    size: int = 3
    tags: tuple[str, ...] = ()

    @property
    def double(self) -> int:
        return self.size * 2


CALLS: list[Callable[[Any], Any]] = [
    lambda kind: tuple(kind("a")),
    lambda kind: tuple(kind("a", 1, ("x",))),
    lambda kind: tuple(kind(name="a", tags=("y",))),
    lambda kind: tuple(kind("a", tags=("y",))),
    lambda kind: kind("a").double,
    lambda kind: kind("a").name,
    lambda kind: kind("a")._asdict(),
    lambda kind: kind("a")._replace(size=9),
    lambda kind: kind._make(["a", 1, ()]),
    lambda kind: kind._fields,
    lambda kind: kind._field_defaults,
    lambda kind: kind.__match_args__,
    lambda kind: kind("a") == ("a", 3, ()),
    lambda kind: hash(kind("a")) == hash(("a", 3, ())),
    lambda kind: kind("a") < kind("b"),
    lambda kind: repr(kind("a")).partition("(")[2],
    lambda kind: copy.copy(kind("a")),
    lambda kind: pickle.loads(pickle.dumps(kind("a"))),
    lambda kind: hasattr(kind("a"), "__dict__"),
    lambda kind: kind.__doc__,
]
REFUSED: list[Callable[[Any], Any]] = [
    lambda kind: kind(),
    lambda kind: kind("a", 1, (), 4),
    lambda kind: kind("a", name="b"),
    lambda kind: kind("a", other=1),
    lambda kind: kind("a")._replace(other=1),
]


@each("call", CALLS)
def test_it_behaves_like_the_named_tuple_of_typing(call: Callable[[Any], Any]) -> None:
    assert call(Mine) == call(Typed)


@pytest.mark.parametrize("call", REFUSED)
def test_it_refuses_the_same_arguments_as_the_named_tuple_of_typing(call: Callable[[Any], Any]) -> None:
    for kind in (Mine, Typed):
        with pytest.raises((TypeError, ValueError)):
            call(kind)


def test_a_field_cannot_be_set() -> None:
    with pytest.raises(AttributeError):
        Mine("a").name = "b"  # type: ignore[misc]


def test_it_matches_patterns_by_position() -> None:
    match Mine("a", 7):
        case Mine(name, size):
            assert (name, size) == ("a", 7)


def test_run_does_not_import_typing() -> None:
    imports = "import sys, kojikey.cli.commands.run.run, kojikey.wiring, kojikey.operations.resolving"
    code = f"{imports}; print('typing' in sys.modules)"
    environ = {"PYTHONPATH": str(Path(kojikey.__file__).parents[1])}
    # -S: what an environment imports at start-up on its own is not ours
    done = subprocess.run([sys.executable, "-S", "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
