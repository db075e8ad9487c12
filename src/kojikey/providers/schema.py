"""The JSON Schema of a provider's definition, for editors. ``kojikey providers check`` finds more mistakes.

Must not: be used by kojikey to read definitions (:mod:`.definition_file` does).
"""

from __future__ import annotations

from typing import Any

from kojikey.model.verdict import Reason
from kojikey.providers.answers.success_body import TYPES
from kojikey.providers.check_tables import CONDITIONS, PAGES

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1}
_TEXTS: Schema = {"type": "array", "items": _TEXT, "uniqueItems": True}
_ANY_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_REGEX: Schema = {"type": "string", "format": "regex", "minLength": 1}
_PAGE: Schema = {"enum": list(PAGES)}
_REASON: Schema = {"enum": [reason.value for reason in Reason]}
_MAPPING: Schema = {"type": "object", "additionalProperties": _ANY_TEXT}
_MEMBERS: Schema = {
    "anyOf": [_TEXTS, {"type": "object", "minProperties": 1, "additionalProperties": {"enum": list(TYPES)}}]
}
_CHOICES: Schema = {"type": "object", "additionalProperties": {"anyOf": [_TEXT, {**_TEXTS, "minItems": 1}]}}
_PLACES = ("used", "limit", "remaining", "unit_from", "resets_at_unix", "plan", "status")


def schema() -> Schema:
    """Return the schema of a whole file."""
    properties: Schema = {
        "id": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,31}$"},
        **dict.fromkeys(("name", "company", "purpose"), _TEXT),
        "admin_of": _TEXT,
        "base_url_form": _TEXT,
        "version_paths": _TEXTS,
        "permissions": _TEXTS,
        "pages": _table({name: {"type": "string", "pattern": "^https://"} for name in PAGES}, PAGES),
        "env": _table(_env(), ("key",)),
        "auth": _table({"header": _TEXT, "prefix": _ANY_TEXT, "headers": _MAPPING}, ("header",)),
        "base_urls": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^https?://"}},
        "shapes": _list(_shape()),
        "capabilities": _table({"default": _TEXTS, "names": _MAPPING}, ("names",)),
        "values": _table({"fallback": _CHOICES, "model_prefix": _ANY_TEXT}),
        "checks": {**_list(_check()), "minItems": 1},
        "rules": _list(_rule()),
    }
    required = ("id", "name", "company", "purpose", "pages", "env", "auth", "checks")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "a provider's definition for kojikey",
        **_table(properties, required),
    }


def _table(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    more = {"required": list(required)} if required else {}
    return {"type": "object", "additionalProperties": False, "properties": properties, **more}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _env() -> Schema:
    variables: Schema = {"key": {**_TEXTS, "minItems": 1}, **dict.fromkeys(("aliases", "llm"), _TEXTS)}
    return {**variables, **dict.fromkeys(("base_url", "base_url_path"), _TEXT)}


def _shape() -> Schema:
    properties = {"name": _TEXT, "regex": _REGEX, "retired": _ANY_TEXT, "refused": _ANY_TEXT, "shared": _FLAG}
    return _table(properties, ("name", "regex"))


def _check() -> Schema:
    pick = {
        **dict.fromkeys(("name", "value", "list"), _TEXT),
        **dict.fromkeys(("strip", "where_member"), _ANY_TEXT),
        "where": _TEXTS,
        "generation": _REGEX,
        "prefer": {"type": "array", "items": _REGEX},
    }
    usage = {"unit": _TEXT, **dict.fromkeys(_PLACES, _TEXT), "extendable": _TEXTS}
    properties: Schema = {
        **dict.fromkeys(("name", "capability", "model_in", "expect_type"), _TEXT),
        "method": {"enum": ["GET", "POST"]},
        "path": {"type": "string", "pattern": "^/"},
        "when": {"enum": list(CONDITIONS)},
        **dict.fromkeys(("required", "may_be_cut", "public"), _FLAG),
        **dict.fromkeys(("query", "form"), _MAPPING),
        "json": {"type": "object"},
        "expect": _MEMBERS,
        "expect_items": _MEMBERS,
        **dict.fromkeys(("permissions", "expires_at"), _TEXTS),
        "pick": _table(pick, ("name", "value")),
        "usage": _table(usage, ("unit",)),
        "states": _list(_state()),
        "rules": _list(_rule()),
    }
    return _table(properties, ("name", "path"))


def _state() -> Schema:
    properties: Schema = {
        **dict.fromkeys(("member", "capability", "permission"), _TEXT),
        "values": {"type": "array", "items": {"type": ["string", "boolean"]}, "minItems": 1},
        "at_most": {"type": "number"},
        "lacks": _REGEX,
        **_words(),
    }
    return _table(properties, ("reason",))


def _rule() -> Schema:
    properties: Schema = {
        **dict.fromkeys(("words", "url_hosts"), _TEXTS),
        "status": {"type": "array", "items": {"type": "integer", "minimum": 100, "maximum": 599}},
        **dict.fromkeys(("message", "quota_id", "quota_value", "content_type", "permission_match"), _REGEX),
        "metadata": {"type": "object", "additionalProperties": _REGEX},
        "authentic": {"enum": ["yes", "no", "unknown"]},
        **dict.fromkeys(("key_shape", "about", "yields_to", "permission", "permission_from", "url_from"), _TEXT),
        **dict.fromkeys(("retry", "undelivered"), _FLAG),
        **_words(),
    }
    return _table(properties, ("reason",))


def _words() -> Schema:
    return {"reason": _REASON, "detail": _ANY_TEXT, "hint": _ANY_TEXT, "page": _PAGE}
