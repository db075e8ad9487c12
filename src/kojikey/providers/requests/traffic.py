"""The state that the tests of many keys share: rate limits, pauses that endpoints ask for, and circuit breakers.

Owns: the time of the next request. Must not: wait (the caller does), or make requests.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from kojikey.model.verdict import Reason
from kojikey.providers.answers.evidence import Answer
from kojikey.providers.answers.finding import Fault
from kojikey.providers.requests.retry_delay import asked_by

FAILURES = 5
"""So many requests in a row without an answer open an endpoint's circuit."""
REFUSALS = 100
"""So many 429 answers in a row open it too."""
REST_S = 15.0
LONGEST_REST_S = 240.0
MARGIN = 1.02
"""The factor by which requests are further apart than the rate requires, so that a request which is sent up to 20 ms
late does not put one request too many into a second."""
LONGEST_PAUSE_S = 60.0
"""A longer ``Retry-After`` opens the circuit: the endpoint's other keys are not tested in this run."""

_UNANSWERED = frozenset({Reason.UNREACHABLE, Reason.TIMEOUT, Reason.TLS_ERROR, Reason.NETWORK_BLOCKED})
TOO_MANY = 429
_MOST_PAUSES = 1000  # pauses that are over are dropped at this number
_MOST_WARNINGS = 20  # endpoints; if more of them are down, the summary is enough


class Throttle(Protocol):
    """The part of :class:`Traffic` that a prober uses; a worker process has one that asks the process of the run."""

    @property
    def rate(self) -> float | None:
        """Requests per second and provider, None for no limit."""

    def skipped(self, provider: str, base_url: str) -> Fault | None:
        """Return the fault of a request whose circuit is open, None if the request may be made."""

    async def turn(self, provider: str) -> float:
        """Reserve the next slot of a provider, and return the seconds until then."""

    def observe(self, provider: str, base_url: str, got: Answer | Fault) -> None:
        """Record an answer or a failure."""


class Trouble(NamedTuple):
    """An endpoint that fails. ``reason``: why its circuit is open, None while it is closed."""

    reason: Reason | None


@dataclass(slots=True)
class _Circuit:
    """The circuit breaker of one endpoint. ``opened_until`` is None while it is closed."""

    failures: int = 0
    refusals: int = 0
    opened_until: float | None = None
    reason: Reason = Reason.UNREACHABLE
    rest: float = REST_S
    is_trying: bool = False


