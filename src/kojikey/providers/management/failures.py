"""The meaning of failures of a management API.

Owns: distinguishing "the provider refused" from "it is not known whether it was done". Must not: know one provider; the
words here are those that were seen at several.
"""

from __future__ import annotations

import re
from collections.abc import Callable

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
_ANY = re.compile(r"(?i)\b(?:permission|scope)s?\b")


def failure_of(company: str, answer: Answer, scrub: Callable[[str], str], *, is_change: bool) -> KojikeyError:
    """Return the error for an answer that is no success. ``is_change``: the request was to change something."""
    evidence = evidence_of(answer)
    status, said = answer.status, scrub(evidence.message) if evidence.message and not evidence.is_html else ""
    told = f"{company} says: {said}" if said else f"{company} answered {status}"
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
    return ManagementRefused(_sentence(company, refusal, _named(evidence), told), refusal)


def _refusal(status: int, evidence: Evidence) -> Refusal:
    words = " ".join(evidence.words)
    if status == 404:
        return Refusal.NOT_THERE
    if status in (400, 402, 403, 422) and (_LIMIT.search(evidence.message) or _LIMIT_WORD.search(words)):
        return Refusal.LIMIT
    if _OTHER_KIND.search(evidence.message):
        return Refusal.OTHER_KIND
    if status == 403 or (status == 401 and (_NO_PERMISSION.search(f"{words} {evidence.message}") or _named(evidence))):
        return Refusal.PERMISSION
    return Refusal.ADMIN_KEY if status == 401 else Refusal.REQUEST


def _named(evidence: Evidence) -> str:
    """Return the permission that the provider says is missing, ``""`` where it names none."""
    found = evidence.metadata.get("permission", "")
    for pattern in _PERMISSIONS:
        match = None if found else pattern.search(evidence.message)
        found = match[1] if match else found
    names = [name.strip(" .") for name in found.split(",")]
    return ", ".join(name for name in names if _PERMISSION.fullmatch(name))


def _sentence(company: str, refusal: Refusal, permission: str, told: str) -> str:
    match refusal:
        case Refusal.ADMIN_KEY:
            return f"{company} does not accept the admin key ({told})"
        case Refusal.OTHER_KIND:
            return f"{company} does not accept this key for managing keys: it is not an admin key ({told})"
        case Refusal.PERMISSION if permission:
            return f"the admin key lacks the permission {permission} ({told})"
        case Refusal.PERMISSION:
            return f"the admin key lacks a permission ({told})"
        case Refusal.LIMIT:
            return f"{company} creates no more keys: the limit on their number is reached ({told})"
        case Refusal.NOT_THERE:
            return f"{company} does not find it ({told})"
        case _:
            return f"{company} refuses the request ({told})"


def failure_of_fault(company: str, fault: Fault, *, is_change: bool) -> KojikeyError:
    """Return the error for a request that got no answer."""
    why = fault.detail or ("no answer in time" if fault.reason is Reason.TIMEOUT else "no answer")
    return ManagementUnavailable(f"{company} could not be asked: {why}", is_uncertain=is_change and not fault.is_unsent)


def unreadable(company: str, *, is_change: bool) -> KojikeyError:
    """Return the error for an answer that is a success and cannot be understood."""
    return ManagementUnavailable(
        f"{company}'s answer does not have the form of its management API", is_uncertain=is_change
    )
