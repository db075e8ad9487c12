"""The content of a provider's TOML file, as types. :mod:`.definition_file` reads and validates the file.

A definition is data about requests and answers. It must not: hold a key, or make a request.
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
"""The id of a model. It goes into a path, so that it has no empty part and none of dots alone."""


class Pages(Struct, frozen=True):
    """Where a person manages keys, sees usage, sets a spending limit and pays."""

    keys: str
    usage: str
    spending_limit: str
    billing: str

    def named(self, name: str) -> str:
        """Return the page of that name."""
        return str(getattr(self, name))


class Shape(Struct, frozen=True):
    """A known format of the provider's keys.

    ``retired`` says, for people, that the provider will stop accepting it; ``refused`` names what it is
    if it is not a key. ``shared``: other companies have keys of the same format, so it does not show whose
    a key is.
    """

    name: str
    regex: re.Pattern[str]
    retired: str = ""
    refused: str = ""
    shared: bool = False


class Rule(Struct, frozen=True):
    """How one kind of answer is recognised, and what it means.

    An answer matches when every condition that is given does: ``words`` (any of the provider's own words: reason,
    code, status, type), ``status`` (any of these HTTP statuses), ``message`` (found in the provider's message),
    ``metadata`` (each found in that member), ``quota_id``, ``quota_value``, ``content_type``, ``key_shape``.
    ``authentic`` is None where the answer says nothing about it; ``says_authentic`` tells whether it was given.
    ``about`` names the placeholder that the answer is about (``model``, ``voice``): where kojikey chose its value,
    another one is tried. ``is_undelivered``: the provider says that no key arrived, so that none was judged.
    What a key lacks is ``permission``, or stands in the metadata (``permission_from``) or in the message
    (``permission_match``: the names in its one group).
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
    """A value that a later request needs and that an answer contains: a model to try, a voice.

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


class UsageMap(Struct, frozen=True):
    """Where an answer has the usage. ``extendable``: any of them true means that the limit is soft.

    ``unit_from`` is where the answer tells the unit itself. An account whose ``used`` reaches its ``limit`` has used
    it up; where the answer has ``remaining``, a :class:`State` says what zero means.
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
    """A state in an accepted answer that counts against the key. All given conditions have to hold.

    ``values``: the member has one of these (``true`` and ``false`` for a boolean). ``at_most``: it is a number up to
    this. ``lacks``: no permission that the answer lists matches. ``capability``: that one is asked for.
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

    ``capability`` is ``""`` for a check that is always made. ``when`` is ``""``, ``"deep"``, ``"not_deep"`` or
    ``"model_named"`` (made for each named model). An accepted answer (2xx) must be a JSON object with one of the
    members ``expect`` or a list whose first item has one of ``expect_items``, each of the type that is given for it,
    or have the content type ``expect_type``: anything else did not come from the provider. ``may_be_cut``: it can be
    longer than is read. ``query``, ``json`` and ``form`` may have placeholders in their texts, as ``path`` may.

    ``public`` tells that the same answer comes without a key, so that it proves nothing about one. ``model_in`` is
    where the answer lists the models that the key may use. ``permissions`` and ``expires_at`` are where it tells what
    the key may do, and until when.
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
    """The names that have to be filled in before the request can be made."""
    is_content_fixed: bool = True
    """Whether the query and the body are as they are sent."""

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
    """The values of placeholders, by name: a mapping, or what makes them when they are asked for."""

    def get(self, name: str, default: str, /) -> str:
        """Return the value of a placeholder."""


def filled(template: str, values: Values) -> str:
    """Return a template with its ``{placeholders}`` filled in; an unknown one becomes nothing."""
    return PLACEHOLDER.sub(lambda match: values.get(match[1], ""), template) if "{" in template else template


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


class Definition(Struct, frozen=True):
    """One provider: who it is, how its keys look and travel, what a test asks and what the answers mean.

    ``headers`` go with every request. A provider without a default base URL has the form of one in ``base_url_form``.
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
    """What fills a placeholder where nothing was named or picked: the choices, the first one first."""
    model_prefix: str = ""
    version_paths: tuple[str, ...] = ()
    """How a base URL ends that already has the provider's version path (``/v1``), as SDK settings have it."""
    base_url_env_path: str = ""
    """What the variable ``base_url_env`` has after the base URL, because the SDK reads it so (OpenAI: ``/v1``)."""
    aliases: tuple[str, ...] = ()
    """Variables under which other programs look for a key of the provider: read by ``import``, never set."""
    llm_names: tuple[str, ...] = ()
    """The names, beside the id, that the program ``llm`` has for the provider in its ``keys.json``."""

    admin_of: str = ""
    """The provider whose keys an admin key manages; empty for keys that use a provider's models."""

    @property
    def base_url(self) -> str:
        """The base URL where none is chosen; empty where the provider has none that is everybody's."""
        return self.base_urls.get("default", "")

    def checked_base_url(self, chosen: str | None) -> str:
        """Return the base URL that was chosen, else the default one.

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
                raise UsageError(
                    f"{self.id} has no capability of that name (known: {known})",
                    hint=next_step("providers", self.id),
                )
        return tuple(dict.fromkeys(names)) or self.default_capabilities

    def checked_model(self, text: str) -> str:
        """Return a model's id as the provider's paths take it.

        Raises:
            UsageError: it cannot be one, or the provider's checks ask nothing about models.
        """
        if not any(check.when == "model_named" or "model" in check.placeholders for check in self.checks):
            raise UsageError(f"a test of {self.id} does not involve models", hint="leave out --model")
        model = text.removeprefix(self.model_prefix)
        if not MODEL.fullmatch(model):
            raise UsageError("that is not the id of a model", hint="an id has only letters, digits and . _ : @ - /")
        return model
