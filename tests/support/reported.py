"""Made-up results for the tests of reports, also thousands of them, and with texts of a hostile provider.

Owns: making rows and the ends of runs. Must not: know a format.
"""

from __future__ import annotations

from collections.abc import Iterator

from kojikey.cli.exits import Exit
from kojikey.cli.reports.base import Rows, RunEnd, Tally
from kojikey.model.ref import Document
from kojikey.model.verdict import CheckResult, Reason, Verdict, is_failure
from kojikey.operations.results import TestResult

BEGAN = "2026-11-23T04:47:00Z"
HOSTILE = (
    '"><script>alert(1)</script> <img src=x onerror=alert(2)> ]]> &lt; </failure> <!-- '
    "\r\n::add-mask::secret\n::set-output name=x::y\n##[command]rm | ** `code` [x](https://evil.example) @everyone "
    "https://evil.example/login www.evil.example \x1b[31mred\x1b[0m \x00 \ud800 \u202e % :: , $(id) {{ 1 }} ${{ x }}"
)
REASONS = (Reason.OK, Reason.OK, Reason.MISSING_PERMISSION, Reason.INVALID_KEY, Reason.TIMEOUT)


def verdict(reason: Reason, words: str = "why it is so") -> Verdict:
    """Return a verdict with these words in each text that may come from a provider."""
    check = CheckResult("account", True, reason, 200, 80, words)
    return Verdict(
        reason, None, words, words, "https://elevenlabs.io/app/settings/api-keys", checks=(check,), latency_ms=81,
        tested_at=BEGAN,
    )  # fmt: skip


def results(count: int, *, words: str = "why it is so", reasons: tuple[Reason, ...] = REASONS) -> Iterator[TestResult]:
    """Yield ``count`` results, two for each account."""
    for number in range(count):
        provider = ("elevenlabs", "google_gemini")[number % 2]
        reason = reasons[number % len(reasons)]
        yield TestResult(f"account-{number // 2:05}", provider, "9f3c", 1, verdict(reason, words))


def row(result: TestResult, *, fail_on: str = "limited") -> Document:
    """Return a result as reports get it."""
    from kojikey.cli.output import documents

    more: Document = {
        "is_failure": is_failure(result.verdict.outcome, fail_on),
        "rotation_due": result.account[-1] == "0",
    }
    return documents.test_fields(result) | more | {"expires_at": None, "last_valid_at": None}


def run_of(found: list[TestResult], *, fail_on: str = "limited", left: int = 0) -> tuple[RunEnd, Rows]:
    """Return the end of a run with these results, and its rows."""
    tally = Tally()
    for result in found:
        tally.add(result)
    ending = RunEnd(tally, Exit.KEY_FAILED, BEGAN, 12.5, fail_on, left)
    rows = [row(result, fail_on=fail_on) for result in found]
    return ending, lambda: iter(rows)
