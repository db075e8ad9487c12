"""kojikey on a pseudo-terminal: questions and answers, Ctrl-C, and secrets that are never shown."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest

from support.program import COMMAND, PATIENT, Program, pieces_in
from support.pseudo_terminal import echoes, end, hides, on_a_terminal, shown, type_key

CTRL_C, CTRL_D = "\x03", "\x04"


# the hidden prompt


@pytest.mark.parametrize("provider", ["elevenlabs", "google_gemini"])
def test_the_prompt_shows_nothing_of_the_key_and_says_how_much_arrived(kojikey: Program, provider: str) -> None:
    key = kojikey.key(provider)
    with on_a_terminal(kojikey, "add", provider, "--base-url", key.base_url) as child:
        type_key(child, "key (hidden): ", key.key)
        code, text = end(child)
    assert code == 0
    assert pieces_in(key.key, text) == []
    assert f"{len(key.key)} characters received: ••••••••{key.key[-4:]}" in text
    assert "valid" in text
    assert kojikey.listed(provider)["source"] == "byok"


def test_the_prompt_of_rotate_hides_too(kojikey: Program) -> None:
    kojikey.added()
    key = kojikey.key("elevenlabs", "ok_2")
    with on_a_terminal(kojikey, "rotate", "elevenlabs") as child:
        type_key(child, "key (hidden): ", key.key)
        code, text = end(child)
    assert (code, pieces_in(key.key, text)) == (0, [])
    assert kojikey.listed()["version"] == 2


@pytest.mark.parametrize("answer", ["1", "elevenlabs"])
def test_add_alone_offers_the_providers_by_number(kojikey: Program, answer: str) -> None:
    with on_a_terminal(kojikey, "add", "--no-test") as child:
        child.expect(r"1 +elevenlabs")
        child.expect(r"2 +google_gemini")
        child.expect_exact("Which provider? [1-")
        child.sendline(answer)
        type_key(child, "ElevenLabs", kojikey.key().key)
        assert end(child)[0] == 0
    assert kojikey.listed()["source"] == "byok"


def test_letters_narrow_the_choice_of_a_provider(kojikey: Program) -> None:
    with on_a_terminal(kojikey, "add", "--no-test") as child:
        child.expect_exact("Which provider? [1-")
        child.sendline("open")
        child.expect_exact("several names have that")
        shown_then = str(child.before)
        assert "openai " in shown_then
        assert "openrouter" in shown_then
        assert "mistral" not in shown_then
        child.expect_exact("Which provider? [1-")
        child.sendline("cerebr")
        child.expect_exact("Cerebras key (hidden): ")
        child.sendintr()
        assert end(child)[0] == 130


@pytest.mark.parametrize("answer", ["0", "99", "-1", "nonsense", "", "²"])
def test_an_answer_that_is_not_a_choice_changes_nothing(kojikey: Program, answer: str) -> None:
    with on_a_terminal(kojikey, "add") as child:
        for _ in range(3):
            child.expect_exact("Which provider? [1-")
            child.sendline(answer)
        code, text = end(child)
    assert (code, "nothing was changed" in text) == (2, True)
    assert "do not paste a key" in " ".join(text.split())
    assert not kojikey.home.exists()


def test_a_malformed_key_is_refused_without_being_shown(kojikey: Program) -> None:
    key = kojikey.key()
    with on_a_terminal(kojikey, "add", "elevenlabs", "--base-url", key.base_url) as child:
        type_key(child, "key (hidden): ", f"Bearer {key.key}")
        code, text = end(child)
    assert (code, pieces_in(key.key, text)) == (2, [])


@pytest.mark.parametrize("typed", ["", CTRL_D], ids=["Enter", "end of input"])
def test_nothing_entered_is_a_usage_error(kojikey: Program, typed: str) -> None:
    with on_a_terminal(kojikey, "add", "elevenlabs") as child:
        for _ in range(1 if typed else 3):
            child.expect_exact("key (hidden): ")
            assert hides(child)
            child.send(typed or "\r")
        assert end(child)[0] == 2
    assert not kojikey.home.exists()


# what is limited or could not be judged


@pytest.mark.parametrize(("reason", "code"), [("missing_permission", 3), ("redirected", 4)])
@pytest.mark.parametrize(("answer", "saves"), [("y", True), ("yes", True), ("n", False), ("", False), (CTRL_D, False)])
def test_add_asks_about_a_key_that_is_not_valid(
    kojikey: Program, reason: str, code: int, answer: str, saves: bool
) -> None:
    key = kojikey.key("elevenlabs", reason)
    with on_a_terminal(kojikey, "add", "elevenlabs", "--base-url", key.base_url) as child:
        type_key(child, "key (hidden): ", key.key)
        child.expect_exact(reason)
        child.expect_exact("[y/N] ")
        child.send(answer if answer == CTRL_D else answer + "\r")
        ended, text = end(child)
    assert ended == (0 if saves else code), text
    assert (kojikey.listed()["source"] == "byok") is saves


@pytest.mark.parametrize(("answer", "version", "staged"), [("y", 2, None), ("n", 1, 2)])
def test_rotate_asks_and_leaves_staged_what_is_declined(
    kojikey: Program, answer: str, version: int, staged: int | None
) -> None:
    kojikey.added()
    key = kojikey.key("elevenlabs", "missing_permission")
    with on_a_terminal(kojikey, "rotate", "elevenlabs") as child:
        type_key(child, "key (hidden): ", key.key)
        child.expect_exact("[y/N] ")
        child.sendline(answer)
        assert end(child)[0] == (0 if staged is None else 3)
    row = kojikey.listed()
    assert (row["version"], row["staged"] and row["staged"]["version"]) == (version, staged)


@pytest.mark.parametrize("command", ["add", "rotate"])
def test_a_question_leaves_stdout_to_the_one_document(kojikey: Program, tmp_path: Path, command: str) -> None:
    key, document = kojikey.key("elevenlabs", "missing_permission"), tmp_path / "document"
    if command == "rotate":
        kojikey.added()
    tokens = [command, "elevenlabs", "--base-url", key.base_url, "--from-env", "NEW", "--json"]
    line = shlex.join([*COMMAND, *tokens]) + f" >{shlex.quote(str(document))}"
    with on_a_terminal(kojikey, program=["bash", "-c", line], NEW=key.key) as child:
        child.expect_exact("missing_permission")
        child.expect_exact("[y/N] ")
        child.sendline("n")
        assert end(child)[0] == 3
    assert json.loads(document.read_text())["exit_code"] == 3


@pytest.mark.parametrize("answer", ["y", "n"])
def test_a_message_before_the_question_is_not_repeated(kojikey: Program, answer: str) -> None:
    key = kojikey.key("elevenlabs", "missing_permission")
    with on_a_terminal(kojikey, "add", "elevenlabs", "--base-url", key.base_url, "--from-env", "N", N=key.key) as child:
        child.expect_exact("[y/N] ")
        child.sendline(answer)
        _, text = end(child)
    assert text.count("limited: missing_permission") == 1
    assert text.count("lacks the permission") == 1


def test_a_rejected_key_is_not_asked_about(kojikey: Program) -> None:
    key = kojikey.key("elevenlabs", "invalid_key")
    with on_a_terminal(kojikey, "add", "elevenlabs", "--base-url", key.base_url) as child:
        type_key(child, "key (hidden): ", key.key)
        code, text = end(child)
    assert (code, "[y/N]" in text) == (3, False)


@pytest.mark.parametrize("how", [["--no-input"], ["CI"], ["KOJIKEY_NO_INPUT"]], ids=str)
def test_no_question_is_asked_with_no_input(kojikey: Program, how: list[str]) -> None:
    environ: dict[str, Any]
    options, environ = ([how[0]], {}) if how[0].startswith("-") else ([], {how[0]: "true"})
    with on_a_terminal(kojikey, "add", "elevenlabs", *options, **environ) as child:
        code, text = end(child)
    assert (code, "--stdin" in text) == (2, True)
    assert f"{how[0]} forbids questions" in " ".join(text.split())
    assert "no terminal" not in text
    with on_a_terminal(kojikey, "add", *options, **environ) as child:
        assert "forbids questions" in end(child)[1]


@pytest.mark.parametrize("prompt", [["add", "elevenlabs"], ["add"], ["remove", "elevenlabs"]], ids=" ".join)
def test_the_message_after_the_end_of_input_begins_on_a_new_line(kojikey: Program, prompt: list[str]) -> None:
    if prompt[0] == "remove":
        kojikey.added()
    with on_a_terminal(kojikey, *prompt) as child:
        child.expect([r"\(hidden\): ", r"\] "])
        if prompt == ["add", "elevenlabs"]:
            assert hides(child)
        child.send(CTRL_D)
        _, text = end(child)
    assert re.search(r"^kojikey: .*nothing was", text, re.MULTILINE), text


# remove, get


@pytest.mark.parametrize(("answer", "removes"), [("y", True), ("n", False), ("", False), (CTRL_D, False)])
def test_remove_asks(kojikey: Program, answer: str, removes: bool) -> None:
    kojikey.added()
    with on_a_terminal(kojikey, "remove", "elevenlabs") as child:
        child.expect_exact("[y/N] ")
        child.send(answer if answer == CTRL_D else answer + "\r")
        code, text = end(child)
    assert code == 0
    assert ("built-in allocation" if removes else "nothing was removed") in text
    assert (kojikey.listed()["source"] == "built_in") is removes


def test_a_question_is_wrapped_between_words(kojikey: Program) -> None:
    key = kojikey.added()
    with on_a_terminal(kojikey, "remove", "elevenlabs", columns=50) as child:
        child.expect_exact("? [y/N] ")
        child.sendline("n")
        _, text = end(child)
    question = text[: text.index("[y/N]")].split("\n")
    assert max(map(len, question)) <= 50
    assert f"••••••••{key.key[-4:]}" in text


def test_account_remove_wants_the_name_typed(kojikey: Program) -> None:
    kojikey.added("elevenlabs", "ok", "--account", "acme")
    for typed, code in (("amce", 2), ("acme", 0)):
        with on_a_terminal(kojikey, "account", "remove", "acme") as child:
            child.expect_exact("to remove it: ")
            child.sendline(typed)
            assert end(child)[0] == code
    assert kojikey("account", "list", "--json").results == []


def test_get_ends_the_line_on_a_terminal(kojikey: Program) -> None:
    key = kojikey.added()
    with on_a_terminal(kojikey, "get", "elevenlabs", "--reveal") as child:
        assert end(child) == (0, key.key + "\n")


# passphrases


def test_a_new_passphrase_is_asked_twice_and_an_old_one_once(kojikey: Program) -> None:
    key, words = kojikey.key(), "correct horse battery staple"
    with on_a_terminal(kojikey, "store", "init", "--kek", "passphrase", KOJIKEY_KEK=None) as child:
        type_key(child, "New passphrase", words)
        type_key(child, "Repeat the passphrase: ", words)
        code, text = end(child)
    assert (code, words in text) == (0, False)
    with on_a_terminal(
        kojikey, "add", "elevenlabs", "--from-env", "NEW", "--no-test", KOJIKEY_KEK=None, NEW=key.key
    ) as child:
        type_key(child, "Passphrase of the store", words)
        code, text = end(child)
    assert (code, words in text) == (0, False)
    with on_a_terminal(kojikey, "get", "elevenlabs", "--reveal", KOJIKEY_KEK=None) as child:
        for _ in range(3):
            type_key(child, "Passphrase of the store: ", "not that one")
        code, text = end(child)
    assert (code, key.key in text) == (8, False)


def test_a_new_passphrase_comes_with_what_it_means_and_how_to_type_it_rarely(kojikey: Program, tmp_path: Path) -> None:
    key, words = kojikey.key(), "correct horse battery staple"
    command = ("add", "elevenlabs", "--from-env", "NEW", "--no-test")
    environ: dict[str, Any] = {"KOJIKEY_KEK": None, "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    with on_a_terminal(kojikey, *command, NEW=key.key, **environ) as child:
        child.expect_exact("which nobody can")
        type_key(child, "New passphrase", words)
        type_key(child, "Repeat the passphrase: ", words)
        code, text = end(child)
    assert (code, "kojikey unlock" in text) == (0, sys.platform == "linux")
    (tmp_path / "file").write_text(words)
    (tmp_path / "file").chmod(0o600)
    environ |= {"KOJIKEY_PASSPHRASE_FILE": str(tmp_path / "file"), "KOJIKEY_HOME": str(tmp_path / "other")}
    with on_a_terminal(kojikey, *command, NEW=key.key, **environ) as child:
        code, text = end(child)
    assert (code, "created the store" in text, "unlock" in text) == (0, True, False)


@pytest.mark.parametrize(("first", "second"), [("correct horse", "battery staple"), ("", None)])
def test_a_refused_passphrase_creates_no_store(kojikey: Program, first: str, second: str | None) -> None:
    with on_a_terminal(kojikey, "store", "init", "--kek", "passphrase", KOJIKEY_KEK=None) as child:
        for _ in range(3):
            type_key(child, "New passphrase for the store: ", first)
            if second is not None:
                type_key(child, "Repeat the passphrase: ", second)
        assert end(child)[0] == 2
    assert not (kojikey.home / "keys.db").exists()


# Ctrl-C


@pytest.mark.parametrize(
    ("arguments", "prompt"),
    [
        (("add", "elevenlabs"), "key (hidden): "),
        (("add",), "Which provider? [1-"),
        (("test", "elevenlabs", "--stdin"), "key (hidden): "),
        (("store", "init", "--kek", "passphrase"), "New passphrase"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_ctrl_c_at_a_prompt_ends_with_130_and_an_echoing_terminal(
    kojikey: Program, arguments: tuple[str, ...], prompt: str
) -> None:
    with on_a_terminal(kojikey, *arguments) as child:
        child.expect_exact(prompt)
        if "[" not in prompt:
            assert hides(child)
        child.send(CTRL_C)
        child.expect(pexpect.EOF)
        assert echoes(child)
        child.close()
        text = shown(child)
    assert (child.exitstatus, "interrupted" in text, "Traceback" in text) == (130, True, False)
    assert not (kojikey.home / "keys.db").exists()


@pytest.mark.parametrize("arguments", [("rotate", "elevenlabs"), ("remove", "elevenlabs")], ids=" ".join)
def test_ctrl_c_at_a_question_changes_nothing(kojikey: Program, arguments: tuple[str, ...]) -> None:
    kojikey.added()
    before = kojikey.contents()
    with on_a_terminal(kojikey, *arguments) as child:
        child.expect(r"\(hidden\): |\[y/N\] ")
        if arguments[0] == "rotate":
            assert hides(child)
        child.send(CTRL_C)
        code, text = end(child)
    assert (code, "interrupted" in text) == (130, True)
    assert kojikey.contents() == before


def test_ctrl_c_during_a_rotation_keeps_both_keys_and_reports_it(kojikey: Program) -> None:
    acme = ("--account", "acme")
    kojikey.added("elevenlabs", "ok", *acme)
    key = kojikey.key("elevenlabs", "ok_2")
    with kojikey.sandbox.hold(), on_a_terminal(kojikey, "rotate", "elevenlabs", *acme, *PATIENT, columns=200) as child:
        type_key(child, "key (hidden): ", key.key)
        kojikey.sandbox.wait_for_request()
        child.send(CTRL_C)
        code, text = end(child)
    assert code == 130
    assert "is staged" in text
    assert "kojikey rotate elevenlabs --account acme --resume" in text
    assert "kojikey rotate elevenlabs --account acme --abort" in text
    row = kojikey.listed("elevenlabs", *acme)
    assert (row["version"], row["staged"]["version"]) == (1, 2)
    assert kojikey("rotate", "elevenlabs", "--resume", *acme).code == 0


@pytest.mark.parametrize("arguments", [("add", "elevenlabs"), ("test",)], ids=" ".join)
def test_ctrl_c_during_a_test_saves_nothing(kojikey: Program, arguments: tuple[str, ...]) -> None:
    key = kojikey.key()
    if arguments == ("test",):
        kojikey.added()
    before = kojikey.contents()
    more = ["--base-url", key.base_url, "--from-env", "NEW"] if arguments[0] == "add" else []
    with kojikey.sandbox.hold(), on_a_terminal(kojikey, *arguments, *PATIENT, *more, NEW=key.key) as child:
        kojikey.sandbox.wait_for_request()
        child.send(CTRL_C)
        code, text = end(child)
    assert (code, "interrupted" in text, "Traceback" in text) == (130, True, False)
    assert "\x1b[?25h" in text or "\x1b[?25l" not in text, "the cursor is left hidden"
    assert kojikey.contents() == before
