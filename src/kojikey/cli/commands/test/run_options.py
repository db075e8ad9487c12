"""Reads and checks the options of a run over many keys, before a store is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kojikey.cli.command import Call
from kojikey.cli.commands.test.options import FAIL_ON, JOBS
from kojikey.cli.commands.test.usable_cores import usable_cores
from kojikey.cli.options import CAPABILITY, CONCURRENCY, MODEL, RATE
from kojikey.model.errors import Effect, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:  # `kojikey --help` imports this module
    from kojikey.providers.requests.traffic import Traffic

DEFAULT_CONCURRENCY = 16
_DEFAULT_FAIL_ON = "limited"
MOST_CONCURRENCY = 1024
MOST_RATE = 100_000.0
MOST_JOBS = 64
MANY_KEYS = 2000
"""For more keys than this, a run without ``--jobs`` uses a process for each core: one core would limit it."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of a run. ``rate`` is in requests per second and provider, None for no limit.

    A test sends one request at a time, so ``concurrency`` limits both the requests and the keys that are tested at
    once. ``jobs`` is None without the option. ``models`` and ``capabilities`` replace those of a saved key in this run.
    """

    concurrency: int
    rate: float | None
    jobs: int | None
    fail_on: str
    models: tuple[str, ...]
    capabilities: tuple[str, ...]

    @classmethod
    def read(cls, call: Call) -> RunOptions:
        """Return the options of a call.

        Raises:
            UsageError: a value is out of range.
        """
        return cls(
            _concurrency(call), _rate(call), _jobs(call), call.get(FAIL_ON) or _DEFAULT_FAIL_ON,
            tuple(call.get(MODEL)), tuple(call.get(CAPABILITY)),
        )  # fmt: skip

    def jobs_for(self, total: int) -> int:
        """Return the number of processes that test ``total`` keys; 1 stands for this process itself."""
        wanted = self.jobs or (usable_cores() if total > MANY_KEYS else 1)
        return min(wanted, MOST_JOBS, self.concurrency, max(1, total))

    @property
    def has_overrides(self) -> bool:
        """Whether the tests check other things than the keys were saved with; then outcomes are not recorded."""
        return bool(self.models or self.capabilities)

    def traffic(self, *, tell: Callable[[str], None]) -> Traffic:
        """Return the rate limit and the circuit breakers of one run; ``tell`` receives their warnings."""
        from kojikey.providers.requests.traffic import Traffic

        return Traffic(rate=self.rate, warn=tell)


def _rate(call: Call) -> float | None:
    rate = call.get(RATE)
    if rate is not None and not 0 < rate <= MOST_RATE:
        raise UsageError(
            "--rate takes a number of requests per second to each provider, more than 0",
            hint="--rate 5 for five per second; without it, as fast as --concurrency allows",
            effect=Effect.NOTHING_DONE,
        )
    return rate


def _concurrency(call: Call) -> int:
    given = call.get(CONCURRENCY)
    if given is not None and not 1 <= given <= MOST_CONCURRENCY:
        raise UsageError(
            f"--concurrency takes a number from 1 to {MOST_CONCURRENCY}",
            hint=f"--concurrency {DEFAULT_CONCURRENCY} is the default; 1 tests one key after the other",
            effect=Effect.NOTHING_DONE,
        )
    return DEFAULT_CONCURRENCY if given is None else given


def _jobs(call: Call) -> int | None:
    given = call.get(JOBS)
    if given is not None and not 1 <= given <= MOST_JOBS:
        raise UsageError(
            f"--jobs takes a number of processes from 1 to {MOST_JOBS}",
            hint=f"--jobs 1 tests in this process; the default is the number of cores, for more than {MANY_KEYS} keys",
            effect=Effect.NOTHING_DONE,
        )
    return given
