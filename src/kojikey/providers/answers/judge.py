"""Turns one answer into a finding: by the provider's own word first, then by the status, else as unknown. Pure.

An unknown answer never counts against a key. Must not: make requests, know any provider (the definitions do), or
merge the findings of a test (:mod:`.merge` does).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kojikey.model import timestamps
from kojikey.model.verdict import OUTCOME_OF, Outcome, Reason
from kojikey.providers.answers.cut_json import whole_items
from kojikey.providers.answers.evidence import Answer, Evidence, read, with_words
from kojikey.providers.answers.finding import Fault, Finding, Scrub, Subject
from kojikey.providers.answers.finding_text import Values, hint_of, sentence
from kojikey.providers.answers.reason_texts import TEXTS
from kojikey.providers.answers.scrub import plain
from kojikey.providers.answers.success_body import AcceptedBody, has_member
from kojikey.providers.definition import Check, Definition, Rule, filled

_NAMED_PERMISSION = re.compile(r"permissions?:? ([a-z][a-z0-9_.]{2,59})\b")
_PERMISSION = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{2,99}")
_LONGEST_URL = 300
_LONGEST_CHARACTER = 4
_UNLISTED = "the list of models was too long to read completely, and the model {model} is not in the part that was read"
_AUTHENTIC_BY_REASON = {
    **dict.fromkeys(Reason),
    **{reason: True for reason, outcome in OUTCOME_OF.items() if outcome in (Outcome.VALID, Outcome.LIMITED)},
    # a provider that answers "expired" or "revoked" knows the key
    Reason.EXPIRED: True,
    Reason.REVOKED: True,
    Reason.INVALID_KEY: False,
}
_RETRIED = frozenset({Reason.RATE_LIMITED, Reason.PROVIDER_UNAVAILABLE})


def judge(
    definition: Definition,
    check: Check,
    answer: Answer,
    *,
    key_shape: str | None,
    values: Mapping[str, str] | None = None,
    scrub: Scrub = plain,
    capabilities: tuple[str, ...] | None = None,
    now: str = "",
) -> Finding:
    """Return the finding for an answer.

    ``key_shape`` is the name of the key's shape, None if it has no known one. ``values`` are those that filled in the
    request's placeholders. ``scrub`` is applied to every text of the provider in the finding. ``capabilities`` are
    the requested ones (None: all); ``now`` is the time of the test (default: the present).
    """
    values = values or {}
    name, model = filled(check.name, values), values.get("model", "")
    subject = Subject(definition, check, name, model, scrub, capabilities, now or timestamps.now())
    if 300 <= answer.status < 400:
        return _redirected(subject, answer)
    evidence = read(answer)
    if 200 <= answer.status < 300:
        accepted = _accepted(subject, answer, evidence)
        if accepted:
            return accepted
    evidence = with_words(evidence, answer)
    rule = first_match((*check.rules, *definition.rules), answer, evidence, key_shape)
    if rule and not (200 <= answer.status < 300 and rule.reason is Reason.OK):
        return _by_rule(subject, rule, answer, evidence)
    return _by_status(subject, answer, evidence)


def judge_fault(
    definition: Definition, check: Check, fault: Fault, *, values: Mapping[str, str] | None = None
) -> Finding:
    """Return the finding for a request without an answer, which is never against the key."""
    subject = Subject(definition, check, filled(check.name, values or {}), "", plain)
    return _finding(subject, fault.reason, None, detail=fault.detail, retry=fault.retry)


def _accepted(subject: Subject, answer: Answer, evidence: Evidence) -> Finding | None:
    """Return the finding for a 2xx answer of the provider, None if it does not have the form of the provider's."""
    check = subject.check
    document = _document(check, answer, evidence)
    has_type = bool(check.expect_type) and answer.content_type.startswith(check.expect_type)
    if not has_type and not _is_expected(document, check):
        return None
    body = AcceptedBody(document, subject.scrub)
    state = body.state(check, capabilities=subject.capabilities, now=subject.now)
    reported: dict[str, Any] = {
        "usage": body.usage(check.usage),
        "permissions": body.permissions(check),
        "expires_at": body.expires_at(check),
        # only a provider that knows the key sends an answer of this form
        "authentic": None if check.public else True,
    }
    if state:
        missing = (state.permission,) if state.permission else ()
        texts: dict[str, Any] = {"detail": state.detail, "hint": state.hint, "page": state.page}
        return _finding(subject, state.reason, answer, missing_permissions=missing, **texts, **reported)
    if not body.has_model(check, subject.model):
        reason = Reason.UNKNOWN if answer.truncated else Reason.MODEL_UNAVAILABLE
        return _finding(subject, reason, answer, detail=_UNLISTED if answer.truncated else "", **reported)
    return _finding(subject, Reason.OK, answer, picked=body.picked(check.pick), **reported)


