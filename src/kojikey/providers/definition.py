"""The content of a provider's TOML file, as types. :mod:`.definition_file` reads and validates the file.

A definition is data about requests and answers. Must not: hold a key, or make a request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from msgspec import Struct, field, structs

from kojikey.model.base_url import check_base_url
from kojikey.model.errors import Effect, UsageError
from kojikey.model.next_step import next_step
from kojikey.model.verdict import Reason
from kojikey.providers.bounded_regex import LONGEST_TEXT

PLACEHOLDER = re.compile(r"\{([a-z_]+|metadata\.[A-Za-z_]+)\}")
_PART = r"(?!\.{1,2}(?:/|$))[A-Za-z0-9][A-Za-z0-9._:@-]*"
MODEL = re.compile(rf"(?=.{{1,128}}$){_PART}(?:/{_PART}){{0,5}}")
"""The id of a model. It is put into a path, so no part of it is empty, ``.`` or ``..``."""


class Pages(Struct, frozen=True):
    """The web pages where a person manages keys, sees usage, sets a spending limit and pays."""

    keys: str
    usage: str
    spending_limit: str
    billing: str

    def named(self, name: str) -> str:
        """Return the page of that name."""
        return str(getattr(self, name))


class Shape(Struct, frozen=True):
    """A known format of the provider's keys.

    ``retired`` is a sentence for people: the provider stops accepting this format. ``refused`` is one for a format
    that is not that of a key: it says what the text is. ``shared``: keys of other companies have the same format, so
    it does not show which company a key is from.
    """

    name: str
    regex: re.Pattern[str]
    retired: str = ""
    refused: str = ""
    shared: bool = False


class Rule(Struct, frozen=True):
    """One kind of answer: how it is recognised, and its meaning.

    An answer matches if all given conditions hold: ``words`` (any of the provider's own words: reason, code, status,
    type), ``status`` (any of these HTTP statuses), ``message`` (found in the provider's message), ``metadata`` (each
    found in that member), ``quota_id``, ``quota_value``, ``content_type``, ``key_shape``.
    ``authentic`` replaces the reason's default if ``says_authentic``; None: the answer does not show it.
    ``about`` names the placeholder that the answer is about (``model``, ``voice``): if kojikey chose its value, the
    test tries another. ``is_undelivered``: the provider says that no key arrived, so it judged none.
    The missing permission is ``permission``, or is named in the metadata (``permission_from``) or in the message
    (``permission_match``: its one group has the names).
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
    permission: str = ""
    permission_from: str = ""
    permission_match: re.Pattern[str] | None = None
    url_from: str = ""
    url_hosts: tuple[str, ...] = ()


class Pick(Struct, frozen=True):
    """How a value for a later request (a model, a voice) is chosen from an answer.

    Candidates are the items of ``list_member`` (``""``: the answer itself) whose ``where_member`` has all of ``where``.
    The highest ``generation`` (the number in the expression's group) comes first, then the order of ``prefer`` counts.
    """

    name: str
    value: str
    list_member: str = ""
    strip: str = ""
    where_member: str = ""
    where: tuple[str, ...] = ()
    generation: re.Pattern[str] | None = None
    prefer: tuple[re.Pattern[str], ...] = ()


class UsageMap(Struct, frozen=True):
    """The paths of the members that report the usage. ``extendable``: the limit is soft if any of these is true.

    ``unit_from`` is the path of the unit, for answers that report it. An account whose ``used`` reaches its ``limit``
    has used it up; for an answer with ``remaining``, a :class:`State` decides what zero means.
    """

    unit: str
    used: str = ""
    limit: str = ""
    remaining: str = ""
    unit_from: str = ""
    resets_at_unix: str = ""
    plan: str = ""
    status: str = ""
    extendable: tuple[str, ...] = ()


class State(Struct, frozen=True):
    """A state in an accepted answer that counts against the key. All given conditions must hold.

    ``values``: the member has one of these (``true`` and ``false`` for a boolean). ``at_most``: it is a number up to
    this. ``lacks``: no permission in the answer matches. ``capability``: this capability was requested.
    """

    reason: Reason
    member: str = ""
    values: frozenset[str] = frozenset()
    at_most: float | None = None
    lacks: re.Pattern[str] | None = None
    capability: str = ""
    permission: str = ""
    detail: str = ""
    hint: str = ""
    page: str = ""


