"""Help for writing a definition: the line of each mistake, the schema, and the skeleton to fill in."""

from __future__ import annotations

import os
import tomllib
from typing import Any

import jsonschema
import pytest

from kojikey.model.errors import BadDefinition
from kojikey.providers.catalog import load_catalog, skeleton
from kojikey.providers.definition_file import parse
from kojikey.providers.definition_lines import with_lines
from kojikey.providers.index import FOLDER
from kojikey.providers.schema import schema
from support.each import each

BUNDLED = sorted(name for name in os.listdir(FOLDER) if name.endswith(".toml"))


def _text(name: str) -> str:
    with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
        return file.read()


def mistakes_in(text: str) -> list[tuple[int, str]]:
    with pytest.raises(BadDefinition) as caught:
        parse(text, "acme.toml")
    return with_lines(text, list(caught.value.problems))


@each(
    ("old", "new", "problem"),
    [
        ('name = "Acme"  ', "name = 7  ", "name must be text"),
        ('header = "Authorization"', 'header = "Not A Header"', "auth.header is not"),
        ('prefix = "Bearer "', 'headers = { Host = "x" }', "auth.headers.Host"),
        ('path = "/v1/me"', 'path = "v1/me"', "checks[1].path must begin"),
        ('reason = "invalid_key"', 'reason = "bad_mood"', "rules[1].reason is not one of"),
        ('words = ["invalid_api_key"]', 'words = [\n  "a",\n  7,\n]', "rules[1].words must be a list of texts"),
        ('expect = { id = "text" }', 'expect = { id = "colour" }', "checks[1].expect.id is not one of"),
        ("[auth]", "[auth", "it is not TOML"),
        ("[pages]", "[page]", "page is not a key"),
    ],
)
def test_a_mistake_is_reported_with_its_line(old: str, new: str, problem: str) -> None:
    text = skeleton("acme")
    line = text.count("\n", 0, text.index(old)) + 1
    found = [at for at, said in mistakes_in(text.replace(old, new, 1)) if said.startswith(problem)]
    assert found == [line]


def test_a_missing_key_is_reported_with_the_line_of_its_table() -> None:
    text = skeleton("acme").replace('usage = "https://example.com/usage"\n', "")
    (line,) = [at for at, said in mistakes_in(text) if said.startswith("pages.usage is missing")]
    assert text.split("\n")[line - 1].startswith("[pages]")


@pytest.mark.parametrize("identity", ["check", "schema", "new", "acme_admin"])
def test_a_provider_cannot_have_the_id_of_a_subcommand_or_of_admin(identity: str) -> None:
    assert any("id cannot be" in said for _, said in mistakes_in(skeleton("acme").replace('"acme"', f'"{identity}"')))


def test_the_skeleton_is_a_valid_definition() -> None:
    definition = parse(skeleton("acme_speech"), "acme_speech.toml")
    assert (definition.id, definition.name, definition.env) == (
        "acme_speech", "Acme Speech", ("ACME_SPEECH_API_KEY",),
    )  # fmt: skip


@each("name", BUNDLED)
def test_every_bundled_definition_fits_the_schema(name: str) -> None:
    jsonschema.Draft202012Validator(schema()).validate(tomllib.loads(_text(name)))


def test_the_schema_is_valid_and_refuses_mistakes_that_the_reader_refuses() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    good = tomllib.loads(skeleton("acme"))
    jsonschema.validate(good, schema())
    wrongs: tuple[dict[str, object], ...] = (
        {"colour": "blue"},
        {"id": "1acme"},
        {"checks": []},
        {"pages": {}},
        {"rules": [{"words": ["a"]}]},
    )
    for wrong in wrongs:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**good, **wrong}, schema())


def _with_every_key(node: dict[str, Any]) -> Any:
    """Return a document with every key that a schema allows."""
    if "properties" in node:
        return {name: _with_every_key(inner) for name, inner in node["properties"].items()}
    return [_with_every_key(node["items"])] if "properties" in node.get("items", {}) else "x"


def test_the_reader_knows_every_key_that_the_schema_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    document = _with_every_key(schema())
    monkeypatch.setattr(tomllib, "loads", lambda _: document)
    problems = [problem for _, problem in mistakes_in("")]
    assert [problem for problem in problems if problem.endswith("is not a key of a definition")] == []


NEW_KEYS = """
base_url_form = "http://x"
[auth]
header = "Authorization"
headers = { Authorization = "x", "a b" = "y", Ok = "" }
[base_urls]
eu = "https://eu.example.com"
[[shapes]]
name = "any"
regex = ".*"
shared = true
refused = 7
[[checks]]
name = "account"
path = "/v1/me"
expect_items = { "a..b" = "text", id = "colour" }
model_in = "data[].id"
permissions = ["scopes[", "ok[]"]
expires_at = "soon"
may_be_cut = "yes"
public = 1
usage = { unit = "USD" }
[checks.pick]
name = "x"
value = "id"
list = "a b"
[[checks.states]]
reason = "billing"
[[checks.states]]
values = [1, "x"]
reason = "billing"
[[checks.states]]
at_most = "none"
lacks = "("
capability = "sing"
reason = "billing"
[[rules]]
words = ["x"]
permission_match = "none"
reason = "missing_permission"
"""


def test_every_key_of_a_definition_is_validated() -> None:
    with pytest.raises(BadDefinition) as caught:
        parse(NEW_KEYS, "acme.toml")
    said = "\n".join(caught.value.problems)
    for place in (
        "base_url_form must", "auth.headers.Authorization is", "auth.headers.(a name that is not shown) is",
        "auth.headers.Ok must",
        "shapes[1].refused must", "checks[1].expect_items.id is", "checks[1].model_in is",
        "checks[1].permissions contains",
        "checks[1].expires_at must", "checks[1].may_be_cut must", "checks[1].public must",
        "checks[1].usage.used is missing", "checks[1].pick.list is", "checks[1].states[1].values is missing",
        "checks[1].states[2].values must", "checks[1].states[2].member is", "checks[1].states[3].at_most must",
        "checks[1].states[3].lacks is", "checks[1].states[3].capability is", "rules[1].permission_match must",
    ):  # fmt: skip
        assert place in said, place


def test_the_catalog_names_the_owner_of_a_key_without_reading_the_other_definitions() -> None:
    catalog = load_catalog()
    groq = catalog.get("groq")
    assert catalog.owner_of("sk-proj-" + "a" * 30, other_than=groq) == "openai"
    assert catalog.owner_of("0" * 32, other_than=groq) is None
    assert catalog.owner_of("sk-" + "0" * 32, other_than=groq) is None