def _document(check: Check, answer: Answer, evidence: Evidence) -> Any:
    """Return the JSON of an accepted answer, of a truncated one its complete items; None if it cannot be used."""
    if not answer.truncated:
        return evidence.document if evidence.is_text else None
    text = answer.body.decode("utf-8", "replace")
    is_text = "\ufffd" not in text[:-_LONGEST_CHARACTER]  # the last character may be cut in two
    return whole_items(text) if check.may_be_cut and is_text else None


def _is_expected(document: Any, check: Check) -> bool:
    """Return whether an accepted answer has one of the members by which the definition recognises the provider."""
    if isinstance(document, list):
        first = document[0] if document else None
        return any(has_member(first, path, kind) for path, kind in check.expect_items.items())
    return isinstance(document, dict) and any(has_member(document, path, kind) for path, kind in check.expect.items())


def first_match(rules: tuple[Rule, ...], answer: Answer, evidence: Evidence, key_shape: str | None) -> Rule | None:
    """Return the first rule whose conditions all hold, None if there is no such rule."""
    may_apply = (rule for rule in rules if _may_apply(rule, answer, evidence))
    return next((rule for rule in may_apply if _matches(rule, answer, evidence, key_shape)), None)


def _may_apply(rule: Rule, answer: Answer, evidence: Evidence) -> bool:
    """Return whether a rule may be used for this kind of answer, whatever its conditions are.

    A text that is not JSON may come from a proxy, a login page or a filter, so its words count only for a rule that
    names its content type. A server that answers 5xx did not look at the key.
    """
    judges_key = OUTCOME_OF[rule.reason] in (Outcome.REJECTED, Outcome.LIMITED)
    if judges_key and answer.status >= 500:
        return False
    is_text = evidence.document is None and bool(answer.body.strip())
    return rule.content_type is not None or not is_text or not (judges_key or rule.message)


def _matches(rule: Rule, answer: Answer, evidence: Evidence, key_shape: str | None) -> bool:
    return (
        (not rule.words or not rule.words.isdisjoint(evidence.words))
        and (not rule.status or answer.status in rule.status)
        and (not rule.key_shape or rule.key_shape == key_shape)
        and (rule.message is None or bool(rule.message.search(evidence.message)))
        and (rule.content_type is None or bool(rule.content_type.search(answer.content_type)))
        and (rule.quota_id is None or any(map(rule.quota_id.search, evidence.quota_ids)))
        and (rule.quota_value is None or any(map(rule.quota_value.search, evidence.quota_values)))
        and all(regex.search(evidence.metadata.get(name, "\n")) for name, regex in rule.metadata.items())
    )


def _by_rule(subject: Subject, rule: Rule, answer: Answer, evidence: Evidence) -> Finding:
    extra: dict[str, Any] = {"yields_to": rule.yields_to} if rule.yields_to != subject.check.name else {}
    extra |= {"about": rule.about, "is_undelivered": rule.is_undelivered}
    if rule.says_authentic:
        extra["authentic"] = rule.authentic
    if rule.reason is Reason.MISSING_PERMISSION:
        extra["missing_permissions"] = _permissions(subject, rule, evidence)
    url = evidence.metadata.get(rule.url_from, "") if rule.url_from else ""
    if _is_on(url, rule.url_hosts) and subject.scrub(url) == url:
        extra["manage_url"] = url
    return _finding(
        subject, rule.reason, answer, evidence=evidence, detail=rule.detail, hint=rule.hint, page=rule.page,
        retry=rule.retry, **extra,
    )  # fmt: skip


