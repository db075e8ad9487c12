"""An unreadable config.toml stops the commands that need it, and no others."""

from __future__ import annotations

import pytest

from support.program import Program
from support.pseudo_terminal import end, on_a_terminal


@pytest.fixture(autouse=True)
def broken(kojikey: Program) -> None:
    kojikey.home.mkdir(mode=0o700)
    (kojikey.home / "config.toml").write_text("account = ")
    assert kojikey("list").code == 2


@pytest.mark.parametrize("words", ["help", "help exit-codes", "help rotate --json", "sandbox --tour"])
def test_help_and_the_tour_need_no_config_toml(kojikey: Program, words: str) -> None:
    ended = kojikey.installed(*words.split())
    assert (ended.code, "mistakes" in ended.said) == (0, False), ended.said


def test_the_sandbox_plays_beside_it(kojikey: Program) -> None:
    with on_a_terminal(kojikey, "sandbox") as child:
        child.expect_exact("until Ctrl-C")
        child.sendintr()
        assert end(child)[0] == 130
