"""``kojikey run --mask`` as a job of a shell, or of a program that stops and resumes it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from support.program import COMMAND, SECONDS, Program
from support.pseudo_terminal import on_a_terminal

RUN = ("run", "-q", "--mask", "--")
VARIABLE = "ELEVENLABS_API_KEY"
SHELLS = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"], "dash": ["dash", "-i"]}


@pytest.fixture
def masked(kojikey: Program) -> str:
    return f"••••••••{kojikey.added('elevenlabs').key[-4:]}"


def command(script: str) -> str:
    return shlex.join([*COMMAND, *RUN, "sh", "-c", script])


@pytest.mark.parametrize("shell", SHELLS)
def test_a_job_that_starts_in_the_background_reads_lines_after_fg(kojikey: Program, masked: str, shell: str) -> None:
    """It starts while the shell's line editor has the terminal, in a mode in which Enter does not end a line."""
    with on_a_terminal(kojikey, program=SHELLS[shell], columns=200, PS1="prompt$ ", HISTFILE="/dev/null") as child:
        child.expect_exact("prompt$ ")
        child.sendline(command(f"echo rea''dy; read a; echo ${VARIABLE} $a") + " &")
        child.expect(r"ready\r+\n")
        child.send("fg\r")
        child.expect_exact("sh -c")
        child.send("text\r")
        child.expect_exact(f"{masked} text")
        child.expect_exact("prompt$ ")


@pytest.mark.parametrize("shell", SHELLS)
def test_ctrl_z_stops_a_pipeline_once_and_fg_resumes_it(kojikey: Program, masked: str, shell: str) -> None:
    with on_a_terminal(kojikey, program=SHELLS[shell], columns=200, PS1="prompt$ ", HISTFILE="/dev/null") as child:
        child.expect_exact("prompt$ ")
        script = f"echo rea''dy; read a </dev/tty; echo ${VARIABLE} $a"
        child.sendline(f"{command(script)} | cat")
        child.expect(r"ready\r+\n")
        for _ in range(3):
            child.send("\x1a")
            child.expect_exact("prompt$ ")
            child.sendline("fg")
            child.expect_exact("cat\r\n")
        child.sendline("text")
        child.expect_exact(f"{masked} text")
        child.expect_exact("prompt$ ")


@pytest.mark.parametrize("name", ["SIGTSTP", "SIGSTOP"])
def test_kojikey_stops_with_the_program_and_resumes_it(
    kojikey: Program, masked: str, name: str, tmp_path: Path
) -> None:
    """A program stops itself; a process that watches kojikey sees that, and resumes it."""
    (tmp_path / "script").write_text(f"kill -{name[3:]} $$; echo ${VARIABLE}; exit 3")
    # In a process group of its own, with a parent outside it: the kernel does not stop an orphaned group.
    with subprocess.Popen(
        [*COMMAND, *RUN, "sh", str(tmp_path / "script")],
        env=kojikey.environ, stdout=subprocess.PIPE, process_group=0,
    ) as process:  # fmt: skip
        assert process.stdout
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert os.WSTOPSIG(status) == getattr(signal, name)
        process.send_signal(signal.SIGCONT)
        assert process.stdout.read().decode() == f"{masked}\n"
    assert process.returncode == 3


@pytest.mark.parametrize(("trap", "status"), [("trap - HUP", -signal.SIGHUP), ("trap 'exit 7' HUP", 7)])
def test_a_lost_connection_ends_kojikey_as_it_ends_the_program(
    kojikey: Program, masked: str, tmp_path: Path, trap: str, status: int
) -> None:
    """The terminal is gone by then, and its modes cannot be restored."""
    import fcntl  # Windows has neither
    import termios

    master, slave = os.openpty()
    with (
        open(tmp_path / "said", "wb") as said,
        subprocess.Popen(
            [*COMMAND, *RUN, "sh", "-c", f"{trap}; echo ready; while :; do sleep 0.05; done"],
            env=kojikey.environ, stdin=slave, stdout=slave, stderr=said, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        ) as process,
    ):  # fmt: skip
        os.close(slave)
        assert os.read(master, 100).strip() == b"ready"
        os.close(master)
        assert process.wait(SECONDS) == status
    assert (tmp_path / "said").read_text() == ""
