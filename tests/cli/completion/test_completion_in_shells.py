"""The completion scripts in real shells: bash, zsh and fish complete real command lines."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from kojikey.providers.index import read_index
from support.program import Program

COMPLETIONS = Path(__file__).parents[3] / "completions"
Shell = Callable[[str], list[str]]

# A command line up to the cursor, and what is offered there (for "...": among others).
OFFERED = [
    ("kojikey ro", ["rotate"]),
    ("kojikey --v", ["--version"]),
    ("kojikey add ", sorted(read_index())),
    ("kojikey add goo", ["google_gemini"]),
    ("kojikey add google_gemini ", []),
    ("kojikey add --from-file ./only", ["./only-file.txt"]),
    ("kojikey add --from-env KOJIKEY_TEST_V", ["KOJIKEY_TEST_VARIABLE"]),
    ("kojikey add elevenlabs --capability voices", ["voices_read"]),
    ("kojikey add elevenlabs --capability ", ["convai_read", "speech_to_text", "text_to_speech", "voices_read"]),
    ("kojikey add google_gemini --capability ", ["generate"]),
    ("kojikey add nonsense --capability gen", ["generate"]),
    ("kojikey add --label elevenlabs --capability gen", ["generate"]),
    ("kojikey providers ch", ["check"]),
    ("kojikey providers goo", ["google_gemini"]),
    ("kojikey scan ./only", ["./only-file.txt"]),
    ("kojikey store recipients re", ["remove"]),
    ("kojikey test elevenlabs goo", ["google_gemini"]),
    ("kojikey test --fail-on ", ["indeterminate", "limited", "rejected"]),
    ("kojikey list --sort ", ["account", "age", "provider", "tested"]),
    ("kojikey list --account ac", ["acme"]),
    ("kojikey list -a ac", ["acme"]),
    ("kojikey list --store ", ["local"]),
    ("kojikey rotate --account acme el", ["elevenlabs", "elevenlabs_admin"]),
    ("kojikey rotate --res", ["--resume"]),
    ("kojikey get --rev", ["--reveal"]),
    ("kojikey store in", ["info", "init"]),
    ("kojikey store rekey --kek pass", ["passphrase"]),
    ("kojikey store rekey --k", ["--kek"]),
    ("kojikey help exit", ["exit-codes"]),
    ("kojikey run --req", ["--require"]),
    ("kojikey run --provider el", ["elevenlabs", "elevenlabs_admin"]),
    ("kojikey run -- only-prog", ["only-program"]),
    ("kojikey run -p elevenlabs -- only-prog", ["only-program"]),
    ("kojikey run only-prog", ["only-program"]),
    ("kojikey run -- cat ./only", ["./only-file.txt"]),
    ("kojikey nonsense ", []),
]


def needed(shell: str) -> str:
    """Return the path of a shell; without it there is nothing to test, and that is a failure."""
    path = shutil.which(shell)
    if path is None:
        pytest.fail(f"{shell} is not here, and this test needs it: sudo apt-get install {shell}")
    return path


@pytest.fixture
def environ(kojikey: Program, tmp_path: Path) -> dict[str, str]:
    """Return the environment of a person who has a key as account acme, a file and a program to complete."""
    key = kojikey.sandbox.key("elevenlabs", "ok")
    added = kojikey("add", "elevenlabs", "--account", "acme", "--stdin", "--base-url", key.base_url, stdin=key.key)
    assert added.code == 0
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "only-file.txt").touch()
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "only-program").write_text("#!/bin/sh\n")
    (programs / "only-program").chmod(0o755)
    (programs / "kojikey").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kojikey "$@"\n')
    (programs / "kojikey").chmod(0o755)
    mine = {name: value for name, value in kojikey.environ.items() if name not in ("KOJIKEY_KEK", "PYTHONPATH")}
    return mine | {
        "PATH": f"{programs}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PWD": str(folder),
        "TERM": "xterm",
        "KOJIKEY_TEST_VARIABLE": "1",
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
        "XDG_DATA_HOME": str(tmp_path / "xdg"),
    }


@pytest.fixture
def bash(environ: dict[str, str]) -> Shell:
    program = needed("bash")

    def complete(line: str) -> list[str]:
        words = " ".join(f"'{word}'" for word in line.split(" "))
        code = (
            f"source '{COMPLETIONS}/kojikey.bash'; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
            '_kojikey kojikey; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        return ran([program, "--norc", "--noprofile", "-c", code], environ)

    return complete


@pytest.fixture
def fish(environ: dict[str, str]) -> Shell:
    program = needed("fish")

    def complete(line: str) -> list[str]:
        code = f"source '{COMPLETIONS}/kojikey.fish'; complete -C '{line}'"
        return [offer.split("\t")[0] for offer in ran([program, "--no-config", "-c", code], environ)]

    return complete


def ran(command: list[str], environ: dict[str, str]) -> list[str]:
    done = subprocess.run(
        command, env=environ, cwd=environ["PWD"], capture_output=True, text=True, check=False, timeout=60
    )
    assert "rror" not in done.stderr, done.stderr
    return sorted(line for line in done.stdout.splitlines() if line)


@pytest.mark.parametrize(("line", "offered"), OFFERED)
def test_bash_offers(bash: Shell, line: str, offered: list[str]) -> None:
    assert bash(line) == offered


@pytest.mark.parametrize(("line", "offered"), OFFERED)
def test_fish_offers(fish: Shell, line: str, offered: list[str]) -> None:
    assert fish(line) == offered


def test_values_of_another_store_are_not_offered(bash: Shell, fish: Shell, tmp_path: Path) -> None:
    line = f"kojikey list --store sqlite://{tmp_path}/another.db --account "
    assert fish(line) == []
    # bash makes words of its own at a colon, so what the store is gets lost there; it must still not fail
    assert bash(line) in ([], ["acme"])


# What is typed, and what the line is after Tab.
TYPED = [
    ("kojikey rot", "kojikey rotate "),
    ("kojikey add goo", "kojikey add google_gemini "),
    ("kojikey list --account ac", "kojikey list --account acme "),
    ("kojikey list --account acme el", "kojikey list --account acme elevenlabs "),
    ("kojikey get --rev", "kojikey get --reveal "),
    ("kojikey add --from-file ./on", "kojikey add --from-file ./only-file.txt "),
    ("kojikey add --from-env KOJIKEY_TEST_V", "kojikey add --from-env KOJIKEY_TEST_VARIABLE "),
    ("kojikey test --fail-on rej", "kojikey test --fail-on rejected "),
    ("kojikey add openai --capability f", "kojikey add openai --capability fi"),
    ("kojikey add google_gemini --capability ", "kojikey add google_gemini --capability generate "),
    ("kojikey store rek", "kojikey store rekey "),
    ("kojikey store rekey --kek pass", "kojikey store rekey --kek passphrase"),
    ("kojikey store rekey --kek=pass", "kojikey store rekey --kek=passphrase"),
    ("kojikey list --account=ac", "kojikey list --account=acme "),
    ("kojikey store rekey --ke", "kojikey store rekey --kek "),
    ("kojikey run --prov", "kojikey run --provider "),
    ("kojikey run --provider gr", "kojikey run --provider groq "),
    ("kojikey run -- only-pr", "kojikey run -- only-program "),
    ("kojikey run -- cat ./on", "kojikey run -- cat ./only-file.txt "),
    ("kojikey run --provider elevenlabs -- only-pr", "kojikey run --provider elevenlabs -- only-program "),
]
BASH = """
source {completions}/kojikey.bash
show_line() {{ printf '<<%s>>\\n' "$READLINE_LINE"; }}
bind -x '"\\C-g": show_line'
bind 'set bell-style none'
bind 'set enable-bracketed-paste off'
PS1=
printf 're%s\\n' ady
"""
ZSH = """
unsetopt prompt_cr prompt_sp
PS1=
fpath=({completions} $fpath)
autoload -Uz compinit
compinit -u -D
show_line() {{ zle -I; print -r -- "<<$BUFFER>>" }}
zle -N show_line
bindkey '^G' show_line
bindkey '^U' kill-whole-line
unsetopt zle_bracketed_paste
printf 're%s\\n' ady
"""
FISH = """
function fish_prompt; end
function fish_right_prompt; end
source {completions}/kojikey.fish
bind \\cg 'echo "<<"(commandline)">>"'
bind \\cu 'commandline ""'
printf 're%s\\n' ady
"""
STARTS = {
    "bash": (["--norc", "--noprofile", "-i"], BASH),
    "zsh": (["-f", "-i"], ZSH),
    "fish": (["--no-config", "-i"], FISH),
}


@pytest.fixture(params=["bash", "zsh", "fish"])
def typed(request: pytest.FixtureRequest, environ: dict[str, str]) -> Iterator[Callable[[str], str]]:
    """Return what types a line and Tab into a shell on a terminal, and tells what the line is then."""
    program = needed(request.param)
    arguments, text = STARTS[request.param]
    rc = Path(environ["HOME"]) / "rc"
    rc.write_text(text.format(completions=COMPLETIONS))
    shell = pexpect.spawn(
        program, arguments, env=environ, cwd=environ["PWD"], encoding="utf-8", timeout=60, dimensions=(40, 200)
    )
    shell.sendline(f". {rc}")
    shell.expect("ready\r\n")

    def after_tab(line: str) -> str:
        shell.send(f"{line}\t\x07")
        shell.expect("<<(.*?)>>")
        assert isinstance(shell.match, re.Match)
        completed = str(shell.match.group(1))
        shell.send("\x15")
        return completed

    yield after_tab
    shell.close(force=True)


def test_tab_completes_on_a_terminal(typed: Callable[[str], str]) -> None:
    """All lines in one session, as a person has it."""
    for line, completed in TYPED:
        # zsh ends an option that takes a value by "=", and keeps no space at the end; what counts is the words
        assert typed(line).rstrip(" =") == completed.rstrip(), line


HOSTILE = [
    "$(touch${IFS}pwned)", "`touch pwned`", "acx$(touch pwned)", "acx`touch pwned`", "acx;touch pwned",
    "acx'$(touch pwned)'", "acx (touch pwned)", "acx{a,b}", "acx*", "~root", "-y", "acx\tabout", "acx\x1b[31m",
    "acx&touch pwned&", "acx|touch pwned",
]  # fmt: skip


def says(environ: dict[str, str], names: list[str]) -> None:
    """Let the program that is completed offer these names, whatever is asked."""
    names_file = Path(environ["HOME"]) / "names"
    names_file.write_text("".join(f"{name}\n" for name in names))
    (Path(environ["HOME"]) / "programs" / "kojikey").write_text(f"#!/bin/sh\ncat '{names_file}'\n")


def test_tab_executes_no_name_that_the_program_offers(typed: Callable[[str], str], environ: dict[str, str]) -> None:
    """The scripts' own defence: a name is neither expanded while it is looked at, nor put into the line."""
    says(environ, [*HOSTILE, "acme", "acorn"])
    for line in ("kojikey list --account ", "kojikey list --account a", "kojikey add ", "kojikey test --store "):
        added = typed(f"{line}\t\t").removeprefix(line.rstrip())
        assert re.fullmatch("[ a-z_-]*", added), added
    assert not list(Path(environ["HOME"]).rglob("pwned"))


