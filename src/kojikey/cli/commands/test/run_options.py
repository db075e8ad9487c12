"""How a run over many keys goes, as the options say: read and checked once, before a store is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kojikey.cli.parsing.command import Call
from kojikey.model.errors import Effect, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:  # `kojikey --help` imports this module
    from kojikey.providers.requests.traffic import Traffic

CONCURRENCY = 16
MOST_CONCURRENCY = 1024
MOST_RATE = 100_000.0
FAIL_ON = ("rejected", "limited", "indeterminate")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """``rate`` is requests a second and provider, None for as many as there are.

    A test makes one request at a time, so ``concurrency`` is also how many keys are tested at once. ``models`` and
    ``capabilities`` count for this run, in place of those that a key was saved with.
    """

    concurrency: int
    rate: float | None
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
            _concurrency(call), _rate(call), _fail_on(call), tuple(call.texts("model")), tuple(call.texts("capability"))
        )

    @property
    def has_overrides(self) -> bool:
        """Whether the outcomes are those of other tests than the keys' own, and are not recorded."""
        return bool(self.models or self.capabilities)

    def traffic(self, *, tell: Callable[[str], None]) -> Traffic:
        """Return the rate limit and the circuit breakers of one run."""
        from kojikey.providers.requests.traffic import Traffic

        return Traffic(rate=self.rate, tell=tell)


def _rate(call: Call) -> float | None:
    rate = call.number("rate")
    if rate is not None and not 0 < rate <= MOST_RATE:
        raise UsageError(
            "--rate takes requests a second and provider, more than 0",
            hint="--rate 5 for five a second; without it as fast as --concurrency allows",
            effect=Effect.NOTHING_DONE,
        )
    return rate


def _concurrency(call: Call) -> int:
    given = call.number("concurrency")
    if given is not None and not 1 <= given <= MOST_CONCURRENCY:
        raise UsageError(
            f"--concurrency takes a number from 1 to {MOST_CONCURRENCY}",
            hint=f"--concurrency {CONCURRENCY} is the default; --concurrency 1 asks about one key after the other",
            effect=Effect.NOTHING_DONE,
        )
    return CONCURRENCY if given is None else int(given)


def _fail_on(call: Call) -> str:
    fail_on = call.text("fail_on")
    if fail_on not in (None, *FAIL_ON):
        raise UsageError(
            "--fail-on takes rejected, limited or indeterminate",
            hint="--fail-on limited is the default",
        )
    return fail_on or "limited"
