"""The sandbox: plays the providers on a loopback port, and has the methods with which tests control it.

Owns: recording, holding, delaying and breaking requests before a provider is played. Must not: listen on any other
address than loopback, or make requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from typing import Self

from kojikey.model.errors import UsageError
from kojikey.testing.sandbox import elevenlabs, google_gemini
from kojikey.testing.sandbox.journal import Journal, RecordedRequest, faults_of, record_of
from kojikey.testing.sandbox.known_keys import KnownKeys, outcome_of, scenario_of
from kojikey.testing.sandbox.management import DIALECTS, GOOGLE, GOOGLE_TOKEN, Managed
from kojikey.testing.sandbox.management.dialect import refusal
from kojikey.testing.sandbox.played import key_in, play
from kojikey.testing.sandbox.sample_keys import SandboxKey, made_up_key
from kojikey.testing.sandbox.scenarios import PROVIDERS, Caller, Scenario, script_of
from kojikey.testing.sandbox.server import Server
from kojikey.testing.sandbox.wire import Reaction, Reply, Request

_PLAYS: dict[str, Callable[[Request, str, Caller, Mapping[str, object]], Reply]] = {
    **{provider: partial(play, provider) for provider in PROVIDERS},
    "google_gemini": google_gemini.play,
    "elevenlabs": elevenlabs.play,
}
_OF_THEIR_OWN = {"google_gemini": google_gemini.KEY_HEADER, "elevenlabs": elevenlabs.KEY_HEADER}
_GARBAGE = b'{"models": [{"name": "\x1b[31m\x00\xff\xfe", "tier": [[[[' + b"\x80" * 64
_UNAUTHENTICATED = b'{"error":{"code":401,"message":"Invalid authentication credentials","status":"UNAUTHENTICATED"}}'
_PORTAL = b"<html><head><title>Welcome</title></head><body>Accept the terms to use this network.</body></html>"


class FaultKind(StrEnum):
    """The faults of a whole provider."""

    RESET = "reset"  # connections are reset
    SLOW = "slow"  # answers come one byte at a time
    GARBAGE = "garbage"  # status 200, but no JSON
    PORTAL = "portal"  # status 200, and the page of a captive portal
    RATE_LIMIT_ALL = "rate_limit_all"  # 429 with Retry-After
    DOWN = "down"  # connections are closed without an answer


class Gate:
    """Holds requests back until it is opened."""

    def __init__(self, loop: asyncio.AbstractEventLoop, after: int) -> None:
        self._loop, self._open, self._pass = loop, asyncio.Event(), after

    async def wait(self) -> None:
        """Let the first ``after`` requests through, the others once it is open."""
        self._pass -= 1
        if self._pass < 0:
            await self._open.wait()

    def open(self) -> None:
        """Let all requests through, those that wait first."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._open.set)


