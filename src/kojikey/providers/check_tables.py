"""Reads the tables ``checks`` and ``rules`` of a definition: the requests, and how their answers are judged.

Must not: know any provider, or compare tables with each other (:mod:`.definition_file` does).
"""

from __future__ import annotations

import re

from kojikey.model.verdict import Reason
from kojikey.providers.answers.member import is_path
from kojikey.providers.answers.success_body import TYPES
from kojikey.providers.definition import Check, Pick, Rule, State, UsageMap
from kojikey.providers.toml_table import Table, shown_name

PAGES = ("keys", "usage", "spending_limit", "billing")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDERS = frozenset(
    {"id", "name", "company", "permissions", "model", "message", "status", "retired", *PAGES}
)  # fmt: skip
_REASONS = tuple(reason.value for reason in Reason)
_AUTHENTIC = {"": None, "yes": True, "no": False, "unknown": None}
_COMMANDS = frozenset({"rotate", "test"})  # placeholders of hints alone: kojikey's commands for the key
CONDITIONS = ("always", "deep", "not_deep", "model_named")


def read_check(table: Table) -> Check:
    """Return the check in a table; mistakes are added to the table's problems."""
    path, when = table.text("path"), table.one_of("when", CONDITIONS, "always")
    if path and not re.fullmatch(r"/[A-Za-z0-9._~:/{}-]*", path):
        table.problem("path", "must begin with / and have no query")
    expect, items = _expected(table, "expect"), _expected(table, "expect_items")
    expect_type = table.text("expect_type", "")
    if not expect and not items and not expect_type:
        table.problem(
            "expect", "is missing: without it (or expect_items, expect_type) any page would count as an answer"
        )
    model_in = _path(table, "model_in")
    if model_in and when != "model_named":
        table.problem("model_in", 'is only for a check with when = "model_named"')
    if table.has("json") and table.has("form"):
        table.problem("form", "cannot be combined with json")
    return Check(
        name=table.text("name"),
        method=table.one_of("method", ("GET", "POST"), "GET"),
        path=path,
        capability=table.text("capability", ""),
        required=table.flag("required", default=True),
        when="" if when == "always" else when,
        query=table.mapping("query"),
        json=table.free("json"),
        form=table.mapping("form") if table.has("form") else None,
        expect=expect,
        expect_items=items,
        expect_type=expect_type,
        may_be_cut=table.flag("may_be_cut", default=False),
        public=table.flag("public", default=False),
        model_in=model_in,
        permissions=_paths(table, "permissions"),
        expires_at=_paths(table, "expires_at"),
        pick=table.table("pick", _pick),
        usage=table.table("usage", _usage),
        states=table.tables("states", _state),
        rules=table.tables("rules", read_rule),
    )


def _expected(table: Table, key: str) -> dict[str, str]:
    """Return the members of an accepted answer with their types; a list of names allows any type."""
    if not table.is_table(key):
        return dict.fromkeys(_paths(table, key), "any")
    expect = table.mapping(key)
    for name, kind in expect.items():
        if kind not in TYPES:
            table.problem(f"{key}.{name}", f"is not one of {', '.join(TYPES)}")
        if not is_path(name):
            table.problem(f"{key}.{name}", "is not the place of a member (data.limit)")
    return expect


def _pick(table: Table) -> Pick:
    return Pick(
        name=table.text("name"),
        value=table.text("value"),
        list_member=_path(table, "list"),
        strip=table.text("strip", ""),
        where_member=table.text("where_member", ""),
        where=table.texts("where"),
        generation=_with_one_group(table, "generation", "the number"),
        prefer=tuple(table.compiled("prefer", regex) for regex in table.texts("prefer")),
    )


def _usage(table: Table) -> UsageMap:
    places = {
        name: _path(table, name)
        for name in ("used", "limit", "remaining", "unit_from", "resets_at_unix", "plan", "status")
    }
    if not places["used"] and not places["remaining"]:
        table.problem("used", "is missing (or remaining): without it there is nothing to show")
    return UsageMap(unit=table.text("unit"), extendable=_paths(table, "extendable"), **places)


