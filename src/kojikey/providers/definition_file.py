"""Reads and validates one provider's TOML file; a file with mistakes is refused with all of them listed.

Must not: read from disk (:mod:`.catalog` does) or know any provider.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kojikey.model.base_url import check_base_url
from kojikey.model.environment_names import may_hold_key
from kojikey.model.errors import BadDefinition, UsageError
from kojikey.model.toml_text import parse_toml
from kojikey.providers.check_tables import PAGES, PLACEHOLDER, read_check, read_rule
from kojikey.providers.definition import Definition, Pages, Rule, Shape
from kojikey.providers.index import RESERVED_IDS
from kojikey.providers.toml_table import Table, shown_name

_ID = re.compile(r"[a-z][a-z0-9_]{0,31}")
_RESERVED = "cannot be check, schema or new, nor end in _admin"
_ENV = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_LLM_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,31}")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_OUR_HEADERS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "cookie", "user-agent"}
)
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]{0,198}[!-~])?")
_FORM = re.compile(r"https://[A-Za-z0-9{}._/-]{1,200}")


def parse(text: str, path: str, *, is_bundled: bool = False) -> Definition:
    """Return the definition in a file's text; ``path`` is only for messages.

    A user's own file (not ``is_bundled``) cannot have a reserved id.

    Raises:
        BadDefinition: it has mistakes; the error lists all of them with their key paths.
    """
    try:
        content = parse_toml(text)
    except ValueError as error:
        raise BadDefinition(path, [f"it is not TOML: {error}"]) from None
    problems: list[str] = []
    root = Table(content, "", problems)
    definition = _definition(root)
    root.finish()
    problems += _inconsistencies(definition)
    if not is_bundled and _is_reserved(definition.id):
        problems.append(f"id {_RESERVED}")
    if problems:
        provider = definition.id if _ID.fullmatch(definition.id) else ""
        raise BadDefinition(path, dict.fromkeys(problems), provider=provider)
    return definition


def checked_id(text: str) -> str:
    """Return the id if a user's own provider can have it.

    Raises:
        UsageError: it cannot. The message does not repeat it: it may be a key.
    """
    if not _ID.fullmatch(text):
        raise UsageError(
            "that is not the id of a provider", hint="an id is 1 to 32 of a-z 0-9 _ and begins with a letter"
        )
    if _is_reserved(text):
        raise UsageError(f"the id of a provider {_RESERVED}", hint="choose another")
    return text


def _is_reserved(identity: str) -> bool:
    return identity in RESERVED_IDS or identity.endswith("_admin")


def _definition(root: Table) -> Definition:
    identity = root.text("id")
    if identity and not _ID.fullmatch(identity):
        root.problem("id", "must be 1 to 32 of a-z 0-9 _ and begin with a letter")
    variables = root.required_table("env", _env)
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
        env=variables.key,
        base_url_env=variables.base_url,
        auth_header=header,
        auth_prefix=prefix,
        headers=headers,
        base_urls=base_urls,
        base_url_form=form,
        shapes=root.tables("shapes", _shape),
        capabilities=capabilities,
        default_capabilities=default,
        permissions=root.texts("permissions"),
        admin_of=root.text("admin_of", ""),
        values=values,
        model_prefix=model_prefix,
        version_paths=_version_paths(root),
        base_url_env_path=variables.base_url_path,
        aliases=variables.aliases,
        llm_names=variables.llm,
        checks=root.tables("checks", read_check, required=True),
        rules=root.tables("rules", read_rule),
    )


class _Variables(NamedTuple):
    """The table ``env``: the variables in which programs look for a key of the provider and for its base URL."""

    key: tuple[str, ...]
    base_url: str
    base_url_path: str
    aliases: tuple[str, ...]
    llm: tuple[str, ...]


def _env(table: Table) -> _Variables:
    names, base_url = table.texts("key", required=True), table.text("base_url", "")
    aliases, llm = table.texts("aliases"), table.texts("llm")
    for key, listed in (("key", names), ("aliases", aliases)):
        for number, name in enumerate(listed, 1):
            _check_variable(table, f"{key}[{number}]", name)
    if base_url:
        _check_variable(table, "base_url", base_url)
    if base_url in (*names, *aliases):
        table.problem("base_url", "is the name of a key's variable")
    if set(aliases) & set(names):
        table.problem("aliases", "has a name that is already in key")
    if not all(map(_LLM_NAME.fullmatch, llm)):
        table.problem("llm", "must be names of up to 32 of a-z 0-9 _ . - that begin with a letter")
    path = table.text("base_url_path", "")
    if path and not (base_url and _PREFIX.fullmatch(path)):
        table.problem("base_url_path", "must be a path like /v1, for the variable base_url")
    return _Variables(names, base_url, path, aliases, llm)


def _check_variable(table: Table, key: str, name: str) -> None:
    """Note a problem if a name cannot be used; the problem does not repeat it: it may be a pasted key."""
    if not _ENV.fullmatch(name):
        table.problem(key, "is not the name of a variable (capitals, digits and _)")
    elif not may_hold_key(name):
        table.problem(key, "is a variable that changes how programs run, and cannot be used for this")


def _version_paths(root: Table) -> tuple[str, ...]:
    paths = root.texts("version_paths")
    for path in paths:
        if not _PREFIX.fullmatch(path):
            root.problem("version_paths", "must be paths like /v1")
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
        root.problem(
            "base_urls.default", "is missing; if each customer has a different one, give its form in base_url_form"
        )
    if form and "default" in urls:
        root.problem("base_url_form", "has no effect beside base_urls.default")
    if form and not _FORM.fullmatch(form):
        root.problem("base_url_form", "must be https:// and a host, for example https://{resource}.example.com")
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
            table.problem("default", f"{shown_name(name)} is not one of the names")
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


def _inconsistencies(definition: Definition) -> list[str]:
    """Return the problems across tables: names that are used and not defined."""
    shapes = {shape.name for shape in definition.shapes}
    names = {check.name for check in definition.checks}
    known = {"model", *definition.values}
    problems: list[str] = []
    for number, check in enumerate(definition.checks, 1):
        at = f"checks[{number}]"
        if check.capability and check.capability not in definition.capabilities:
            problems.append(f"{at}.capability is not one of the capabilities")
        problems += [
            f"{at}.path has the unknown placeholder {shown_name(name)}"
            for name in sorted({*PLACEHOLDER.findall(check.path + check.name), *check.placeholders})
            if name not in (known if check.when == "model_named" else definition.values)
        ]
        problems += [
            f"{at}.states[{number}].capability is not one of the capabilities"
            for number, state in enumerate(check.states, 1)
            if state.capability and state.capability not in definition.capabilities
        ]
        if check.pick and check.pick.name not in known:
            problems.append(f"{at}.pick.name is not one of values.fallback")
        problems += _undefined_names(check.rules, f"{at}.rules", shapes, names, known)
    if (definition.id.endswith("_admin") or definition.admin_of) and definition.id != f"{definition.admin_of}_admin":
        problems.append("admin_of must be the id without _admin, and only an admin key has one")
    if definition.checks and (definition.checks[0].capability or definition.checks[0].when):
        problems.append("checks[1] must be the one that always runs, without capability or condition")
    if len(shapes) != len(definition.shapes):
        problems.append("shapes contains two with the same name")
    return problems + _undefined_names(definition.rules, "rules", shapes, names, known)


def _undefined_names(
    rules: tuple[Rule, ...], at: str, shapes: set[str], checks: set[str], values: set[str]
) -> list[str]:
    """Return the problems of rules that name a shape, check or value which is not defined."""
    problems = []
    for number, rule in enumerate(rules, 1):
        if rule.key_shape and rule.key_shape not in shapes:
            problems.append(f"{at}[{number}].key_shape is not one of the shapes")
        if rule.yields_to and rule.yields_to not in checks:
            problems.append(f"{at}[{number}].yields_to is not one of the checks")
        if rule.about and rule.about not in values:
            problems.append(f"{at}[{number}].about is not one of values.fallback")
    return problems