@dataclass(slots=True)
class Traffic:
    """The state of one run. ``rate`` is requests per second and provider, None for no limit.

    ``warn`` is called once for each endpoint that stops answering, with a sentence for people.
    """

    rate: float | None = None
    warn: Callable[[str], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    _next_slots: dict[str, float] = field(default_factory=dict)
    _pauses: dict[tuple[str, str], float] = field(default_factory=dict)
    _circuits: dict[tuple[str, str], _Circuit] = field(default_factory=dict)
    _warned: set[tuple[str, str]] = field(default_factory=set)

    def reserve(self, provider: str, base_url: str) -> float:
        """Reserve the slot of a test's first request and return 0, or return the seconds after which to try again.

        A test that :meth:`skipped` will answer needs no slot.
        """
        now = self.clock()
        if self._is_open(provider, base_url, now):
            return 0.0
        wait = max(self._next_slots.get(provider, 0.0), self._pauses.get((provider, base_url), 0.0)) - now
        if wait > 0:
            return wait
        self.reserve_next(provider)
        return 0.0

    def reserve_next(self, provider: str) -> float:
        """Reserve the next slot of a provider, and return the seconds until then."""
        if not self.rate:
            return 0.0
        now = self.clock()
        slot = max(now, self._next_slots.get(provider, 0.0))
        self._next_slots[provider] = slot + MARGIN / self.rate
        return slot - now

    async def turn(self, provider: str) -> float:
        """Reserve the next slot of a provider, and return the seconds until then."""
        return self.reserve_next(provider)

    def skipped(self, provider: str, base_url: str) -> Fault | None:
        """Return the fault of a request whose circuit is open, None if the request may be made."""
        circuit = self._circuits.get((provider, base_url))
        if circuit is None or circuit.opened_until is None:
            return None
        if self._is_open(provider, base_url, self.clock()):
            return not_asked(circuit.reason, base_url)
        circuit.is_trying = True
        return None

    def trouble(self, provider: str, base_url: str) -> Trouble | None:
        """Return the trouble of an endpoint, None if it answers."""
        circuit = self._circuits.get((provider, base_url))
        if circuit is None:
            return None
        return Trouble(circuit.reason if circuit.opened_until is not None else None)

    def troubles(self) -> Iterator[tuple[str, str, Trouble]]:
        """Yield the endpoints that fail: provider, base URL and trouble."""
        for provider, base_url in list(self._circuits):
            trouble = self.trouble(provider, base_url)
            if trouble is not None:
                yield provider, base_url, trouble

    def end_trial(self, provider: str, base_url: str) -> None:
        """Let another request try an endpoint whose circuit is open, because the trial request was not made."""
        circuit = self._circuits.get((provider, base_url))
        if circuit is not None:
            circuit.is_trying = False

    def _is_open(self, provider: str, base_url: str, now: float) -> bool:
        circuit = self._circuits.get((provider, base_url))
        return (
            circuit is not None
            and circuit.opened_until is not None
            and (circuit.is_trying or now < circuit.opened_until)
        )

    def observe(self, provider: str, base_url: str, got: Answer | Fault) -> None:
        """Record an answer or a failure."""
        if not isinstance(got, Fault) and got.status != TOO_MANY:
            self._circuits.pop((provider, base_url), None)  # only endpoints in trouble are remembered
            return
        circuit = self._circuits.setdefault((provider, base_url), _Circuit())
        circuit.is_trying = False
        if isinstance(got, Fault):
            if got.reason not in _UNANSWERED:
                return
            circuit.failures += 1
            if circuit.failures >= FAILURES:
                self._open(circuit, provider, base_url, got.reason, circuit.rest)
            return
        circuit.failures = 0
        self._slow_down(circuit, provider, base_url, asked_by(got.headers))

    def _slow_down(self, circuit: _Circuit, provider: str, base_url: str, asked: float | None) -> None:
        circuit.refusals += 1
        if circuit.refusals >= REFUSALS or (asked is not None and asked > LONGEST_PAUSE_S):
            self._open(circuit, provider, base_url, Reason.RATE_LIMITED, max(circuit.rest, asked or 0.0))
        elif asked is not None:
            self._pause(provider, base_url, asked)

    def _pause(self, provider: str, base_url: str, asked: float) -> None:
        """Start no test at an endpoint for so many seconds; the provider's other endpoints are not affected."""
        now = self.clock()
        if len(self._pauses) >= _MOST_PAUSES:
            self._pauses = {place: until for place, until in self._pauses.items() if until > now}
        place = (provider, base_url)
        self._pauses[place] = max(self._pauses.get(place, 0.0), now + asked)

    def _open(self, circuit: _Circuit, provider: str, base_url: str, reason: Reason, rest: float) -> None:
        now = self.clock()
        if circuit.opened_until is not None and now < circuit.opened_until:
            return  # this request was under way when the circuit opened
        circuit.opened_until, circuit.reason = now + rest, reason
        circuit.rest = min(LONGEST_REST_S, circuit.rest * 2)
        if (provider, base_url) not in self._warned and len(self._warned) < _MOST_WARNINGS:
            self._warned.add((provider, base_url))
            self.warn(f"{provider}: {_cause(reason, base_url)}; no other key is tested there for {rest:.0f} s")


def not_asked(reason: Reason, base_url: str) -> Fault:
    """Return the fault of a request that is not made because the circuit of its endpoint is open."""
    return Fault(reason, f"not asked: {_cause(reason, base_url)}")


def _cause(reason: Reason, base_url: str) -> str:
    host = urlsplit(base_url).netloc
    if reason is Reason.RATE_LIMITED:
        return f"{host} reports too many requests"
    return f"{host} did not answer the requests before this one"
