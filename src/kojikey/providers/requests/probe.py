"""Tests one key: makes the requests of its provider's checks, retries them, and returns the verdict.

Must not: know any provider, limit the rate over many keys (the caller does), or raise for a failure of the network or
the provider, which is a verdict.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from kojikey.model import timestamps
from kojikey.model.base_url import check_base_url
from kojikey.model.verdict import Outcome, Reason, Verdict
from kojikey.providers.answers.corrections import corrected, undecided
from kojikey.providers.answers.evidence import Answer
from kojikey.providers.answers.finding import Fault, Finding
from kojikey.providers.answers.judge import judge, judge_fault
from kojikey.providers.answers.merge import conclude
from kojikey.providers.answers.scrub import Scrubber
from kojikey.providers.answers.success_body import MOST_CHOICES
from kojikey.providers.definition import Check
from kojikey.providers.requests.exchange import Call, Exchange, checked_header_value
from kojikey.providers.requests.probe_request import ProbeRequest as ProbeRequest
from kojikey.providers.requests.proxies import Proxies
from kojikey.providers.requests.retry_delay import RETRIES, asked_by, wait_before
from kojikey.providers.requests.session import Opener, Session
from kojikey.providers.requests.stopwatch import Stopwatch
from kojikey.providers.requests.traffic import Throttle

WHOLE_TEST = 3
"""The time limit of a whole test, as a multiple of the time limit of a request."""
QUIET_S = 0.05
"""How long a connection must stay quiet after an answer that rejects the key."""

# after one of these, the other checks of the key would have the same result or wait as long
_STOPS = frozenset({
    Reason.RATE_LIMITED, Reason.PROVIDER_UNAVAILABLE, Reason.UNREACHABLE, Reason.TIMEOUT, Reason.TLS_ERROR,
    Reason.REDIRECTED, Reason.NETWORK_BLOCKED,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The clock, the sleep and the random numbers of a prober, so that tests can replace them."""

    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    now: Callable[[], str] = timestamps.now


class Prober:
    """Tests keys, several at once if needed: ``async with Prober(timeout=10) as prober``."""

    def __init__(
        self,
        *,
        timeout: float = 10.0,
        proxies: Proxies | None = None,
        opener: Opener | None = None,
        surroundings: Surroundings | None = None,
        traffic: Throttle | None = None,
    ) -> None:
        """``timeout`` is for one request, in seconds; a whole test may take three times as long.

        ``proxies`` are by default those of the environment. ``opener`` replaces the network in tests. ``traffic`` is
        for runs over many keys: it observes every answer, and skips requests to an endpoint that does not answer. The
        caller has reserved the slot of a test's first request (:meth:`.Traffic.reserve`); the test reserves the others.
        """
        self._traffic = traffic
        self._timeout, self._proxies, self._opener = timeout, proxies, opener
        self._surroundings = surroundings or Surroundings()
        self._exchange: Exchange | None = None

    async def __aenter__(self) -> Prober:
        self._exchange = Exchange(self._proxies, opener=self._opener)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._exchange:
            await self._exchange.close()
            self._exchange = None

    async def test(self, request: ProbeRequest) -> Verdict:
        """Test one key and return the verdict, also for a failure of the network or of the provider.

        All text in the verdict is scrubbed of the key.

        Raises:
            MalformedKey: no request can carry the key; nothing was sent.
            UsageError: a capability, model or base URL is not valid; nothing was sent.
            BadNetworkSettings: the environment's proxy or certificates cannot be used; nothing was sent.
        """
        if self._exchange is None:
            raise RuntimeError("a Prober tests only inside `async with`")
        run = _Run(self._exchange, request, self._timeout, self._surroundings, self._traffic)
        return await run.verdict()


@dataclass(slots=True)
class _Made:
    """A check that has begun: its finding (None while it runs), its time and its number of tries."""

    check: Check
    values: dict[str, str]
    finding: Finding | None = None
    latency_ms: int | None = None
    attempts: int = 0


