"""Every answer of `bodies/` (seen in the wild, or documented; each names its source) gets its expected finding."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from msgspec.structs import replace

from kojikey.model.verdict import Reason
from kojikey.providers.answers.evidence import Answer, evidence_of
from kojikey.providers.answers.finding import Fault
from kojikey.providers.answers.judge import first_match, judge, judge_fault
from kojikey.providers.answers.scrub import Scrubber
from kojikey.providers.catalog import load_catalog
from kojikey.providers.definition import Check, Rule
from support.each import each

FOLDER = os.path.join(os.path.dirname(__file__), "bodies")
CATALOG = load_catalog()
KEYS = dict.fromkeys(CATALOG.ids(), "KojikeyCanary0123456789abcdefghij") | {
    "google_gemini": "AQ.KojikeyCanary0123456789abcdefghij",
    "elevenlabs": "sk_" + "0a1b2c3d" * 6,
}
TOLD = {"usage", "permissions", "expires_at"}
FROM_THE_NETWORK = {Reason.UNREACHABLE, Reason.TIMEOUT, Reason.TLS_ERROR, Reason.REDIRECTED}


def _load(name: str) -> dict[str, Any]:
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        document: dict[str, Any] = json.load(file)
    return document


def _bodies() -> dict[str, dict[str, Any]]:
    """Return the answers by name. A file has one answer, or under ``cases`` those of a provider."""
    bodies: dict[str, dict[str, Any]] = {}
    for file in sorted(os.listdir(FOLDER)):
        document, name = _load(file), file.removesuffix(".json")
        cases = document.get("cases", {})
        bodies |= {f"{name}_{case}": {"provider": name, **content} for case, content in cases.items()}
        bodies |= {} if cases else {name: document}
    return bodies


BODIES = _bodies()


def _check(provider: str, name: str) -> Check:
    return next(check for check in CATALOG.get(provider).checks if check.name == name)


def _answer(document: dict[str, Any]) -> Answer:
    text = document["text"] if "text" in document else json.dumps(document["body"])
    return Answer(document["status"], document["headers"], text.encode(), document.get("truncated", False))


@pytest.mark.parametrize(
    ("name", "yields_to"), [("gemini_api_blocked_for_listing", "generate"), ("gemini_api_blocked_for_generating", "")]
)
def test_a_rule_yields_to_the_check_that_it_names_but_not_in_that_check_itself(name: str, yields_to: str) -> None:
    document = BODIES[name]
    check = _check(document["provider"], document["check"])
    answer, values = _answer(document), {"model": "gemini-2.5-flash"}
    finding = judge(CATALOG.get(document["provider"]), check, answer, key_shape=None, values=values)
    assert (finding.reason, finding.yields_to) == (Reason.RESTRICTED_API, yields_to)


@pytest.mark.parametrize("retries", [True, False])
def test_a_rule_says_whether_the_same_request_is_made_again(retries: bool) -> None:
    document, definition = BODIES["elevenlabs_invalid_key"], CATALOG.get("elevenlabs")
    definition = replace(definition, rules=tuple(replace(rule, retry=retries) for rule in definition.rules))
    check = _check("elevenlabs", document["check"])
    finding = judge(definition, check, _answer(document), key_shape=None, values={})
    assert (finding.reason, finding.retry) == (Reason.INVALID_KEY, retries)


@each("name", BODIES)
def test_each_documented_answer_gets_its_reason(name: str) -> None:
    document, expected = BODIES[name], BODIES[name]["expect"]
    provider = document["provider"]
    finding = judge(
        CATALOG.get(provider),
        _check(provider, document["check"]),
        _answer(document),
        key_shape=document.get("key_shape"),
        values={"model": "gemini-2.5-flash"},
        scrub=Scrubber(KEYS[provider]),
        capabilities=tuple(document.get("capabilities", CATALOG.get(provider).default_capabilities)),
        now=document.get("now", ""),
    )
    found = {
        "outcome": finding.outcome,
        "reason": finding.reason,
        "authentic": finding.authentic,
        "missing_permissions": list(finding.missing_permissions),
    }
    assert found == {field: expected[field] for field in found}
    assert expected.get("detail_has", "") in finding.detail
    assert expected.get("manage_url", finding.manage_url) == finding.manage_url
    assert expected.get("retry", finding.retry) == finding.retry
    assert expected.get("hint_has", "") in finding.hint


@each("name", [n for n, document in BODIES.items() if TOLD & set(document["expect"])])
def test_usage_and_expiry_in_an_answer_are_reported(name: str) -> None:
    document, expected = BODIES[name], BODIES[name]["expect"]
    provider = document["provider"]
    check = _check(provider, document["check"])
    finding = judge(CATALOG.get(provider), check, _answer(document), key_shape=None, now=document.get("now", ""))
    if "usage" in expected:
        assert finding.usage is not None
        assert {field: getattr(finding.usage, field) for field in expected["usage"]} == expected["usage"]
    if "permissions" in expected:
        told = finding.permissions if finding.permissions is None else list(finding.permissions)
        assert told == expected["permissions"]
    if "expires_at" in expected:
        assert finding.expires_at == expected["expires_at"]


@each("name", BODIES)
def test_a_finding_has_a_detail_and_never_the_key(name: str) -> None:
    document = BODIES[name]
    provider = document["provider"]
    check = _check(provider, document["check"])
    finding = judge(CATALOG.get(provider), check, _answer(document), key_shape=None, scrub=Scrubber(KEYS[provider]))
    assert finding.detail
    assert finding.manage_url.startswith("https://")
    assert finding.hint or finding.reason is Reason.OK
    assert "{" not in finding.detail + finding.hint
    assert KEYS[provider][:8] not in repr(finding)


def test_every_body_names_its_source() -> None:
    assert [name for name, document in BODIES.items() if len(document["source"]) < 10] == []


def test_every_reason_is_reached_by_an_answer_or_a_network_failure() -> None:
    reached = {Reason(document["expect"]["reason"]) for document in BODIES.values()}
    assert set(Reason) - reached - FROM_THE_NETWORK == set()
    assert not reached & FROM_THE_NETWORK  # the network's reasons are held by test_prober_network


def test_every_rule_of_a_bundled_definition_is_used_by_some_answer() -> None:
    """A rule that no answer reaches is either dead or hidden behind an earlier one."""
    unused = []
    for definition in CATALOG.all():
        rules = [(check.name, number, rule) for check in definition.checks for number, rule in enumerate(check.rules)]
        rules += [("", number, rule) for number, rule in enumerate(definition.rules)]
        for name, number, rule in rules:
            if not any(_is_hit(definition.id, name, rule, document) for document in BODIES.values()):
                unused.append((definition.id, name, number, rule.reason.value, sorted(rule.words)))
    assert unused == []


def _is_hit(provider: str, check_name: str, rule: Rule, document: dict[str, Any]) -> bool:
    if document["provider"] != provider or (check_name and check_name != document["check"]):
        return False
    definition, check, answer = CATALOG.get(provider), _check(provider, document["check"]), _answer(document)
    rules = (*check.rules, *definition.rules)
    return first_match(rules, answer, evidence_of(answer), document.get("key_shape")) == rule


@pytest.mark.parametrize("reason", sorted(FROM_THE_NETWORK))
def test_a_failure_of_the_network_says_nothing_about_the_key(reason: Reason) -> None:
    definition = CATALOG.get("elevenlabs")
    finding = judge_fault(definition, definition.checks[0], Fault(reason))
    assert (finding.outcome, finding.authentic, finding.http_status) == ("indeterminate", None, None)
    assert finding.detail
    assert finding.hint


@each(
    ("status", "reason"),
    [
        (301, "redirected"), (302, "redirected"), (307, "redirected"), (308, "redirected"),
        (400, "unknown"), (401, "unknown"), (402, "billing"), (403, "unknown"), (404, "unknown"), (405, "unknown"),
        (407, "network_blocked"), (408, "provider_unavailable"), (409, "unknown"), (418, "unknown"),
        (429, "rate_limited"), (451, "unknown"), (500, "provider_unavailable"), (502, "provider_unavailable"),
        (503, "provider_unavailable"), (511, "network_blocked"), (520, "provider_unavailable"),
        (529, "provider_unavailable"), (200, "unknown"), (204, "unknown"),
    ],
)  # fmt: skip
@each("provider", CATALOG.ids())
def test_a_bare_status_never_condemns_a_key(provider: str, status: int, reason: str) -> None:
    definition = CATALOG.get(provider)
    finding = judge(definition, definition.checks[0], Answer(status, {}, b""), key_shape=None)
    # Cartesia answers 402 where the credits are used up
    assert finding.reason == ("quota_exhausted" if (provider, status) == ("cartesia", 402) else reason)
    assert finding.outcome != "rejected"


def test_a_redirect_is_reported_by_its_host_only() -> None:
    definition = CATALOG.get("elevenlabs")
    answer = Answer(302, {"location": "https://user:word@elsewhere.example/path?key=secret"}, b"")
    finding = judge(definition, definition.checks[0], answer, key_shape=None)
    assert "elsewhere.example" in finding.detail
    assert "secret" not in finding.detail
    assert "word@" not in finding.detail


def test_a_body_that_was_cut_does_not_make_a_key_valid() -> None:
    definition = CATALOG.get("google_gemini")
    answer = Answer(200, {"content-type": "application/json"}, b'{"models": []}', truncated=True)
    finding = judge(definition, definition.checks[0], answer, key_shape=None)
    assert finding.reason is Reason.UNKNOWN
