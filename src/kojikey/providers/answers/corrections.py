"""Corrects the findings of a test after all of its requests. Pure; knows no provider.

If every request got 404, the base URL is wrong. "No key arrived" cannot be true if the provider accepted the key in
another request of the test. A model that kojikey chose itself says nothing about the key. Must not: make a finding
worse for the key.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from kojikey.model.verdict import Outcome, Reason
from kojikey.providers.answers.finding import Finding
from kojikey.providers.definition import Definition

_NOT_FOUND = 404


def corrected(findings: Sequence[Finding], definition: Definition, base_url: str) -> list[Finding]:
    """Return the corrected findings of a test at a base URL."""
    if findings and all(map(_is_not_there, findings)):
        return [_at_wrong_base_url(finding, definition, base_url) for finding in findings]
    was_accepted = any(finding.outcome is Outcome.VALID and finding.authentic for finding in findings)
    return [_delivered(finding, definition) if was_accepted else finding for finding in findings]


def undecided(finding: Finding, tried: Sequence[str], *, can_be_named: bool) -> Finding:
    """Return the finding as unknown, because none of the values that kojikey chose works."""
    names = ", ".join(dict.fromkeys(tried))
    return replace(
        finding,
        reason=Reason.UNKNOWN,
        detail=f"none of the {finding.about}s that kojikey tried can be used with this key: {names}",
        hint=(
            f"name a {finding.about} that the key must reach with --model"
            if can_be_named
            else "the key was not judged for this; run the same command to try again"
        ),
    )


def _is_not_there(finding: Finding) -> bool:
    learned_nothing = finding.outcome is Outcome.INDETERMINATE or finding.reason is Reason.MODEL_UNAVAILABLE
    return finding.http_status == _NOT_FOUND and learned_nothing and not finding.is_undelivered


def _at_wrong_base_url(finding: Finding, definition: Definition, base_url: str) -> Finding:
    own = f"; {definition.company}'s own is {definition.base_url}" if definition.base_url else ""
    return replace(
        finding,
        reason=Reason.UNKNOWN,
        authentic=None,
        detail=f"the base URL {base_url} is likely wrong: it answers 404 to every path of {definition.company}'s API",
        hint=f"check the base URL (--base-url{own}); the key was not judged",
    )


def _delivered(finding: Finding, definition: Definition) -> Finding:
    if not finding.is_undelivered:
        return finding
    return replace(
        finding,
        detail=f"{definition.company} accepted the key for another request, but says that this one came without a key",
        hint=f"check what the key may be used for: {definition.pages.keys}",
    )
