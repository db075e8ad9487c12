"""Reads and validates one provider's TOML file; a file with mistakes is refused with all of them listed.

Must not: read from disk (:mod:`.catalog` does) or know any provider.
"""

from __future__ import annotations

import re
import tomllib

from kojikey.model.base_url import check_base_url
from kojikey.model.environment_names import may_hold_key
from kojikey.model.errors import BadDefinition, UsageError
from kojikey.model.verdict import Reason
from kojikey.providers.accepted import TYPES
from kojikey.providers.definition import Check, Definition, Pages, Pick, Rule, Shape, State, UsageMap
from kojikey.providers.member import is_path
from kojikey.providers.table import Table, shown_name, without_quotes

PAGES = ("keys", "usage", "spending_limit", "billing")
_ID = re.compile(r"[a-z][a-z0-9_]{0,31}")
_ENV = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_REASONS = tuple(reason.value for reason in Reason)
_AUTHENTIC = {"": None, "yes": True, "no": False, "unknown": None}
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PLACEHOLDERS = frozenset(
    {"id", "name", "company", "permissions", "model", "message", "status", "retired", *PAGES}
)  # fmt: skip
_OUR_HEADERS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "cookie", "user-agent"}
)
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]{0,198}[!-~])?")
_FORM = re.compile(r"https://[A-Za-z0-9{}._/-]{1,200}")
_CONDITIONS = ("always", "deep", "not_deep", "model_named")


def parse(text: str, path: str) -> Definition:
    """Return the definition in a file's text; ``path`` is only for messages.

    Raises:
        BadDefinition: it has mistakes, which are all listed with their key paths.
    """
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadDefinition(path, [f"it is not TOML: {without_quotes(error)}"]) from None
    problems: list[str] = []
    root = Table(content, "", problems)
    definition = _definition(root)
    root.finish()
    problems += _inconsistencies(definition)
    if problems:
        provider = definition.id if _ID.fullmatch(definition.id) else ""
        raise BadDefinition(path, dict.fromkeys(problems), provider=provider)
    return definition


def _definition(root: Table) -> Definition:
    identity = root.text("id")
    if identity and not _ID.fullmatch(identity):
        root.problem("id", "must be 1 to 32 of a-z 0-9 _ and begin with a letter")
    env, base_url_env, base_url_env_path = root.required_table("env", _env)
    header, prefix, headers = root.required_table("auth", _auth)
    base_urls, form = _base_urls(root)
    capabilities, default = root.table("capabilities", _capabilities) or ({}, ())
    values, model_prefix = root.table("values", _values) or ({}, "")
    return Definition(
        id=identity,
        name=root.text("name"),
        company=root.text("company"),
        purpose=root.text("purpose"),
        pages=root.required_table("pages", lambda t: Pages(*(t.https(name) for name in PAGES))),
        env=env,
        base_url_env=base_url_env,
        auth_header=header,
        auth_prefix=prefix,
        headers=headers,
        base_urls=base_urls,
        base_url_form=form,
        shapes=root.tables("shapes", _shape),
        capabilities=capabilities,
        default_capabilities=default,
        permissions=root.texts("permissions"),
        values=values,
        model_prefix=model_prefix,
        version_paths=_version_paths(root),
        base_url_env_path=base_url_env_path,
        checks=root.tables("checks", _check, required=True),
        rules=root.tables("rules", _rule),
    )


def _env(table: Table) -> tuple[tuple[str, ...], str, str]:
    names, base_url = table.texts("key", required=True), table.text("base_url", "")
    for number, name in enumerate(names, 1):
        _check_variable(table, f"key[{number}]", name)
    if base_url:
        _check_variable(table, "base_url", base_url)
    if base_url in names:
        table.problem("base_url", "is the name of a key's variable")
    path = table.text("base_url_path", "")
    if path and not (base_url and _PREFIX.fullmatch(path)):
        table.problem("base_url_path", "must be a path such as /v1, for the variable base_url")
    return names, base_url, path


def _check_variable(table: Table, key: str, name: str) -> None:
    """Note where a name cannot be used; it is not repeated, for it may be a key that was pasted there."""
    if not _ENV.fullmatch(name):
        table.problem(key, "is not the name of a variable (capitals, digits and _)")
    elif not may_hold_key(name):
        table.problem(key, "is a variable that changes how programs run, and cannot be used for this")


