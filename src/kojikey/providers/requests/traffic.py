"""The state that tests of many keys share: rate limits, the pauses that endpoints ask for, and circuit breakers.

Owns: the time of the next request. Must not: wait (the caller does), or make requests. The clock is passed in.
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
"""So many requests in a row without any answer open an endpoint's circuit."""
REFUSALS = 100
"""So many 429 in a row, and nothing else, open it too."""
REST_S = 15.0
LONGEST_REST_S = 240.0
MARGIN = 1.02
"""Requests are that much further apart than the rate asks for: one that is sent late by up to 20 ms, and the next in
time, are still not one too many in the second that begins with it."""
LONGEST_PAUSE_S = 60.0
"""What a provider may ask for with ``Retry-After`` before its other keys are left for another run."""

_UNANSWERED = frozenset({Reason.UNREACHABLE, Reason.TIMEOUT, Reason.TLS_ERROR, Reason.NETWORK_BLOCKED})
TOO_MANY = 429
_MOST_PAUSES = 1000  # before those that are over are forgotten
_MOST_TOLD = 20  # endpoints; where more than that are down, the summary says enough


class Throttle(Protocol):
    """What a prober asks before a request, and tells after it: the run's :class:`Traffic`, or a worker's way to it."""

    @property
    def rate(self) -> float | None:
        """Requests a second and provider, None for as many as there are."""

    def skipped(self, provider: str, base_url: str) -> Fault | None:
        """Return the fault to use where the circuit is open, None where the request is to be made."""

    async def turn(self, provider: str) -> float:
        """Take the next turn of a provider, and return the seconds until it comes."""

    def observe(self, provider: str, base_url: str, got: Answer | Fault) -> None:
        """Observe an answer or a failure."""


class Trouble(NamedTuple):
    """What is known of an endpoint that is not well. ``reason``: why its circuit is open, None while it is closed."""

    reason: Reason | None


@dataclass(slots=True)
class _Pace:
    """The time of a provider's next request."""

    next_at: float = 0.0


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
    """The state of one run. ``rate`` is requests a second and provider, None for as many as there are.

    ``tell`` is called once for each endpoint that stops answering, with a sentence for people.
    """

    rate: float | None = None
    tell: Callable[[str], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    _paces: dict[str, _Pace] = field(default_factory=dict)
    _pauses: dict[tuple[str, str], float] = field(default_factory=dict)
    _circuits: dict[tuple[str, str], _Circuit] = field(default_factory=dict)
    _told: set[tuple[str, str]] = field(default_factory=set)

    def reserve(self, provider: str, base_url: str) -> float:
        """Reserve the slot of a test's first request and return 0, or return the seconds after which to try again.

        A test that :meth:`skipped` will answer needs no slot.
        """
        now, pace = self.clock(), self._pace(provider)
        if self._is_open(provider, base_url, now):
            return 0.0
        wait = max(pace.next_at, self._pauses.get((provider, base_url), 0.0)) - now
        if wait > 0:
            return wait
        self.turn_in(provider)
        return 0.0

    def turn_in(self, provider: str) -> float:
        """Take the next turn of a provider, and return the seconds until it comes."""
        if not self.rate:
            return 0.0
        now, pace = self.clock(), self._pace(provider)
        at = max(now, pace.next_at)
        pace.next_at = at + MARGIN / self.rate
        return at - now

    async def turn(self, provider: str) -> float:
        """Do as :meth:`turn_in`, for a prober."""
        return self.turn_in(provider)

    def skipped(self, provider: str, base_url: str) -> Fault | None:
        """Return the fault to use where the circuit is open, None where the request is to be made."""
        circuit = self._circuits.get((provider, base_url))
        if circuit is None or circuit.opened_until is None:
            return None
        if self._is_open(provider, base_url, self.clock()):
            return not_asked(circuit.reason, base_url)
        circuit.is_trying = True
        return None

    def trouble(self, provider: str, base_url: str) -> Trouble | None:
        """Return what is known of an endpoint, None where it is well."""
        circuit = self._circuits.get((provider, base_url))
        if circuit is None:
            return None
        return Trouble(circuit.reason if circuit.opened_until is not None else None)

    def troubles(self) -> Iterator[tuple[str, str, Trouble]]:
        """Yield the endpoints that are not well: provider, base URL and what is known."""
        for provider, base_url in list(self._circuits):
            trouble = self.trouble(provider, base_url)
            if trouble is not None:
                yield provider, base_url, trouble

    def end_trial(self, provider: str, base_url: str) -> None:
        """Let another request try an endpoint whose circuit is open, where the one that was to try it was not made."""
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
        """Observe an answer or a failure."""
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
        """Begin no test at an endpoint for so long; the provider's other endpoints are not affected."""
        now = self.clock()
        if len(self._pauses) >= _MOST_PAUSES:
            self._pauses = {place: until for place, until in self._pauses.items() if until > now}
        place = (provider, base_url)
        self._pauses[place] = max(self._pauses.get(place, 0.0), now + asked)

    def _open(self, circuit: _Circuit, provider: str, base_url: str, reason: Reason, rest: float) -> None:
        now = self.clock()
        if circuit.opened_until is not None and now < circuit.opened_until:
            return  # the answers of requests that were under way when it opened
        circuit.opened_until, circuit.reason = now + rest, reason
        circuit.rest = min(LONGEST_REST_S, circuit.rest * 2)
        if (provider, base_url) not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add((provider, base_url))
            self.tell(f"{provider}: {_why(reason, base_url)}; no other key is tested there for {rest:.0f} s")

    def _pace(self, provider: str) -> _Pace:
        return self._paces.setdefault(provider, _Pace())


def not_asked(reason: Reason, base_url: str) -> Fault:
    """Return the fault of a request that is not made because the circuit of its endpoint is open."""
    return Fault(reason, f"not asked: {_why(reason, base_url)}")


def _why(reason: Reason, base_url: str) -> str:
    host = urlsplit(base_url).netloc
    if reason is Reason.RATE_LIMITED:
        return f"{host} reports too many requests"
    return f"{host} did not answer the requests before this one"
