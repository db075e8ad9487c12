"""The journal of the sandbox: the last requests, those under way, and faults of the client.

Owns: masking keys in the journal. Must not: answer a request. The server's thread writes it, other threads read it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from urllib.parse import unquote

from kojikey.model.masking import mask, tail_of
from kojikey.testing.sandbox.wire import Request

TRAP = "elsewhere"  # the first part of the path to which the answer `redirected` redirects a client

_NAMES_KEY = "/revoke_auth_token"  # of Perplexity, where a key's id is its value
_KEPT = 1000
_BODY_KEPT = 4096
_KEY_HEADERS = ("x-goog-api-key", "xi-api-key", "x-api-key", "api-key")
_KEY_PARAMETERS = frozenset(("key", "api_key", "api-key", "xi-api-key", "x-goog-api-key", "access_token"))


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that was received, with keys masked in every field.

    ``path`` is without the provider's prefix and the query. ``key_name`` is the name of the SandboxKey, None for an
    unknown one. ``status`` is None while the request is under way, and if it got no answer. ``spent``: a real provider
    would have charged for it. ``body`` is cut at 4 KiB.
    """

    number: int
    provider: str
    method: str
    path: str
    query: str
    masked: str | None
    key_name: str | None
    status: int | None = None
    spent: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


class Journal:
    """The requests of a sandbox; the last thousand are kept, all are counted."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._kept: dict[int, RecordedRequest] = {}
        self._under_way: dict[int, RecordedRequest] = {}
        self._faults: list[str] = []
        self._count = 0
        self._spent = 0

    @property
    def count(self) -> int:
        """The number of requests that were received."""
        return self._count

    @property
    def spent(self) -> int:
        """The number of requests for which a real provider would have charged."""
        return self._spent

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The kept requests, in the order in which they were received."""
        with self._changed:
            return tuple(self._kept.values())

    @property
    def faults(self) -> tuple[str, ...]:
        """The faults of the client."""
        with self._changed:
            return tuple(self._faults)

    def begin(self, request: RecordedRequest) -> int:
        """Record a request that was received, and return its number."""
        with self._changed:
            self._count += 1
            request = replace(request, number=self._count)
            self._kept[request.number] = self._under_way[request.number] = request
            if len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
            self._changed.notify_all()
            return request.number

    def finish(self, number: int, *, status: int | None, spent: bool) -> None:
        """Record the answer to a request, before it is written."""
        with self._changed:
            self._under_way.pop(number, None)
            self._spent += spent
            if number in self._kept:
                self._kept[number] = replace(self._kept[number], status=status, spent=spent)
            self._changed.notify_all()

    def fault(self, text: str) -> None:
        """Record a fault of the client, each kind once."""
        with self._changed:
            if text not in self._faults:
                self._faults.append(text)

    def wait(self, timeout: float) -> RecordedRequest:
        """Wait until a request is under way, and return the oldest one.

        Raises:
            TimeoutError: no request came in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._under_way, timeout):
                raise TimeoutError(f"no request reached the sandbox within {timeout} s")
            return next(iter(self._under_way.values()))

    def clear(self) -> None:
        """Forget the finished requests and the faults, but not the counts."""
        with self._changed:
            self._kept, self._faults = dict(self._under_way), []


def record_of(
    request: Request, provider: str, path: str, key: str | None, known: tuple[str | None, tuple[str, ...]]
) -> RecordedRequest:
    """Return the record of a request; ``known`` is the name of its key, and all keys that may be in it."""
    key_name, keys = known
    query = request.target.partition("?")[2]
    query = _masked("") if _has_key_parameter(request) else query
    # without a key in the provider's header, any known key elsewhere in the request is masked
    hidden = (key,) if key else keys
    headers = {name: _without(value, hidden) for name, value in request.headers.items()}
    body = _without(request.body.decode("latin-1"), hidden)[:_BODY_KEPT].encode("latin-1")
    return RecordedRequest(
        0, provider, request.method, _without(path, (key, *keys)), _without(query, (key, *keys)),
        _masked(key) if key else None, key_name, headers=MappingProxyType(headers), body=body,
    )  # fmt: skip


def faults_of(request: Request, provider: str, header: str, key: str | None, known: tuple[str, ...]) -> Iterator[str]:
    """Yield the client's faults in a request."""
    url = unquote(request.target)
    if _has_key_parameter(request) or any(secret in url for secret in (*known, *((key,) if key else ()))):
        yield f"a key was sent to {provider} in a URL"
    if key and any(key in value for name, value in request.headers.items() if name != header):
        yield f"a key was sent to {provider} in a header other than {header}"
    if key and key.encode() in request.body and not request.path.endswith(_NAMES_KEY):
        yield f"a key was sent to {provider} in a body"
    if provider == TRAP:
        yield "a redirect was followed"
    if any(name in request.headers for name in _KEY_HEADERS if name != header):
        yield f"the key header of another provider was sent to {provider}"


def _has_key_parameter(request: Request) -> bool:
    return any(name.lower() in _KEY_PARAMETERS for name in request.query)


def _masked(key: str) -> str:
    return mask(tail_of(key))


def _without(text: str, keys: Iterable[str | None]) -> str:
    for key in keys:
        if key and key in text:
            text = text.replace(key, _masked(key))
    return text
