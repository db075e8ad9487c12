"""The progress bar stays under the results, however fast they come."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import pytest

from kojikey.cli.output import progress as module
from kojikey.cli.output.progress import Progress
from kojikey.cli.reports.base import Tally
from support.program import COMMAND, Program
from support.pseudo_terminal import on_a_terminal, shown


@dataclass(frozen=True)
class Counted:
    finished: int
    failed: int


def test_the_bar_follows_every_row_and_is_otherwise_drawn_ten_times_a_second(
    capsys: pytest.CaptureFixture[str],
) -> None:
    moment = [0.0]
    progress = Progress(10, is_shown=True, clock=lambda: moment[0])
    progress.show(Tally())
    progress.show(Tally())
    assert capsys.readouterr().err.count("0 done") == 1
    progress.clear()
    progress.show(Tally())
    assert capsys.readouterr().err.count("0 done") == 1
    moment[0] = 0.2
    progress.show(Tally())
    assert capsys.readouterr().err.count("0 done") == 1


def test_without_a_terminal_no_bar_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(10, is_shown=False)
    progress.show(Tally(), at_once=True)
    progress.clear()
    assert capsys.readouterr().err == ""


def test_in_the_background_no_bar_erases_the_line_of_the_shell(kojikey: Program) -> None:
    kojikey.added()
    kojikey.added("google_gemini")
    test = shlex.join([*COMMAND, "test"])
    shell = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
    with on_a_terminal(kojikey, program=shell, HISTFILE="/dev/null") as child:
        child.sendline(f"{test}; echo fore''ground")
        child.expect_exact("foreground")
        assert "0 done" in shown(child)
        child.sendline(f"{test} & wait; echo back''ground")
        child.expect_exact("background")
        assert "2 tested" in str(child.before)
        assert "\x1b[2K" not in str(child.before)


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        (79, "━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌ 50 done, 7 failed, 50 left, 25/s, 0:02 to go"),
        (55, "━━━━━╌╌╌╌╌ 50 done, 7 failed, 50 left, 25/s, 0:02 to go"),
        (44, "50 done, 7 failed, 50 left, 25/s, 0:02 to go"),
        (39, "50 done, 7 failed, 50 left, 0:02 to go"),
        (20, "50 done, 7 failed, 5"),
    ],
)
def test_on_a_narrow_terminal_the_bar_gives_way_to_the_numbers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int, text: str
) -> None:
    monkeypatch.setattr(module, "_width", lambda: columns)
    monkeypatch.setattr(module, "encodes", lambda *_: True)
    moment = [0.0]
    progress = Progress(100, is_shown=True, clock=lambda: moment[0])
    moment[0] = 2.0
    progress.show(Counted(finished=50, failed=7))
    assert capsys.readouterr().err.removeprefix("\r\x1b[2K") == text
