"""Judging an answer never fails, and only a provider's own word condemns a key."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from kojikey.model.verdict import Outcome, Reason
from kojikey.providers.answers.evidence import Answer, evidence_of
from kojikey.providers.answers.judge import judge
from kojikey.providers.catalog import load_catalog
from kojikey.providers.definition import Rule
from support.each import each
from support.exhaustive import exhaustive_except

CATALOG = load_catalog()
NAMES = st.sampled_from(
    ["error", "detail", "details", "message", "status", "code", "reason", "metadata", "violations", "quotaId", "models",
     "name", "voices", "voice_id", "supportedGenerationMethods", "character_count", "character_limit", "tier", "loc",
     "retryDelay", "next_character_count_reset_unix", "errors", "@type", " @type", "x"]
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5))
CHECKS = st.sampled_from([(definition, check) for definition in CATALOG.all() for check in definition.checks])


@given(CHECKS, st.integers(100, 599), VALUES)
@settings(deadline=None)
def test_any_json_is_judged(target: Any, status: int, value: Any) -> None:
    definition, check = target
    answer = Answer(status, {"content-type": "application/json"}, json.dumps(value).encode())
    finding = judge(definition, check, answer, key_shape=None, values={"model": "m"})
    assert finding.outcome is not Outcome.REJECTED
    assert finding.detail


@given(CHECKS, st.integers(100, 599), st.binary(max_size=200), st.sampled_from(["", "text/html", "application/json"]))
@settings(deadline=None)
def test_any_bytes_are_judged(target: Any, status: int, body: bytes, content_type: str) -> None:
    definition, check = target
    finding = judge(definition, check, Answer(status, {"content-type": content_type}, body), key_shape=None)
    assert finding.outcome in (Outcome.INDETERMINATE, Outcome.LIMITED)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 60_000,
        b'{"error":' * 7_000,
        b'{"a":' + b"9" * 60_000 + b"}",
        b'{"error":{"message":"' + b"[" * 60_000 + b'"}}',
        b"<script" * 9_000,
        b"<" * 64_000,
        b"data:" * 10_000,
        b"data: {}\n" * 5_000,
        b'{"error":{"message":"\\ud800\\udc00 \\ud800"}}',
        b"\xff" * 1000,
        b"null",
        b"",
    ],
)
def test_a_hostile_body_leaves_the_key_unjudged(body: bytes) -> None:
    definition = CATALOG.get("google_gemini")
    for status in (200, 400, 403):
        answer = Answer(status, {"content-type": "text/html"}, body)
        finding = judge(definition, definition.checks[0], answer, key_shape=None)
        assert finding.outcome is Outcome.INDETERMINATE
        finding.detail.encode()


@each(
    "text",
    [
        '{"a": NaN}', '{"a": [Infinity, -Infinity]}', '{"a": 1e999}', '{"a": "\\ud800"}', '{"a": 1, "a": 2}',
        '{"a": ' + "9" * 400 + "}", '{"a": -0.0, "b": 1.0, "c": 1E+2}', '{"a": "\\ud83d\\ude00 \\u0000"}', '["\x7f"]',
    ],
)  # fmt: skip
def test_unusual_json_is_read_as_python_reads_it(text: str) -> None:
    """A stricter reader is tried first."""
    found = evidence_of(Answer(200, {}, text.encode())).document
    assert repr(found) == repr(json.loads(text))


@pytest.mark.parametrize(
    "text", ["{'a': 1}", '{"a": 01}', '{"a": 1,}', '{"a": "\x01"}', "{} {}", '{"a": 9' + "9" * 5000 + "}"]
)
def test_a_body_that_is_not_json_is_no_document(text: str) -> None:
    assert evidence_of(Answer(200, {}, text.encode())).document is None


def test_an_answer_and_its_evidence_do_not_show_the_body() -> None:
    answer = Answer(400, {}, b'{"error": {"message": "a body that may hold the key"}}')
    assert "may hold" not in repr(answer)
    assert "may hold" not in repr(evidence_of(answer))


SAID_OF_A_KEY = [
    "API key expired", "API key not found", "API key not valid", "Invalid API key", "reported as leaked",
    "has been suspended", "Expected OAuth 2 access token", "Your IP: 203.0.113.9", "API key has been revoked",
    "is no longer available", "project has been denied access", "API key disabled", "limit: 0", "monthly spending cap",
]  # fmt: skip
PAGES = [
    ("text/html", "<!DOCTYPE html><html><body>{said}</body></html>"),
    ("text/plain", "{said}"),
    ("", "{said}"),
    ("application/json", "<html>{said}</html>"),
    ("application/json", '{{"error": {{"code": 400, "message": "{said}'),
]


SAID_ON_A_PAGE = [(said, *page) for said in SAID_OF_A_KEY for page in PAGES]
FEW_PAGES = [case for case in SAID_ON_A_PAGE if case[0] == SAID_OF_A_KEY[0] or case[1:] == PAGES[0]]


@pytest.mark.parametrize(("said", "content_type", "page"), exhaustive_except(SAID_ON_A_PAGE, FEW_PAGES))
def test_a_page_says_nothing_about_a_key_whatever_its_words(said: str, content_type: str, page: str) -> None:
    for definition in CATALOG.all():
        for check in definition.checks:
            for status in (200, 400, 401, 402, 403, 404, 422, 429, 500, 502, 503):
                answer = Answer(status, {"content-type": content_type}, page.format(said=said).encode())
                finding = judge(definition, check, answer, key_shape=None, values={"model": "m"})
                assert finding.outcome is Outcome.INDETERMINATE, (definition.id, check.name, status)


@each("said", SAID_OF_A_KEY)
def test_a_maintenance_answer_does_not_condemn_a_key(said: str) -> None:
    body = json.dumps(
        {"error": {"message": said, "status": "API_KEY_INVALID"}, "detail": {"status": "invalid_api_key"}}
    )
    for definition in CATALOG.all():
        for status in (500, 502, 503, 529):
            answer = Answer(status, {"content-type": "application/json"}, body.encode())
            finding = judge(definition, definition.checks[0], answer, key_shape=None)
            assert finding.reason == "provider_unavailable"


@pytest.mark.parametrize("status", [200, 401, 403, 407, 511])
def test_a_web_page_in_place_of_an_answer_is_a_blocked_network(status: int) -> None:
    for definition in CATALOG.all():
        answer = Answer(status, {"content-type": "text/html"}, b"<html>Blocked. API key expired. Sign in.</html>")
        finding = judge(definition, definition.checks[0], answer, key_shape=None)
        assert (finding.reason, finding.authentic) == ("network_blocked", None)


def test_a_rule_that_names_a_content_type_may_match_a_page() -> None:
    """Deepgram answers ``Invalid credentials.`` in plain text, for which a definition can have a rule."""
    definition = CATALOG.get("google_gemini")
    rule = Rule(Reason.INVALID_KEY, status=frozenset({401}), content_type=re.compile("text/plain"))
    check = replace(definition.checks[0], rules=(rule,))
    answer = Answer(401, {"content-type": "text/plain"}, b"Invalid credentials.")
    assert judge(definition, check, answer, key_shape=None).reason == "invalid_key"


@each("depth", [31, 33, 300, 480, 700, 900, 5000])
@each(("opening", "closing"), [(b'{"error":', b"}"), (b"[", b"]"), (b'{"a":[', b"]}")])
@each("status", [200, 401])
def test_a_deeply_nested_body_leaves_the_key_unjudged(status: int, opening: bytes, closing: bytes, depth: int) -> None:
    answer = Answer(status, {"content-type": "application/json"}, opening * depth + b'{"x": 1}' + closing * depth)
    for definition in CATALOG.all():
        finding = judge(definition, definition.checks[0], answer, key_shape=None)
        assert finding.reason == "unknown"


def test_a_detail_about_an_unnamed_model_is_a_whole_sentence() -> None:
    definition = CATALOG.get("google_gemini")
    body = {"error": {"code": 404, "message": "models/X is not found for API version v1beta", "status": "NOT_FOUND"}}
    answer = Answer(404, {"content-type": "application/json"}, json.dumps(body).encode())
    finding = judge(definition, definition.checks[0], answer, key_shape=None)
    assert finding.detail == "the model that was requested is not available to this key"


@each("padding", [" ", "\\t", "\\u00a0", "\u00a0", "\u2003", "\\n"])
@each("form", ['{"%s@type": 1}', '{"@type%s": 1}', '{"@type%s" :1}', '{"@type%s"\n:1}', '{ "a\\"b":2,"%s@type":1}'])
def test_white_space_around_a_members_name_is_ignored(padding: str, form: str) -> None:
    body = (form % padding).encode()
    document = evidence_of(Answer(200, {}, body)).document
    assert document["@type"] == 1
