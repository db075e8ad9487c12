"""The hidden prompt under real shells with job control: no echo while it reads, the old settings otherwise."""

from __future__ import annotations

import os
import re
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pexpect
import pytest

from support.program import COMMAND, Program, pieces_in
from support.pseudo_terminal import Child, echoes, end, hides, on_a_terminal, shown, type_key

CTRL_C, CTRL_Z = "\x03", "\x1a"
PASSPHRASE = "correct horse battery staple"
SHELLS = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"], "dash": ["dash", "-i"]}
READY = "ready=0 "
"""What the shell's prompt becomes: never found in what is typed, where it is ``$((0))``."""


@contextmanager
def in_a_shell(kojikey: Program, shell: str = "bash", **environ: str | None) -> Iterator[Child]:
    """Start a shell with job control, whose prompt is known."""
    with on_a_terminal(kojikey, program=SHELLS[shell], columns=200, HISTFILE="/dev/null", **environ) as child:
        child.sendline("PS1='ready'=$((0))' '; unset zle_bracketed_paste; bind 'set enable-bracketed-paste off'")
        child.expect_exact(READY)
        yield child


def typed(child: Child, line: str) -> str:
    """Type a line that ends by itself, and return what it printed."""
    child.sendline(line)
    child.expect_exact(READY)
    return str(child.before)


def modes(child: Child) -> str:
    found = re.search(r"[0-9a-f]+(:[0-9a-f]+){10,}", typed(child, "stty -g"))
    assert found
    return found[0]


def command(*arguments: str) -> str:
    return shlex.join([*COMMAND, *arguments])


@pytest.mark.parametrize("shell", SHELLS)
def test_a_key_stays_hidden_across_ctrl_z_and_fg(kojikey: Program, shell: str) -> None:
    key = kojikey.key()
    with in_a_shell(kojikey, shell) as child:
        before = modes(child)
        child.sendline(command("add", "elevenlabs", "--no-test"))
        child.expect_exact("key (hidden): ")
        assert hides(child)
        child.send(key.key[:20] + CTRL_Z)
        child.expect_exact(READY)
        assert modes(child) == before
        child.sendline("fg")
        type_key(child, "key (hidden): ", key.key)
        child.expect_exact("saved as version 1")
        child.expect_exact(READY)
        assert modes(child) == before
        assert pieces_in(key.key, shown(child)) == []
    assert kojikey("get", "elevenlabs", "--reveal").out == key.key


@pytest.mark.parametrize("shell", SHELLS)
def test_a_passphrase_stays_hidden_across_ctrl_z_and_fg(kojikey: Program, tmp_path: object, shell: str) -> None:
    with in_a_shell(kojikey, shell, KOJIKEY_KEK=None) as child:
        before = modes(child)
        child.sendline(command("store", "init", "--kek", "passphrase"))
        for prompt in ("New passphrase for the store: ", "Repeat the passphrase: "):
            child.expect_exact(prompt)
            assert hides(child)
            child.send(CTRL_Z)
            child.expect_exact(READY)
            assert modes(child) == before
            child.sendline("fg")
            type_key(child, prompt, PASSPHRASE)
        child.expect_exact("created the store")
        child.expect_exact(READY)
        assert modes(child) == before
        assert PASSPHRASE not in shown(child)


def test_text_that_was_typed_before_the_stop_is_forgotten_and_asked_for_again(kojikey: Program) -> None:
    key = kojikey.key()
    with in_a_shell(kojikey) as child:
        child.sendline(command("add", "elevenlabs", "--no-test"))
        for _ in range(3):
            child.expect_exact("key (hidden): ")
            assert hides(child)
            child.send("x" * 20 + CTRL_Z)
            child.expect_exact(READY)
            child.sendline("fg")
        type_key(child, "key (hidden): ", key.key)
        child.expect_exact(f"{len(key.key)} characters received")


def test_a_prompt_that_continues_in_the_background_waits_there_with_the_echo_on(kojikey: Program) -> None:
    key = kojikey.key()
    with in_a_shell(kojikey) as child:
        before = modes(child)
        child.sendline(command("add", "elevenlabs", "--no-test"))
        child.expect_exact("key (hidden): ")
        assert hides(child)
        child.send(CTRL_Z)
        child.expect_exact(READY)
        typed(child, "bg; while ! jobs %1 | grep -q Stopped; do :; done")
        assert modes(child) == before
        child.sendline("fg")
        type_key(child, "key (hidden): ", key.key)
        child.expect_exact("saved as version 1")
        assert pieces_in(key.key, shown(child)) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_prompt_that_starts_in_the_background_is_answered_with_enter_after_fg(kojikey: Program, shell: str) -> None:
    """It starts while the shell's line editor has the terminal, in a mode in which Enter does not end a line."""
    key = kojikey.added()
    questions = {
        command("add", "elevenlabs", "-a", "b", "--no-test"): "key (hidden): ",
        command("remove", "elevenlabs"): "[y/N] ",
    }
    with in_a_shell(kojikey, shell) as child:
        before = modes(child)
        for line, question in questions.items():
            child.sendline(f"{line} &")
            child.expect_exact(READY)
            typed(child, "while ! ps -o stat= $! | grep -q T; do :; done")
            child.send("fg\r")
            child.expect_exact(question)
            if "hidden" in question:
                assert hides(child)
            child.send(f"{key.key if 'hidden' in question else 'y'}\r")
            child.expect_exact("saved as version 1" if "hidden" in question else "removed")
            child.expect_exact(READY)
            assert modes(child) == before
        assert pieces_in(key.key, shown(child)) == []


