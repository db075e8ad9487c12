"""One request and what came back: an answer, or why there is none. The only place that builds a key's header.

Owns: the HTTP client and its limits. Must not: judge an answer, try again, or let an exception out: what the HTTP
library raises and logs can hold the key (an illegal header value is in the exception's text).
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import zlib
from collections.abc import Iterator, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, NamedTuple
from urllib.request import getproxies

import h11
import httpx

from kojikey.model.errors import MalformedKey, UsageError
from kojikey.model.secret import Secret
from kojikey.model.verdict import Reason
from kojikey.model.version import __version__
from kojikey.providers.definition import Check, Definition, filled
from kojikey.providers.direct import Direct, NotConnectedError
from kojikey.providers.evidence import Answer
from kojikey.providers.judge import Fault

BODY_LIMIT = 64 * 1024
_HEADERS = {"user-agent": f"kojikey/{__version__}", "accept": "*/*", "accept-encoding": "identity"}
_HEADERS_KEPT = ("content-type", "location", "retry-after", "retry-after-ms", "date")


class Call(NamedTuple):
    """One request of a test: where, with what, and how long it may take."""

    definition: Definition
    check: Check
    base_url: str
    secret: Secret
    values: Mapping[str, str]
    timeout: float


class Exchange:
    """An HTTP client for one run. Closed by :meth:`close`.

    ``bulk`` is for runs of many keys: requests that no proxy has to carry go straight over :mod:`.direct`.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None, *, bulk: bool = False) -> None:
        """Make the client; proxies and certificates are those of the environment, as users know them.

        Raises:
            UsageError: the environment's proxy or certificate settings can not be used.
        """
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            tls = httpx.create_ssl_context(trust_env=True)
            self._client = httpx.AsyncClient(
                transport=transport,
                verify=tls,
                # http is loopback alone here, and a proxy would see the key of such a request unencrypted
                mounts=None if transport else {"http://": None},
                follow_redirects=False,
                trust_env=True,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
                # a cookie that came with one account's answer must not travel with another's key
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                headers=_HEADERS,
            )
            self._direct = Direct(tls) if bulk and transport is None else None
            self._is_proxied = bool({"https", "all"} & set(getproxies()))
        except Exception:  # whatever it was, its text may hold a proxy's password
            raise UsageError(
                "the proxy or certificate settings of the environment can not be used",
                hint="look at HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR",
            ) from None

    async def close(self) -> None:
        """Close all connections."""
        if self._direct is not None:
            await self._direct.close()
        await self._client.aclose()
        await asyncio.sleep(0)  # a transport that was told to close does so in the loop's next turn, if there is one

    async def send(self, call: Call) -> Answer | Fault:
        """Make one request and return its answer, at most 64 KiB of it, or the reason why there is none.

        Raises:
            MalformedKey: the key has characters that no header may carry; nothing was sent.
        """
        checked_header_value(call.secret)
        direct = self._direct_for(call)
        try:
            async with asyncio.timeout(call.timeout):
                if direct is not None:
                    return await _ask_directly(direct, call)
                async with self._client.stream(**_arguments(call)) as response:
                    return await _answer(response)
        except Exception as error:  # each kind is told apart below, and none may leave: see the module's docstring
            return _fault(error)

    def _direct_for(self, call: Call) -> Direct | None:
        """Return the short way, None where a proxy has to carry the request or its body is a form."""
        if call.check.form is not None or (self._is_proxied and call.base_url.startswith("https:")):
            return None
        return self._direct


def checked_header_value(secret: Secret) -> None:
    """Refuse a key that no header can carry, before the HTTP library would repeat it in its own error.

    Raises:
        MalformedKey: it has other characters than visible ASCII, or none.
    """
    value = secret.reveal()
    is_sendable = bool(value) and all("!" <= character <= "~" for character in value)
    del value
    if not is_sendable:
        raise MalformedKey("the key has characters that no request can carry; nothing was sent")


def _arguments(call: Call) -> dict[str, Any]:
    check, definition = call.check, call.definition
    arguments: dict[str, Any] = {
        "method": check.method,
        "url": call.base_url + filled(check.path, call.values),
        "params": dict(check.query) or None,
        "headers": {definition.auth_header: definition.auth_prefix + call.secret.reveal()},
        "timeout": httpx.Timeout(call.timeout),
    }
    if check.json is not None:
        arguments["json"] = check.json
    if check.form is not None:
        arguments["files"] = {name: (None, value) for name, value in check.form.items()}
    return arguments


async def _ask_directly(direct: Direct, call: Call) -> Answer:
    check, definition = call.check, call.definition
    headers = {**_HEADERS, definition.auth_header: definition.auth_prefix + call.secret.reveal()}
    url = call.base_url + filled(check.path, call.values)
    got = await direct.send(check.method, url, dict(check.query), headers, check.json, limit=BODY_LIMIT)
    return _complete(got.status, got.headers, got.body, is_cut=got.is_cut)


async def _answer(response: httpx.Response) -> Answer:
    body, is_cut = bytearray(), False
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > BODY_LIMIT:
            is_cut = True
            break
    return _complete(response.status_code, response.headers, bytes(body[:BODY_LIMIT]), is_cut=is_cut)


def _complete(status: int, received: Mapping[str, str], content: bytes, *, is_cut: bool) -> Answer:
    encoding = received.get("content-encoding", "identity").strip().lower()
    if encoding in ("gzip", "deflate", "x-gzip"):
        content, is_larger = _inflated(content)
        is_cut = is_cut or is_larger
    headers = {name: received[name] for name in _HEADERS_KEPT if name in received}
    return Answer(status, headers, content, is_cut)


def _inflated(content: bytes) -> tuple[bytes, bool]:
    """Return what a server compressed although it was asked not to, bounded: a small body can inflate to gigabytes."""
    for window in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        inflate = zlib.decompressobj(window)
        try:
            return inflate.decompress(content, BODY_LIMIT), bool(inflate.unconsumed_tail)
        except zlib.error:
            continue
    return b"", False


def _fault(error: Exception) -> Fault:
    """Return why there is no answer, in our own words alone."""
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return Fault(Reason.TLS_ERROR)
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return Fault(
            Reason.TLS_ERROR, "no encrypted connection could be made: the server does not speak TLS as it should"
        )
    if isinstance(error, httpx.ProxyError):
        return Fault(Reason.NETWORK_BLOCKED, "the proxy refused the connection; the key was not sent")
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return Fault(Reason.TIMEOUT)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Fault(Reason.UNREACHABLE, "the name of the endpoint can not be resolved", retry=True)
    if isinstance(error, httpx.ConnectError | NotConnectedError):
        return Fault(Reason.UNREACHABLE, "no connection could be made to the endpoint", retry=True)
    if isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError | h11.RemoteProtocolError | OSError):
        return Fault(Reason.UNREACHABLE, "the connection broke, or what answered does not speak HTTP", retry=True)
    return Fault(Reason.UNKNOWN, f"the request failed in a way that is not known ({type(error).__name__})")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__
