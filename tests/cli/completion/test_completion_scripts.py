"""What is generated: the scripts that are checked in are those of the commands, and offer everything that there is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kojikey.cli.completion import CHOICES, FILE, NOTHING, VARIABLE, entries, first_words, group_words
from kojikey.cli.completion.__main__ import SCRIPTS, main
from support.program import Program

COMPLETIONS = Path(__file__).parents[3] / "completions"


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_script_that_is_checked_in_is_fresh(shell: str) -> None:
    name, script = SCRIPTS[shell]
    stored = (COMPLETIONS / name).read_text(encoding="utf-8")
    assert stored == script(), "python -m kojikey.cli.completion --all completions"


def test_there_is_no_other_script() -> None:
    assert {path.name for path in COMPLETIONS.iterdir()} == {name for name, _ in SCRIPTS.values()}


def test_every_kind_is_one_that_somebody_can_complete(kojikey: Program) -> None:
    kojikey.added()
    kinds = {option.kind for entry in entries() for option in entry.options} | {entry.argument for entry in entries()}
    own = {kind for kind in kinds if kind is not None and not kind.startswith(CHOICES)} - {FILE, VARIABLE, NOTHING}
    assert {"provider", "account", "store", "capability", "kek"} <= own
    for kind in own:
        assert kojikey("complete", kind).out, kind


def test_hidden_commands_are_offered_nowhere() -> None:
    assert "complete" not in first_words()
    assert {"init", "info", "rekey"} <= set(group_words("store"))


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_names_every_command_and_every_long_option(shell: str) -> None:
    script = SCRIPTS[shell][1]()
    for entry in entries():
        assert entry.name in script or entry.identifier in script
        for option in entry.options:
            assert (option.long if shell != "fish" else f"-l {option.long[2:]}") in script


def test_the_generator_prints_one_script_or_writes_all(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kojikey.cli.completion"]
    done = subprocess.run([*command, "bash"], capture_output=True, text=True, check=True)
    assert done.stdout == SCRIPTS["bash"][1]()
    assert main(["--all", str(tmp_path / "made")]) == 0
    assert {path.name for path in (tmp_path / "made").iterdir()} == {path.name for path in COMPLETIONS.iterdir()}


def test_the_generator_refuses_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tcsh"]) == 2
    assert "--all FOLDER" in capsys.readouterr().err


def test_powershell_quotes_and_brackets_are_balanced() -> None:
    """No PowerShell is to be had here: the least that can be asked of the script is that its parts close."""
    script = SCRIPTS["powershell"][1]()
    plain, quoted = [], False
    for character in script:
        if character == "'":
            quoted = not quoted
        elif not quoted:
            plain.append(character)
        assert not (quoted and character == "\n"), "a quoted text goes on in the next line"
    assert not quoted
    closing, open_ones = {")": "(", "]": "[", "}": "{"}, []
    for character in plain:
        if character in "([{":
            open_ones.append(character)
        elif character in closing:
            assert open_ones.pop() == closing[character]
    assert not open_ones
