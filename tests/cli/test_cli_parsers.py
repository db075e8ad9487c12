"""The quick reader of command lines and Typer agree: what the quick one reads, Typer reads in the same way."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kojikey.cli import registry
from kojikey.cli.command import Call, Command, Doubt, Flag
from kojikey.cli.options import JSON, NO_COLOR
from kojikey.cli.parsing import typer_app
from kojikey.cli.parsing.quick import read
from kojikey.model.errors import UsageError
from support.each import each
from support.exhaustive import exhaustive

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


def plain(call: Call) -> dict[str, str]:
    """Return the values in a form that can be compared: a number may be NaN."""
    return {parameter.name: repr(value) for parameter, value in call.values.items()}


@pytest.mark.parametrize("examples", [10, exhaustive(100)])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_the_two_readers_agree(command: Command, examples: int) -> None:
    tree = typer_app.click_command(only=command)

    @settings(max_examples=examples, deadline=None, derandomize=True, database=None)
    @given(tokens=command_lines(command))
    def agree(tokens: list[str]) -> None:
        line = read([*command.name.split(), *tokens])
        assert (line.call is None) == (line.doubt is not None)
        try:
            with redirect_stdout(io.StringIO()), mock.patch.object(typer_app, "click_command", return_value=tree):
                call = typer_app.read(line)
        except UsageError:
            assert line.call is None, f"Typer refuses {tokens}"
            return
        if line.call is not None:
            assert call is not None
            assert plain(call) == plain(line.call), tokens
        if call is not None:
            assert {flag for flag in (JSON, NO_COLOR) if call.get(flag)} == line.flags & {JSON, NO_COLOR}

    agree()


@each(
    ("typed", "doubt"),
    [
        ("", Doubt.NO_COMMAND),
        ("store", Doubt.NO_COMMAND),
        ("nonsense list", Doubt.NO_COMMAND),
        ("-a acme list", Doubt.OPTIONS_FIRST),
        ("store --json info", Doubt.OPTIONS_FIRST),
        ("list --help", Doubt.OPTION),
        ("list --nonsense", Doubt.OPTION),
        ("list --account", Doubt.VALUE),
        ("list --account --json", Doubt.VALUE),
        ("list --json=yes", Doubt.VALUE),
        ("test --timeout soon", Doubt.VALUE),
        ("config set account", Doubt.ARGUMENTS),
        ("history elevenlabs openai", Doubt.ARGUMENTS),
        ("list", None),
    ],
)
def test_the_quick_reader_returns_its_doubt(typed: str, doubt: Doubt | None) -> None:
    assert read(typed.split()).doubt is doubt


@each(
    ("typed", "is_asked"),
    [
        ("list --json --nonsense", True),
        ("list --nonsense --json", True),
        ("nonsense --json", True),
        ("--json list", True),
        ("list --account --json", False),  # it is the account's name
        ("list -- --json", False),
        ("run --json -- cat --json", True),
        ("run cat --json", False),
        ("run -- cat --json", False),
    ],
)
def test_only_the_option_json_asks_for_json(typed: str, is_asked: bool) -> None:
    assert (JSON in read(typed.split()).flags) == is_asked


def test_the_words_for_another_program_are_not_read() -> None:
    line = read(["run", "-p", "elevenlabs", "--", "cat", "--account", "x"])
    assert line.own == ["-p", "elevenlabs"]
    assert read(["run", "-q", "cat", "-p"]).own == ["-q"]
    assert read(["list", "--", "elevenlabs"]).own == ["elevenlabs"]


def test_the_quick_reader_reads_common_command_lines(subtests_of_typing: list[list[str]]) -> None:
    for words in subtests_of_typing:
        assert read(words).call is not None, words


@pytest.fixture
def subtests_of_typing() -> list[list[str]]:
    """Return the examples of every command's help."""
    return [
        example.split("|")[0].split("#")[0].split()[1:]
        for command in COMMANDS
        for example in command.examples
        if example.startswith("kojikey ")
    ]
