"""Questions to a person come before a key, a status line and a loop, and one Ctrl-C ends them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pexpect
import pytest

from support.program import COMMAND, Program, pieces_in
from support.pseudo_terminal import echoes, end, hides, on_a_terminal, printed_on_a_terminal, shown, type_key

CTRL_C = "\x03"
PASSPHRASE = "correct horse battery staple"
PROMPT = "Passphrase of the store: "
NEW = "New passphrase for the store: "
REPEAT = "Repeat the passphrase: "


@pytest.fixture
def locked(kojikey: Program, tmp_path: Path) -> Program:
    """Return the program with a key in a store that opens with a passphrase, which nothing but a person has."""
    file = tmp_path / "passphrase"
    file.touch(mode=0o600)
    file.write_text(PASSPHRASE)
    del kojikey.environ["KOJIKEY_KEK"]
    kojikey.environ["KOJIKEY_PASSPHRASE_FILE"] = str(file)
    assert kojikey("store", "init", "--kek", "passphrase").code == 0
    kojikey.added()
    kojikey.added("google_gemini")
    del kojikey.environ["KOJIKEY_PASSPHRASE_FILE"]
    return kojikey


def batch(kojikey: Program, tmp_path: Path) -> str:
    path = tmp_path / "batch.jsonl"
    path.touch(mode=0o600)
    lines = [("elevenlabs", "ok_2"), ("google_gemini", "ok_2")]
    path.write_text(
        "".join(
            json.dumps({"account": "default", "provider": name, "key": kojikey.key(name, key).key}) + "\n"
            for name, key in lines
        )
    )
    return str(path)


COMMANDS = [["test", "elevenlabs"], ["test"], ["test", "--all-accounts"], ["rotate", "--batch", "FILE"]]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_the_passphrase_is_asked_before_a_status_line_or_a_bar(
    locked: Program, tmp_path: Path, arguments: list[str]
) -> None:
    file = batch(locked, tmp_path)
    with on_a_terminal(locked, *[file if word == "FILE" else word for word in arguments]) as child:
        child.expect_exact(PROMPT)
        assert hides(child)
        assert shown(child).lstrip() == PROMPT
        child.sendline(PASSPHRASE)
        code, text = end(child)
    assert (code, PASSPHRASE in text, text.count(PROMPT)) == (0, False, 1)


@pytest.mark.parametrize(
    ("arguments", "environ", "why"),
    [
        (["--no-input"], {}, "--no-input"),
        ([], {"CI": "true"}, "CI"),
        ([], {"KOJIKEY_NO_INPUT": "1"}, "KOJIKEY_NO_INPUT"),
    ],
    ids=["--no-input", "CI", "KOJIKEY_NO_INPUT"],
)
def test_on_a_terminal_the_setting_that_forbids_the_question_is_named(
    locked: Program, arguments: list[str], environ: dict[str, str], why: str
) -> None:
    locked.environ.update(environ)
    for command in (["get", "elevenlabs", "--reveal", *arguments], ["run", *arguments, "--", "true"]):
        code, text = printed_on_a_terminal(locked, *command)
        assert (code, f"a passphrase is needed, and {why} forbids questions" in text) == (8, True), text
    new = str(locked.home.with_name("new"))
    code, text = printed_on_a_terminal(locked, "store", "init", "--kek", "passphrase", *arguments, KOJIKEY_HOME=new)
    assert (code, f"a passphrase is needed, and {why} forbids questions" in text) == (8, True), text
    assert "no terminal" not in text


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_one_ctrl_c_ends_the_prompt_and_the_command(locked: Program, tmp_path: Path, arguments: list[str]) -> None:
    file = batch(locked, tmp_path)
    with on_a_terminal(locked, *[file if word == "FILE" else word for word in arguments]) as child:
        child.expect_exact(PROMPT)
        assert hides(child)
        child.send(CTRL_C)
        child.expect(pexpect.EOF)
        assert echoes(child)
        child.close()
    assert child.exitstatus == 130


def test_a_copy_asks_for_both_passphrases_first_and_names_the_stores(locked: Program, tmp_path: Path) -> None:
    url = f"sqlite://{tmp_path / 'other.db'}"
    with on_a_terminal(locked, "store", "init", url, "--name", "team", "--kek", "passphrase") as child:
        type_key(child, "New passphrase for the store", "another one")
        type_key(child, REPEAT, "another one")
        assert end(child)[0] == 0
    with on_a_terminal(locked, "store", "copy", "--to", "team", columns=200) as child:
        type_key(child, PROMPT, PASSPHRASE)
        type_key(child, "Passphrase of the store team: ", "another one")
        code, text = end(child)
    assert (code, "2 copied" in text) == (0, True)
    assert text.index("Passphrase of the store team") < text.index("copying")


# the store first, then the key


@pytest.mark.parametrize("command", [["add", "elevenlabs", "--account", "acme"], ["rotate", "elevenlabs"]])
def test_the_store_is_opened_before_the_key_is_asked_for(locked: Program, command: list[str]) -> None:
    key = locked.key("elevenlabs", "ok_2")
    with on_a_terminal(locked, *command, "--no-test") as child:
        type_key(child, PROMPT, "not that one")
        type_key(child, PROMPT, "nor that one")
        type_key(child, PROMPT, PASSPHRASE)
        type_key(child, "key (hidden): ", key.key)
        code, text = end(child)
    assert (code, pieces_in(key.key, text), text.count(PROMPT)) == (0, [], 3)


@pytest.mark.parametrize("command", [["add", "elevenlabs", "--account", "acme"], ["rotate", "elevenlabs"]])
def test_after_three_wrong_passphrases_no_key_is_asked_for(locked: Program, command: list[str]) -> None:
    with on_a_terminal(locked, *command) as child:
        for _ in range(3):
            type_key(child, PROMPT, "not that one")
        code, text = end(child)
    assert (code, "(hidden)" in text, "a lost one cannot be recovered" in " ".join(text.split())) == (8, False, True)


def test_a_wrong_kek_is_reported_before_the_key_is_asked_for(kojikey: Program) -> None:
    kojikey.added()
    with on_a_terminal(kojikey, "rotate", "elevenlabs", KOJIKEY_KEK="A" * 43) as child:
        code, text = end(child)
    assert (code, "(hidden)" in text) == (8, False)


def test_two_new_passphrases_that_differ_are_asked_for_again(kojikey: Program) -> None:
    del kojikey.environ["KOJIKEY_KEK"]
    with on_a_terminal(kojikey, "store", "init", "--kek", "passphrase") as child:
        type_key(child, NEW, PASSPHRASE)
        type_key(child, REPEAT, "a slip")
        child.expect_exact("the two passphrases differ")
        type_key(child, NEW, PASSPHRASE)
        type_key(child, REPEAT, PASSPHRASE)
        assert end(child)[0] == 0


def test_a_new_store_asks_for_its_passphrase_before_the_first_key(kojikey: Program) -> None:
    key = kojikey.key()
    kojikey.home.mkdir(mode=0o700)
    (kojikey.home / "config.toml").write_text('kek = "passphrase"\n')
    with on_a_terminal(kojikey, "add", "elevenlabs", "--no-test", KOJIKEY_KEK=None) as child:
        type_key(child, NEW, PASSPHRASE)
        type_key(child, REPEAT, PASSPHRASE)
        assert not (kojikey.home / "keys.db").exists()
        type_key(child, "key (hidden): ", key.key)
        assert end(child)[0] == 0
    with on_a_terminal(kojikey, "get", "elevenlabs", "--reveal", KOJIKEY_KEK=None) as child:
        type_key(child, PROMPT, PASSPHRASE)
        assert key.key in end(child)[1]


def test_without_a_kek_source_the_first_key_is_not_asked_for(kojikey: Program) -> None:
    with on_a_terminal(kojikey, "add", "elevenlabs", KOJIKEY_KEK="damaged") as child:
        code, text = end(child)
    assert (code, "(hidden)" in text, kojikey.home.exists()) == (8, False, False)


@pytest.mark.parametrize("reason", ["invalid_key", "missing_permission", "redirected"])
@pytest.mark.parametrize("kek", ["env", "file"])
def test_a_refused_first_key_leaves_nothing_behind(kojikey: Program, tmp_path: Path, reason: str, kek: str) -> None:
    environ: dict[str, Any] = {}
    if kek == "file":
        kojikey.home.mkdir(mode=0o700)
        (kojikey.home / "config.toml").write_text(f'kek = "file:{tmp_path / "kek"}"\n')
        environ["KOJIKEY_KEK"] = None
    before = sorted(tmp_path.rglob("*"))
    key = kojikey.key("elevenlabs", reason)
    ended = kojikey("add", "elevenlabs", "--stdin", "--base-url", key.base_url, stdin=key.key, **environ)
    assert ended.code in (3, 4)
    assert sorted(tmp_path.rglob("*")) == before


# standard input is a pipe


def pipe(*arguments: str) -> list[str]:
    return ["bash", "-c", "printf 'text' | " + shlex.join([*COMMAND, *arguments])]


def test_run_behind_a_pipe_asks_on_the_controlling_terminal(locked: Program) -> None:
    with on_a_terminal(locked, program=pipe("run", "--", "sh", "-c", "cat; echo :${#ELEVENLABS_API_KEY}")) as child:
        type_key(child, PROMPT, PASSPHRASE)
        code, text = end(child)
    assert (code, f"text:{len(locked.key().key)}" in text, PASSPHRASE in text) == (0, True, False)


def test_two_programs_of_a_pipeline_ask_one_after_the_other_and_hide_both_answers(locked: Program) -> None:
    """Together they would take each other's echo for the one to restore, and show the second answer."""
    run = shlex.join([*COMMAND, "run", "--", "sh", "-c", 'test "$ELEVENLABS_API_KEY" && cat'])
    with on_a_terminal(locked, program=["bash", "-c", f"echo text | {run} | {run}; stty -a"]) as child:
        for _ in range(2):
            type_key(child, PROMPT, PASSPHRASE)
        code, text = end(child)
    assert (code, "\ntext\n" in text, PASSPHRASE in text, text.count(PROMPT)) == (0, True, False, 2)
    assert " echo " in text


