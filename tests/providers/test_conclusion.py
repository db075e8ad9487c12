"""Merging findings into a verdict: which check decides, and how the others are reported."""

from __future__ import annotations

from msgspec.structs import replace

from kojikey.model.verdict import CheckResult, Outcome, Reason, Usage
from kojikey.providers.answers.finding import Finding
from kojikey.providers.answers.merge import conclude


def finding(name: str, reason: Reason = Reason.OK, **members: object) -> Finding:
    return replace(Finding(name=name, required=True, reason=reason, authentic=None), **members)


REFUSED = finding("list", Reason.RESTRICTED_API, detail="listing is refused")


def test_a_check_that_yields_to_one_that_was_made_decides_nothing() -> None:
    verdict = conclude([replace(REFUSED, yields_to="call"), finding("call")])
    assert (verdict.outcome, verdict.detail) == (Outcome.VALID, "")
    assert [check.required for check in verdict.checks] == [False, True]


def test_a_check_that_yields_to_one_that_was_not_made_decides() -> None:
    for others in ([], [finding("another")]):
        verdict = conclude([replace(REFUSED, yields_to="call"), *others])
        assert (verdict.outcome, verdict.reason) == (Outcome.LIMITED, Reason.RESTRICTED_API)
        assert verdict.checks[0].required


def test_a_check_that_yields_to_none_decides_whatever_else_was_made() -> None:
    for others in ([], [finding("call")]):
        assert conclude([REFUSED, *others]).outcome is Outcome.LIMITED


def test_the_words_about_a_valid_key_come_from_required_checks() -> None:
    noted = finding("account", detail="a note")
    verdict = conclude([noted, finding("call"), finding("more", detail="not this", required=False), noted])
    assert (verdict.outcome, verdict.detail) == (Outcome.VALID, "a note")


def test_missing_permissions_are_those_of_required_checks() -> None:
    lacking = finding("speak", Reason.MISSING_PERMISSION, missing_permissions=("speak",))
    other = replace(lacking, name="read", missing_permissions=("read", "speak"))
    aside = replace(lacking, name="aside", missing_permissions=("aside",), required=False)
    assert conclude([lacking, other, aside]).missing_permissions == ("speak", "read")
    assert conclude([lacking, other]).detail == "the key lacks the permissions speak and read"


def test_two_checks_refused_for_one_reason_are_reported_once() -> None:
    billing = finding("speak", Reason.BILLING, detail="no credit")
    assert conclude([billing, replace(billing, name="call")]).detail == "no credit"
    also = finding("list", Reason.RESTRICTED_API)
    assert conclude([billing, also]).detail == "no credit; also refused: list (restricted_api)"
    assert conclude([billing, replace(also, required=False)]).detail == "no credit"


def test_each_check_is_reported_as_it_was_found_with_its_own_latency() -> None:
    lacking = finding(
        "speak", Reason.MISSING_PERMISSION, http_status=403, detail="refused", missing_permissions=("speak",)
    )
    verdict = conclude(
        [lacking, finding("more", required=False)], latencies=[7], latency_ms=9, attempts=2, tested_at="now"
    )
    assert verdict.checks == (
        CheckResult("speak", True, Reason.MISSING_PERMISSION, 403, 7, "refused", ("speak",)),
        CheckResult("more", False, Reason.OK),
    )
    assert (verdict.latency_ms, verdict.attempts, verdict.tested_at) == (9, 2, "now")


def test_what_a_key_tells_about_itself_is_that_of_the_first_check_that_has_it() -> None:
    bare, first = finding("list"), finding("account", usage=Usage("credits", 1), permissions=(), expires_at="2099")
    later = finding("more", usage=Usage("credits", 2), permissions=("speak",), expires_at="2100")
    verdict = conclude([bare, first, later])
    assert (verdict.usage, verdict.permissions, verdict.expires_at) == (Usage("credits", 1), (), "2099")
    bare_verdict = conclude([bare])
    assert (bare_verdict.usage, bare_verdict.permissions, bare_verdict.expires_at) == (None, None, None)


def test_the_words_are_those_of_the_check_that_decides() -> None:
    refused = replace(REFUSED, hint="allow it", manage_url="https://keys.example")
    verdict = conclude([finding("call", hint="not this", manage_url="https://no.example"), refused])
    assert (verdict.detail, verdict.hint, verdict.manage_url) == (
        "listing is refused", "allow it", "https://keys.example",
    )  # fmt: skip


def test_a_key_is_authentic_if_any_check_says_so_and_the_deciding_one_does_not_deny_it() -> None:
    denied = finding("list", Reason.REVOKED, authentic=False)
    for findings, authentic in (
        ([finding("call")], None),
        ([finding("call"), finding("list", authentic=True)], True),
        ([denied, finding("call")], False),
        ([denied, finding("call", authentic=True)], True),
        ([finding("list", Reason.INVALID_KEY), finding("call", authentic=True)], False),
    ):
        assert conclude(findings).authentic is authentic


def test_one_missing_permission_is_described_by_its_check_and_several_only_where_they_decide() -> None:
    lacking = finding("speak", Reason.MISSING_PERMISSION, missing_permissions=("speak",), detail="may not speak")
    assert conclude([lacking]).detail == "may not speak"
    both = replace(lacking, reason=Reason.BILLING, missing_permissions=("speak", "read"))
    assert conclude([both]).detail == "may not speak"


def test_a_test_has_one_attempt_and_no_latency_unless_they_are_given() -> None:
    verdict = conclude([finding("call")])
    assert (verdict.attempts, verdict.latency_ms, verdict.tested_at) == (1, 0, "")
