"""The sentences for people about each reason, for rules of a definition that have no sentence of their own.

:mod:`.finding_text` fills in the placeholders: the provider's names and pages, ``{permissions}``, ``{message}`` …
"""

from __future__ import annotations

from typing import NamedTuple

from kojikey.model.verdict import Reason


class Texts(NamedTuple):
    """The sentence that says what happened, the next step, and the name of the page where it is done."""

    detail: str
    hint: str
    page: str


_NEW_KEY = "create another at {keys}, then {rotate}"
_LATER = "{test} tries again"

TEXTS: dict[Reason, Texts] = {
    Reason.OK: Texts("{company} accepts the key", "", "usage"),
    Reason.MISSING_PERMISSION: Texts(
        "the key lacks the {permissions}", "allow it in the key's permissions at {keys}, or use another key", "keys"
    ),
    Reason.RESTRICTED_IP: Texts(
        "the key may not be used from this address", "add the address to the key's restrictions at {keys}", "keys"
    ),
    Reason.RESTRICTED_REFERRER: Texts(
        "the key is for web pages of certain sites and may not be used from a server",
        "use a key without a referrer restriction: {keys}",
        "keys",
    ),
    Reason.RESTRICTED_APP: Texts(
        "the key is for a mobile app and may not be used from a server",
        "use a key without an app restriction: {keys}",
        "keys",
    ),
    Reason.RESTRICTED_API: Texts(
        "the key's restrictions do not allow this API", "allow it in the key's restrictions at {keys}", "keys"
    ),
    Reason.SERVICE_DISABLED: Texts(
        "the API is not enabled for the key's account",
        "enable it, wait a few minutes, then {test}",
        "keys",
    ),
    Reason.REGION_UNSUPPORTED: Texts(
        "{company} does not offer the API in this region",
        "use it from another region, or with an account of another region",
        "billing",
    ),
    Reason.QUOTA_EXHAUSTED: Texts("the quota is used up", "see {usage}", "usage"),
    Reason.BILLING: Texts("{company} asks for payment: {message}", "pay at {billing}", "billing"),
    Reason.PLAN_REQUIRED: Texts(
        "the account's plan does not include this: {message}", "change the plan at {billing}", "billing"
    ),
    Reason.MODEL_UNAVAILABLE: Texts(
        "the model {model} is not available to this key",
        "name another with --model, or check which models the key may use",
        "keys",
    ),
    Reason.INVALID_KEY: Texts("{company} does not know this key", _NEW_KEY, "keys"),
    Reason.EXPIRED: Texts("the key has expired", _NEW_KEY, "keys"),
    Reason.REVOKED: Texts("{company} has revoked the key", _NEW_KEY, "keys"),
    Reason.KEY_TYPE_UNSUPPORTED: Texts(
        "{company} does not accept a credential of this kind here",
        "create an API key at {keys}, then {rotate}",
        "keys",
    ),
    Reason.RATE_LIMITED: Texts("{company} received too many requests; the key was not judged", _LATER, "usage"),
    Reason.PROVIDER_UNAVAILABLE: Texts("{company} answered {status}: it is down or overloaded", _LATER, "keys"),
    Reason.UNREACHABLE: Texts(
        "{company} cannot be reached", "check the network, HTTPS_PROXY and the base URL; " + _LATER, "keys"
    ),
    Reason.TIMEOUT: Texts("{company} did not answer in time", "--timeout allows more time; " + _LATER, "keys"),
    Reason.TLS_ERROR: Texts(
        "no encrypted connection could be made: the server's certificate was not accepted",
        "behind an inspecting proxy, set SSL_CERT_FILE to its CA file; the key was not judged",
        "keys",
    ),
    Reason.REDIRECTED: Texts(
        "the endpoint redirects elsewhere; the key was not sent there", "check the base URL of the key", "keys"
    ),
    Reason.NETWORK_BLOCKED: Texts(
        "the network between here and {company} refused the request (a proxy, a firewall, or a blocked address)",
        "try another network, or check HTTPS_PROXY; the key was not judged",
        "keys",
    ),
    Reason.UNKNOWN: Texts(
        "{company} answered {status}, which says nothing about the key: {message}",
        "the key was not judged; " + _LATER,
        "keys",
    ),
}
