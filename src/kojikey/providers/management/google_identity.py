"""The Google identity that manages API keys: an access token in the environment, or Application Default Credentials.

Owns: reading or requesting the token. Must not: keep it, or use google-auth's own HTTP client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from kojikey.model.errors import Effect
from kojikey.model.management_errors import ManagementUnavailable, NoAdminKey
from kojikey.model.secret import Secret
from kojikey.providers.answers.evidence import Answer
from kojikey.providers.requests.exchange import Exchange
from kojikey.providers.requests.proxies import Proxies

TOKEN_VARIABLE = "GOOGLE_OAUTH_ACCESS_TOKEN"
HOST_VARIABLE = "KOJIKEY_GOOGLE_APIKEYS_URL"
HOST = "https://apikeys.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_TIMEOUT_S = 10.0


def access_token(environ: Mapping[str, str], *, proxies: Proxies | None = None) -> Secret:
    """Return an OAuth access token.

    Raises:
        NoAdminKey: there is no identity. ManagementUnavailable: Google did not issue a token for it.
    """
    token = environ.get(TOKEN_VARIABLE, "").strip()
    if token:
        return Secret(token)
    try:
        import google.auth
        from google.auth import exceptions
    except ImportError:
        raise NoAdminKey(
            "there is no Google identity to manage API keys with",
            effect=Effect.NOTHING_CHANGED,
            hint=f"set {TOKEN_VARIABLE} (gcloud auth print-access-token), or install kojikey[google]",
        ) from None
    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
        credentials.refresh(_Transport(proxies))  # type: ignore[no-untyped-call]
    except exceptions.DefaultCredentialsError:
        raise NoAdminKey(
            "there is no Google identity to manage API keys with",
            effect=Effect.NOTHING_CHANGED,
            hint=f"set {TOKEN_VARIABLE}, or run gcloud auth application-default login",
        ) from None
    except exceptions.GoogleAuthError:
        raise ManagementUnavailable("Google gave no access token for this identity", is_uncertain=False) from None
    return Secret(str(credentials.token))


class _Response:
    """An answer in the form that google-auth reads."""

    def __init__(self, answer: Answer) -> None:
        self.status, self.headers, self.data = answer.status, answer.headers, answer.body


class _Transport:
    """Makes google-auth's requests with :class:`.Exchange` (the interface is ``google.auth.transport.Request``)."""

    def __init__(self, proxies: Proxies | None) -> None:
        self._proxies = proxies

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> _Response:
        """Make one request. Raises google-auth's TransportError if there is no answer."""
        from google.auth.exceptions import TransportError

        work = self._fetched(url, method, body, headers or {}, timeout or _TIMEOUT_S)
        with ThreadPoolExecutor(1) as thread:  # this thread may have a running event loop
            got = thread.submit(asyncio.run, work).result()
        if not isinstance(got, Answer):
            raise TransportError("no answer")  # type: ignore[no-untyped-call]
        return _Response(got)

    async def _fetched(
        self, url: str, method: str, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> object:
        exchange = Exchange(self._proxies)
        try:
            return await exchange.fetch(method, url, headers=headers, body=body, timeout=timeout)
        finally:
            await exchange.close()
