"""The text of a verdict for every output that people read. Needs no rich.

Owns: which of a verdict's sentences are shown, and their order. Must not: say what happened to the saved key.
"""

from __future__ import annotations

from collections.abc import Sequence

from kojikey.model.next_step import Hint, joined
from kojikey.model.timestamps import now, parsed
from kojikey.model.verdict import Outcome, Usage, Verdict
from kojikey.operations.results import TestResult


def outcome_words(verdict: Verdict) -> str:
    """Return the outcome and, unless it is valid, the reason."""
    return "valid" if verdict.outcome is Outcome.VALID else f"{verdict.outcome.value}: {verdict.reason.value}"


def detail_of(verdict: Verdict) -> str:
    """Return the sentence about what happened, else the reason; ``""`` for a valid key without one."""
    return verdict.detail or (verdict.reason.value if verdict.outcome is not Outcome.VALID else "")


def steps_of(verdict: Verdict, more: Sequence[str] = ()) -> list[str]:
    """Return what to do about a verdict: its hint, then ``more``, then the page where the key is managed."""
    if verdict.outcome is Outcome.VALID:
        return list(more)
    steps = [*([verdict.hint] if verdict.hint else []), *more]
    is_settled = verdict.outcome is not Outcome.INDETERMINATE
    if is_settled and verdict.manage_url and verdict.manage_url not in verdict.hint:
        steps.append(verdict.manage_url)
    return steps


def detail_lines(result: TestResult) -> list[str]:
    """Return the lines under a result: what happened, what to do, and why the outcome was not kept if so."""
    verdict = result.verdict
    lines: list[str] = []
    if verdict.outcome is not Outcome.VALID:
        steps = joined("; ", steps_of(verdict))
        lines = [detail_of(verdict), *([Hint("next: ", steps)] if steps else [])]
    return lines + unkept_lines(result)


def unkept_lines(result: TestResult) -> list[str]:
    """Return the line that says why the outcome of a saved key was not kept; none if no request was sent."""
    if result.recorded or result.version is None or not result.verdict.attempts:
        return []
    if result.unkept:
        return [f"this outcome was not kept: {result.unkept}"]
    return ["the key was changed meanwhile; this outcome was not kept"]


def usage_words(usage: Usage) -> str:
    """Return an account's usage, for example ``plan creator, 1234 of 100000 credits used, resets 2026-12-01``."""
    if usage.limit is not None:
        used = f"{usage.used} of {usage.limit} {usage.unit} used"
    elif usage.remaining is not None:
        used = f"{usage.remaining} {usage.unit} left"
    else:
        used = f"{usage.used} {usage.unit} used" if usage.used is not None else ""
    reset = f"resets {usage.resets_at[:10]}" if usage.resets_at else ""
    plan = f"plan {usage.plan}" if usage.plan else ""
    return ", ".join(part for part in (plan, used, reset) if part) or "the provider reports no usage"


def ago(stamp: str) -> str:
    """Return how long ago an RFC 3339 time was, in its largest unit, for example ``3 h ago``."""
    seconds = max(0, int((parsed(now()) - parsed(stamp)).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now"