def _state(table: Table) -> State:
    values, at_most, lacks = table.words("values"), table.number("at_most"), table.pattern("lacks")
    member = _path(table, "member")
    if not values and at_most is None and lacks is None:
        table.problem("values", "is missing (or at_most, lacks): a state without a condition would always hold")
    if not member and (values or at_most is not None):
        table.problem("member", "is missing")
    return State(
        reason=_reason(table),
        member=member,
        values=values,
        at_most=at_most,
        lacks=lacks,
        capability=table.text("capability", ""),
        permission=table.text("permission", ""),
        detail=_template(table, "detail"),
        hint=_template(table, "hint"),
        page=_page(table),
    )


def read_rule(table: Table) -> Rule:
    """Return the rule in a table; mistakes are added to the table's problems."""
    words, status, message = frozenset(table.texts("words")), table.numbers("status"), table.pattern("message")
    metadata = {name: table.compiled(f"metadata.{name}", regex) for name, regex in table.mapping("metadata").items()}
    quota_id, quota_value = table.pattern("quota_id"), table.pattern("quota_value")
    content_type, key_shape = table.pattern("content_type"), table.text("key_shape", "")
    if not any((words, status, message, metadata, quota_id, quota_value, content_type, key_shape)):
        table.problem("words", "is missing: a rule without a condition would match every answer")
    authentic = table.one_of("authentic", ("yes", "no", "unknown"), "")
    url_from, url_hosts = table.text("url_from", ""), table.texts("url_hosts")
    if url_from and not url_hosts:
        table.problem("url_hosts", "is missing: an address from a provider is shown only for known hosts")
    return Rule(
        reason=_reason(table),
        words=words,
        status=status,
        message=message,
        metadata=metadata,
        quota_id=quota_id,
        quota_value=quota_value,
        content_type=content_type,
        key_shape=key_shape,
        authentic=_AUTHENTIC[authentic],
        says_authentic=authentic != "",
        detail=_template(table, "detail"),
        hint=_template(table, "hint"),
        page=_page(table),
        retry=table.flag("retry", default=False),
        about=table.text("about", ""),
        is_undelivered=table.flag("undelivered", default=False),
        yields_to=table.text("yields_to", ""),
        permission=table.text("permission", ""),
        permission_from=table.text("permission_from", ""),
        permission_match=_with_one_group(table, "permission_match", "the names"),
        url_from=url_from,
        url_hosts=url_hosts,
    )


def _reason(table: Table) -> Reason:
    return Reason(table.one_of("reason", _REASONS) or Reason.UNKNOWN)


def _with_one_group(table: Table, key: str, content: str) -> re.Pattern[str] | None:
    pattern = table.pattern(key)
    if pattern is not None and pattern.groups != 1:
        table.problem(key, f"must have one group, around {content}")
    return pattern


def _path(table: Table, key: str) -> str:
    path = table.text(key, "")
    if path and not is_path(path):
        table.problem(key, "is not the place of a member (data.limit, balances[0].amount or scopes[])")
    return path


def _paths(table: Table, key: str) -> tuple[str, ...]:
    paths = table.texts(key)
    for path in paths:
        if not is_path(path):
            table.problem(key, "contains something that is not the place of a member (data.limit, scopes[].name)")
    return paths


def _page(table: Table) -> str:
    return table.one_of("page", PAGES, "")


def _template(table: Table, key: str) -> str:
    text = table.text(key, "")
    known = _PLACEHOLDERS | _COMMANDS if key == "hint" else _PLACEHOLDERS
    for name in PLACEHOLDER.findall(text):
        if name not in known and not re.fullmatch(r"metadata\.[A-Za-z_]+", name):
            table.problem(key, f"has the unknown placeholder {shown_name(name)}")
    return text
