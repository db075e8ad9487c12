"""A suggested command is a value: it is put together of data, and quoted in one place."""

from __future__ import annotations

import ast
import pickle
import re
from pathlib import Path

import kojikey
from kojikey.cli.registry import MODULES
from kojikey.model.next_step import Hint, NextCommand, commands_of, is_one_command, joined, next_step, typed_commands

PACKAGE = Path(kojikey.__file__).parent
WRITES_SHELL = ("completion", "tour.py", "sample_keys.py", "github.py", "junit.py", "sarif.py")
"""What these write is a script, a title or a made-up value; nothing of it is a hint."""


def test_the_text_of_a_hint_of_one_command_is_that_command() -> None:
    assert next_step("rotate", "elevenlabs", "--resume") == "kojikey rotate elevenlabs --resume"
    assert next_step("", "--help") == "kojikey --help"


def test_words_are_quoted_for_a_shell_and_placeholders_are_not() -> None:
    assert next_step("store rekey", "--kek", "file:/a b") == "kojikey store rekey --kek 'file:/a b'"
    assert next_step("store copy", "--to", "NAME|URL") == "kojikey store copy --to NAME|URL"
    assert next_step("test", "--from-file", "$(RM X)") == "kojikey test --from-file '$(RM X)'"


def test_an_account_other_than_the_default_is_named_after_the_arguments() -> None:
    assert next_step("rotate", "openai", "--abort", account="acme") == "kojikey rotate openai --account acme --abort"
    assert next_step("rotate", "openai", account="default") == "kojikey rotate openai"


def test_hints_keep_their_commands_when_they_are_combined() -> None:
    hint = "first " + Hint("do ", next_step("list"), ", then ") + next_step("audit")
    assert hint == "first do kojikey list, then kojikey audit"
    assert commands_of(hint) == (NextCommand("list"), NextCommand("audit"))
    assert commands_of("kojikey list") == ()


def test_only_a_hint_that_begins_with_a_command_counts_as_one_to_type() -> None:
    assert is_one_command(next_step("list"))
    assert not is_one_command(Hint(next_step("list"), " shows it"))
    assert not is_one_command(Hint("see ", next_step("list")))
    assert not is_one_command("kojikey list")


def test_a_hint_survives_a_pickle() -> None:
    hint = pickle.loads(pickle.dumps(Hint("see ", next_step("list"))))
    assert commands_of(hint) == (NextCommand("list"),)


def test_joined_hints_keep_their_commands() -> None:
    steps = joined("; ", ["wait", next_step("list"), Hint("then ", next_step("test", "x"))])
    assert steps == "wait; kojikey list; then kojikey test x"
    assert set(typed_commands(steps)) == {"kojikey list", "kojikey test x"}
    assert joined("; ", []) == ""


def test_of_two_commands_the_one_that_contains_the_other_comes_first() -> None:
    hint = Hint(next_step("rotate", "x"), ", or ", next_step("rotate", "x", "--resume"))
    assert typed_commands(hint) == ("kojikey rotate x --resume", "kojikey rotate x")
    assert typed_commands("kojikey list") == ()


def literals(tree: ast.Module) -> set[str]:
    """Return the texts of a module that are no docstrings and no part of the definition of a command."""
    left_out = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Command", "Option"):
            left_out |= {id(inner) for inner in ast.walk(node)}
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in left_out)
    return {node.value for node in texts if isinstance(node.value, str)}


def test_no_source_file_writes_a_command_into_a_sentence() -> None:
    """Else it is shown without the account and the store that it is about: ``next_step`` and ``Hint`` make it."""
    names = "|".join(sorted(MODULES, key=len, reverse=True))
    written = re.compile(rf"(?<![\w/-])kojikey ({names})(?=[ ,;:)]|$)(?! exit-codes)")
    found = {
        f"{path.name}: {text}"
        for path in PACKAGE.rglob("*.py")
        if not any(part in WRITES_SHELL for part in path.parts)
        for text in literals(ast.parse(path.read_text(encoding="utf-8")))
        if written.search(text)
    }
    assert found == set()


def test_no_definition_of_a_provider_writes_a_command() -> None:
    for path in (PACKAGE / "providers" / "definitions").glob("*.toml"):
        assert not re.search(r"kojikey (rotate|test)", path.read_text(encoding="utf-8")), path.name
