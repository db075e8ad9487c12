"""The time that one test has taken, without its waits for the rate limit.

Owns: how long a test has taken and may still take. Must not: sleep, end anything, or know why a test waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Stopwatch:
    """The time of a test, which may take ``allowed`` seconds; the test itself keeps to it."""

    clock: Callable[[], float]
    allowed: float
    _began: float = field(init=False)
    _stood_since: float = 0.0
    _standing: int = 0

    def __post_init__(self) -> None:
        self._began = self.clock()

    def spent(self) -> float:
        """Return the seconds that the test has taken so far."""
        return (self._stood_since if self._standing else self.clock()) - self._began

    def left(self) -> float:
        """Return the seconds that the test may still take, 0 or less if there are none."""
        return self.allowed - self.spent()

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Pause the time; if several requests wait at once, the pause ends with the last of them."""
        if not self._standing:
            self._stood_since = self.clock()
        self._standing += 1
        try:
            yield
        finally:
            self._standing -= 1
            if not self._standing:
                self._began += self.clock() - self._stood_since
