"""Extracts the provider's own words from an answer, however it wraps them. Pure; knows no provider.

Bodies seen in the wild: an ``error`` or ``detail`` object, a one-element array around it, a member name with a space
before it, the whole object as text inside its own ``message``, server-sent events, FastAPI's list, HTML, nothing.
Must not: display anything. The texts are as the provider sent them; :mod:`.judge` scrubs those that it uses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from kojikey.providers.answers.scrub import from_html

_DEPTH = 4
_DEEPEST = 32  # twice the depth of any answer seen; a hostile body must not exhaust the stack
_LONGEST = 4096
_WORD_MEMBERS = ("reason", "status", "code", "type", "err_code", "error_code", "category")
_MESSAGE_MEMBERS = ("message", "msg", "err_msg", "error_description", "title")
_NESTING_MEMBERS = ("error", "detail", "errors")
_PADDING = ("\\", '" ', ' ":', ' "\t', ' "\n', ' "\r')
"""An ASCII text contains one of these if the name of a member begins or ends with white space, escaped or not."""
_NESTED = (dict, list)
_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """The answer to one request. ``headers`` has lower-case names; ``truncated``: the body was cut.

    ``is_doubtful``: it may be the answer to another request, because the connection had been used before or more
    bytes followed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool = False
    is_doubtful: bool = False

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(slots=True, repr=False)
class Evidence:
    """The words and numbers in an answer. ``document`` is the parsed body, None if it is not JSON.

    ``is_text`` is False for a body that is not UTF-8; its readable parts are used in error answers only. ``is_page``:
    the text does not begin like JSON, so that a proxy, a login page or a load balancer may have written it.
    """

    document: Any = None
    is_text: bool = True
    is_html: bool = False
    is_page: bool = False
    words: set[str] = field(default_factory=set)
    messages: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    quota_ids: list[str] = field(default_factory=list)
    quota_values: list[str] = field(default_factory=list)
    retry_after: float | None = None

    @property
    def message(self) -> str:
        """All messages, for matching."""
        return "\n".join(self.messages)


def evidence_of(answer: Answer) -> Evidence:
    """Return the evidence in an answer; unreadable parts are left out."""
    return with_words(read(answer), answer)


def read(answer: Answer) -> Evidence:
    """Return the evidence with the parsed body alone, which is enough for an accepted answer."""
    try:
        text, is_text = answer.body.decode("utf-8"), True
    except UnicodeDecodeError:
        text, is_text = answer.body.decode("utf-8", "replace"), False
    return Evidence(document=_parsed(_stripped(text)), is_text=is_text)


def with_words(evidence: Evidence, answer: Answer) -> Evidence:
    """Add the provider's words and numbers to the evidence that :func:`read` returned for an answer."""
    if evidence.document is not None:
        _collect(evidence, evidence.document, _DEPTH)
        return evidence
    text = _stripped(answer.body.decode("utf-8", "replace"))
    if text:
        evidence.is_page = not text.startswith(("{", "["))
        evidence.is_html = answer.content_type == "text/html" or text[:200].lower().startswith(("<!doctype", "<html"))
        plain = from_html(_TAG.sub(" ", text[:_LONGEST])) if evidence.is_html else text[:_LONGEST]
        _add(evidence.messages, " ".join(plain.split()))
    return evidence


def _stripped(text: str) -> str:
    return text.lstrip("\ufeff").strip()


def _parsed(text: str) -> Any:
    """Return the JSON object or list in a text, else None: no API answers with a bare number or word."""
    if text.startswith(("data:", "event:", "id:", ":")):
        lines = text.splitlines()
        text = "\n".join(line[5:].strip() for line in lines if line.startswith("data:"))
    document = _decoded(text)
    if not isinstance(document, dict | list):
        return None
    may_be_padded = not text.isascii() or any(sign in text for sign in _PADDING)
    return _trimmed(document) if may_be_padded else document


def _decoded(text: str) -> Any:
    """Return the value of a JSON text, None for any other."""
    try:
        return msgspec.json.decode(text)  # in a third of the time: most of a test's answers are long lists of models
    except (msgspec.DecodeError, ValueError, RecursionError):
        pass
    try:
        return json.loads(text)  # takes more: half of a surrogate pair, NaN, a number beyond those of the processor
    except (ValueError, RecursionError):
        return None


def _trimmed(value: dict[Any, Any] | list[Any], depth: int = _DEEPEST) -> Any:
    """Return the value with white space removed from the names of members (it was seen before ``@type``).

    Values deeper than :data:`_DEEPEST` are left out.
    """
    if not depth:
        return None
    if isinstance(value, dict):
        return {
            name.strip(): _trimmed(item, depth - 1) if isinstance(item, _NESTED) else item
            for name, item in value.items()
        }
    return [_trimmed(item, depth - 1) if isinstance(item, _NESTED) else item for item in value]


def _collect(evidence: Evidence, node: Any, depth: int) -> None:
    if isinstance(node, str):
        _add_message(evidence, node, depth)
    if depth == 0 or not isinstance(node, dict | list):
        return
    if isinstance(node, list):
        for item in node[:20]:
            _collect(evidence, item, depth - 1)
        return
    for name in _WORD_MEMBERS:
        word = node.get(name)
        if isinstance(word, str | int) and not isinstance(word, bool):
            evidence.words.add(str(word))
    for message in _messages(node):
        _add_message(evidence, message, depth)
    details = node.get("details")
    if isinstance(details, dict) and isinstance(details.get("error_code"), str):
        evidence.words.add(details["error_code"])
    for item in details[:20] if isinstance(details, list) else ():
        if isinstance(item, dict):
            _collect_detail(evidence, item)
    for name in _NESTING_MEMBERS:
        _collect(evidence, node.get(name), depth - 1)


def _messages(node: dict[str, Any]) -> Iterator[str]:
    location = node.get("loc")  # FastAPI: the path of the member that the message is about
    prefix = ".".join(str(part) for part in location[:8]) + ": " if isinstance(location, list) else ""
    for name in _MESSAGE_MEMBERS:
        if isinstance(node.get(name), str):
            yield prefix + node[name]


def _add_message(evidence: Evidence, message: str, depth: int) -> None:
    """Add a message, or the messages in it if it is JSON itself."""
    nested = _parsed(message.strip()) if depth > 1 and message.lstrip().startswith(("{", "[")) else None
    if nested is not None:
        _collect(evidence, nested, depth - 1)
    else:
        _add(evidence.messages, message[:_LONGEST])


def _collect_detail(evidence: Evidence, detail: dict[str, Any]) -> None:
    """Collect from an ErrorInfo, a QuotaFailure or a RetryInfo of google.rpc; their members distinguish them."""
    if isinstance(detail.get("reason"), str):
        evidence.words.add(detail["reason"])
    if isinstance(detail.get("metadata"), dict):
        evidence.metadata |= {n: v for n, v in detail["metadata"].items() if isinstance(v, str)}
    violations = detail.get("violations")
    for violation in violations[:50] if isinstance(violations, list) else ():
        if isinstance(violation, dict):
            _add(evidence.quota_ids, violation.get("quotaId"))
            _add(evidence.quota_values, violation.get("quotaValue"))
    delay = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)s", str(detail.get("retryDelay", "")))
    if delay:
        evidence.retry_after = float(delay[1])


def _add(texts: list[str], text: Any) -> None:
    if isinstance(text, str) and text and text not in texts:
        texts.append(text)
