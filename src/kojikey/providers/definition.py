"""What a provider's TOML file says, as types. Reading and validating the file is :mod:`.definition_file`'s work.

A definition is data about requests and answers. It must not: hold a key, or make a request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kojikey.model.base_url import check_base_url
from kojikey.model.errors import UsageError
from kojikey.model.verdict import Reason
from kojikey.providers.bounded_regex import LONGEST_TEXT

PLACEHOLDER = re.compile(r"\{([a-z_]+|metadata\.[A-Za-z_]+)\}")
_MODEL = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}")


@dataclass(frozen=True, slots=True)
class Pages:
    """Where a person manages keys, sees usage, sets a spending limit and pays."""

    keys: str
    usage: str
    spending_limit: str
    billing: str

    def named(self, name: str) -> str:
        """Return the page of that name."""
        return str(getattr(self, name))


@dataclass(frozen=True, slots=True)
class Shape:
    """A known format of the provider's keys. ``retired`` says, for people, that the provider stops taking it."""

    name: str
    regex: re.Pattern[str]
    retired: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """How one kind of answer is told, and what it means.

    An answer matches when every condition that is given does: ``words`` (any of the provider's own words: reason,
    code, status, type), ``status`` (any of these HTTP statuses), ``message`` (found in the provider's message),
    ``metadata`` (each found in that member), ``quota_id``, ``quota_value``, ``content_type``, ``key_shape``.
    ``authentic`` is None where the answer says nothing about it; ``says_authentic`` tells whether it was given.
    ``about`` names the placeholder that the answer is about (``model``, ``voice``): where kojikey chose its value,
    another one is tried. ``is_undelivered``: the provider says that no key arrived, so that none was judged.
    """

    reason: Reason
    words: frozenset[str] = frozenset()
    status: frozenset[int] = frozenset()
    message: re.Pattern[str] | None = None
    metadata: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    quota_id: re.Pattern[str] | None = None
    quota_value: re.Pattern[str] | None = None
    content_type: re.Pattern[str] | None = None
    key_shape: str = ""
    authentic: bool | None = None
    says_authentic: bool = False
    detail: str = ""
    hint: str = ""
    page: str = ""
    retry: bool = False
    about: str = ""
    is_undelivered: bool = False
    yields_to: str = ""
    permission_from: str = ""
    url_from: str = ""
    url_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pick:
    """Something that a later request needs and that an answer names: a model to try, a voice.

    The items of ``list_member`` (the answer itself where that is ``""``) whose ``where_member`` holds all of
    ``where``: those of the highest ``generation`` first (the number in the expression's first group), and among them
    in the order of ``prefer``.
    """

    name: str
    value: str
    list_member: str = ""
    strip: str = ""
    where_member: str = ""
    where: tuple[str, ...] = ()
    generation: re.Pattern[str] | None = None
    prefer: tuple[re.Pattern[str], ...] = ()


@dataclass(frozen=True, slots=True)
class UsageMap:
    """Which members of an answer tell the usage. ``extendable``: any of them true means that the limit is soft."""

    unit: str
    used: str
    limit: str
    resets_at_unix: str = ""
    plan: str = ""
    status: str = ""
    extendable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """What it means that a member of an accepted answer has one of some values."""

    member: str
    values: frozenset[str]
    reason: Reason
    detail: str = ""
    hint: str = ""
    page: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One request of a test and how its answer is read.

    ``capability`` is ``""`` for a check that is always made. ``when`` is ``""``, ``"deep"``, ``"not_deep"`` or
    ``"model_named"`` (made for each named model). An accepted answer (2xx) must be a JSON object with one of the
    members ``expect``, which has the type that is given for it, or have the content type ``expect_type``: anything
    else did not come from the provider. ``json`` and ``form`` may have placeholders in their texts, as ``path`` may.
    """

    name: str
    method: str
    path: str
    capability: str = ""
    required: bool = True
    when: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None
    form: Mapping[str, str] | None = None
    expect: Mapping[str, str] = field(default_factory=dict)
    expect_type: str = ""
    pick: Pick | None = None
    usage: UsageMap | None = None
    states: tuple[State, ...] = ()
    rules: tuple[Rule, ...] = ()

    @property
    def placeholders(self) -> frozenset[str]:
        """The names that have to be filled in before the request can be made."""
        return frozenset(PLACEHOLDER.findall(f"{self.name} {self.path} {_texts(self.json)} {_texts(self.form)}"))

    def with_body(self, values: Mapping[str, str]) -> Check:
        """Return the check with the placeholders in its body filled in."""
        return replace(self, json=_filled_texts(self.json, values), form=_filled_texts(self.form, values))


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return a template with its ``{placeholders}`` filled in; an unknown one becomes nothing."""
    return PLACEHOLDER.sub(lambda match: values.get(match[1], ""), template)


