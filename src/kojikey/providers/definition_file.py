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
    header, prefix = root.required_table("auth", _auth)
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
        base_urls=_base_urls(root),
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


def _auth(table: Table) -> tuple[str, str]:
    header, prefix = table.text("header"), table.text("prefix", "")
    if header and not _HEADER.fullmatch(header):
        table.problem("header", "is not the name of a header")
    if prefix and not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]* ?", prefix):
        table.problem("prefix", "must be a word, with a space after it where the header has one")
    return header, prefix


def _base_urls(root: Table) -> dict[str, str]:
    urls = root.mapping("base_urls", required=True)
    if root.has("base_urls") and "default" not in urls:
        root.problem("base_urls.default", "is missing")
    for name, url in urls.items():
        try:
            urls[name] = check_base_url(url)
        except UsageError as error:
            root.problem(f"base_urls.{name}", f"is refused: {error}")
    return {"default": "", **urls}


def _capabilities(table: Table) -> tuple[dict[str, str], tuple[str, ...]]:
    names, default = table.mapping("names", required=True), table.texts("default", required=True)
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
    return Shape(table.text("name"), table.shape("regex"), table.text("retired", ""))


def _check(table: Table) -> Check:
    path, when = table.text("path"), table.one_of("when", _CONDITIONS, "always")
    if path and not re.fullmatch(r"/[A-Za-z0-9._~:/{}-]*", path):
        table.problem("path", "must begin with / and have no query")
    expect, expect_type = _expected(table), table.text("expect_type", "")
    if not expect and not expect_type:
        table.problem("expect", "is missing: without it (or expect_type) any page would count as an answer")
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
        expect_type=expect_type,
        pick=table.table("pick", _pick),
        usage=table.table("usage", _usage),
        states=table.tables("states", _state),
        rules=table.tables("rules", _rule),
    )


def _expected(table: Table) -> dict[str, str]:
    """Return the members that an accepted answer has, with their types; a list of names leaves the types open."""
    if not table.is_table("expect"):
        return dict.fromkeys(table.texts("expect"), "any")
    expect = table.mapping("expect")
    for name, kind in expect.items():
        if kind not in TYPES:
            table.problem(f"expect.{name}", f"is none of {', '.join(TYPES)}")
    return expect


def _pick(table: Table) -> Pick:
    return Pick(
        name=table.text("name"),
        value=table.text("value"),
        list_member=table.text("list", ""),
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
    return UsageMap(
        unit=table.text("unit"),
        used=table.text("used"),
        limit=table.text("limit"),
        resets_at_unix=table.text("resets_at_unix", ""),
        plan=table.text("plan", ""),
        status=table.text("status", ""),
        extendable=table.texts("extendable"),
    )


def _state(table: Table) -> State:
    member, values = table.text("member"), frozenset(table.texts("values", required=True))
    reason = _reason(table)
    return State(member, values, reason, _template(table, "detail"), _template(table, "hint"), _page(table))


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
        permission_from=table.text("permission_from", ""),
        url_from=url_from,
        url_hosts=url_hosts,
    )


def _reason(table: Table) -> Reason:
    return Reason(table.one_of("reason", _REASONS) or Reason.UNKNOWN)


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