class Sandbox:
    """Plays the providers at ``http://HOST:PORT/PROVIDER``, from :meth:`start` (or ``with``) to :meth:`stop`.

    ``latency``: seconds before each answer. With ``accept_any`` an unknown key works, or gets the reason in its text
    (:func:`kojikey.testing.load_key`). ``retry_after``: the seconds that the fault ``rate_limit_all`` sends. All
    methods can be called from any thread while requests are served.

    Raises:
        UsageError: ``host`` is not a loopback address.
    """

    def __init__(self, port: int = 0, host: str = "127.0.0.1") -> None:
        self.latency = 0.0
        self.retry_after = 1
        self.accept_any = False
        self._server = Server(host, port, self._play)
        self._known = KnownKeys()
        self._journal = Journal()
        self._broken: dict[str, FaultKind] = {}
        self._gates: list[Gate] = []
        self._managed: dict[str, Managed] = {}

    def __repr__(self) -> str:
        return f"<Sandbox {self._server.url()} {'started' if self._server.is_started else 'stopped'}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, and serve in a separate thread.

        Raises:
            UsageError: it is started already, or the port is not available.
        """
        self._server.start()

    def stop(self) -> None:
        """Close every connection and end the thread. Safe to repeat."""
        self._server.stop()

    # --- the keys ---

    @property
    def port(self) -> int:
        """The port it listens on; 0 before it was started, unless one was chosen."""
        return self._server.port

    def base_url(self, provider: str) -> str:
        """Return the base URL at which the provider is played.

        Raises:
            UsageError: the sandbox does not play it, or was never started.
        """
        return self._base_url(provider, "")

    @property
    def keys(self) -> tuple[SandboxKey, ...]:
        """The made-up keys: at least one for every reason that exists at a provider.

        Raises:
            UsageError: the sandbox was never started.
        """
        return tuple(self._made_up(p, scenario) for p in PROVIDERS for scenario in script_of(p).scenarios.values())

    def key(self, provider: str, name: str) -> SandboxKey:
        """Return the made-up key of that name; the main key of a reason has the reason's name.

        Raises:
            UsageError: there is none, or the sandbox was never started.
        """
        return self._made_up(provider, scenario_of(provider, name))

    def add_key(self, provider: str, key: str, reason: str = "ok", *, missing: tuple[str, ...] = ()) -> SandboxKey:
        """Add a key, or change its scenario; ``missing`` are permissions that it lacks.

        Raises:
            UsageError: no such provider, no such reason at it, or the sandbox was never started.
        """
        base_url = self.base_url(provider)
        scenario = self._known.add(provider, key, reason, missing=missing)
        outcome = outcome_of(scenario)
        return SandboxKey(provider, scenario.name, scenario.reason, outcome, base_url, key, scenario.note)

    def set_reason(self, key: str | SandboxKey, reason: str) -> None:
        """Change the scenario of a key; ``reason`` may be the name of any made-up key of its provider.

        Raises:
            UsageError: the key is unknown, or there is no such reason at its provider.
        """
        self._known.change(key.key if isinstance(key, SandboxKey) else key, reason)

    def revoke(self, key: str | SandboxKey) -> None:
        """Delete a key at its provider, which then answers as it does to a deleted key.

        Raises:
            UsageError: the key is unknown.
        """
        self.set_reason(key, "deleted_key")

    def managed(self, provider: str) -> Managed:
        """Return the keys of a provider in its key-management API, with the faults of that API.

        Raises:
            UsageError: the sandbox plays no such API of it.
        """
        dialect = next((each for each in DIALECTS.values() if each.provider == provider), None)
        if dialect is None:
            raise UsageError("the sandbox plays no key management of this provider")
        if provider not in self._managed:
            self._managed[provider] = Managed(
                provider, dialect.parents, make_value=partial(made_up_key, provider),
                known=partial(self._known.add, provider),
            )  # fmt: skip
        return self._managed[provider]

    def manage_made_up_keys(self) -> None:
        """Add the made-up key that works to each key-management API, so that another one can be created like it."""
        for dialect in DIALECTS.values():
            key = self.key(dialect.provider, "ok").key
            self.managed(dialect.provider).add(key, name="made up", **dialect.settings)

    @property
    def google_apikeys_url(self) -> str:
        """The URL of Google's key management, for KOJIKEY_GOOGLE_APIKEYS_URL; its access token is GOOGLE_TOKEN."""
        return f"{self._server.url()}/{GOOGLE}"

    def forget_managed(self) -> None:
        """Forget the keys and faults of all key-management APIs, and reset the made-up keys."""
        if self._managed:
            self._managed.clear()
            self._known.restore()

    def _made_up(self, provider: str, scenario: Scenario) -> SandboxKey:
        return SandboxKey(
            provider, scenario.name, scenario.reason, outcome_of(scenario), self._base_url(provider, scenario.address),
            made_up_key(provider, scenario.name, scenario.shape), scenario.note, scenario.options,
        )  # fmt: skip

    def _base_url(self, provider: str, address: str) -> str:
        if provider not in PROVIDERS:
            raise UsageError("the sandbox does not play this provider", hint="known: " + ", ".join(PROVIDERS))
        if not self._server.closed_port:
            raise UsageError("the sandbox is not started")
        scheme = "https" if address == "tls" else "http"
        port = self._server.closed_port if address == "closed" else self._server.port
        return f"{self._server.url(scheme=scheme, port=port)}/{provider}"

    # --- what it was asked ---

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The last thousand requests, without keys."""
        return self._journal.requests

    @property
    def request_count(self) -> int:
        """The number of all requests that were received."""
        return self._journal.count

    @property
    def spent(self) -> int:
        """The number of all requests for which a real provider would have charged."""
        return self._journal.spent

    @property
    def faults(self) -> tuple[str, ...]:
        """The faults of the client, for example a key in a URL, or a redirect that was followed.

        A failure of the sandbox itself is reported here too.
        """
        return self._journal.faults

    def forget(self) -> None:
        """Forget the recorded requests and the client's faults."""
        self._journal.clear()

    def wait_for_request(self, timeout: float = 10.0) -> RecordedRequest:
        """Wait until a request is under way (received, not answered) and return it; for use with :meth:`hold`.

        Raises:
            TimeoutError: no request came within ``timeout`` seconds.
        """
        return self._journal.wait(timeout)

    # --- what is done to it ---

    @contextmanager
    def hold(self, *, after: int = 0) -> Iterator[Gate]:
        """Hold requests back until the block ends or the gate is opened, except the first ``after`` of them.

        Raises:
            UsageError: the sandbox is not started.
        """
        if self._server.loop is None or not self._server.is_started:
            raise UsageError("the sandbox is not started")
        gate = Gate(self._server.loop, after)
        self._gates.append(gate)
        try:
            yield gate
        finally:
            self._gates.remove(gate)
            gate.open()

    def fault(self, provider: str, kind: str) -> None:
        """Break a provider for all keys until :meth:`mend`; ``kind`` is one of :class:`FaultKind`.

        Raises:
            UsageError: no such provider or kind.
        """
        if provider not in PROVIDERS or kind not in tuple(FaultKind):
            raise UsageError("the sandbox knows no such fault", hint="known: " + ", ".join((*PROVIDERS, *FaultKind)))
        self._broken[provider] = FaultKind(kind)

    def mend(self, provider: str | None = None) -> None:
        """End the fault of a provider, or of all."""
        for name in PROVIDERS if provider is None else (provider,):
            self._broken.pop(name, None)

    # --- in the server's thread ---

    async def _play(self, request: Request) -> Reply:
        provider, _, rest = request.path.lstrip("/").partition("/")
        header, key = _key_of(request, provider)
        record = record_of(request, provider, "/" + rest, key, (self._known.name(key), self._known.known))
        number = self._journal.begin(record)
        for fault in faults_of(request, provider, header, key, self._known.known):
            self._journal.fault(fault)
        reply = Reply(0, reaction=Reaction.CLOSE)  # recorded if the sandbox stops meanwhile
        try:
            for gate in tuple(self._gates):
                await gate.wait()
            if self.latency:
                await asyncio.sleep(self.latency)
            reply = self._reply(request, provider, "/" + rest, key, number)
        except Exception as error:  # a bug of the sandbox must not look like a provider that does not answer
            self._journal.fault(f"the sandbox itself failed: {type(error).__name__}")
            reply = Reply(500)
        finally:
            status = reply.status if reply.reaction in (Reaction.ANSWER, Reaction.DRIP) else None
            self._journal.finish(number, status=status, spent=reply.spends)
        return reply

    def _reply(self, request: Request, provider: str, path: str, key: str | None, number: int) -> Reply:
        if provider == GOOGLE:
            return self._google(request, path, key)
        if provider not in PROVIDERS:
            return Reply(404, {"content-type": "text/plain"}, b"the sandbox plays " + ", ".join(PROVIDERS).encode())
        facts = {
            "key": key or "",
            "path": request.path,
            "origin": self._server.url(),
            "request_id": sha256(f"request {number}".encode()).hexdigest()[:32],
        }
        kind = self._broken.get(provider)
        if kind is not None and kind is not FaultKind.SLOW:
            return self._broken_reply(provider, kind, facts)
        caller = self._known.caller(provider, key, accept_any=self.accept_any)
        if provider in self._managed and self._managed[provider].is_unknown_yet(key):
            caller = Caller(key, None)
        dialect = DIALECTS.get(provider)
        is_managing = dialect is not None and dialect.matches(request, path)
        if dialect is not None and is_managing and _works(caller, request, provider):
            return dialect.reply(self.managed(dialect.provider), request, path)
        reply = _PLAYS[provider](request, path, caller, facts)
        if is_managing and reply.status == HTTPStatus.NOT_FOUND:
            return refusal()  # the credential is checked before the resource is looked up
        if kind is FaultKind.SLOW and reply.reaction is Reaction.ANSWER:
            return Reply(reply.status, reply.headers, reply.body, Reaction.DRIP, reply.spends)
        return reply

    def _google(self, request: Request, path: str, key: str | None) -> Reply:
        if key != GOOGLE_TOKEN:
            return Reply(401, {"content-type": "application/json"}, _UNAUTHENTICATED)
        return DIALECTS[GOOGLE].reply(self.managed("google_gemini"), request, path)

    def _broken_reply(self, provider: str, kind: FaultKind, facts: Mapping[str, object]) -> Reply:
        if kind is FaultKind.RATE_LIMIT_ALL:
            reply = script_of(provider).say("rate_limited", facts)
            return Reply(reply.status, {**reply.headers, "retry-after": str(self.retry_after)}, reply.body)
        if kind is FaultKind.GARBAGE:
            return Reply(200, {"content-type": "application/json"}, _GARBAGE)
        if kind is FaultKind.PORTAL:
            return Reply(200, {"content-type": "text/html"}, _PORTAL)
        return Reply(0, reaction=Reaction.RESET if kind is FaultKind.RESET else Reaction.CLOSE)


def _works(caller: Caller, request: Request, provider: str) -> bool:
    has_headers = all(request.headers.get(name) for name in script_of(provider).required)
    return has_headers and caller.scenario is not None and not caller.scenario.answers


def _key_of(request: Request, provider: str) -> tuple[str, str | None]:
    """Return the header for a provider's keys, and the key in it, None if there is none."""
    if provider == GOOGLE:
        return "authorization", request.headers.get("authorization", "").removeprefix("Bearer ") or None
    own = _OF_THEIR_OWN.get(provider)
    if own is not None or provider not in PROVIDERS:
        return own or "", request.headers.get(own or "") or None
    return key_in(provider, request.headers)