def _version_paths(root: Table) -> tuple[str, ...]:
    paths = root.texts("version_paths")
    for path in paths:
        if not _PREFIX.fullmatch(path):
            root.problem("version_paths", "must be paths such as /v1")
    return paths


def _auth(table: Table) -> tuple[str, str, dict[str, str]]:
    header, prefix = table.text("header"), table.text("prefix", "")
    if header and not _HEADER.fullmatch(header):
        table.problem("header", "is not the name of a header")
    if prefix and not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]* ?", prefix):
        table.problem("prefix", "must be a word, with a space after it where the header has one")
    headers = table.mapping("headers")
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or name.lower() in (*_OUR_HEADERS, header.lower(), "authorization"):
            table.problem(f"headers.{name}", "is not the name of a header that may be added")
        if not _HEADER_VALUE.fullmatch(value):
            table.problem(f"headers.{name}", "must be 1 to 200 visible ASCII characters")
    return header, prefix, headers


def _base_urls(root: Table) -> tuple[dict[str, str], str]:
    form = root.text("base_url_form", "")
    urls = root.mapping("base_urls", required=not form)
    if root.has("base_urls") and "default" not in urls and not form:
        root.problem("base_urls.default", "is missing; where none is everybody's, say its form in base_url_form")
    if form and "default" in urls:
        root.problem("base_url_form", "is of no use beside base_urls.default")
    if form and not _FORM.fullmatch(form):
        root.problem("base_url_form", "must be https:// and a host, such as https://{resource}.example.com")
    for name, url in urls.items():
        try:
            urls[name] = check_base_url(url)
        except UsageError as error:
            root.problem(f"base_urls.{name}", f"is refused: {error}")
    return urls, form


def _capabilities(table: Table) -> tuple[dict[str, str], tuple[str, ...]]:
    names, default = table.mapping("names", required=True), table.texts("default")
    for name in names:
        if not _ID.fullmatch(name):
            table.problem(f"names.{name}", "must be 1 to 32 of a-z 0-9 _ and begin with a letter")
    for name in default:
        if name not in names:
            table.problem("default", f"{shown_name(name)} is none of the names")
    return names, default


def _values(table: Table) -> tuple[dict[str, tuple[str, ...]], str]:
    return table.choices("fallback"), table.text("model_prefix", "")


def _shape(table: Table) -> Shape:
    is_shared = table.flag("shared", default=False)
    return Shape(
        table.text("name"),
        table.shape("regex", is_shared=is_shared),
        table.text("retired", ""),
        table.text("refused", ""),
        is_shared,
    )


def _check(table: Table) -> Check:
    path, when = table.text("path"), table.one_of("when", _CONDITIONS, "always")
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
        table.problem("model_in", 'is for a check with when = "model_named" alone')
    if table.has("json") and table.has("form"):
        table.problem("form", "can not be there together with json")
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
        rules=table.tables("rules", _rule),
    )


def _expected(table: Table, key: str) -> dict[str, str]:
    """Return the members that an accepted answer has, with their types; a list of names leaves the types open."""
    if not table.is_table(key):
        return dict.fromkeys(_paths(table, key), "any")
    expect = table.mapping(key)
    for name, kind in expect.items():
        if kind not in TYPES:
            table.problem(f"{key}.{name}", f"is none of {', '.join(TYPES)}")
        if not is_path(name):
            table.problem(f"{key}.{name}", "is not the place of a member, such as data.limit")
    return expect


def _pick(table: Table) -> Pick:
    return Pick(
        name=table.text("name"),
        value=table.text("value"),
        list_member=_path(table, "list"),
        strip=table.text("strip", ""),
        where_member=table.text("where_member", ""),
        where=table.texts("where"),
        generation=_grouped(table, "generation"),
        prefer=tuple(table.compiled("prefer", regex) for regex in table.texts("prefer")),
    )


def _grouped(table: Table, key: str) -> re.Pattern[str] | None:
    regex = table.pattern(key)
    if regex is not None and regex.groups != 1:
        table.problem(key, "must have one group, around the number")
    return regex


def _usage(table: Table) -> UsageMap:
    places = {
        name: _path(table, name)
        for name in ("used", "limit", "remaining", "unit_from", "resets_at_unix", "plan", "status")
    }
    if not places["used"] and not places["remaining"]:
        table.problem("used", "is missing (or remaining): without it nothing is told")
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


