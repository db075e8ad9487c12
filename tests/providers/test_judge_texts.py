"""Which words of a provider a finding has: no part of the key, no address elsewhere, and only names of permissions."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from msgspec.structs import replace

from kojikey.model.verdict import OUTCOME_OF, Outcome, Reason
from kojikey.providers.answers.evidence import Answer
from kojikey.providers.answers.finding import Fault, Finding
from kojikey.providers.answers.judge import judge, judge_fault
from kojikey.providers.answers.scrub import Scrubber
from kojikey.providers.catalog import load_catalog
from kojikey.providers.definition import Rule
from support.each import each

GOOGLE = load_catalog().get("google_gemini")
ELEVEN = load_catalog().get("elevenlabs")
KEY = "AIzaSyFAKE0123456789abcdefghijklmnopqrs"
INFO = "type.googleapis.com/google.rpc.ErrorInfo"
LACKS = Rule(Reason.MISSING_PERMISSION, status=frozenset({403}))


def found(rule: Rule, *, message: str = "refused", status: int = 403, **metadata: Any) -> Finding:
    """Return the finding about Google's answer by this rule."""
    error = {"code": status, "message": message, "details": [{"@type": INFO, "reason": "X", "metadata": metadata}]}
    check = replace(GOOGLE.checks[0], rules=(rule,))
    answer = Answer(status, {"content-type": "application/json"}, json.dumps({"error": error}).encode())
    return judge(GOOGLE, check, answer, key_shape=None, scrub=Scrubber(KEY))


@each(
    ("named", "expected"),
    [
        ("generativelanguage.models.list", ("generativelanguage.models.list",)),
        ("a:b-c.d_E9", ("a:b-c.d_E9",)),
        ("x" * 100, ("x" * 100,)),
        ("abc", ("abc",)),
        ("ab", ()), ("x" * 101, ()), ("two words", ()), ("<b>bold</b>", ()), ("9lives", ()), ("", ()), (7, ()),
        (KEY, ()), (f"models.{KEY[4:14]}", ()), (KEY.lower(), ()),
    ],
)  # fmt: skip
def test_a_permission_in_the_metadata_is_named_only_in_the_form_of_one_and_without_the_key(
    named: object, expected: tuple[str, ...]
) -> None:
    assert found(replace(LACKS, permission_from="permission"), permission=named).missing_permissions == expected


def test_without_the_member_no_permission_is_named() -> None:
    assert found(replace(LACKS, permission_from="permission")).missing_permissions == ()


@each(
    ("message", "expected"),
    [
        ("Missing scopes: api.read, api.write.", ("api.read", "api.write")),
        ("Missing scopes: api.read,api.write api.read.", ("api.read", "api.write")),
        (f"Missing scopes: api.read, {KEY}, ab.", ("api.read",)),
        ("something else", ()),
    ],
)
def test_permissions_in_the_message_are_named_once_each_and_without_the_key(
    message: str, expected: tuple[str, ...]
) -> None:
    rule = replace(LACKS, permission_match=re.compile(r"Missing scopes: ([\w., -]+)\.$"))
    assert found(rule, message=message).missing_permissions == expected


def test_the_permission_of_a_rule_comes_before_all_that_the_provider_says() -> None:
    rule = replace(LACKS, permission="fixed", permission_from="permission", permission_match=re.compile("(.*)"))
    assert found(rule, permission="another").missing_permissions == ("fixed",)


