"""Requests to a provider's key-management API: one credential, one host, JSON in and out.

Owns: retries (a request that creates a key is repeated only if the provider says that it did nothing), lists of several
pages, and the errors. Must not: know a provider's paths, or send the credential to any other host; redirects are never
followed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from kojikey.model.management_errors import ManagementRefused, Refusal
from kojikey.model.secret import Secret
from kojikey.model.verdict import Reason
from kojikey.providers.answers.evidence import Answer, evidence_of
from kojikey.providers.answers.finding import Fault
from kojikey.providers.answers.scrub import Scrubber
from kojikey.providers.definition import Check, Definition
from kojikey.providers.management import fields
from kojikey.providers.management.failures import failure_of, failure_of_fault, too_long, unreadable
from kojikey.providers.requests.exchange import Call, Exchange
from kojikey.providers.requests.proxies import Proxies
from kojikey.providers.requests.retry_delay import RETRIES, asked_by, wait_before
from kojikey.providers.requests.session import Session
from kojikey.providers.requests.traffic import Traffic

LIST_LIMIT = 4 * 1024 * 1024
"""At most so many bytes of an answer are read: some ten thousand keys in a list without pages."""
_MOST_PAGES = 200
_LONGEST_WAIT_S = 60.0
_DONE = range(200, 300)
_REPEATABLE = frozenset({"GET", "DELETE"})


@dataclass(frozen=True, slots=True)
class Pace:
    """The time limit of a request, and the sleep and random numbers, which tests replace."""

    timeout: float = 10.0
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep
    chance: Callable[[], float] = random.random


class ManagementClient:
    """Asks one provider's management API: ``async with ManagementClient(definition, base_url, secret) as client``.

    ``definition`` has the header for the credential; ``base_url`` is the host of the management API.
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
        """``traffic`` is that of a run over many keys; its limits for ``provider`` include these requests."""
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

    def is_credential(self, secret: Secret) -> bool:
        """Return whether a key is the credential of this client."""
        return self._secret.reveal() == secret.reveal()

    async def sleep(self, seconds: float) -> None:
        """Wait before the provider is asked again about an operation that it has not finished."""
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
        """Make a request and return the JSON object of the answer, ``{}`` for an empty body.

        A request that is safe to repeat (GET, DELETE, or ``is_repeatable``) is tried again after 5xx and lost
        connections, every request after 429, which means that nothing was done. ``hidden`` is a key in the body, which
        is scrubbed from errors.

        Raises:
            ManagementRefused: the provider refused. ManagementUnavailable: there is no usable answer.
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

    async def ask_if_there(self, method: str, path: str, **arguments: Any) -> dict[str, Any] | None:
        """Do as :meth:`ask`, but return None if the provider answers that there is no such thing."""
        try:
            return await self.ask(method, path, **arguments)
        except ManagementRefused as refused:
            if refused.refusal is not Refusal.NOT_THERE:
                raise
            return None

    async def ask_for_pages(
        self,
        path: str,
        member: str,
        query: Mapping[str, str],
        following: Callable[[dict[str, Any], list[dict[str, Any]]], Mapping[str, str] | None],
    ) -> list[dict[str, Any]]:
        """Return the objects in a member of all pages of a list.

        ``following`` gets an answer and all objects so far, and returns the query members for the next page, None
        after the last one.

        Raises:
            ManagementUnavailable: the list has more than 200 pages: a part of it would look like the whole.
        """
        found: list[dict[str, Any]] = []
        more: Mapping[str, str] | None = {}
        for _ in range(_MOST_PAGES):
            answer = await self.ask("GET", path, query={**query, **(more or {})})
            found += fields.tables(answer, member)
            more = following(answer, found)
            if more is None:
                return found
        raise too_long(self.company)

    async def _sent(self, check: Check, *, is_fresh: bool) -> Answer | Fault:
        if self._exchange is None or self._session is None:
            raise RuntimeError("a ManagementClient asks only inside `async with`")
        skipped = await self._turn()
        if skipped is not None:
            return skipped
        call = Call(self._definition, check, self._base_url, self._secret, {}, self._pace.timeout)
        got: Answer | Fault = Fault(Reason.UNKNOWN)  # reported to the traffic if the run is stopped meanwhile
        try:
            got = await self._exchange.send(self._session, call, is_fresh=is_fresh)
        finally:
            if self._traffic is not None:
                self._traffic.observe(*self._place, got)
        return got

    async def _turn(self) -> Fault | None:
        """Wait until the run's rate and pauses allow a request; return a fault if its circuit is open."""
        if self._traffic is None:
            return None
        while (wait := self._traffic.reserve(*self._place)) > 0:
            await self._pace.sleep(wait)
        skipped = self._traffic.skipped(*self._place)
        return skipped and skipped._replace(is_unsent=True)

    def _wait(self, got: Answer | Fault, attempt: int, *, repeatable: bool) -> float | None:
        """Return the seconds to wait before the next try, None if there is none."""
        if attempt > RETRIES:
            return None
        if isinstance(got, Fault):
            is_safe = got.is_unsent or repeatable
            return wait_before(attempt, asked=None, chance=self._pace.chance()) if is_safe and got.retry else None
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
            for scrubber in scrubbers:
                text = scrubber(text)
            return text

        return failure_of(self.company, got, scrub, is_change=is_change)


def part(text: str) -> str:
    """Return an id, encoded as one part of a path."""
    return quote(text, safe="")


def page_token(answer: dict[str, Any], _: list[dict[str, Any]]) -> dict[str, str] | None:
    """Return the query for the next page in Google's form of lists, which Fireworks has too; None after the last."""
    token = fields.text(answer, "nextPageToken")
    return {"pageToken": token} if token else None