def _rule(table: Table) -> Rule:
    words, status, message = frozenset(table.texts("words")), table.numbers("status"), table.pattern("message")
    metadata = {name: table.compiled(f"metadata.{name}", regex) for name, regex in table.mapping("metadata").items()}
    quota_id, quota_value = table.pattern("quota_id"), table.pattern("quota_value")
    content_type, key_shape = table.pattern("content_type"), table.text("key_shape", "")
    if not any((words, status, message, metadata, quota_id, quota_value, content_type, key_shape)):
        table.problem("words", "is missing: a rule without a condition would match every answer")
    authentic = table.one_of("authentic", ("yes", "no", "unknown"), "")
    url_from, url_hosts = table.text("url_from", ""), table.texts("url_hosts")
    if url_from and not url_hosts:
        table.problem("url_hosts", "is missing: an address from a provider is shown for known hosts alone")
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
        permission_match=_with_group(table, "permission_match"),
        url_from=url_from,
        url_hosts=url_hosts,
    )


def _reason(table: Table) -> Reason:
    return Reason(table.one_of("reason", _REASONS) or Reason.UNKNOWN)


def _with_group(table: Table, key: str) -> re.Pattern[str] | None:
    pattern = table.pattern(key)
    if pattern and pattern.groups != 1:
        table.problem(key, "must have one group, which is around the names")
    return pattern


def _path(table: Table, key: str) -> str:
    path = table.text(key, "")
    if path and not is_path(path):
        table.problem(key, "is not the place of a member, such as data.limit, balances[0].amount or scopes[]")
    return path


def _paths(table: Table, key: str) -> tuple[str, ...]:
    paths = table.texts(key)
    for path in paths:
        if not is_path(path):
            table.problem(key, "has what is not the place of a member, such as data.limit or scopes[].name")
    return paths


def _page(table: Table) -> str:
    return table.one_of("page", PAGES, "")


def _template(table: Table, key: str) -> str:
    text = table.text(key, "")
    for name in _PLACEHOLDER.findall(text):
        if name not in _PLACEHOLDERS and not re.fullmatch(r"metadata\.[A-Za-z_]+", name):
            table.problem(key, f"has the unknown placeholder {shown_name(name)}")
    return text


def _inconsistencies(definition: Definition) -> list[str]:
    """What each table can not see alone: names that are used and not defined."""
    shapes = {shape.name for shape in definition.shapes}
    names = {check.name for check in definition.checks}
    known = {"model", *definition.values}
    problems: list[str] = []
    for number, check in enumerate(definition.checks, 1):
        at = f"checks[{number}]"
        if check.capability and check.capability not in definition.capabilities:
            problems.append(f"{at}.capability is none of the capabilities")
        problems += [
            f"{at}.path has the unknown placeholder {shown_name(name)}"
            for name in sorted({*_PLACEHOLDER.findall(check.path + check.name), *check.placeholders})
            if name not in (known if check.when == "model_named" else definition.values)
        ]
        problems += [
            f"{at}.states[{number}].capability is none of the capabilities"
            for number, state in enumerate(check.states, 1)
            if state.capability and state.capability not in definition.capabilities
        ]
        if check.pick and check.pick.name not in known:
            problems.append(f"{at}.pick.name is none of values.fallback")
        problems += _of_rules(check.rules, f"{at}.rules", shapes, names, known)
    if definition.checks and (definition.checks[0].capability or definition.checks[0].when):
        problems.append("checks[1] must be the one that is always made, without capability or condition")
    if len(shapes) != len(definition.shapes):
        problems.append("shapes name the same twice")
    return problems + _of_rules(definition.rules, "rules", shapes, names, known)


def _of_rules(rules: tuple[Rule, ...], at: str, shapes: set[str], checks: set[str], values: set[str]) -> list[str]:
    problems = []
    for number, rule in enumerate(rules, 1):
        if rule.key_shape and rule.key_shape not in shapes:
            problems.append(f"{at}[{number}].key_shape is none of the shapes")
        if rule.yields_to and rule.yields_to not in checks:
            problems.append(f"{at}[{number}].yields_to is none of the checks")
        if rule.about and rule.about not in values:
            problems.append(f"{at}[{number}].about is none of values.fallback")
    return problems
