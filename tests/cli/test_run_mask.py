"""``kojikey run --mask``: keys are masked, and otherwise the program behaves as without it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from support.program import COMMAND, SECONDS, Program
from support.pseudo_terminal import Child, on_a_terminal, shown

RUN = ("run", "-q", "--mask", "--")
VARIABLE = "ELEVENLABS_API_KEY"
PERCENT = f"""import os; print("".join("%%%02x" % ord(c) for c in os.environ["{VARIABLE}"]), end="")"""


@pytest.fixture
def key(kojikey: Program) -> str:
    return kojikey.added("elevenlabs").key


@pytest.fixture
def masked(key: str) -> str:
    return f"••••••••{key[-4:]}"


def run(kojikey: Program, script: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *RUN, "sh", "-c", script],
        env=kojikey.environ, capture_output=True, timeout=SECONDS, check=False, **more,
    )  # fmt: skip


def python(code: str) -> str:
    return f"import os, sys, time; key = os.environ['{VARIABLE}']\n{code}"


@pytest.mark.parametrize(
    "script",
    [
        f"printf %s ${VARIABLE}",
        f"printf %s ${VARIABLE} | base64 -w0",
        f"printf %s ${VARIABLE} >&2",
        f"{sys.executable} -c '{PERCENT}'",
    ],
    ids=["plain", "base64", "stderr", "percent"],
)
def test_the_key_is_replaced_by_its_masked_form(kojikey: Program, masked: str, script: str) -> None:
    ended = run(kojikey, script)
    assert (ended.stdout + ended.stderr).decode() == masked


def test_a_key_that_is_split_over_writes_is_masked(kojikey: Program, key: str, masked: str) -> None:
    """The program writes the rest only when the first part was read: no two parts arrive together."""
    code = python("for at in range(0, len(key), 9): os.write(1, key[at:at + 9].encode()); os.sched_yield()")
    ended = subprocess.run(
        [*COMMAND, *RUN, sys.executable, "-c", code], env=kojikey.environ, capture_output=True, check=False
    )
    assert ended.stdout.decode() == masked


def test_the_mask_is_ascii_where_the_output_has_no_bullets(kojikey: Program, key: str) -> None:
    kojikey.environ["PYTHONIOENCODING"] = "ascii"
    assert run(kojikey, f"printf %s ${VARIABLE}").stdout.decode() == f"********{key[-4:]}"


def test_other_bytes_pass_unchanged_in_both_streams(kojikey: Program, key: str, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "data").write_bytes(data)
    ended = run(kojikey, f"cat {tmp_path}/data; cat {tmp_path}/data >&2; cat", input=data)
    assert ended.stdout == data * 2
    assert ended.stderr == data


def test_one_file_for_both_streams_keeps_the_order(kojikey: Program, key: str, tmp_path: Path) -> None:
    with open(tmp_path / "log", "wb") as log:
        script = "for i in 1 2 3 4 5 6 7 8 9; do echo out$i; echo err$i >&2; done"
        command = [*COMMAND, *RUN, "sh", "-c", script]
        subprocess.run(command, env=kojikey.environ, stdout=log, stderr=log, check=True)
    lines = [f"{kind}{number}" for number in range(1, 10) for kind in ("out", "err")]
    assert (tmp_path / "log").read_text().split() == lines


@pytest.mark.parametrize("code", [0, 1, 3, 255])
def test_the_exit_status_is_that_of_the_masked_program(kojikey: Program, key: str, code: int) -> None:
    assert run(kojikey, f"exit {code}").returncode == code


@pytest.mark.parametrize("name", ["TERM", "KILL", "INT", "HUP", "PIPE", "SEGV"])
def test_a_signal_that_ends_the_program_ends_kojikey(kojikey: Program, key: str, name: str) -> None:
    assert run(kojikey, f"echo x; kill -{name} $$").returncode == -getattr(signal, f"SIG{name}")


@pytest.mark.parametrize(
    "name", ["TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "ABRT", "ALRM", "PROF", "VTALRM", "IO", "TSTP", "WINCH"]
)
def test_a_signal_that_kojikey_gets_is_passed_on(kojikey: Program, key: str, name: str) -> None:
    script = f"trap 'echo got {name}; exit 9' {name}; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen([*COMMAND, *RUN, "sh", "-c", script], env=kojikey.environ, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(getattr(signal, f"SIG{name}"))
        assert process.stdout.read() == f"got {name}\n".encode()
    assert process.returncode == 9


def test_a_program_that_is_missing_is_127_and_one_that_cannot_be_started_126(
    kojikey: Program, key: str, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("x")
    for name, code, said in (("nothere", 127, "was not found"), (str(tmp_path / "text"), 126, "could not be started")):
        ended = kojikey.installed(*RUN, name)
        assert (ended.code, said in ended.err) == (code, True)
        with on_a_terminal(kojikey, *RUN, name, columns=200) as child:
            child.expect_exact(said)
            child.expect(pexpect.EOF)
            child.close()
            assert child.exitstatus == code
    assert kojikey.installed(*RUN, "").code == 127


def test_output_is_passed_on_at_once(kojikey: Program, key: str) -> None:
    """The program waits for an answer to each text, so that a text that was kept would be waited for in vain."""
    script = "printf 'name? '; read a; printf 'sk'; read b; printf 'c2tf'; read c; printf '%s' '%7'; read d"
    command = [*COMMAND, *RUN, "sh", "-c", script]
    with subprocess.Popen(command, env=kojikey.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        for text in (b"name? ", b"sk", b"c2tf", b"%7"):
            seen = b""
            while len(seen) < len(text):
                more = os.read(process.stdout.fileno(), 100)
                assert more, seen
                seen += more
            assert seen == text
            process.stdin.write(b"\n")
            process.stdin.flush()
    assert process.returncode == 0


def test_eight_characters_that_may_become_a_key_are_held_until_it_is_decided(kojikey: Program, key: str) -> None:
    script = f"printf %.10s ${VARIABLE}; echo held >&2; read a; printf !; read b; printf %.10s ${VARIABLE}"
    command = [*COMMAND, *RUN, "sh", "-c", script]
    with subprocess.Popen(
        command, env=kojikey.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        assert process.stderr.readline() == b"held\n"
        assert not select.select([process.stdout], [], [], 0.2)[0]
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert os.read(process.stdout.fileno(), 100) == key[:10].encode() + b"!"
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert process.stdout.read() == key[:10].encode()


def test_output_that_is_lost_on_a_full_disk_is_reported_once(kojikey: Program, key: str) -> None:
    ended = kojikey.shell("kojikey run -q --mask -- sh -c 'echo one; echo two; exit 3' > /dev/full")
    assert ended.code == 3
    assert ended.err == (
        "kojikey: the program's output cannot be written (No space left on device); the rest of it is lost\n"
    )


def test_a_reader_that_goes_away_ends_the_program_as_it_would_alone(kojikey: Program, key: str) -> None:
    done = kojikey.shell("{ kojikey run -q --mask -- yes; echo $? >&2; } | head -1")
    assert (done.out, done.err) == ("y\n", f"{128 + signal.SIGPIPE}\n")


def test_a_background_program_does_not_delay_the_end(kojikey: Program, key: str) -> None:
    ended = run(kojikey, "echo first; sleep 600 & echo $! >&2")
    os.kill(int(ended.stderr), signal.SIGKILL)
    assert ended.stdout == b"first\n"


def test_the_program_inherits_open_files(kojikey: Program, key: str, tmp_path: Path) -> None:
    script = f"kojikey run -q --mask -- sh -c 'echo three >&3' 3>{tmp_path}/three"
    assert kojikey.shell(script).code == 0
    assert (tmp_path / "three").read_text() == "three\n"


def test_mask_on_windows_is_exit_2(kojikey: Program, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kojikey.cli.commands.run.run.os.name", "nt")
    ended = kojikey("run", "--mask", "--", "true")
    assert ended.code == 2
    assert "only on Linux and macOS" in ended.err


# on a terminal


@contextlib.contextmanager
def shell_in(kojikey: Program, script: str, **more: Any) -> Iterator[Child]:
    with on_a_terminal(kojikey, *RUN, "sh", "-c", script, **more) as child:
        yield child


def ended(child: Child) -> tuple[int | None, int | None, str]:
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus, child.signalstatus, shown(child).replace("\r\n", "\n")


def test_the_program_has_a_terminal_and_the_key_is_masked_there(kojikey: Program, masked: str) -> None:
    with shell_in(kojikey, f"test -t 0 && test -t 1 && test -t 2 && echo yes; echo ${VARIABLE}; exit 5") as child:
        assert ended(child) == (5, None, f"yes\n{masked}\n")


def test_the_size_of_the_programs_terminal_follows_ours(kojikey: Program, key: str) -> None:
    script = "trap 'stty size; exit' WINCH; stty size; while :; do sleep 0.05; done"
    with shell_in(kojikey, script, columns=97) as child:
        child.expect_exact("24 97")
        child.setwinsize(30, 111)
        child.expect_exact("30 111")
        assert ended(child)[0] == 0


def test_line_ends_and_colours_are_the_same_as_without_mask(kojikey: Program, key: str) -> None:
    script = "printf '\\033[31mred\\033[0m\\nnext\\n'"
    with shell_in(kojikey, script) as child:
        child.expect(pexpect.EOF)
        assert shown(child) == "\x1b[31mred\x1b[0m\r\nnext\r\n"


def test_ctrl_c_reaches_the_program_and_its_end_is_ours(kojikey: Program, key: str) -> None:
    code = "import signal; signal.signal(2, signal.SIG_DFL); print('ready', flush=True); signal.pause()"
    with on_a_terminal(kojikey, *RUN, sys.executable, "-c", code) as child:
        child.expect_exact("ready")
        child.sendintr()
        assert ended(child)[:2] == (None, signal.SIGINT)


def test_a_program_that_catches_ctrl_c_goes_on(kojikey: Program, key: str) -> None:
    with shell_in(
        kojikey, "trap 'echo caught' INT; echo ready; until read a && test $a; do :; done; echo got $a; exit 4"
    ) as child:
        child.expect_exact("ready")
        child.sendintr()
        child.expect_exact("caught")
        child.sendline("text")
        child.expect_exact("got text")
        assert ended(child)[0] == 4


def test_what_is_typed_is_echoed_once_and_hidden_where_the_program_hides_it(kojikey: Program, key: str) -> None:
    with shell_in(kojikey, "echo ready; read a; stty -echo; echo hidden; read b; stty echo; echo $a$b") as child:
        child.expect_exact("ready")
        child.sendline("open")
        child.expect_exact("hidden")
        child.sendline("closed")
        assert ended(child) == (0, None, "ready\nopen\nhidden\nopenclosed\n")


def test_ctrl_z_stops_the_program_and_fg_resumes_it(kojikey: Program, masked: str) -> None:
    with on_a_terminal(kojikey, program=("bash", "--norc", "--noediting", "-i"), PS1="prompt$ ", HISTFILE="") as child:
        child.expect_exact("prompt$ ")
        line = " ".join((*COMMAND, *RUN, "sh", "-c", f"'echo ready; read a; echo ${VARIABLE} $a'"))
        child.sendline(line)
        child.expect_exact("ready\r\n")
        child.send("\x1a")
        child.expect_exact("Stopped")
        child.expect_exact("prompt$ ")
        child.sendline("echo between")
        child.expect_exact("\r\nbetween")
        child.expect_exact("prompt$ ")
        child.sendline("fg")
        child.expect_exact("sh -c")
        child.sendline("again")
        child.expect_exact(f"{masked} again")
        child.expect_exact("prompt$ ")
        child.sendline("stty -a; exit")
        child.expect(r"[^-]echo\b")
        child.expect(pexpect.EOF)


def test_a_job_that_went_on_in_the_background_has_the_keyboard_again_with_fg(kojikey: Program, masked: str) -> None:
    with on_a_terminal(kojikey, program=("bash", "--norc", "--noediting", "-i"), PS1="prompt$ ", HISTFILE="") as child:
        child.expect_exact("prompt$ ")
        script = f"'echo ready; read a; echo ${VARIABLE} $a'"
        for more in ("", " &"):
            child.sendline(" ".join((*COMMAND, *RUN, "sh", "-c", script)) + more)
            child.expect(r"\bready\r+\n")
            if not more:
                child.send("\x1a")
                child.expect_exact("Stopped")
                child.expect_exact("prompt$ ")
                child.sendline("bg")
            child.sendline("echo between")
            child.expect_exact("\r\nbetween")
            child.sendline("fg")
            child.expect_exact("sh -c")
            child.sendline("again")
            child.expect_exact(f"{masked} again")
            child.expect_exact("prompt$ ")


def test_a_shell_in_the_programs_terminal_has_job_control(kojikey: Program, key: str) -> None:
    command = ("bash", "--norc", "--noediting", "-i")
    with on_a_terminal(kojikey, *RUN, *command, PS1="inner$ ", HISTFILE="") as child:
        child.expect_exact("inner$ ")
        assert "no job control" not in shown(child)
        child.sendline("sh -c 'echo started; read a'")
        child.expect_exact("\r\nstarted")
        child.send("\x1a")
        child.expect_exact("Stopped")
        child.sendline("kill %1; exit 6")
        child.expect_exact("exit")
        child.sendline("exit 6")
        assert ended(child)[0] == 6


def test_the_terminal_is_as_it_was_afterwards(kojikey: Program, key: str) -> None:
    import termios

    master, slave = os.openpty()
    before = termios.tcgetattr(slave)
    for script in ("exit 0", "kill -KILL $$", "stty raw -echo"):
        subprocess.run(
            [*COMMAND, *RUN, "sh", "-c", script], env=kojikey.environ, stdin=slave, stdout=slave, stderr=slave,
            check=False, start_new_session=True, preexec_fn=lambda: __import__("fcntl").ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_only_the_output_is_a_terminal(kojikey: Program, masked: str) -> None:
    script = f"echo x | {' '.join((*COMMAND, *RUN))} sh -c 'test -t 1 && ! test -t 0 && read a && echo $a ${VARIABLE}'"
    with on_a_terminal(kojikey, program=("sh", "-c", script)) as child:
        assert ended(child) == (0, None, f"x {masked}\n")


def test_ctrl_c_in_a_pipeline_reaches_the_program_once(kojikey: Program, key: str, tmp_path: Path) -> None:
    inner = f"trap 'echo caught >>{tmp_path}/log' INT; echo ready >&2; until read a && test $a; do :; done; exit 3"
    (tmp_path / "inner").write_text(inner)
    script = f"trap : INT; {' '.join((*COMMAND, *RUN))} bash {tmp_path}/inner | cat"
    with on_a_terminal(kojikey, program=("bash", "-c", script)) as child:
        child.expect_exact("ready")
        child.sendintr()
        child.sendline("text")
        child.expect(pexpect.EOF)
    assert (tmp_path / "log").read_text() == "caught\n"
