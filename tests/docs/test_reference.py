"""README and docs together name everything that the program has; a failure here names what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kojikey.cli.exits import MEANING
from kojikey.cli.registry import GROUPS, HIDDEN, load_all
from kojikey.model.verdict import OUTCOME_OF, Reason
from kojikey.providers.catalog import load_catalog
from kojikey.providers.schema import schema
from kojikey.sealing.kek.registry import SOURCES
from kojikey.stores.registry import schemes
from support.documents import EVERYTHING, PAGES, ROOT, rows

COMMANDS = [command for command in load_all() if command.name not in HIDDEN]
ROWS = rows(EVERYTHING)
FIRST_CELLS = {name for row in ROWS for name in re.findall(r"`([^`]+)`", row[0])}


def test_the_reference_has_every_command_and_group() -> None:
    names = {command.name for command in COMMANDS} | set(GROUPS)
    assert {name for name in names if not re.search(rf"kojikey {name}\b", EVERYTHING)} == set()


def test_the_reference_has_every_option() -> None:
    flags = {flag for command in COMMANDS for option in command.options for flag in option.flags}
    assert flags - set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", EVERYTHING)) == set()


def test_the_reference_has_the_full_help_of_every_command() -> None:
    headings = set(re.findall(r"^### (kojikey .*)$", PAGES["docs/commands.md"], re.MULTILINE))
    assert {f"kojikey {command.name}" for command in COMMANDS} ^ headings == set()


def test_the_reference_has_every_exit_code_in_the_words_of_the_program() -> None:
    table = {tuple(row) for row in ROWS}
    assert {(str(int(code)), code.label, text) for code, text in MEANING.items()} - table == set()


def test_the_reference_has_every_reason_under_its_outcome() -> None:
    outcome, found = "", {}
    for row in rows(PAGES["docs/outcomes.md"]):
        outcome = row[0].partition("**")[2].partition("**")[0] or outcome
        found[row[1].strip("`")] = outcome
    assert {reason.value: OUTCOME_OF[reason].value for reason in Reason}.items() - found.items() == set()


def test_the_reference_has_every_provider_with_its_purpose_and_variables() -> None:
    table = {row[0].strip("`"): " ".join(row) for row in rows(PAGES["docs/providers.md"])}
    catalog = load_catalog(None)
    assert set(catalog.ids()) - set(table) == set()
    for name in catalog.ids():
        definition = catalog.get(name)
        wanted = [definition.purpose, *definition.env, definition.base_url_env]
        assert [text for text in wanted if text not in table[name]] == [], name


def keys_of(part: Any) -> Iterator[str]:
    """Yield the name of every key that a part of a JSON Schema has."""
    if isinstance(part, dict):
        yield from part.get("properties", {})
        for inner in part.values():
            yield from keys_of(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from keys_of(inner)


def test_the_reference_has_every_key_of_a_definition() -> None:
    page = PAGES["docs/providers.md"]
    tables = {"pages", "env", "auth", "shapes", "checks", "rules", "pick", "usage", "states", "capabilities", "values"}
    keys = set(keys_of(schema()))
    assert keys >= tables
    named = set(re.findall(r"`([a-z_]+)`", "".join(row[0] for row in rows(page))))
    assert keys - tables - named == set()


def test_the_reference_has_every_kek_source() -> None:
    assert set(SOURCES) - {name.partition(":")[0] for name in FIRST_CELLS} == set()


def test_the_reference_has_every_kind_of_store() -> None:
    assert {scheme for scheme in schemes() if f"{scheme}://" not in EVERYTHING} == set()


def test_the_reference_has_every_variable_of_kojikey() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "src").rglob("*.py")))
    variables = set(re.findall(r"\bKOJIKEY_[A-Z_]+[A-Z]\b", sources))
    assert len(variables) > 5
    assert {name for name in variables if not re.search(rf"`{name}\b", PAGES["docs/configuration.md"])} == set()
