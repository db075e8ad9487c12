"""Translates DynamoDB's errors into ours.

Owns: the sentences. Must not: repeat a text of the service, which can contain the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kojikey.aws.errors import (
    CREDENTIALS_HINT,
    EXTRA_HINT,
    MALFORMED_HINT,
    MFA_HINT,
    Kind,
    Trouble,
    of_code,
    trouble,
)
from kojikey.model.errors import (
    ChangedMeanwhile,
    Effect,
    KojikeyError,
    StoreCorrupt,
    StoreDenied,
    StoreFull,
    StoreLocked,
    StoreNotFound,
    StoreUnavailable,
    StoreUnreachable,
)
from kojikey.model.next_step import Hint, next_step
from kojikey.model.ref import Ref
from kojikey.stores.error_template import ErrorTemplate

UNKNOWN_HINT = Hint(next_step("list"), " and ", next_step("history"), " show whether it was; no change is made in part")

_LIMITS = "see the table's throughput and the account's quotas in CloudWatch, or try again later"
_KINDS: dict[Kind, ErrorTemplate] = {
    "credentials": ErrorTemplate(
        StoreDenied, "was not asked: there are no valid credentials for AWS here", CREDENTIALS_HINT
    ),
    "throttled": ErrorTemplate(StoreLocked, "was throttled by AWS for too long", _LIMITS),
    "busy": ErrorTemplate(StoreLocked, "is busy: others keep changing the same documents", "try again"),
    "server": ErrorTemplate(
        StoreUnreachable, "is not available at AWS", "https://health.aws.amazon.com/health/status", effect=None
    ),
    "unreachable": ErrorTemplate(
        StoreUnreachable,
        "cannot be reached: there is no answer from DynamoDB",
        "check the network, HTTPS_PROXY, and the URL's region and endpoint",
        effect=None,
    ),
    "foreign": ErrorTemplate(
        StoreUnreachable,
        "was not reached: something else answers in place of DynamoDB",
        "check the network (does a portal require a login?), HTTPS_PROXY, and the URL's region and endpoint",
        effect=None,
    ),
    "tls": ErrorTemplate(
        StoreUnreachable,
        "was not used: its server could not be verified (TLS)",
        "behind a proxy that opens TLS, set AWS_CA_BUNDLE to its certificates",
    ),
}
_OTHER_SHAPE = ErrorTemplate(
    StoreCorrupt,
    "is a table with another structure than kojikey's, or refuses its requests",
    Hint("name a table that ", next_step("store init"), " created"),
)
_COLLECTION_FULL = ErrorTemplate(
    StoreFull,
    "has a local index that limits an account to 10 GB",
    "remove the index: kojikey needs none",
    effect=Effect.CHANGE_NOT_MADE,
)
_OTHER: dict[str, ErrorTemplate] = {
    "MalformedCredentials": ErrorTemplate(
        StoreDenied,
        "was not asked: AWS's credentials here are malformed (they contain a line end or another invalid character)",
        MALFORMED_HINT,
    ),
    "MfaWanted": ErrorTemplate(
        StoreDenied,
        "was not asked: AWS requires an MFA code for the role of this profile, and kojikey never asks for one",
        MFA_HINT,
    ),
    "Boto3Missing": ErrorTemplate(StoreUnavailable, "needs boto3, which is not installed", EXTRA_HINT),
    "ValidationException": _OTHER_SHAPE,
    "ValidationError": _OTHER_SHAPE,  # as a reason of a cancelled transaction
    "ItemCollectionSizeLimitExceeded": _COLLECTION_FULL,
    "ItemCollectionSizeLimitExceededException": _COLLECTION_FULL,
}


def translated(error: Exception, place: str) -> KojikeyError | None:
    """Return our error for an error of boto3, None for any other error."""
    found = trouble_of(error)
    return None if found is None else _ours(found, place)


def trouble_of(error: Exception) -> Trouble | None:
    """Return the trouble behind an error of boto3; for a cancelled transaction, that of its cause."""
    codes = reasons(error)
    if codes:
        return of_code(next((code for code in codes if code != "None"), "Unknown"))
    return trouble(error)


def refused(error: Exception, refs: Sequence[Ref]) -> ChangedMeanwhile | None:
    """Return the error for the first change of a cancelled transaction whose condition failed, None if none did."""
    for code, ref in zip(reasons(error), refs, strict=False):
        if code == "ConditionalCheckFailed":
            return ChangedMeanwhile(ref)
    return None


def reasons(error: Exception) -> list[str]:
    """Return the codes of a cancelled transaction, one for each action (``"None"`` if it was fine); else ``[]``."""
    response: Any = getattr(error, "response", None)
    if not isinstance(response, dict):
        return []
    return [str(reason.get("Code")) for reason in response.get("CancellationReasons") or []]


def is_refused_condition(error: Exception) -> bool:
    """Return whether the condition of a single write did not hold."""
    found = trouble(error)
    return found is not None and found.code == "ConditionalCheckFailedException"


def missing(place: str, *, hint: str | None = None) -> StoreNotFound:
    """Return the error for a store that does not exist."""
    region = place.partition("region=")[2].partition("&")[0]
    message = f"there is no store at {place}: the table is not in {region}, and no other region is searched"
    error = StoreNotFound(place, None if hint else f"{message} (is it in another region?)")
    error.hint = hint or next_step("store init", place, "--kek", "SOURCE")
    return error


def _ours(found: Trouble, place: str) -> KojikeyError:
    if found.kind == "missing":
        return missing(place)
    if found.kind == "denied":
        return denied(found, place)
    other = ErrorTemplate(StoreUnavailable, f"refused, with {found.code}")
    return (_OTHER.get(found.code) or _KINDS.get(found.kind) or other).error(place)


def denied(found: Trouble, place: str) -> StoreDenied:
    """Return the error for a refusal; it names the missing permission if AWS does."""
    if found.permission:
        problem = f"refused: these AWS credentials lack {found.permission} on it"
    else:
        problem = "refused: these AWS credentials lack a permission on it"
    hint = (
        Hint("the account's owner needs the policy that ", next_step("store policy", "ACCOUNT"), " prints; ")
        + CREDENTIALS_HINT
    )
    return StoreDenied(place, problem, hint=hint, effect=Effect.NOTHING_CHANGED)
