"""The quick reader of command lines and Typer agree: what the quick one reads, Typer reads in the same way."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kojikey.cli import registry
from kojikey.cli.command import Call, Command, Flag
from kojikey.cli.parsing import typer_app
from kojikey.cli.parsing.quick import quick
from kojikey.model.errors import UsageError
from support.amounts import exhaustive

COMMANDS = registry.load_all()
VALUES = [
    "elevenlabs", "google_gemini", "acme", "90d", "x=y", "a b", "", "-", "é", "5", "0", "1.5", "-1", "1_0", " 7",
    "nan", "٣",
]  # fmt: skip


@st.composite
def command_lines(draw: st.DrawFn, command: Command) -> list[str]:
    """Yield command lines that are mostly right: options of the command, values, and what is neither."""
    tokens: list[str] = []
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.integers(0, 9))
        if kind < 6 and command.options:
            option = draw(st.sampled_from(command.options))
            flag, value = draw(st.sampled_from(option.flags)), draw(st.sampled_from(VALUES))
            form = draw(st.integers(0, 7))
            if isinstance(option, Flag):
                tokens += [flag if form else f"{flag}={value}"]
            else:
                tokens += [flag, value] if form > 2 else [f"{flag}={value}"] if form else [flag]
        elif kind < 9:
            tokens.append(draw(st.sampled_from(VALUES)))
        else:
            tokens.append(
                draw(st.sampled_from(["--", "--nonsense", "-z", "--help", "-h", "-qz", "-q5", "--jso", "---"]))
            )
    return tokens


@contextmanager
def recording() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Have Typer's callbacks note their call instead of carrying it out."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def note(call: Call) -> int:
        calls.append((call.command.name, plain(call)))
        return 0

    stubs = [command._replace(handler=note) for command in COMMANDS]
    with mock.patch.object(registry, "load_all", return_value=stubs):
        tree = typer_app.click_command()
    with mock.patch.object(typer_app, "click_command", return_value=tree):
        yield calls


def plain(call: Call) -> dict[str, Any]:
    """Return what was given, in one spelling for both readers: what is absent, false or empty is left out."""
    return {parameter.name: repr(value) for parameter, value in call.values.items() if value != parameter.absent}


@pytest.mark.parametrize("examples", [10, exhaustive(100)])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_two_readers_agree(command: Command, examples: int) -> None:
    with recording() as calls:

        @settings(max_examples=examples, deadline=None, derandomize=True, database=None)
        @given(tokens=command_lines(command))
        def agree(tokens: list[str]) -> None:
            calls.clear()
            call = quick(command, tokens)
            try:
                with redirect_stdout(io.StringIO()):
                    typer_app.run([*command.name.split(), *tokens])
            except UsageError:
                assert call is None, f"Typer refuses {tokens}"
                return
            if call is not None:
                assert calls == [(command.name, plain(call))], tokens

        agree()


def test_the_quick_reader_takes_what_people_type(subtests_of_typing: list[list[str]]) -> None:
    for words in subtests_of_typing:
        found = registry.find(words)
        assert found is not None
        assert quick(*found) is not None, words


@pytest.fixture
def subtests_of_typing() -> list[list[str]]:
    """Return the examples of every command's help."""
    return [
        example.split("|")[0].split("#")[0].split()[1:]
        for command in COMMANDS
        for example in command.examples
        if example.startswith("kojikey ")
    ]
