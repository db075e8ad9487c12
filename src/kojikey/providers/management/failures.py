"""Turns failures of a management API into errors.

Owns: the difference between "the provider refused" and "it is not known whether it was done". Must not: know one
provider; the words here were seen at several.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import assert_never

from kojikey.model.errors import KojikeyError
from kojikey.model.management_errors import ManagementRefused, ManagementUnavailable, Refusal
from kojikey.model.verdict import Reason
from kojikey.providers.answers.evidence import Answer, Evidence, evidence_of
from kojikey.providers.answers.finding import Fault

_LIMIT = re.compile(
    r"(?i)\b(limit|maximum|max|too many|quota|exceed\w*)\b.{0,60}\b(keys?|service accounts?|tokens?)\b"
    r"|\b(keys?|service accounts?|tokens?)\b.{0,60}\b(limit|maximum|quota)\b"
)
_LIMIT_WORD = re.compile(r"(?i)(key|account|token)s?_(limit|quota)|(limit|quota)_(reached|exceeded)|max_.*keys")
_PERMISSIONS = (
    re.compile(r"(?i)missing scopes?:\s*([A-Za-z0-9_.:, -]+)"),
    re.compile(r"(?i)missing (?:the )?permissions?:?\s+([a-z0-9_.:]+(?:, *[a-z0-9_.:]+)*)"),
    re.compile(r"(?i)permission '([A-Za-z0-9_.:]+)' denied"),
    re.compile(r"(?i)(?:lacks?|requires?|needs?) (?:the )?(?:permission|scope|role) '?([A-Za-z0-9_.:]+)"),
)
_PERMISSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{1,63}")
_OTHER_KIND = re.compile(r"(?i)only management keys|only admin keys|admin (api )?key required|not an admin")
_NO_PERMISSION = re.compile(
    r"(?i)insufficient[_ ]permissions?|permission_denied|missing_permissions|not have sufficient"
)


def failure_of(company: str, answer: Answer, scrub: Callable[[str], str], *, is_change: bool) -> KojikeyError:
    """Return the error for an answer that is not a success. ``is_change``: the request was to change something."""
    evidence = evidence_of(answer)
    status, message = answer.status, scrub(evidence.message) if evidence.message and not evidence.is_html else ""
    cause = f"{company} says: {message}" if message else f"{company} answered {status}"
    if status in (408, 409) or status >= 500:
        return ManagementUnavailable(f"{company} failed (status {status})", is_uncertain=is_change)
    if status == 429:
        return ManagementUnavailable(f"{company} received too many requests (status 429)", is_uncertain=False)
    if status < 400:
        return ManagementUnavailable(
            f"{company}'s management host sent the request elsewhere (status {status}); it was not followed",
            is_uncertain=False,
        )
    refusal = _refusal(status, evidence)
    return ManagementRefused(_sentence(company, refusal, _missing_permissions(evidence), cause), refusal)


def _refusal(status: int, evidence: Evidence) -> Refusal:
    words = " ".join(evidence.words)
    if status == 404:
        return Refusal.NOT_THERE
    if status in (400, 402, 403, 422) and (_LIMIT.search(evidence.message) or _LIMIT_WORD.search(words)):
        return Refusal.LIMIT
    if _OTHER_KIND.search(evidence.message):
        return Refusal.OTHER_KIND
    lacks_permission = _NO_PERMISSION.search(f"{words} {evidence.message}") or _missing_permissions(evidence)
    if status == 403 or (status == 401 and lacks_permission):
        return Refusal.PERMISSION
    return Refusal.ADMIN_KEY if status == 401 else Refusal.REQUEST


def _missing_permissions(evidence: Evidence) -> str:
    """Return the names of the permissions that the provider misses, ``""`` if it names none."""
    found = evidence.metadata.get("permission", "")
    for pattern in _PERMISSIONS:
        match = None if found else pattern.search(evidence.message)
        found = match[1] if match else found
    names = [name.strip(" .") for name in found.split(",")]
    return ", ".join(name for name in names if _PERMISSION.fullmatch(name))


def _sentence(company: str, refusal: Refusal, permissions: str, cause: str) -> str:
    match refusal:
        case Refusal.ADMIN_KEY:
            return f"{company} does not accept the admin key ({cause})"
        case Refusal.OTHER_KIND:
            return f"{company} does not accept this key for managing keys: it is not an admin key ({cause})"
        case Refusal.PERMISSION if permissions:
            return f"the admin key lacks the permission {permissions} ({cause})"
        case Refusal.PERMISSION:
            return f"the admin key lacks a permission ({cause})"
        case Refusal.LIMIT:
            return f"{company} creates no more keys: the limit on their number is reached ({cause})"
        case Refusal.NOT_THERE:
            return f"{company} does not find it ({cause})"
        case Refusal.REQUEST:
            return f"{company} refuses the request ({cause})"
        case _:
            assert_never(refusal)


def failure_of_fault(company: str, fault: Fault, *, is_change: bool) -> KojikeyError:
    """Return the error for a request that got no answer."""
    why = fault.detail or ("no answer in time" if fault.reason is Reason.TIMEOUT else "no answer")
    return ManagementUnavailable(f"{company} could not be asked: {why}", is_uncertain=is_change and not fault.is_unsent)


def unreadable(company: str, *, is_change: bool) -> KojikeyError:
    """Return the error for a success whose body cannot be read."""
    return ManagementUnavailable(
        f"{company}'s answer does not have the form of its management API", is_uncertain=is_change
    )


def too_long(company: str) -> KojikeyError:
    """Return the error for a list with more pages than are read."""
    return ManagementUnavailable(f"{company} lists more keys than kojikey reads", is_uncertain=False)