def _filled_texts(node: Any, values: Mapping[str, str]) -> Any:
    if isinstance(node, str):
        return filled(node, values)
    if isinstance(node, Mapping):
        return {name: _filled_texts(item, values) for name, item in node.items()}
    return [_filled_texts(item, values) for item in node] if isinstance(node, list) else node


def _texts(node: Any) -> str:
    """Return all texts of a body, for finding the placeholders in them."""
    if isinstance(node, Mapping):
        node = list(node.values())
    return " ".join(map(_texts, node)) if isinstance(node, list) else node if isinstance(node, str) else ""


@dataclass(frozen=True, slots=True)
class Definition:
    """One provider: who it is, how its keys look and travel, what a test asks and what the answers mean."""

    id: str
    name: str
    company: str
    purpose: str
    pages: Pages
    env: tuple[str, ...]
    auth_header: str
    base_urls: Mapping[str, str]
    checks: tuple[Check, ...]
    rules: tuple[Rule, ...] = ()
    base_url_env: str = ""
    auth_prefix: str = ""
    shapes: tuple[Shape, ...] = ()
    capabilities: Mapping[str, str] = field(default_factory=dict)
    default_capabilities: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What fills a placeholder where nothing was named or picked: the choices, the first one first."""
    model_prefix: str = ""
    version_paths: tuple[str, ...] = ()
    """How a base URL ends that already has the provider's version path (``/v1``), as SDK settings have it."""
    base_url_env_path: str = ""
    """What the variable ``base_url_env`` has after the base URL, because the SDK reads it so (OpenAI: ``/v1``)."""

    @property
    def base_url(self) -> str:
        """The base URL where none is chosen."""
        return self.base_urls["default"]

    def base_url_from(self, text: str) -> tuple[str, str]:
        """Return the base URL in a text, without an ending that is the provider's own version path, and that ending.

        SDK settings often have the version path; the checks' own paths begin with it, so that it would be there twice.

        Raises:
            UsageError: the text is not a base URL.
        """
        base_url = check_base_url(text)
        endings = sorted((path for path in self.version_paths if base_url.endswith(path)), key=len)
        if not endings or "://" not in base_url.removesuffix(endings[-1]):
            return base_url, ""
        return base_url.removesuffix(endings[-1]), endings[-1]

    def shape_of(self, key: str) -> Shape | None:
        """Return the known shape that a key has, None where it has none of them."""
        if len(key) > LONGEST_TEXT:
            return None
        return next((shape for shape in self.shapes if shape.regex.fullmatch(key)), None)

    def checked_capabilities(self, names: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the capabilities without repetitions, the default ones where none is named.

        Raises:
            UsageError: the provider has no capability of that name.
        """
        known = ", ".join(self.capabilities) or "none"
        for name in names:
            if name not in self.capabilities:
                raise UsageError(f"{self.id} has no capability of that name", hint=f"its capabilities: {known}")
        return tuple(dict.fromkeys(names)) or self.default_capabilities

    def checked_model(self, text: str) -> str:
        """Return a model's id as the provider's paths take it.

        Raises:
            UsageError: it can not be one, or the provider's checks ask nothing about models.
        """
        if not any(check.when == "model_named" or "model" in check.placeholders for check in self.checks):
            raise UsageError(f"a test of {self.id} asks nothing about models", hint="leave --model out")
        model = text.removeprefix(self.model_prefix)
        if not _MODEL.fullmatch(model):
            raise UsageError("that is not the id of a model", hint="an id is of letters, digits and . _ : @ -")
        return model
