"""A whole cycle of rotation at the provider, killed at any point: the next run ends with one key, and no orphan."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.dying_mint import STEPS
from support.minting import Mint, set_up
from support.program import Program

DYING = str(Path(__file__).parents[1] / "support" / "dying_mint.py")
FEW, MANY = 6, 100
OPTIONS = ("--no-input", "--propagation", "0s")
PROVIDER = "xai"


def dying(kojikey: Program, deadline: int, *arguments: str, **environ: str) -> int:
    """Carry out a command line that is killed at a step, and return its exit code."""
    finished = subprocess.run(
        [sys.executable, DYING, str(deadline), *arguments],
        env=kojikey.with_environ(environ),
        capture_output=True,
        timeout=120,
        check=False,
    )
    return finished.returncode


def steps_of(kojikey: Program, tmp_path: Path, *arguments: str) -> int:
    """Return how many steps a command line has that ends well."""
    file = tmp_path / "steps"
    assert dying(kojikey, 0, *arguments, **{STEPS: str(file)}) == 0
    return int(file.read_text())


def chosen(count: int, number: int, of: int) -> int:
    """Return a step of so many: the first, the last, and what lies evenly between them."""
    return 1 + (count - 1) * number // max(1, of - 1)


def ours(mint: Mint) -> set[str]:
    return {key.value for key in mint.managed.keys}


def in_store(kojikey: Program) -> str:
    return kojikey("get", PROVIDER, "--reveal").out


def _parameters() -> list[object]:
    few = [pytest.param(number, FEW, id=f"{number + 1} of {FEW}") for number in range(FEW)]
    many = [
        pytest.param(number, MANY, id=f"{number + 1} of {MANY}", marks=pytest.mark.exhaustive) for number in range(MANY)
    ]
    return [*few, *many]


@pytest.mark.parametrize("end", ["--resume", "--abort"])
@pytest.mark.parametrize(("number", "of"), _parameters())
def test_a_mint_that_was_killed_is_finished_or_undone(
    kojikey: Program, tmp_path: Path, number: int, of: int, end: str
) -> None:
    command = ("rotate", PROVIDER, "--mint", *OPTIONS)
    mint = set_up(kojikey, PROVIDER)
    old = mint.managed.keys[0].value
    count = _count(kojikey, tmp_path, command)
    code = dying(kojikey, chosen(count, number, of), *command)
    assert code in (-signal.SIGKILL, 0)
    assert in_store(kojikey) in ours(mint)
    finished = kojikey("rotate", PROVIDER, end, "--no-input", *(OPTIONS[1:] if end == "--resume" else ()))
    assert finished.code in (0, 5), finished.said  # 5: nothing was left unfinished
    current = in_store(kojikey)
    assert ours(mint) == {old, current}
    assert kojikey("audit", "--verify").code == 0
    assert finished.code == 5 or (current == old) is (end == "--abort")


_COUNTS: dict[tuple[str, ...], int] = {}


def _count(kojikey: Program, tmp_path: Path, command: tuple[str, ...]) -> int:
    """Return the steps of a command, from one run of it in a home of its own."""
    if command not in _COUNTS:
        other = Program(
            tmp_path / "other", kojikey.sandbox, {**kojikey.environ, "KOJIKEY_HOME": str(tmp_path / "other")}
        )
        managed = kojikey.sandbox.managed(PROVIDER)
        before = set(managed.keys and [key.key_id for key in managed.keys])
        key = other.added(PROVIDER, "ok")
        other.added("xai_admin", "ok")
        assert key.key in {each.value for each in managed.keys}
        _COUNTS[command] = steps_of(other, tmp_path, *command)
        for each in managed.keys:
            if each.key_id not in before:
                managed.delete(each)
    return _COUNTS[command]


@pytest.mark.parametrize(("number", "of"), _parameters())
def test_a_retirement_that_was_killed_is_finished_by_the_next(
    kojikey: Program, tmp_path: Path, number: int, of: int
) -> None:
    mint = set_up(kojikey, PROVIDER)
    assert mint.mint().code == 0
    command = ("rotate", PROVIDER, "--retire", "--yes", *OPTIONS)
    new = in_store(kojikey)
    code = dying(kojikey, chosen(40, number, of), *command)
    assert code in (-signal.SIGKILL, 0)
    assert in_store(kojikey) == new
    finished = kojikey(*command)
    assert finished.code in (0, 5), finished.said
    assert ours(mint) == {new}
    assert mint.row()["previous"] is None
    assert os.path.exists(kojikey.home)
