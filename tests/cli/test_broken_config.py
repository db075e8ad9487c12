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


@pytest.mark.parametrize("target", ["nowhere.toml", "config.toml"], ids=["leads nowhere", "leads to itself"])
@pytest.mark.parametrize("words", ["list", "run -- true", "config get", "config set account acme", "store list"])
def test_a_config_toml_that_cannot_be_looked_at_is_not_taken_for_none(
    kojikey: Program, target: str, words: str
) -> None:
    path = kojikey.home / "config.toml"
    path.unlink()
    path.symlink_to(target)
    ended = kojikey(*words.split())
    assert ended.code == 2, ended.said
    assert "cannot be read" in ended.err
    assert f"make {path} readable, or set KOJIKEY_HOME to another folder" in ended.err


@pytest.mark.parametrize("words", ["list", "run -- true", "test", "store init --kek env", "config set account acme"])
def test_a_folder_that_cannot_be_searched_may_have_a_config_toml_that_names_another_store(
    kojikey: Program, words: str
) -> None:
    home = kojikey.home.with_name("closed")
    home.symlink_to(home.name)  # to nobody, not even to root, does it open
    ended = kojikey(*words.split(), KOJIKEY_HOME=str(home))
    assert ended.code == 2, ended.said
    assert "cannot be read" in ended.err