@dataclass(slots=True, repr=False)
class _Run:
    """One test under way."""

    exchange: Exchange
    request: ProbeRequest
    timeout: float
    surroundings: Surroundings
    traffic: Throttle | None = None
    made: list[_Made] = field(default_factory=list)
    picked: dict[str, tuple[str, ...]] = field(default_factory=dict)
    scrubber: Scrubber = field(init=False)
    shape: str | None = field(init=False)
    base_url: str = field(init=False)
    capabilities: tuple[str, ...] = field(init=False)
    models: tuple[str, ...] = field(init=False)
    watch: Stopwatch = field(init=False)
    session: Session = field(init=False)
    tested_at: str = ""
    is_first: bool = True

    def __post_init__(self) -> None:
        definition = self.request.definition
        checked_header_value(self.request.secret)
        self.base_url = _checked_base_url(definition.checked_base_url(self.request.base_url))
        self.capabilities = definition.checked_capabilities(self.request.capabilities)
        self.models = tuple(dict.fromkeys(map(definition.checked_model, self.request.models)))
        self.scrubber = Scrubber(self.request.secret.reveal())
        shape = definition.shape_of(self.request.secret.reveal())
        self.shape = shape.name if shape else None
        self.session = self.exchange.session(self.base_url)

    async def verdict(self) -> Verdict:
        self.watch = Stopwatch(self.surroundings.clock, self.timeout * WHOLE_TEST)
        self.tested_at = self.surroundings.now()
        try:
            await self._make_all()
        finally:
            self.session.close()
        findings = self._with_notes([made.finding for made in self.made if made.finding])
        findings = corrected(findings, self.request.definition, self.base_url)
        return conclude(
            findings,
            latencies=[made.latency_ms for made in self.made],
            latency_ms=self._since(0.0),
            attempts=max(made.attempts for made in self.made),
            tested_at=self.tested_at,
        )

    async def _make_all(self) -> None:
        """Make the account check, then the checks whose answers later requests need, then the others concurrently."""
        account, *others = self.request.definition.checks
        first = await self._make(account, {})
        if first.outcome is Outcome.REJECTED or first.reason in _STOPS:
            return
        wanted = [check for check in others if self._is_wanted(check)]
        for check in wanted:
            if check.pick and check.when != "model_named":
                await self._make(check, {})
        of_models = [check for check in wanted if check.when == "model_named"]
        await self._make_at_once([(check, {"model": model}) for check in of_models for model in self.models])
        rest = [check for check in wanted if not check.pick and check.when != "model_named"]
        await self._make_at_once([(check, values) for check in rest for values in self._values_of(check)])

    async def _make_at_once(self, checks: list[tuple[Check, dict[str, str]]]) -> None:
        if len(checks) == 1:  # in most tests: saves a task
            await self._make(*checks[0])
            return
        async with asyncio.TaskGroup() as group:
            for check, values in checks:
                group.create_task(self._make(check, values))

    def _is_wanted(self, check: Check) -> bool:
        if check.capability and check.capability not in self.capabilities:
            return False
        return {"deep": self.request.deep, "not_deep": not self.request.deep}.get(check.when, True)

    def _values_of(self, check: Check) -> list[dict[str, str]]:
        """Return the values for each request of a check.

        If the user named models: one request with a callable one, or one for each if no other check covers them. Else
        one without values, for which :meth:`_choices` has kojikey's.
        """
        if not self.models or "model" not in check.placeholders:
            return [{}]
        if not any(other.when == "model_named" for other in self.request.definition.checks):
            return [{"model": model} for model in self.models]
        model = self._model()
        return [{"model": model} if model else {}]

    def _choices(self, check: Check, named: dict[str, str]) -> dict[str, tuple[str, ...]]:
        """Return the values that kojikey may fill in: those of an answer, then the definition's fallbacks."""
        choices = {}
        for name in check.placeholders - named.keys():
            fallback = self.request.definition.values.get(name, ())
            picked = self.picked.get(name, ())[: MOST_CHOICES - min(1, len(fallback))]
            choices[name] = tuple(dict.fromkeys((*picked, *fallback)))[:MOST_CHOICES]
        return choices

    def _model(self) -> str | None:
        """Return the first named model that can be called, else the first that may be callable, else None."""
        of_models = [made for made in self.made if made.check.when == "model_named" and made.finding]
        for made in of_models:
            if made.finding and _can_be_called(made.check, made.finding):
                return made.values["model"]
        unclear = (m for m in of_models if m.finding and m.finding.outcome is not Outcome.VALID)
        return next((m.values["model"] for m in unclear if not _is_gone(m.finding)), None)

    async def _make(self, check: Check, values: dict[str, str]) -> Finding:
        made = _Made(check, values)
        self.made.append(made)
        began = self.watch.spent()
        made.finding = finding = await self._settled(made)
        made.latency_ms = self._since(began)
        if check.when != "model_named":
            for name, choices in finding.picked.items():
                self.picked[name] = (*choices, *self.picked.get(name, ()))
        return finding

    async def _settled(self, made: _Made) -> Finding:
        """Make a check with one choice after another, until its answer is not about the choice."""
        named, attempts = made.values, 0
        choices = self._choices(made.check, named)
        if not choices:
            return await self._tried(made)
        tried: dict[str, list[str]] = {name: [] for name in choices}
        for _ in range(MOST_CHOICES):
            made.values = {**named, **{name: few[min(len(tried[name]), len(few) - 1)] for name, few in choices.items()}}
            made.attempts = 0
            finding = await self._tried(made)
            made.attempts = attempts = max(attempts, made.attempts)
            about = finding.about
            if about not in choices:
                return finding
            tried[about].append(made.values[about])
            if len(tried[about]) >= len(choices[about]):
                break
        if finding.outcome is Outcome.VALID:
            return finding
        return undecided(finding, tried[about], can_be_named=about == "model")

    async def _tried(self, made: _Made) -> Finding:
        """Make the request until its finding is conclusive, with at most two retries and never over the time limit."""
        finding = await self._once(made)
        while finding.retry and made.attempts <= RETRIES:
            wait = wait_before(made.attempts, asked=finding.retry_after, chance=self.surroundings.chance())
            if wait >= self.watch.left():
                break
            await self.surroundings.sleep(wait)
            again = await self._once(made)
            if again.reason is Reason.TIMEOUT and self.watch.left() <= 0:
                break  # it could not be finished, so the try before it says more
            finding = again
        return finding

    async def _once(self, made: _Made) -> Finding:
        got = await self._asked(made)
        finding = self._judged(made, got)
        if finding.outcome is Outcome.REJECTED and isinstance(got, Answer) and await self._is_doubtful(got):
            # it may be the answer to another request: a rejection is confirmed over a fresh connection
            finding = self._judged(made, await self._asked(made, is_fresh=True))
        return finding

    async def _is_doubtful(self, answer: Answer) -> bool:
        return answer.is_doubtful or await self.session.is_followed(QUIET_S)

    async def _asked(self, made: _Made, *, is_fresh: bool = False) -> Answer | Fault:
        """Make the request unless the circuit of its endpoint is open; report the answer to the run's traffic."""
        definition, left = self.request.definition, self.watch.left()  # waiting for the rate limit takes none of it
        if left <= 0:
            return Fault(Reason.TIMEOUT)
        skipped = self.traffic.skipped(definition.id, self.base_url) if self.traffic else None
        if skipped is not None:
            return skipped
        got: Answer | Fault = Fault(Reason.UNKNOWN)  # reported to the traffic if the run is stopped meanwhile
        try:
            await self._wait_for_turn()
            made.attempts += not is_fresh
            timeout = min(self.timeout, left)
            call = Call(definition, made.check, self.base_url, self.request.secret, made.values, timeout)
            got = await self.exchange.send(self.session, call, is_fresh=is_fresh)
        finally:
            if self.traffic:
                self.traffic.observe(definition.id, self.base_url, got)
        return got

    def _judged(self, made: _Made, got: Answer | Fault) -> Finding:
        definition = self.request.definition
        if isinstance(got, Fault):
            return judge_fault(definition, made.check, got, values=made.values)
        finding = judge(
            definition, made.check, got, key_shape=self.shape, values=made.values, scrub=self.scrubber,
            capabilities=self.capabilities, now=self.tested_at,
        )  # fmt: skip
        return replace(finding, retry_after=_longest(finding, got)) if finding.retry else finding

    async def _wait_for_turn(self) -> None:
        """Wait until the rate limit allows the request. The stopwatch is paused meanwhile."""
        is_begun, self.is_first = self.is_first, False
        if is_begun or self.traffic is None or not self.traffic.rate:
            return
        with self.watch.standing():
            wait = await self.traffic.turn(self.request.definition.id)
            if wait > 0:
                await self.surroundings.sleep(wait)

    def _with_notes(self, findings: list[Finding]) -> list[Finding]:
        if not self.request.deep:
            return findings
        return [self._noted(made, finding) for made, finding in zip(self.made, findings, strict=True)]

    def _noted(self, made: _Made, finding: Finding) -> Finding:
        """Return the finding with a note if a paid request was requested and not made."""
        blindly = [
            name
            for name, fallback in self.request.definition.values.items()
            if f"{{{name}}}" in made.check.path and made.values.get(name) in fallback
        ]
        if blindly and finding.reason is Reason.OK and finding.http_status != 200:
            return replace(finding, detail=f"no {blindly[0]} could be listed, so no paid request was sent")
        return finding

    def _since(self, began: float) -> int:
        return max(0, round((self.watch.spent() - began) * 1000))


_checked_base_url = lru_cache(maxsize=256)(check_base_url)  # most keys of a run have the same one


def _is_gone(finding: Finding | None) -> bool:
    return finding is not None and finding.reason is Reason.MODEL_UNAVAILABLE


def _can_be_called(check: Check, finding: Finding) -> bool:
    return "model" in finding.picked if check.pick else finding.outcome is Outcome.VALID


def _longest(finding: Finding, answer: Answer) -> float | None:
    asked = [seconds for seconds in (finding.retry_after, asked_by(answer.headers)) if seconds is not None]
    return max(asked) if asked else None
