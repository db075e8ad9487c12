"""A client for long-running programs: keeps keys in memory for a short time, and records outcomes of their requests.

Owns: the cache and the connections, and which of them threads, tasks and forks share. Must not: know an adapter
(``wiring`` does), print, or prompt.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import replace

from kojikey import wiring
from kojikey.config.settings import Setting, Settings
from kojikey.model.account import checked_account
from kojikey.model.credential import Credential
from kojikey.model.environment import Environment
from kojikey.model.errors import KojikeyError, StoreLocked, StoreNotFound, StoreUnavailable, UsageError
from kojikey.model.next_step import with_commands
from kojikey.model.secret import HiddenBytes, NotSerialisable, hidden_body
from kojikey.model.verdict import Verdict
from kojikey.operations.open_store import OpenStore
from kojikey.operations.reporting import PAUSE, keep_report
from kojikey.operations.resolving import Revisions, resolve_now

_MOST_KEPT = 4096  # credentials in memory
_MOST_IDLE = 8  # connections that are kept open for the next request

_GONE, _RESTORE = "is no longer there", "restore it from a backup"

Headers = Mapping[str, str] | Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]
"""The headers of an answer as HTTP libraries have them: a mapping, or pairs of texts or bytes."""

_Result = TypeVar("_Result")
_clients: weakref.WeakSet[Client] = weakref.WeakSet()


class _Kept(NamedTuple):
    """A credential in memory, and the time (of :func:`time.monotonic`) until which it may be used."""

    credential: Credential
    until: float


class _Reported(NamedTuple):
    """The last reported reason of a key.

    Until ``known_until`` the same reason is not reported again, and until ``pause_until`` no reason at all.
    """

    reason: str
    known_until: float
    pause_until: float


class Client(NotSerialisable):
    """Resolves keys for a long-running program. Threads and tasks can share it, and it can be used after a fork.

    ``store`` has the default of :func:`kojikey.resolve`. A credential is kept in memory for at most ``cache`` seconds
    (0: never), so a rotated or removed key is no longer used after that time. While the store cannot be reached,
    credentials in memory are returned until they expire.
    """

    __slots__ = (
        "__weakref__", "_cache", "_definitions", "_first", "_flights", "_had_store", "_idle", "_kept", "_known",
        "_left_behind", "_lock", "_opened_keys", "_reported", "_settings",
    )  # fmt: skip

    def __init__(self, store: str | None = None, *, cache: float = 60) -> None:
        if isinstance(cache, bool) or not isinstance(cache, int | float) or not 0 <= cache <= 86_400:
            raise UsageError("cache takes a number of seconds, from 0 to 86400")
        self._cache = float(cache)
        self._settings = Settings(Environment(os.environ), store=store, no_input=True)
        self._settings.check_account()
        self._settings.store_url()  # an unknown name raises here, and not at the first key
        self._definitions: Any = None
        self._had_store = False
        self._known: set[str] = set()
        self._left_behind: list[OpenStore] = []
        self._kept: dict[tuple[str, str | None], _Kept] = {}
        self._opened_keys: dict[tuple[str, str, str], tuple[Revisions, Credential]] = {}
        self._begin()
        _clients.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[OpenStore] = []
        self._first: OpenStore | None = None  # the others share its KEKs and data keys
        self._flights: dict[tuple[str, str | None], Future[Credential]] = {}
        self._reported: dict[tuple[str, str], _Reported] = {}

    def resolve(self, provider: str, account: str | None = None) -> Credential:
        """Return the credential for a provider, as :func:`kojikey.resolve` does, and raise the same errors.

        If several threads need the same key at the same time, only one of them reads the store.
        """
        place = (provider, account)
        kept = self._kept.get(place)
        if kept is not None and time.monotonic() < kept.until:
            return kept.credential
        with self._lock:
            flight = self._flights.get(place)
            is_ours = flight is None
            if flight is None:
                flight = self._flights[place] = Future()
        if is_ours:
            return self._landed(place, flight)
        try:
            return flight.result()
        except CancelledError:  # the thread that read the store was interrupted: read it in this one
            return self.resolve(provider, account)

    async def aresolve(self, provider: str, account: str | None = None) -> Credential:
        """Return the credential as :meth:`resolve` does, without blocking the event loop."""
        kept = self._kept.get((provider, account))
        if kept is not None and time.monotonic() < kept.until:
            return kept.credential
        return await asyncio.to_thread(self.resolve, provider, account)

    def report(
        self, credential: Credential, *, status: int, headers: Headers | None = None, body: object = None
    ) -> Verdict:
        """Judge a provider's real answer as a test would, and return the verdict.

        A changed outcome is recorded on the key's version as reported, at most once a minute, so that ``list``,
        ``check`` and the audit trail show it. No version is discarded, and :meth:`resolve` still returns the key. If
        the store is not available, nothing is recorded and no error is raised.

        Raises:
            kojikey.model.errors.UsageError: there is no definition of the credential's provider any more.
        """
        body = hidden_body(body)  # a provider may repeat the key in it, and a traceback may show it
        verdict = _judged(self._definition(credential.provider), credential, status, headers, body)
        verdict = replace(verdict, hint=_about(verdict.hint, credential.account, self._settings.store))
        if credential.secret is not None and self._is_news(credential, verdict):
            self._keep(credential, verdict)
        return verdict

    def close(self) -> None:
        """Forget all keys and close the connections. The client can be used again."""
        with self._lock:
            idle, self._idle, self._first = self._idle, [], None
            self._kept.clear()
            self._opened_keys.clear()
        wiring.close_all(*idle)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "<kojikey.Client>"

    # --- resolving ---

    def _landed(self, place: tuple[str, str | None], flight: Future[Credential]) -> Credential:
        """Read the store, and pass the credential or the error to all threads that wait for it."""
        asked = time.monotonic()
        try:
            credential = self._asked(*place)
        except BaseException as error:
            with self._lock:
                self._flights.pop(place, None)
            if isinstance(error, Exception):
                flight.set_exception(error)
            else:
                flight.cancel()
            raise
        with self._lock:
            if self._cache:
                self._make_room(asked)
                self._kept[place] = _Kept(credential, asked + self._cache)
            self._flights.pop(place, None)
        flight.set_result(credential)
        return credential

    def _make_room(self, moment: float) -> None:
        if len(self._kept) < _MOST_KEPT:
            return
        for place in [place for place, kept in self._kept.items() if kept.until <= moment] or list(self._kept)[:1]:
            del self._kept[place]

    def _asked(self, provider: str, account: str | None) -> Credential:
        if provider not in self._known:
            wiring.checked_provider(provider, self._settings)
            self._known.add(provider)
        name = self._settings.account.value if account is None else checked_account(account)

        def ask(open_store: OpenStore) -> Credential:
            return self._current(open_store, provider, name)

        return self._with_store(ask)

    def _current(self, open_store: OpenStore, provider: str, account: str) -> Credential:
        """Return the present credential; one that was opened before, if the key and its account have not changed."""
        place = (open_store.store_id, provider, account)
        opened = self._opened_keys.get(place)
        if opened is not None and opened[0] == open_store.store.revisions(account, provider):
            return opened[1]
        credential, revisions = resolve_now(open_store, account=account, provider=provider)
        with self._lock:
            while len(self._opened_keys) >= _MOST_KEPT:
                del self._opened_keys[next(iter(self._opened_keys))]
            self._opened_keys[place] = revisions, credential
        return credential

    def _with_store(self, work: Callable[[OpenStore], _Result]) -> _Result:
        """Return the result of ``work`` with a connection that no other thread uses.

        An idle connection may have been closed by the server; then ``work`` is repeated with a new one.
        """
        with self._lock:
            open_store = self._idle.pop() if self._idle else None
        if open_store is not None and not open_store.store.is_in_place():
            wiring.close_all(open_store)
            open_store = None
        if open_store is not None:
            try:
                return self._done(open_store, work)
            except StoreLocked:
                raise  # a new connection would wait as long again
            except StoreUnavailable:
                pass
        return self._done(self._opened(), work)

    def _done(self, open_store: OpenStore, work: Callable[[OpenStore], _Result]) -> _Result:
        is_good = False
        try:
            found = work(open_store)
            is_good = True
        except StoreUnavailable:
            raise
        except KojikeyError:
            is_good = True  # the error, for example a missing KEK, is not about the connection
            raise
        finally:
            self._put_back(open_store, is_good=is_good)
        return found

    def _opened(self) -> OpenStore:
        open_store = self._opened_again() if self._had_store else wiring.open_chosen_store(self._settings, None)
        if open_store.header is wiring.NO_STORE:
            return open_store
        self._had_store = True
        with self._lock:
            first = self._first
            if first is None or first.store_id != open_store.store_id:
                self._first = open_store
            else:
                open_store.share_keys(first)
        return open_store

    def _opened_again(self) -> OpenStore:
        """Open a store that existed before. If it is gone now, that is an error: it does not mean that it has no keys.

        Raises:
            StoreUnavailable: the store is gone, or cannot be used.
        """
        try:
            open_store = wiring.open_chosen_store(self._settings, None)
        except StoreNotFound as error:
            raise StoreUnavailable(error.store, _GONE, hint=_RESTORE) from None
        if open_store.header is wiring.NO_STORE:
            raise StoreUnavailable(self._settings.home.database, _GONE, hint=_RESTORE)
        return open_store

    def _put_back(self, open_store: OpenStore, *, is_good: bool) -> None:
        # An empty store in memory stands for a local store that does not exist, and would never change.
        if is_good and open_store.header is not wiring.NO_STORE:
            with self._lock:
                if len(self._idle) < _MOST_IDLE:
                    self._idle.append(open_store)
                    return
        wiring.close_all(open_store)

    # --- reporting ---

    def _definition(self, provider: str) -> Any:
        if self._definitions is None:
            self._definitions = wiring.catalog(self._settings)
        return self._definitions.get(provider)

    def _is_news(self, credential: Credential, verdict: Verdict) -> bool:
        """Return whether the verdict may be worth saving: its reason is new, and the last entry a minute old."""
        place, moment = (credential.account, credential.provider), time.monotonic()
        with self._lock:
            last = self._reported.get(place, _Reported("", 0.0, 0.0))
            if moment < last.pause_until or (moment < last.known_until and last.reason == verdict.reason):
                return False
            while len(self._reported) >= _MOST_KEPT:
                del self._reported[next(iter(self._reported))]
            self._reported[place] = last._replace(reason=verdict.reason, known_until=moment + PAUSE.total_seconds())
        return True

    def _keep(self, credential: Credential, verdict: Verdict) -> None:
        def keep(open_store: OpenStore) -> bool:
            open_store.actor = open_store.actor or wiring.actor(open_store.store)
            open_store.forget(credential.account)
            return keep_report(open_store, credential, verdict)

        try:
            is_kept = self._with_store(keep)
        except KojikeyError:
            return
        if is_kept:
            place, until = (credential.account, credential.provider), time.monotonic() + PAUSE.total_seconds()
            with self._lock:
                self._reported[place] = _Reported(verdict.reason, until, until)

    def _begin_in_child(self) -> None:
        # The parent uses the connections. Closing them here would end them there, so they are kept, and never used.
        for open_store in self._idle:
            open_store.store.leave_to_parent()
        self._left_behind += self._idle
        self._begin()


def _judged(
    definition: Any, credential: Credential | None, status: int, headers: Headers | None, body: HiddenBytes
) -> Verdict:
    from kojikey.providers.answers.real_answer import answer_of, judge_real_answer

    answer = answer_of(status, headers, body)
    return judge_real_answer(definition, answer, credential.secret if credential is not None else None)


def _about(hint: str, account: str, store: Setting) -> str:
    """Return a hint whose commands act on this account, in the store that the program named.

    A store's URL is left out: it may have a password.
    """
    more = ("--store", store.value) if store.origin == "option" and "://" not in store.value else ()
    return with_commands(hint, lambda step: step._replace(account=account, words=(*step.words, *more)))


def judge(provider: str, status: int, headers: Headers | None, body: HiddenBytes) -> Verdict:
    """Carry out :func:`kojikey.judge`."""
    settings = Settings(Environment(os.environ), no_input=True)
    wiring.checked_provider(provider, settings)
    return _judged(wiring.catalog(settings).get(provider), None, status, headers, body)


def _in_child() -> None:
    for client in tuple(_clients):
        client._begin_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
