"""The generated completion scripts are fresh, and offer every command and option."""

from __future__ import annotations

from pathlib import Path

import pytest
import tree_sitter_powershell
from tree_sitter import Language, Parser

from kojikey.cli.completion import CHOICES, FILE, NOTHING, VARIABLE, entries, first_words, group_words
from kojikey.cli.completion.__main__ import main
from kojikey.cli.completion.shells import SHELLS
from kojikey.sealing.kek.base import SOURCES_HINT
from kojikey.sealing.kek.registry import SOURCES
from support.program import Program
from support.pseudo_terminal import printed_on_a_terminal

COMPLETIONS = Path(__file__).parents[3] / "completions"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_that_is_checked_in_is_fresh(shell: str) -> None:
    stored = (COMPLETIONS / SHELLS[shell].file).read_text(encoding="utf-8")
    assert stored == SHELLS[shell].script(), "python -m kojikey.cli.completion --all completions"


def test_there_is_no_other_script() -> None:
    assert {path.name for path in COMPLETIONS.iterdir()} == {shell.file for shell in SHELLS.values()}


def test_every_kind_has_a_completer(kojikey: Program) -> None:
    kojikey.added()
    kinds = {option.kind for entry in entries() for option in entry.options} | {entry.argument for entry in entries()}
    own = {kind for kind in kinds if kind is not None and not kind.startswith(CHOICES)} - {FILE, VARIABLE, NOTHING}
    assert {"provider", "account", "store", "capability", "kek"} <= own
    for kind in own:
        assert kojikey("complete", kind).out, kind


def test_every_kek_source_is_offered(kojikey: Program) -> None:
    offered = kojikey("complete", "kek").out.split()
    assert [word.rstrip(":") for word in offered] == list(SOURCES)
    for word in offered:
        assert word.rstrip(":") in SOURCES_HINT


def test_hidden_commands_are_offered_nowhere() -> None:
    assert "complete" not in first_words()
    assert {"init", "info", "rekey"} <= set(group_words("store"))


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_names_every_command_and_every_long_option(shell: str) -> None:
    script = SHELLS[shell].script()
    for entry in entries():
        assert entry.name in script or entry.identifier in script
        for option in entry.options:
            assert (option.long if shell != "fish" else f"-l {option.long[2:]}") in script


def test_the_generator_writes_a_script_for_every_shell(tmp_path: Path) -> None:
    assert main(["--all", str(tmp_path / "made")]) == 0
    assert {path.name for path in (tmp_path / "made").iterdir()} == {path.name for path in COMPLETIONS.iterdir()}


def test_the_generator_refuses_unknown_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tcsh"]) == 2
    assert "--all FOLDER" in capsys.readouterr().err


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_the_script_alone(kojikey: Program, shell: str) -> None:
    ended = kojikey("completion", shell)
    assert (ended.code, ended.out, ended.err) == (0, SHELLS[shell].script(), "")
    told = kojikey("completion", shell, "--json").result
    assert told == {"shell": shell, "script": ended.out, "steps": list(SHELLS[shell].steps)}


@pytest.mark.parametrize("shell", SHELLS)
def test_on_a_terminal_the_command_also_explains_where_the_script_goes(kojikey: Program, shell: str) -> None:
    code, text = printed_on_a_terminal(kojikey, "completion", shell, columns=40)
    assert code == 0
    assert all(f"\n  {step}\n" in text for step in SHELLS[shell].steps)
    quiet = printed_on_a_terminal(kojikey, "completion", shell, "--quiet", columns=40)[1]
    assert SHELLS[shell].steps[-1] not in quiet


def test_an_unknown_shell_is_refused_and_the_known_ones_are_listed(kojikey: Program) -> None:
    ended = kojikey("completion", "tcsh")
    assert (ended.code, ended.out) == (2, "")
    assert "bash, zsh, fish, powershell" in ended.err
    assert kojikey("completion").code == 2
    assert kojikey("complete", "shell").out.split() == list(SHELLS)


def test_a_config_with_mistakes_does_not_prevent_the_script(kojikey: Program) -> None:
    kojikey.home.mkdir(mode=0o700)
    (kojikey.home / "config.toml").write_text("acount = 1")
    assert kojikey("completion", "fish").code == 0


def test_powershell_parses_its_script_without_an_error() -> None:
    """No PowerShell is to be had here: its grammar, as editors have it, reads the script instead."""
    script = SHELLS["powershell"].script().encode()
    parser = Parser(Language(tree_sitter_powershell.language()))
    assert not parser.parse(script).root_node.has_error
    assert parser.parse(script.replace(b"}", b"", 1)).root_node.has_error
