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


def test_the_sandbox_works_with_a_broken_config_toml(kojikey: Program) -> None:
    with on_a_terminal(kojikey, "sandbox") as child:
        child.expect_exact("until Ctrl-C")
        child.sendintr()
        assert end(child)[0] == 130


@pytest.mark.parametrize("target", ["nowhere.toml", "config.toml"], ids=["leads nowhere", "leads to itself"])
@pytest.mark.parametrize("words", ["list", "run -- true", "config get", "config set account acme", "store list"])
def test_a_config_toml_that_cannot_be_read_is_not_treated_as_missing(kojikey: Program, target: str, words: str) -> None:
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


PASTED = "sk_0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("name", [PASTED, '"\\u001b[31mred"'], ids=["a key", "an escape"])
@pytest.mark.parametrize(
    "form",
    ["{0} = 1", "stores.{0}.url = 1", "stores.team.{0} = 1", "stores.{0} = 1", "[{0}]\n[{0}]", "a.{0} = 1\na.{0} = 1"],
)
def test_a_mistake_in_config_toml_repeats_no_pasted_key_and_no_escape(kojikey: Program, name: str, form: str) -> None:
    (kojikey.home / "config.toml").write_text(form.format(name))
    for ended in (kojikey("list"), kojikey("list", "--json"), kojikey("doctor")):
        assert ended.code != 0
        assert "mistakes" in ended.said
        assert PASTED not in ended.said
        assert "red" not in ended.said


@pytest.mark.parametrize(
    ("value", "reason"),
    [("[" * 20_000, "a value is nested too deeply"), ("9" * 5_000, "a number is too long")],
    ids=["nested", "long"],
)
def test_a_value_that_no_reader_takes_is_a_mistake_and_not_a_bug(kojikey: Program, value: str, reason: str) -> None:
    path = kojikey.home / "config.toml"
    path.write_text(f"account = {value}")
    ended = kojikey("list")
    assert ended.code == 2
    assert f"it is not TOML: {reason}" in ended.err

    path.unlink()
    folder = kojikey.home / "providers"
    folder.mkdir(mode=0o700)
    (folder / "mine.toml").write_text(f"id = {value}")
    ended = kojikey("add", "elevenlabs", "--stdin", "--no-test", stdin="sk_0123456789abcdef0123456789abcdef")
    assert ended.code == 0  # a mistake in one definition stops no other provider
    assert f"it is not TOML: {reason}" in ended.err
