"""Carries out command lines that are killed at a step, each in its own child of ``forking.py``, which defines steps.

Owns: starting ``forking.py`` and sending it command lines. Must not: assert what a command leaves.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from support.program import Program

_PROGRAM = str(Path(__file__).with_name("forking.py"))


@dataclass(frozen=True)
class Ended:
    """The end of a command line: exit code, number of steps, and output."""

    code: int
    steps: int
    said: str

    @property
    def was_killed(self) -> bool:
        """Whether SIGKILL ended it."""
        return self.code == -signal.SIGKILL


class Forks:
    """Carries out command lines in children of one process; ``is_warm`` after it has carried out some itself."""

    def __init__(self, requests: IO[str], answers: IO[str]) -> None:
        self._requests, self._answers, self.is_warm = requests, answers, False

    def __call__(self, kojikey: Program, *arguments: str, deadline: int = 0, days: int = 0) -> Ended:
        """Carry out a command line ``days`` later, killed at the step of number ``deadline`` (0: never)."""
        return Ended(**self._ask(kojikey, arguments, deadline=deadline, days=days, is_warming=False))

    def warm(self, kojikey: Program, *arguments: str) -> None:
        """Carry out a command line in the parent of the children."""
        ended = self._ask(kojikey, arguments, deadline=0, days=0, is_warming=True)
        assert ended["code"] == 0, ended["said"]
        self.is_warm = True

    def _ask(self, kojikey: Program, arguments: tuple[str, ...], **more: object) -> dict[str, Any]:
        asked = {"arguments": arguments, "environ": kojikey.environ, **more}
        self._requests.write(json.dumps(asked) + "\n")
        self._requests.flush()
        answer: dict[str, Any] = json.loads(self._answers.readline())
        return answer


@contextmanager
def forks(environ: Mapping[str, str]) -> Iterator[Forks]:
    """Start the parent of the children, yield it, and end it. Each command line has its own environment."""
    with subprocess.Popen(
        [sys.executable, _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline()
        yield Forks(process.stdin, process.stdout)
        process.stdin.close()