def test_a_key_is_read_from_a_pipe_while_the_passphrase_is_asked_for(locked: Program) -> None:
    key = locked.key("elevenlabs", "ok_2")
    program = ["bash", "-c", f"echo $NEW | {shlex.join([*COMMAND, 'rotate', 'elevenlabs', '--stdin'])}"]
    with on_a_terminal(locked, program=program, NEW=key.key) as child:
        type_key(child, PROMPT, PASSPHRASE)
        code, text = end(child)
    assert (code, pieces_in(key.key, text)) == (0, [])


@pytest.mark.parametrize("ruled_out", ["CI", "KOJIKEY_NO_INPUT", "--no-input", "stderr"])
def test_behind_a_pipe_no_question_is_asked_with_no_input(locked: Program, ruled_out: str) -> None:
    options = [ruled_out] if ruled_out.startswith("-") else []
    environ: dict[str, Any] = {ruled_out: "true"} if ruled_out.isupper() else {}
    program = pipe("run", *options, "--", "true")
    program[-1] += " 2>/dev/null" if ruled_out == "stderr" else ""
    with on_a_terminal(locked, program=program, **environ) as child:
        code, text = end(child)
    assert (code, PROMPT in text) == (8, False)


def test_behind_a_pipe_only_the_passphrase_is_asked_for(locked: Program) -> None:
    for command in (["remove", "elevenlabs"], ["add", "elevenlabs", "-a", "b"], ["rotate", "elevenlabs"], ["get"]):
        with on_a_terminal(locked, program=pipe(*command)) as child:
            if child.expect_exact([PROMPT, pexpect.EOF]) == 0:
                child.sendline(PASSPHRASE)
            assert end(child)[0] == 2
    with on_a_terminal(locked, program=pipe("store", "init", "sqlite:///tmp/never.db", "--kek", "passphrase")) as child:
        code, text = end(child)
    assert (code, "New passphrase for" in text) == (8, False)