def test_tab_executes_no_name_of_a_hostile_store(
    typed: Callable[[str], str], environ: dict[str, str], kojikey: Program
) -> None:
    """The program's own defence: names that are not well-formed are not offered at all."""
    with sqlite3.connect(kojikey.home / "keys.db") as database:
        for name in HOSTILE:
            document = json.dumps({"account": name})
            database.execute("INSERT INTO accounts (account, revision, document) VALUES (?, '', ?)", (name, document))
    assert ran(["kojikey", "complete", "account"], environ) == ["acme"]
    assert typed("kojikey list --account ").strip() == "kojikey list --account acme"
    assert not list(Path(environ["HOME"]).rglob("pwned"))


def test_completing_opens_nothing_and_needs_no_kek(environ: dict[str, str]) -> None:
    assert "KOJIKEY_KEK" not in environ
    before = {path: path.stat().st_mtime_ns for path in Path(environ["KOJIKEY_HOME"]).iterdir()}
    assert ran(["kojikey", "complete", "account"], environ | {"PATH": environ["PATH"]}) == ["acme"]
    assert {path: path.stat().st_mtime_ns for path in Path(environ["KOJIKEY_HOME"]).iterdir()} == before


def test_a_broken_set_up_offers_nothing_and_prints_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.toml").write_text("= nonsense")
    done = subprocess.run(
        [sys.executable, "-m", "kojikey", "complete", "provider"],
        env=environ | {"KOJIKEY_HOME": str(tmp_path / "broken")},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert os.listdir(tmp_path / "broken") == ["config.toml"]
