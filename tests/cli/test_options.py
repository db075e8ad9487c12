"""What the commands read of a command line: each only what it takes. The type checker sees the rest."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import pytest

from kojikey.cli.command import Call, Choice, Command, Flag, OptionalArgument, Parameter, Text, Texts
from kojikey.cli.commands.list_keys.options import OUTCOME
from kojikey.cli.options import ACCOUNT, ALL_ACCOUNTS, JSON, MODEL, PROVIDERS, TIMEOUT
from kojikey.cli.registry import MODULES, load, load_all
from kojikey.model.verdict import Outcome

CLI = Path(__file__).parents[2] / "src" / "kojikey" / "cli"
CHOICES = [option for command in load_all() for option in command.options if isinstance(option, Choice)]
FILES = {path: ".".join(("kojikey", "cli", *path.relative_to(CLI).with_suffix("").parts)) for path in CLI.rglob("*.py")}


def imports(tree: ast.Module) -> set[str]:
    """Return the modules of the command line that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found & set(FILES.values())


def reached(module: str, imported: dict[str, set[str]]) -> set[str]:
    """Return the modules that a module imports, itself or through others."""
    found, waiting = set(), [module]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += imported[one]
    return found


def taken_by(file: str) -> set[Parameter[Any]]:
    """Return what the commands of a module take."""
    commands = [load(name) for name, where in MODULES.items() if where == file]
    return {parameter for command in commands for parameter in (*command.arguments, *command.options)}


def is_call(node: ast.expr) -> bool:
    return getattr(node, "id", getattr(node, "attr", "")) in ("call", "_call")


def subscripts(tree: ast.Module) -> Iterator[str]:
    """Yield the names by which a file reads values of a call that have to be there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and is_call(node.value) and isinstance(node.slice, ast.Name):
            yield node.slice.id


def test_every_option_that_a_module_reads_is_taken_by_each_command_that_imports_it() -> None:
    trees = {module: ast.parse(path.read_text(encoding="utf-8")) for path, module in FILES.items()}
    imported = {module: imports(tree) for module, tree in trees.items()}
    reaching = {file: reached(f"kojikey.cli.commands.{file}", imported) for file in set(MODULES.values())}
    reading = {module: {name for name in subscripts(tree) if name.isupper()} for module, tree in trees.items()}
    assert len([module for module, names in reading.items() if names]) > 30
    for module, names in reading.items():
        commands = [file for file, modules in reaching.items() if module in modules]
        assert commands or not names, module
        keys = {name: vars(importlib.import_module(module))[name] for name in names}
        missing = {(file, name) for file in commands for name, key in keys.items() if key not in taken_by(file)}
        assert missing == set(), module


def test_every_option_belongs_to_a_command() -> None:
    defined = {
        (module, name): value
        for module in FILES.values()
        if module.startswith("kojikey.cli.commands.") or module == "kojikey.cli.options"
        for name, value in vars(importlib.import_module(module)).items()
        if isinstance(value, Parameter)
    }
    taken = {parameter for command in load_all() for parameter in (*command.arguments, *command.options)}
    assert {place for place, parameter in defined.items() if parameter not in taken} == set()
    assert len(defined) > 100


def test_an_option_with_another_help_text_is_equal() -> None:
    call = Call(Command("test", "", lambda _: 0, (ALL_ACCOUNTS.with_help("all of them"),)), {ALL_ACCOUNTS: True})
    assert call[ALL_ACCOUNTS] is True
    assert call.given(ALL_ACCOUNTS, JSON) == [ALL_ACCOUNTS]
    assert ALL_ACCOUNTS.with_help("all of them").help == "all of them"
    assert ALL_ACCOUNTS.help != "all of them"


def test_options_of_one_name_and_two_classes_are_not_equal() -> None:
    several = Texts("--account", "-a", help="which")
    call = Call(Command("store copy", "", lambda _: 0, (several,)), {several: ("acme",)})
    assert call[several] == ("acme",)
    assert call.get(ACCOUNT) is None
    assert Text("--name", help="a name") != OptionalArgument("name", "NAME", "a name")


def test_the_type_of_a_value_is_that_of_its_option() -> None:
    call = Call(Command("test", "", lambda _: 0, (JSON, ACCOUNT, MODEL, TIMEOUT), (PROVIDERS,)), {})
    assert_type(call[JSON], bool)
    assert_type(call[ACCOUNT], str | None)
    assert_type(call[MODEL], tuple[str, ...])
    assert_type(call[TIMEOUT], float | None)
    assert_type(call[PROVIDERS], tuple[str, ...])
    assert [call[JSON], call[ACCOUNT], call[MODEL], call[TIMEOUT], call[PROVIDERS]] == [False, None, (), None, ()]


def test_an_option_that_a_command_does_not_take_has_its_default_with_get_and_is_an_error_otherwise() -> None:
    call = Call(Command("help", "", lambda _: 0), {})
    assert call.get(JSON) is False
    assert call.get(ACCOUNT) is None
    assert call.get(MODEL) == call.get(PROVIDERS) == ()
    with pytest.raises(KeyError):
        call[JSON]


def test_an_option_with_an_empty_value_or_zero_counts_as_given() -> None:
    number = Flag("--reveal", help="show it")
    call = Call(Command("add", "", lambda _: 0, (ACCOUNT, number)), {ACCOUNT: "", number: False})
    assert call.given(ACCOUNT, number) == [ACCOUNT]


def test_the_outcomes_that_list_takes_are_those_of_a_test() -> None:
    assert OUTCOME.choices == (*(outcome.value for outcome in Outcome), "untested")


@pytest.mark.parametrize("option", CHOICES, ids=lambda option: option.spelling)
def test_a_choice_takes_its_words_alone_and_its_help_names_each(option: Choice) -> None:
    for word in option.choices:
        assert option.read(word) == word
        assert re.search(rf"\b{word}\b", option.help), word
    for other in ("", "nonsense", option.choices[0].upper(), option.choices[0] + " "):
        with pytest.raises(ValueError, match="none of the words"):
            option.read(other)