@each(
    ("message", "expected"),
    [
        ("the key lacks the permission voices_read and text_to_speech", ("voices_read", "text_to_speech")),
        ("the permission voices_read is missing: voices_read", ("voices_read",)),
        ("the permission dubbing_new is missing", ("dubbing_new",)),
        ("the permissions: dubbing_new, permission dubbing_new", ("dubbing_new",)),
        ("the permission sk_0a1b2c3d4e5f is missing", ()),
        ("nothing is said", ()),
    ],
)
def test_a_permission_in_a_sentence_is_known_or_follows_the_word(message: str, expected: tuple[str, ...]) -> None:
    assert ELEVEN.permissions
    check = replace(ELEVEN.checks[0], rules=(LACKS,))
    body = json.dumps({"detail": {"status": "x", "message": message}}).encode()
    answer = Answer(403, {"content-type": "application/json"}, body)
    finding = judge(ELEVEN, check, answer, key_shape=None, scrub=Scrubber("sk_0a1b2c3d4e5f60718293a4b5c6d7e8f9"))
    assert finding.missing_permissions == expected


ON_GOOGLE = Rule(Reason.SERVICE_DISABLED, status=frozenset({403}), url_from="url", url_hosts=("google.com",))


@each(
    ("url", "is_used"),
    [
        ("https://google.com", True), ("https://google.com/", True), ("https://console.GOOGLE.com/a?b=c#d", True),
        (f"https://google.com/{'x' * (300 - len('https://google.com/'))}", True),
        (f"https://google.com/{'x' * (301 - len('https://google.com/'))}", False),
        ("http://google.com/", False), ("https://google.com.evil.example/", False), ("https://evilgoogle.com/", False),
        ("https://google.com:8443/", False), ("https://google.com@evil.example/", False),
        ("https://google.com/ x", False),
        ("https://evil.example/https://google.com/", False), (f"https://google.com/?key={KEY}", False), ("", False),
    ],
)  # fmt: skip
def test_a_page_that_the_provider_names_is_used_only_on_its_hosts_and_without_the_key(url: str, is_used: bool) -> None:
    usual = found(ON_GOOGLE).manage_url
    assert found(ON_GOOGLE, url=url).manage_url == (url if is_used else usual)
    assert found(replace(ON_GOOGLE, url_from=""), url=url).manage_url == usual


@each(
    ("location", "host"),
    [
        ("https://elsewhere.example/path", "elsewhere.example"),
        ("HTTP://user:word@elsewhere.example:8080?x", "elsewhere.example:8080"),
        (f"https://{KEY}.example/", "[key].example"),
        ("/path", None), ("", None), ("ftp://elsewhere.example/", None),
    ],
)  # fmt: skip
@each("status", [300, 302, 307, 399])
def test_a_redirect_names_only_the_host_to_which_the_key_was_not_sent(
    status: int, location: str, host: str | None
) -> None:
    answer = Answer(status, {"location": location}, b'{"models": []}')
    finding = judge(GOOGLE, GOOGLE.checks[0], answer, key_shape=None, scrub=Scrubber(KEY))
    assert (finding.reason, finding.authentic, finding.http_status) == (Reason.REDIRECTED, None, status)
    assert (f"the endpoint redirects to {host}; the key was not sent there" in finding.detail) == (host is not None)
    assert KEY.lower() not in finding.detail.lower()


@pytest.mark.parametrize("reason", [reason for reason in Reason if OUTCOME_OF[reason] is Outcome.INDETERMINATE])
def test_a_request_without_an_answer_says_nothing_about_the_key(reason: Reason) -> None:
    named = next(check for each in load_catalog().all() for check in each.checks if "{" in check.name)
    fault = Fault(reason, "the connection ended", retry=True)
    finding = judge_fault(GOOGLE, named, fault, values={"model": "m1", "voice": "v1"})
    assert (finding.outcome, finding.authentic, finding.http_status) == (Outcome.INDETERMINATE, None, None)
    assert finding.detail.startswith("the connection ended")
    assert finding.retry is True
    assert "{" not in finding.name
    assert finding.name == named.name.format(model="m1", voice="v1")
    assert finding.required is named.required