def test_enter_ends_an_answer_on_a_terminal_that_was_left_in_raw_mode(kojikey: Program) -> None:
    key = kojikey.key()
    script = f"stty raw; {command('add', 'elevenlabs', '--no-test')} && {command('remove', 'elevenlabs')}"
    with on_a_terminal(kojikey, program=["sh", "-c", script]) as child:
        child.expect_exact("key (hidden): ")
        assert hides(child)
        child.send(f"{key.key}\r")
        child.expect_exact("[y/N] ")
        child.send("y\r")
        code, text = end(child)
    assert (code, "removed" in text, pieces_in(key.key, text)) == (0, True, [])


@pytest.mark.parametrize("pasted", ["\x1b[200~{}\x1b[201~\r", "\x1b[200~{}\r\x1b[201~"], ids=["key", "key and Enter"])
def test_the_markers_of_a_bracketed_paste_are_no_part_of_the_key(kojikey: Program, pasted: str) -> None:
    key = kojikey.key()
    with on_a_terminal(kojikey, "add", "elevenlabs", "--no-test") as child:
        child.expect_exact("key (hidden): ")
        assert hides(child)
        child.send(pasted.format(key.key))
        assert end(child)[0] == 0
    assert kojikey("get", "elevenlabs", "--reveal").out == key.key


def test_a_line_whose_end_the_terminal_dropped_is_refused(kojikey: Program) -> None:
    with on_a_terminal(kojikey, "add", "elevenlabs", "--no-test", columns=200) as child:
        child.expect_exact("key (hidden): ")
        assert hides(child)
        child.sendline("x" * 5000)
        code, text = end(child)
    assert (code, "so its end is missing" in text, "--from-file PATH" in text) == (2, True, True)


def test_after_sigstop_the_prompt_is_hidden_again(kojikey: Program) -> None:
    key = kojikey.key()
    with in_a_shell(kojikey) as child:
        before = modes(child)
        child.sendline(command("add", "elevenlabs", "--no-test"))
        child.expect_exact("key (hidden): ")
        assert hides(child)
        os.kill(os.tcgetpgrp(child.child_fd), signal.SIGSTOP)
        child.expect_exact(READY)
        child.sendline("stty echo; fg")
        type_key(child, "key (hidden): ", key.key)
        child.expect_exact("saved as version 1")
        child.expect_exact(READY)
        assert modes(child) == before
        assert pieces_in(key.key, shown(child)) == []


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGQUIT"])
def test_a_signal_that_ends_a_prompt_restores_the_echo(kojikey: Program, name: str) -> None:
    with on_a_terminal(kojikey, "add", "elevenlabs") as child:
        child.expect_exact("key (hidden): ")
        assert hides(child)
        child.kill(getattr(signal, name))
        child.expect(pexpect.EOF)
        assert echoes(child)
        child.close()
    assert child.signalstatus == getattr(signal, name)


def test_under_nohup_a_lost_connection_does_not_end_a_prompt(kojikey: Program) -> None:
    key = kojikey.key()
    program = ["bash", "-c", f"trap '' HUP; exec {command('add', 'elevenlabs', '--no-test')}"]
    with on_a_terminal(kojikey, program=program) as child:
        child.expect_exact("key (hidden): ")
        assert hides(child)
        child.kill(signal.SIGHUP)
        child.sendline(key.key)
        assert end(child)[0] == 0


def test_a_window_that_is_resized_changes_nothing(kojikey: Program) -> None:
    key = kojikey.key()
    with on_a_terminal(kojikey, "add", "elevenlabs", "--no-test") as child:
        child.expect_exact("key (hidden): ")
        assert hides(child)
        child.setwinsize(50, 120)
        assert not echoes(child)
        child.sendline(key.key)
        code, text = end(child)
    assert (code, pieces_in(key.key, text)) == (0, [])


def test_the_rest_of_a_paste_of_several_lines_is_not_left_to_the_shell(kojikey: Program) -> None:
    with in_a_shell(kojikey) as child:
        child.sendline(command("add", "elevenlabs", "--no-test"))
        child.expect_exact("key (hidden): ")
        assert hides(child)
        child.send("'quoted, so refused'\recho sur''prise\r")
        child.expect_exact(READY)
        typed(child, "true")
    assert "surprise" not in shown(child)


def test_one_ctrl_c_ends_a_prompt_in_a_shell(kojikey: Program) -> None:
    with in_a_shell(kojikey) as child:
        before = modes(child)
        child.sendline(command("add", "elevenlabs"))
        child.expect_exact("key (hidden): ")
        assert hides(child)
        child.send(CTRL_C)
        child.expect_exact(READY)
        assert "130" in typed(child, "echo $?")
        assert modes(child) == before
