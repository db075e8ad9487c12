"""Makes one request and returns its answer, or the reason why there is none. Only this module builds a key's header.

Owns: the proxies and certificates that a run's requests share, and the form of a request. Must not: judge an answer,
retry, or let an exception of the HTTP library out: its text can contain the key (an illegal header value, for example).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import socket
import ssl
import zlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpcore2

from kojikey.model.environment import Environment
from kojikey.model.errors import Effect, MalformedKey
from kojikey.model.secret import Secret
from kojikey.model.verdict import Reason
from kojikey.model.version import __version__
from kojikey.providers.answers.evidence import Answer
from kojikey.providers.answers.finding import Fault
from kojikey.providers.definition import Check, Definition, filled
from kojikey.providers.requests.network import Addresses, Network, tls_context
from kojikey.providers.requests.proxies import Proxies, Proxy
from kojikey.providers.requests.session import Opener, Received, Session

BODY_LIMIT = 64 * 1024
_HEADERS = (
    (b"user-agent", f"kojikey/{__version__}".encode()),
    (b"accept", b"*/*"),
    (b"accept-encoding", b"identity"),
)
_HEADERS_KEPT = ("content-type", "location", "retry-after", "retry-after-ms", "date")
_MOST_PREPARED = 256
_SENDABLE = re.compile("[!-~]+")


class Call(NamedTuple):
    """One request of a test; ``timeout`` is in seconds."""

    definition: Definition
    check: Check
    base_url: str
    secret: Secret
    values: Mapping[str, str]
    timeout: float


class Exchange:
    """The network settings that the tests of one run share. Each test has its own :meth:`session`."""

    def __init__(
        self, proxies: Proxies | None = None, *, opener: Opener | None = None, body_limit: int = BODY_LIMIT
    ) -> None:
        """``proxies`` are by default those of the environment. ``opener`` replaces the network in tests.

        At most ``body_limit`` bytes of an answer are read.
        """
        for name in ("httpcore2", "httpx2"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._proxies = Proxies.read(Environment(os.environ)) if proxies is None else proxies
        self._opener, self._limit = opener, body_limit
        self._addresses: Addresses = {}
        self._tls: ssl.SSLContext | None = None
        self._prepared: dict[tuple[int, str, tuple[tuple[str, str], ...]], _Prepared] = {}

    async def close(self) -> None:
        """Let connections finish closing, which takes one turn of the loop, with TLS two."""
        for _ in range(2):
            await asyncio.sleep(0)

    def session(self, base_url: str) -> Session:
        """Return the connections of one test to a checked base URL.

        Raises:
            BadNetworkSettings: the environment's proxy or certificates are needed and cannot be used.
        """
        if self._opener is not None:
            return Session(self._opener, Network(self._addresses, body_limit=self._limit), limit=self._limit)
        proxy = self._proxies.proxy_for(base_url)
        if self._tls is None and base_url.startswith("https:"):
            self._tls = tls_context()
        network = Network(self._addresses, body_limit=self._limit)
        pool = httpcore2.AsyncConnectionPool(
            ssl_context=self._tls, proxy=_proxy_of(proxy, self._tls) if proxy else None, network_backend=network
        )
        return Session(lambda: pool.create_connection(_target(base_url).origin), network, limit=self._limit)

    async def send(self, session: Session, call: Call, *, is_fresh: bool = False) -> Answer | Fault:
        """Make one request and return its answer, or the reason why there is none.

        ``is_fresh``: a new connection is used.

        Raises:
            MalformedKey: the key has characters that a header must not have; nothing was sent.
        """
        checked_header_value(call.secret)
        try:
            async with asyncio.timeout(call.timeout):
                return self._complete(await session.ask(self._request(call), is_fresh=is_fresh))
        except Exception as error:  # the text may contain the key: see the module's docstring
            return _fault(error)

    async def fetch(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, timeout: float
    ) -> Answer | Fault:
        """Make one request that does not test a key, over a new connection, and return its answer."""
        target = _target(url.partition("?")[0], tuple(parse_qsl(urlsplit(url).query)))
        session = self.session(url)
        fields = [(b"host", target.host), *_HEADERS]
        fields += [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]
        fields += [(b"content-length", str(len(body)).encode())] if body else []
        try:
            async with asyncio.timeout(timeout):
                request = httpcore2.Request(method.encode("ascii"), target.url, headers=fields, content=body or b"")
                return self._complete(await session.ask(request, is_fresh=True))
        except Exception as error:  # as in `send`
            return _fault(error)
        finally:
            session.close()

    def _request(self, call: Call) -> httpcore2.Request:
        prepared = self._prepared_for(call)
        key = (prepared.key_name, (call.definition.auth_prefix + call.secret.reveal()).encode("ascii"))
        headers = [*prepared.headers, key, *prepared.content_headers]
        return httpcore2.Request(prepared.method, prepared.url, headers=headers, content=prepared.content)

    def _prepared_for(self, call: Call) -> _Prepared:
        """Return the request without the key.

        A request of key management is used as it is and not kept: its texts have no placeholders, and one may be a key.
        """
        if not any(call.check is check for check in call.definition.checks):
            return _prepare(call, call.check)
        place = id(call.check), call.base_url, tuple(call.values.items())
        prepared = self._prepared.get(place)
        if prepared is None:
            if len(self._prepared) >= _MOST_PREPARED:
                self._prepared.clear()
            prepared = self._prepared[place] = _prepare(call, call.check.with_values(call.values))
        return prepared

    def _complete(self, received: Received) -> Answer:
        content, is_cut = received.body, received.is_cut
        encoding = received.headers.get("content-encoding", "identity").strip().lower()
        if encoding in ("gzip", "deflate", "x-gzip"):
            content, is_larger = _inflated(content, self._limit)
            is_cut = is_cut or is_larger
        headers = {name: received.headers[name] for name in _HEADERS_KEPT if name in received.headers}
        return Answer(received.status, headers, content, is_cut, received.is_doubtful)


class _Prepared(NamedTuple):
    """A request of a check without the key: the same for all keys, and encoding it takes as long as sending it.

    ``check`` is here to keep it alive, so that no other one gets its id.
    """

    check: Check
    method: bytes
    url: httpcore2.URL
    headers: list[tuple[bytes, bytes]]
    key_name: bytes
    content_headers: list[tuple[bytes, bytes]]
    content: bytes


def _prepare(call: Call, check: Check) -> _Prepared:
    """Return the request of a check whose query and body are filled in."""
    definition = call.definition
    target = _target(call.base_url + filled(check.path, call.values), tuple(check.query.items()))
    fixed = ((name.encode("ascii"), value.encode("ascii")) for name, value in definition.headers.items())
    headers = [(b"host", target.host), *_HEADERS, *fixed]
    kind, content = _body(check)
    content_headers = [(b"content-type", kind), (b"content-length", str(len(content)).encode())] if content else []
    key_name = definition.auth_header.encode("ascii")
    return _Prepared(call.check, check.method.encode("ascii"), target.url, headers, key_name, content_headers, content)


class _Target(NamedTuple):
    """The URL of a request, its origin and its Host header."""

    url: httpcore2.URL
    origin: httpcore2.Origin
    host: bytes


@lru_cache(maxsize=256)
def _target(url: str, query: tuple[tuple[str, str], ...] = ()) -> _Target:
    parts = urlsplit(url)
    path = quote(parts.path or "/", safe="/:@!$&'()*+,;=~%-._") + (f"?{urlencode(query)}" if query else "")
    scheme, host = parts.scheme.encode(), (parts.hostname or "").encode()
    port = parts.port or {"https": 443, "http": 80}[parts.scheme]
    target = httpcore2.URL(scheme=scheme, host=host, port=port, target=path.encode("ascii"))
    return _Target(target, target.origin, parts.netloc.encode())


def _body(check: Check) -> tuple[bytes, bytes]:
    """Return the content type and the content of a check's request: JSON, a form, or none."""
    if check.json is not None:
        return b"application/json", json.dumps(check.json, separators=(",", ":")).encode()
    if check.form is None:
        return b"", b""
    boundary = os.urandom(16).hex()
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in check.form.items()
    ]
    content = "".join(parts) + f"--{boundary}--\r\n"
    return f"multipart/form-data; boundary={boundary}".encode(), content.encode()