@each(
    ("status", "body", "reason"),
    [
        (402, b"", Reason.BILLING), (402, b" \n", Reason.BILLING), (402, b"{}", Reason.BILLING),
        (402, b"pay", Reason.UNKNOWN), (429, b"", Reason.RATE_LIMITED), (408, b"", Reason.PROVIDER_UNAVAILABLE),
        (500, b"", Reason.PROVIDER_UNAVAILABLE), (599, b"{}", Reason.PROVIDER_UNAVAILABLE),
        (407, b"", Reason.NETWORK_BLOCKED), (511, b"", Reason.NETWORK_BLOCKED), (400, b"{}", Reason.UNKNOWN),
        (499, b"{}", Reason.UNKNOWN), (401, b"{}", Reason.UNKNOWN), (403, b"", Reason.UNKNOWN),
        (200, b"{}", Reason.UNKNOWN), (299, b"[]", Reason.UNKNOWN),
    ],
)  # fmt: skip
def test_a_status_without_the_providers_word_condemns_no_key(status: int, body: bytes, reason: Reason) -> None:
    bare = replace(GOOGLE, rules=())
    finding = judge(bare, replace(bare.checks[0], rules=()), Answer(status, {}, body), key_shape=None)
    assert finding.reason is reason
    assert finding.authentic is (True if reason is Reason.BILLING else None)
    assert finding.retry == (reason in (Reason.RATE_LIMITED, Reason.PROVIDER_UNAVAILABLE))


@each("status", [200, 299])
def test_a_rule_never_makes_an_answer_valid_that_does_not_have_the_providers_form(status: int) -> None:
    for rule_reason, reason in ((Reason.OK, Reason.UNKNOWN), (Reason.RATE_LIMITED, Reason.RATE_LIMITED)):
        check = replace(GOOGLE.checks[0], rules=(Rule(rule_reason, status=frozenset({status})),))
        finding = judge(GOOGLE, check, Answer(status, {}, b'{"x": 1}'), key_shape=None)
        assert (finding.reason, finding.authentic, finding.http_status) == (reason, None, status)


def test_a_rule_can_make_another_status_valid() -> None:
    check = replace(GOOGLE.checks[0], rules=(Rule(Reason.OK, status=frozenset({422})),))
    finding = judge(GOOGLE, check, Answer(422, {}, b"{}"), key_shape=None)
    assert (finding.reason, finding.http_status) == (Reason.OK, 422)


def test_the_state_of_an_account_and_a_missing_model_are_found_with_the_status_of_their_answer() -> None:
    account = next(check for check in ELEVEN.checks if check.states)
    unpaid = json.dumps({"tier": "creator", "character_count": 0, "character_limit": 9, "status": "past_due"}).encode()
    finding = judge(ELEVEN, account, Answer(200, {}, unpaid), key_shape=None)
    assert (finding.reason, finding.http_status) == (Reason.BILLING, 200)
    deepseek = load_catalog().get("deepseek")
    listing = next(check for check in deepseek.checks if check.model_in)
    listed = Answer(200, {}, b'{"object": "list", "data": [{"id": "m1", "object": "model"}]}')
    finding = judge(deepseek, listing, listed, key_shape=None, values={"model": "m2"})
    assert (finding.reason, finding.http_status) == (Reason.MODEL_UNAVAILABLE, 200)


@pytest.mark.parametrize("condemning", [Reason.EXPIRED, Reason.BILLING])
def test_a_server_that_failed_condemns_no_key_whatever_it_says(condemning: Reason) -> None:
    reasons = [found(Rule(condemning, status=frozenset({status})), status=status).reason for status in (499, 500, 599)]
    assert reasons == [condemning, Reason.PROVIDER_UNAVAILABLE, Reason.PROVIDER_UNAVAILABLE]


def test_the_words_of_a_rule_are_filled_in_from_the_answer() -> None:
    rule = Rule(Reason.UNKNOWN, status=frozenset({403}), detail="it answered {status}", hint="try later")
    finding = found(rule)
    assert (finding.detail, finding.hint) == ("it answered 403", "try later")
