"""Judges the answer to a program's own request by the rules of a test. Pure.

Owns: the difference from a test: the request is unknown, so an accepted answer may have any form.
Must not: count a fault of the program's request against the key; only the provider's word about the key counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kojikey.model.secret import HiddenBytes, Secret
from kojikey.model.timestamps import now
from kojikey.model.verdict import Verdict
from kojikey.providers.answers.evidence import Answer, evidence_of
from kojikey.providers.answers.judge import first_match, judge
from kojikey.providers.answers.merge import conclude
from kojikey.providers.answers.scrub import Scrubber, plain
from kojikey.providers.definition import Check, Definition

_MOST_BYTES = 64 * 1024
_ANY_TYPE = "application/octet-stream"


def answer_of(status: int, headers: Mapping[Any, Any] | Iterable[tuple[Any, Any]] | None, body: HiddenBytes) -> Answer:
    """Return an answer as the rules read it. The names and values of headers are texts, or bytes."""
    names = {_text(name).lower(): _text(value) for name, value in dict(headers or {}).items()}
    names["content-type"] = names.get("content-type") or _ANY_TYPE
    return Answer(int(status), names, HiddenBytes(body[:_MOST_BYTES]), truncated=len(body) > _MOST_BYTES)


def _text(part: object) -> str:
    return part.decode("latin-1") if isinstance(part, bytes) else str(part)


def judge_real_answer(definition: Definition, answer: Answer, secret: Secret | None) -> Verdict:
    """Return the verdict on the key after one answer; all text in it is scrubbed of the key."""
    key = secret.reveal() if secret else ""
    shape = definition.shape_of(key) if key else None
    scrub = Scrubber(key) if key else plain
    key = ""  # so that a traceback with locals does not show it
    moment = now()
    finding = judge(
        definition, _check(definition, answer), answer, key_shape=shape.name if shape else None, scrub=scrub, now=moment
    )
    return conclude([finding], tested_at=moment)


def _check(definition: Definition, answer: Answer) -> Check:
    """Return a check that accepts any 2xx answer, except an HTML page and an answer with the words of a rule."""
    evidence = evidence_of(answer)
    rule = first_match(definition.rules, answer, evidence, None) if 200 <= answer.status < 300 else None
    if evidence.is_html or (rule is not None and rule.words):
        return Check("answer", "", "")
    return Check("answer", "", "", expect_type=answer.content_type)