def _proxy_of(proxy: Proxy, tls: ssl.SSLContext | None) -> httpcore2.Proxy:
    url = httpcore2.URL(scheme=proxy.scheme, host=proxy.host, port=proxy.port, target="/")
    auth = (proxy.user.encode(), proxy.password.encode()) if proxy.user is not None else None
    return httpcore2.Proxy(url, auth, ssl_context=tls if proxy.scheme == "https" else None)


def checked_header_value(secret: Secret) -> None:
    """Check that a header can carry the key, because the HTTP library would repeat it in its error.

    Raises:
        MalformedKey: the key is empty or has characters other than visible ASCII.
    """
    if _SENDABLE.fullmatch(secret.reveal()) is None:
        raise MalformedKey("the key contains characters that no request can carry", effect=Effect.NOTHING_SENT)


def _inflated(content: bytes, limit: int) -> tuple[bytes, bool]:
    """Return the first ``limit`` bytes of a compressed body, and whether there are more.

    Some servers compress though the request forbids it, and a small body can inflate to gigabytes.
    """
    for window in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        inflate = zlib.decompressobj(window)
        try:
            return inflate.decompress(content, limit), bool(inflate.unconsumed_tail)
        except zlib.error:
            continue
    return b"", False


def _fault(error: Exception) -> Fault:
    """Return the reason why there is no answer, without any text of the error."""
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return Fault(Reason.TLS_ERROR)
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return Fault(Reason.TLS_ERROR, "no encrypted connection could be made: the server does not speak TLS correctly")
    if isinstance(error, httpcore2.ProxyError):
        return Fault(Reason.NETWORK_BLOCKED, "the proxy refused the connection; the key was not sent", is_unsent=True)
    if isinstance(error, httpcore2.TimeoutException | TimeoutError):
        return Fault(Reason.TIMEOUT)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Fault(Reason.UNREACHABLE, "the name of the endpoint cannot be resolved", retry=True, is_unsent=True)
    if isinstance(error, httpcore2.ConnectError):
        return Fault(Reason.UNREACHABLE, "no connection could be made to the endpoint", retry=True, is_unsent=True)
    if isinstance(error, httpcore2.NetworkError | httpcore2.RemoteProtocolError | OSError):
        return Fault(Reason.UNREACHABLE, "the connection broke, or what answered does not speak HTTP", retry=True)
    return Fault(Reason.UNKNOWN, f"the request failed for an unknown reason ({type(error).__name__})")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__
