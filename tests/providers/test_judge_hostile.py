"""Whatever an endpoint answers, judging it never fails, and nothing but a provider's own word condemns a key."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kojikey.model.verdict import Outcome
from kojikey.providers.catalog import load_catalog
from kojikey.providers.evidence import Answer, evidence_of
from kojikey.providers.judge import judge

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
def test_any_json_is_judged(target: Any, status: int, value: Any) -> None:
    definition, check = target
    answer = Answer(status, {"content-type": "application/json"}, json.dumps(value).encode())
    finding = judge(definition, check, answer, key_shape=None, values={"model": "m"})
    assert finding.outcome is not Outcome.REJECTED
    assert finding.detail


@given(CHECKS, st.integers(100, 599), st.binary(max_size=200), st.sampled_from(["", "text/html", "application/json"]))
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
def test_a_hostile_body_says_nothing(body: bytes) -> None:
    definition = CATALOG.get("google_gemini")
    for status in (200, 400, 403):
        answer = Answer(status, {"content-type": "text/html"}, body)
        finding = judge(definition, definition.checks[0], answer, key_shape=None)
        assert finding.outcome is Outcome.INDETERMINATE
        finding.detail.encode()


def test_an_answer_and_its_evidence_do_not_show_the_body() -> None:
    answer = Answer(400, {}, b'{"error": {"message": "a body that may hold the key"}}')
    assert "may hold" not in repr(answer)
    assert "may hold" not in repr(evidence_of(answer))