class Check(Struct, frozen=True):
    """One request of a test and how its answer is read.

    ``capability`` is ``""`` for a check that belongs to every test. ``when`` is ``""``, ``"deep"``, ``"not_deep"`` or
    ``"model_named"`` (one request for each named model). An accepted answer (2xx) is an object with one of the members
    ``expect``, a list whose first item has one of ``expect_items`` (both with their types), or has the content type
    ``expect_type``; any other answer is not the provider's. ``may_be_cut``: the answer can be longer than the part that
    is read. The texts in ``path``, ``query``, ``json`` and ``form`` may have placeholders.

    ``public``: the same answer comes without a key, so it proves nothing about a key. ``model_in``, ``permissions`` and
    ``expires_at`` are the paths at which the answer lists the key's models and permissions and reports its expiry.
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
    expect_items: Mapping[str, str] = field(default_factory=dict)
    expect_type: str = ""
    may_be_cut: bool = False
    public: bool = False
    model_in: str = ""
    permissions: tuple[str, ...] = ()
    expires_at: tuple[str, ...] = ()
    pick: Pick | None = None
    usage: UsageMap | None = None
    states: tuple[State, ...] = ()
    rules: tuple[Rule, ...] = ()

    placeholders: frozenset[str] = frozenset()
    """The placeholders of the whole request."""
    is_content_fixed: bool = True
    """Whether the query and the body have no placeholders."""

    def __post_init__(self) -> None:
        content = PLACEHOLDER.findall(_texts([self.query, self.json, self.form]))
        structs.force_setattr(
            self, "placeholders", frozenset(content + PLACEHOLDER.findall(f"{self.name} {self.path}"))
        )
        structs.force_setattr(self, "is_content_fixed", not content)

    def with_values(self, values: Mapping[str, str]) -> Check:
        """Return the check with the placeholders in its query and body filled in."""
        if self.is_content_fixed:
            return self
        query, json, form = (_filled_texts(part, values) for part in (self.query, self.json, self.form))
        return structs.replace(self, query=query, json=json, form=form)


class Values(Protocol):
    """The values of placeholders by name: a mapping, or an object that computes them when they are used."""

    def get(self, name: str, default: str, /) -> str:
        """Return the value of a placeholder."""


def filled(template: str, values: Values) -> str:
    """Return a template with its ``{placeholders}`` filled in; an unknown one becomes ``""``."""
    return PLACEHOLDER.sub(lambda match: values.get(match[1], ""), template) if "{" in template else template


def _filled_texts(node: Any, values: Mapping[str, str]) -> Any:
    if isinstance(node, str):
        return filled(node, values)
    if isinstance(node, Mapping):
        return {name: _filled_texts(item, values) for name, item in node.items()}
    return [_filled_texts(item, values) for item in node] if isinstance(node, list) else node


def _texts(node: Any) -> str:
    """Return all texts of a body in one, to find their placeholders."""
    if isinstance(node, Mapping):
        node = list(node.values())
    return " ".join(map(_texts, node)) if isinstance(node, list) else node if isinstance(node, str) else ""


class Definition(Struct, frozen=True):
    """One provider: its names and pages, the formats of its keys, the requests of a test and the rules for answers.

    ``headers`` are sent with every request. ``base_url_form`` is an example for a provider without default base URL.
    """

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
    base_url_form: str = ""
    auth_prefix: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    shapes: tuple[Shape, ...] = ()
    capabilities: Mapping[str, str] = field(default_factory=dict)
    default_capabilities: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The choices for a placeholder for which nothing was named or picked, the best first."""
    model_prefix: str = ""
    version_paths: tuple[str, ...] = ()
    """The provider's version paths (``/v1``), with which the base URL in an SDK's setting may end."""
    base_url_env_path: str = ""
    """The path that the SDK expects after the base URL in the variable ``base_url_env`` (OpenAI: ``/v1``)."""
    aliases: tuple[str, ...] = ()
    """Further variables in which programs look for a key of the provider: read by ``import``, never set."""
    llm_names: tuple[str, ...] = ()
    """The names, beside the id, that the program ``llm`` has for the provider in its ``keys.json``."""

    admin_of: str = ""
    """For admin keys: the id of the provider whose keys they manage."""

    @property
    def base_url(self) -> str:
        """The default base URL, ``""`` for a provider with a separate one for each customer."""
        return self.base_urls.get("default", "")

    def checked_base_url(self, chosen: str | None) -> str:
        """Return the chosen base URL, else the default one.

        Raises:
            UsageError: there is neither.
        """
        if not chosen and not self.base_url:
            hint = f"--base-url {self.base_url_form}"
            raise UsageError(
                f"{self.id} has a separate base URL for each customer: yours is needed",
                hint=hint,
                effect=Effect.NOTHING_SENT,
            )
        return chosen or self.base_url

    def base_url_from(self, text: str) -> tuple[str, str]:
        """Return the base URL in a text without the provider's version path at its end, and that path (or ``""``).

        SDK settings often end with the version path, and the paths of the checks begin with it.

        Raises:
            UsageError: the text is not a base URL.
        """
        base_url = check_base_url(text)
        endings = sorted((path for path in self.version_paths if base_url.endswith(path)), key=len)
        if not endings or "://" not in base_url.removesuffix(endings[-1]):
            return base_url, ""
        return base_url.removesuffix(endings[-1]), endings[-1]

    def shape_of(self, key: str) -> Shape | None:
        """Return the known shape of a key, None if it has none."""
        if len(key) > LONGEST_TEXT:
            return None
        return next((shape for shape in self.shapes if shape.regex.fullmatch(key)), None)

    def checked_capabilities(self, names: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Return the capabilities without duplicates, the default ones if none is named.

        Raises:
            UsageError: the provider has no capability of that name.
        """
        known = ", ".join(self.capabilities) or "none"
        for name in names:
            if name not in self.capabilities:
                raise UsageError(
                    f"{self.id} has no capability of that name (known: {known})",
                    hint=next_step("providers", self.id),
                )
        return tuple(dict.fromkeys(names)) or self.default_capabilities

    def checked_model(self, text: str) -> str:
        """Return a model's id in the form that the provider's paths need.

        Raises:
            UsageError: the text cannot be an id, or no check of the provider involves models.
        """
        if not any(check.when == "model_named" or "model" in check.placeholders for check in self.checks):
            raise UsageError(f"a test of {self.id} does not involve models", hint="leave out --model")
        model = text.removeprefix(self.model_prefix)
        if not MODEL.fullmatch(model):
            raise UsageError("that is not the id of a model", hint="an id has only letters, digits and . _ : @ - /")
        return model
