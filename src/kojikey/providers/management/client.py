"""Requests to a provider's key-management API: one credential, one host, JSON in and out.

Owns: the rule for retries (no request that creates a key, unless the provider said that it did not), and the meaning of
failures. Must not: know a provider's paths, or send its credential to another host than the
one that it was made for; redirects are never followed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from kojikey.model.secret import Secret
from kojikey.model.verdict import Reason
from kojikey.providers.answers.evidence import Answer, evidence_of
from kojikey.providers.answers.finding import Fault
from kojikey.providers.answers.scrub import Scrubber
from kojikey.providers.definition import Check, Definition
from kojikey.providers.management.failures import failure_of, failure_of_fault, unreadable
from kojikey.providers.requests.exchange import Call, Exchange
from kojikey.providers.requests.proxies import Proxies
from kojikey.providers.requests.retry_delay import RETRIES, asked_by, wait_before
from kojikey.providers.requests.session import Session
from kojikey.providers.requests.traffic import Traffic

LIST_LIMIT = 4 * 1024 * 1024
"""Bytes of an answer that are read: where lists have no pages, some ten thousand keys."""
_LONGEST_WAIT_S = 60.0
_DONE = range(200, 300)
_REPEATABLE = frozenset({"GET", "DELETE"})


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait for an answer and between tries, so that tests need no clock."""

    timeout: float = 10.0
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep
    chance: Callable[[], float] = random.random


class ManagementClient:
    """Asks one provider's management API: ``async with ManagementClient(definition, base_url, secret) as client``.

    ``definition`` says in which header the credential goes; ``base_url`` is the host of the management API.
    """

    def __init__(
        self,
        definition: Definition,
        base_url: str,
        secret: Secret,
        *,
        pace: Pace | None = None,
        proxies: Proxies | None = None,
        traffic: Traffic | None = None,
        provider: str = "",
    ) -> None:
        """``traffic`` is that of a run over many keys, in which the requests count as those of ``provider``."""
        self.company = definition.company
        self._definition, self._base_url, self._secret = definition, base_url, secret
        self._pace, self._proxies = pace or Pace(), proxies
        self._traffic, self._place = traffic, (provider, base_url)
        self._exchange: Exchange | None = None
        self._session: Session | None = None

    async def __aenter__(self) -> Self:
        self._exchange = Exchange(self._proxies, body_limit=LIST_LIMIT)
        self._session = self._exchange.session(self._base_url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session:
            self._session.close()
        if self._exchange:
            await self._exchange.close()
        self._exchange = self._session = None

    def speaks_with(self, secret: Secret) -> bool:
        """Return whether a key is the credential itself."""
        return self._secret.reveal() == secret.reveal()

    async def sleep(self, seconds: float) -> None:
        """Wait between two questions about something that takes the provider a while."""
        await self._pace.sleep(seconds)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        is_repeatable: bool | None = None,
        hidden: Secret | None = None,
    ) -> dict[str, Any]:
        """Make a request and return the JSON object that came back, ``{}`` where the answer has no body.

        What is safe to repeat (reading, deleting; else as ``is_repeatable`` says) is tried again after 5xx and lost
        connections; anything is after 429, which says that it was not done. ``hidden`` is a key in the body, which an
        error may send back.

        Raises:
            ManagementRefused: the provider said no. ManagementUnavailable: it was not done, or nobody knows.
        """
        repeatable = method in _REPEATABLE if is_repeatable is None else is_repeatable
        check = Check(name="management", method=method, path=path, query=dict(query or {}), json=body)
        for attempt in range(1, RETRIES + 2):
            got = await self._sent(check, is_fresh=attempt > 1 or method != "GET")
            if isinstance(got, Answer) and got.status in _DONE:
                return self._read(got, is_change=method != "GET")
            wait = self._wait(got, attempt, repeatable=repeatable)
            if wait is None:
                break
            await self._pace.sleep(wait)
        raise self._failure(got, hidden, is_change=method != "GET")

    async def _sent(self, check: Check, *, is_fresh: bool) -> Answer | Fault:
        if self._exchange is None or self._session is None:
            raise RuntimeError("a ManagementClient asks inside `async with` alone")
        skipped = await self._turn()
        if skipped is not None:
            return skipped
        call = Call(self._definition, check, self._base_url, self._secret, {}, self._pace.timeout)
        got: Answer | Fault = Fault(Reason.UNKNOWN)  # what it is where the whole run is stopped meanwhile
        try:
            got = await self._exchange.send(self._session, call, is_fresh=is_fresh)
        finally:
            if self._traffic is not None:
                self._traffic.observe(*self._place, got)
        return got

    async def _turn(self) -> Fault | None:
        """Wait until the rate and the pauses of the run allow a request; return why it is not made, where it is not."""
        if self._traffic is None:
            return None
        while (wait := self._traffic.reserve(*self._place)) > 0:
            await self._pace.sleep(wait)
        skipped = self._traffic.skipped(*self._place)
        return skipped and skipped._replace(is_unsent=True)

    def _wait(self, got: Answer | Fault, attempt: int, *, repeatable: bool) -> float | None:
        """Return how long to wait before the next try, None where there is none."""
        if attempt > RETRIES:
            return None
        if isinstance(got, Fault):
            again = got.is_unsent or repeatable
            return wait_before(attempt, asked=None, chance=self._pace.chance()) if again and got.retry else None
        if got.status != 429 and not (repeatable and got.status >= 500):
            return None
        wait = wait_before(attempt, asked=asked_by(got.headers), chance=self._pace.chance())
        return wait if wait <= _LONGEST_WAIT_S else None

    def _read(self, answer: Answer, *, is_change: bool) -> dict[str, Any]:
        if not answer.body.strip():
            return {}
        document = None if answer.truncated else evidence_of(answer).document
        if not isinstance(document, dict):
            raise unreadable(self.company, is_change=is_change)
        return document

    def _failure(self, got: Answer | Fault, hidden: Secret | None, *, is_change: bool) -> Exception:
        if isinstance(got, Fault):
            return failure_of_fault(self.company, got, is_change=is_change)
        scrubbers = [Scrubber(secret.reveal()) for secret in (self._secret, hidden) if secret is not None]

        def scrub(text: str) -> str:
            for each in scrubbers:
                text = each(text)
            return text

        return failure_of(self.company, got, scrub, is_change=is_change)


def part(text: str) -> str:
    """Return an id as one part of a path."""
    return quote(text, safe="")
