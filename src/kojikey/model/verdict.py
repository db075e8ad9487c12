"""The result of a test of a key. A test that could not decide is an outcome of its own, and never a bad key."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from msgspec import Struct


class Outcome(StrEnum):
    """The outcomes of a test: three from best to worst for the key, and `indeterminate`."""

    VALID = "valid"
    LIMITED = "limited"
    REJECTED = "rejected"
    INDETERMINATE = "indeterminate"


class Reason(StrEnum):
    """The reasons for an outcome; each belongs to one outcome (:data:`OUTCOME_OF`)."""

    OK = "ok"
    MISSING_PERMISSION = "missing_permission"
    RESTRICTED_IP = "restricted_ip"
    RESTRICTED_REFERRER = "restricted_referrer"
    RESTRICTED_APP = "restricted_app"
    RESTRICTED_API = "restricted_api"
    SERVICE_DISABLED = "service_disabled"
    REGION_UNSUPPORTED = "region_unsupported"
    QUOTA_EXHAUSTED = "quota_exhausted"
    BILLING = "billing"
    PLAN_REQUIRED = "plan_required"
    MODEL_UNAVAILABLE = "model_unavailable"
    INVALID_KEY = "invalid_key"
    EXPIRED = "expired"
    REVOKED = "revoked"
    KEY_TYPE_UNSUPPORTED = "key_type_unsupported"
    RATE_LIMITED = "rate_limited"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    TLS_ERROR = "tls_error"
    REDIRECTED = "redirected"
    NETWORK_BLOCKED = "network_blocked"
    UNKNOWN = "unknown"


_LIMITED = (
    Reason.MISSING_PERMISSION, Reason.RESTRICTED_IP, Reason.RESTRICTED_REFERRER, Reason.RESTRICTED_APP,
    Reason.RESTRICTED_API, Reason.SERVICE_DISABLED, Reason.REGION_UNSUPPORTED, Reason.QUOTA_EXHAUSTED,
    Reason.BILLING, Reason.PLAN_REQUIRED, Reason.MODEL_UNAVAILABLE,
)  # fmt: skip
_REJECTED = (Reason.INVALID_KEY, Reason.EXPIRED, Reason.REVOKED, Reason.KEY_TYPE_UNSUPPORTED)

OUTCOME_OF: dict[Reason, Outcome] = {
    **dict.fromkeys(Reason, Outcome.INDETERMINATE),
    Reason.OK: Outcome.VALID,
    **dict.fromkeys(_LIMITED, Outcome.LIMITED),
    **dict.fromkeys(_REJECTED, Outcome.REJECTED),
}


_FAIL_ON = (Outcome.REJECTED, Outcome.LIMITED, Outcome.INDETERMINATE)


def is_failure(outcome: Outcome, fail_on: str) -> bool:
    """Return whether an outcome counts as a failed key; ``fail_on`` is the mildest outcome that does."""
    return outcome in _FAIL_ON[: _FAIL_ON.index(Outcome(fail_on)) + 1]


class CheckResult(Struct, frozen=True):
    """The result of one request of a test. ``http_status`` is None if there was no answer."""

    name: str
    required: bool
    reason: Reason
    http_status: int | None = None
    latency_ms: int | None = None
    detail: str = ""
    missing_permissions: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """The outcome that the reason belongs to."""
        return OUTCOME_OF[self.reason]


class Usage(Struct, frozen=True):
    """The usage that the provider reports of the key's account. ``resets_at`` is RFC 3339 UTC."""

    unit: str
    used: float | None = None
    limit: float | None = None
    remaining: float | None = None
    resets_at: str | None = None
    plan: str | None = None
    status: str | None = None

    def as_document(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            name: getattr(self, name) for name in ("unit", "used", "limit", "remaining", "resets_at", "plan", "status")
        }


class Verdict(Struct, frozen=True):
    """The result of a whole test.

    ``authentic`` is True if the provider showed that it knows the key, False if it said that it does not, None if
    nothing was learned. ``detail`` and ``hint`` are scrubbed of the key and of control characters. ``permissions`` and
    ``expires_at`` are the key's permissions and expiry, None if the provider does not report them. ``attempts`` counts
    the attempts of the request that needed most (0: no request was made); ``latency_ms`` is that of the whole test.
    """

    reason: Reason
    authentic: bool | None
    detail: str = ""
    hint: str = ""
    manage_url: str = ""
    missing_permissions: tuple[str, ...] = ()
    checks: tuple[CheckResult, ...] = ()
    latency_ms: int = 0
    attempts: int = 1
    tested_at: str = ""
    usage: Usage | None = None
    permissions: tuple[str, ...] | None = None
    expires_at: str | None = None

    @property
    def outcome(self) -> Outcome:
        """The outcome that the reason belongs to."""
        return OUTCOME_OF[self.reason]
