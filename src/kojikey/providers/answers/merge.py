"""Merges the findings of one test into its verdict. Pure.

A key that any check rejects is rejected. Otherwise the first required check with the outcome limited decides, then the
first indeterminate one; if there is none, the key is valid.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from kojikey.model.verdict import CheckResult, Outcome, Reason, Verdict
from kojikey.providers.answers.finding import Finding

_WORST_FIRST = (Outcome.REJECTED, Outcome.LIMITED, Outcome.INDETERMINATE, Outcome.VALID)


def conclude(
    findings: Sequence[Finding],
    *,
    latencies: Sequence[int | None] = (),
    latency_ms: int = 0,
    attempts: int = 1,
    tested_at: str = "",
) -> Verdict:
    """Return the verdict for a test's findings, which are in the order of its checks; there is at least one.

    ``latencies`` are those of the findings, in milliseconds; the other arguments are about the whole test.
    """
    settled = [_settled(finding, findings) for finding in findings]
    deciding = _deciding(settled)
    missing = _missing(settled)
    times = (*latencies, *(None for _ in range(len(settled) - len(latencies))))
    return Verdict(
        reason=deciding.reason,
        authentic=_authentic(settled, deciding),
        detail=_detail(deciding, settled, missing),
        hint=deciding.hint,
        manage_url=deciding.manage_url,
        missing_permissions=missing,
        checks=tuple(_result(finding, latency) for finding, latency in zip(settled, times, strict=True)),
        usage=next((finding.usage for finding in settled if finding.usage), None),
        permissions=next((finding.permissions for finding in settled if finding.permissions is not None), None),
        expires_at=next((finding.expires_at for finding in settled if finding.expires_at), None),
        latency_ms=latency_ms,
        attempts=attempts,
        tested_at=tested_at,
    )


def _settled(finding: Finding, findings: Sequence[Finding]) -> Finding:
    """Return a finding as not required if it yields to another one of the test.

    A key may be allowed to call models and not to list them, for example.
    """
    yields = finding.yields_to and any(other.name == finding.yields_to for other in findings)
    return replace(finding, required=False) if yields else finding


def _deciding(findings: Sequence[Finding]) -> Finding:
    def rank(finding: Finding) -> int:
        counts = finding.required or finding.outcome is Outcome.REJECTED
        return _WORST_FIRST.index(finding.outcome) if counts else len(_WORST_FIRST)

    return min(findings, key=rank)


def _authentic(findings: Sequence[Finding], deciding: Finding) -> bool | None:
    answers = [finding.authentic for finding in findings]
    if deciding.reason is Reason.INVALID_KEY:
        return False
    return True if True in answers else False if False in answers else None


def _missing(findings: Sequence[Finding]) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(name for finding in findings if finding.required for name in finding.missing_permissions)
    )


def _detail(deciding: Finding, findings: Sequence[Finding], missing: tuple[str, ...]) -> str:
    if deciding.outcome is Outcome.VALID:
        notes = (finding.detail for finding in findings if finding.required and finding.detail)
        return "; ".join(dict.fromkeys(notes))
    detail = deciding.detail
    if deciding.reason is Reason.MISSING_PERMISSION and len(missing) > 1:
        detail = "the key lacks the permissions " + " and ".join(missing)
    also = [
        f"{finding.name} ({finding.reason.value})"
        for finding in findings
        if finding.required and finding is not deciding and _adds(finding, deciding)
    ]
    return f"{detail}; also refused: {', '.join(also)}" if also else detail


def _adds(finding: Finding, deciding: Finding) -> bool:
    return finding.outcome in (Outcome.LIMITED, Outcome.REJECTED) and finding.reason is not deciding.reason


def _result(finding: Finding, latency_ms: int | None) -> CheckResult:
    return CheckResult(
        name=finding.name,
        required=finding.required,
        reason=finding.reason,
        http_status=finding.http_status,
        latency_ms=latency_ms,
        detail=finding.detail,
        missing_permissions=finding.missing_permissions,
    )
