"""The options of a run over many keys: read and checked once, before a store is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kojikey.cli.command import Call
from kojikey.cli.commands.test.options import FAIL_ON, JOBS, OUTCOMES_THAT_FAIL
from kojikey.cli.commands.test.usable_cores import usable_cores
from kojikey.cli.options import CAPABILITY, CONCURRENCY, MODEL, RATE
from kojikey.model.errors import Effect, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:  # `kojikey --help` imports this module
    from kojikey.providers.requests.traffic import Traffic

DEFAULT_CONCURRENCY = 16
MOST_CONCURRENCY = 1024
MOST_RATE = 100_000.0
MOST_JOBS = 64
MANY_KEYS = 2000
"""For more keys than this, one core is the limit of a run that is not told how many processes to use."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """``rate`` is requests a second and provider, None for as many as there are.

    A test makes one request at a time, so ``concurrency`` is also how many keys are tested at once. ``jobs`` is None
    where nothing is said about them. ``models`` and ``capabilities`` count for this run, in place of those that a key
    was saved with.
    """

    concurrency: int
    rate: float | None
    jobs: int | None
    fail_on: str
    models: tuple[str, ...]
    capabilities: tuple[str, ...]

    @classmethod
    def read(cls, call: Call) -> RunOptions:
        """Return what the options of a command say.

        Raises:
            UsageError: one of them makes no sense.
        """
        return cls(
            _concurrency(call), _rate(call), _jobs(call), _fail_on(call),
            tuple(call.get(MODEL)), tuple(call.get(CAPABILITY)),
        )  # fmt: skip

    def jobs_for(self, total: int) -> int:
        """Return the number of processes that test so many keys; 1 stands for this process itself."""
        wanted = self.jobs or (usable_cores() if total > MANY_KEYS else 1)
        return min(wanted, MOST_JOBS, self.concurrency, max(1, total))

    @property
    def has_overrides(self) -> bool:
        """Whether the outcomes are those of other tests than the keys' own, and are not recorded."""
        return bool(self.models or self.capabilities)

    def traffic(self, *, tell: Callable[[str], None]) -> Traffic:
        """Return the rate limit and the circuit breakers of one run."""
        from kojikey.providers.requests.traffic import Traffic

        return Traffic(rate=self.rate, tell=tell)


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


def _fail_on(call: Call) -> str:
    fail_on = call.get(FAIL_ON)
    if fail_on not in (None, *OUTCOMES_THAT_FAIL):
        raise UsageError(
            "--fail-on takes rejected, limited or indeterminate",
            hint="--fail-on limited is the default",
        )
    return fail_on or "limited"