def _by_status(subject: Subject, answer: Answer, evidence: Evidence) -> Finding:
    status = answer.status
    reason, detail = Reason.UNKNOWN, ""
    if 200 <= status < 300:
        reason = Reason.NETWORK_BLOCKED if evidence.is_html else Reason.UNKNOWN
        detail = (
            "the answer was too long to be read"
            if answer.truncated
            else f"the answer {status} is not from {subject.definition.company}: a proxy or login page may have sent it"
        )
    elif status in (407, 511) or (status in (401, 403) and evidence.is_page):
        reason = Reason.NETWORK_BLOCKED
    elif status == 402 and (evidence.document is not None or not answer.body.strip()):
        reason = Reason.BILLING
    elif status == 429:
        reason = Reason.RATE_LIMITED
    elif status == 408 or status >= 500:
        reason = Reason.PROVIDER_UNAVAILABLE
    return _finding(subject, reason, answer, evidence=evidence, detail=detail)


def _redirected(subject: Subject, answer: Answer) -> Finding:
    host = re.match(r"https?://(?:[^/@?#]*@)?([^/?#]+)", answer.headers.get("location", ""), re.IGNORECASE)
    detail = f"the endpoint redirects to {subject.scrub(host[1])}; the key was not sent there" if host else ""
    return _finding(subject, Reason.REDIRECTED, answer, detail=detail)


def _finding(
    subject: Subject,
    reason: Reason,
    answer: Answer | None,
    *,
    evidence: Evidence | None = None,
    detail: str = "",
    hint: str = "",
    page: str = "",
    **extra: Any,
) -> Finding:
    texts = TEXTS[reason]
    evidence = evidence or Evidence()
    values = Values(subject, answer, evidence, extra.get("missing_permissions", ()))
    page_name = page or texts.page
    fields: dict[str, Any] = {
        "authentic": _AUTHENTIC_BY_REASON[reason],
        "manage_url": subject.definition.pages.named(page_name) if page_name else "",
        "retry_after": evidence.retry_after,
        **extra,
        "retry": extra.get("retry") or (answer is not None and reason in _RETRIED),
    }
    return Finding(
        name=subject.name,
        required=subject.check.required,
        reason=reason,
        detail=sentence((detail, texts.detail), values),
        hint=hint_of((hint, texts.hint), values),
        http_status=answer.status if answer else None,
        **fields,
    )


def _permissions(subject: Subject, rule: Rule, evidence: Evidence) -> tuple[str, ...]:
    """Return the names of the permissions that the key lacks; none that contains a part of the key."""
    if rule.permission:
        return (rule.permission,)
    if rule.permission_match:
        found = rule.permission_match.search(evidence.message)
        names = re.split(r"[\s,]+", found[1]) if found else []
        return tuple(dict.fromkeys(n for n in names if _PERMISSION.fullmatch(n) and subject.scrub(n) == n))
    if rule.permission_from:
        named = evidence.metadata.get(rule.permission_from, "")
        return (named,) if _PERMISSION.fullmatch(named) and subject.scrub(named) == named else ()
    words = re.findall(r"[a-z][a-z0-9_]*", evidence.message)
    known = [word for word in dict.fromkeys(words) if word in subject.definition.permissions]
    if known or not subject.definition.permissions:
        return tuple(known)
    # a permission that the definition does not know yet is recognised by the wording of the sentence
    unknown = _NAMED_PERMISSION.findall(evidence.message)
    return tuple(dict.fromkeys(word for word in unknown if subject.scrub(word) == word))


def _is_on(url: str, hosts: tuple[str, ...]) -> bool:
    """Return whether an address is https and its host is one of the hosts or a subdomain of one."""
    match = re.fullmatch(r"https://([A-Za-z0-9.-]+)(?:/[!-~]*)?", url)
    if not match or len(url) > _LONGEST_URL:
        return False
    return any(f".{match[1].lower()}".endswith(f".{host}") for host in hosts)
