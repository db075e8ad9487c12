"""The progress bar stays under the results, however fast they come."""

from __future__ import annotations

import pytest

from kojikey.cli.output.progress import Progress
from kojikey.cli.reports.base import Tally


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
