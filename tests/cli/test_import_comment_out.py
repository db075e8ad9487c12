"""``kojikey import --comment-out``: the lines of keys that were taken become comments, and nothing else changes."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.importing import GROQ, OPENAI, OPENROUTER, PASSWORD, run, value, write
from support.importing import folder as folder
from support.program import Program


def test_comment_out_keeps_every_other_byte_the_mode_and_the_owner(kojikey: Program, folder: Path) -> None:
    entries = [f"NAME_{number}={PASSWORD}" for number in range(500)]
    entries[250:250] = [f'  export OPENAI_API_KEY="{OPENAI}" # main', f"GROQ_API_KEY={GROQ}", f"KEEP='{OPENROUTER}'"]
    before = "\ufeff" + "\r\n".join(entries)
    file = write(folder, before)
    if os.geteuid() == 0:
        os.chown(file, 12345, 12346)  # nobody else can give a file away
    file.chmod(0o640)
    owner = (file.stat().st_uid, file.stat().st_gid)
    ended = run(kojikey, "--comment-out")
    assert [row["action"] for row in ended.results] == ["added", "added", "skipped"]
    assert [row["commented_out"] for row in ended.results] == [True, True, False]
    entries[250:252] = ["# OPENAI_API_KEY: in kojikey", "# GROQ_API_KEY: in kojikey"]
    assert file.read_bytes() == ("\ufeff" + "\r\n".join(entries)).encode()
    assert (file.stat().st_uid, file.stat().st_gid, stat.S_IMODE(file.stat().st_mode)) == (*owner, 0o640)
    assert [path.name for path in folder.iterdir()] == [".env"]
    assert [(one["line"], one["name"]) for one in ended.document["in_clear"]] == [(253, "KEEP")]
    assert run(kojikey, "--comment-out").code == 5


def test_a_statement_of_several_lines_becomes_one(kojikey: Program, folder: Path) -> None:
    file = write(folder, f'A=1\nOPENAI_API_KEY="\n{OPENAI}\n"\n\nB=2')
    assert run(kojikey, "--comment-out").code == 0
    assert file.read_text() == "A=1\n# OPENAI_API_KEY: in kojikey\n\nB=2"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_the_encoding_of_a_windows_shell_is_kept(kojikey: Program, folder: Path, encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    file = write(folder, f"{mark}P={PASSWORD}\r\nOPENAI_API_KEY={OPENAI}\r\n".encode(encoding))
    assert run(kojikey, "--comment-out").code == 0
    assert file.read_bytes() == f"{mark}P={PASSWORD}\r\n# OPENAI_API_KEY: in kojikey\r\n".encode(encoding)


def test_the_target_of_a_link_is_rewritten(kojikey: Program, folder: Path) -> None:
    target = write(folder, f"OPENAI_API_KEY={OPENAI}\n", "target")
    (folder / ".env").symlink_to(target)
    assert run(kojikey, "--comment-out").code == 0
    assert (target.read_text(), (folder / ".env").is_symlink()) == ("# OPENAI_API_KEY: in kojikey\n", True)


@pytest.mark.parametrize(
    ("arguments", "content"),
    [(["-"], ""), (["keys.json"], "{}"), (["like.env"], '{"openai": "x"}'), (["--env"], ""), ([".env", "-"], "")],
    ids=str,
)
def test_comment_out_without_lines_to_replace_is_refused_before_anything_is_saved(
    kojikey: Program, folder: Path, arguments: list[str], content: str
) -> None:
    write(folder, f"OPENAI_API_KEY={OPENAI}\n")
    for name in arguments:
        if name.endswith((".json", "like.env")):
            write(folder, content, name)
    ended = run(kojikey, *arguments, "--comment-out", OPENAI_API_KEY=OPENAI)
    assert (ended.code, ended.error["code"]) == (2, "usage")
    assert not kojikey.home.exists()


def test_a_file_that_somebody_changed_meanwhile_is_not_rewritten(
    kojikey: Program, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kojikey.operations import importing

    file = write(folder, f"OPENAI_API_KEY={OPENAI}\n")
    import_all = importing.import_all

    async def and_edit(*arguments: Any) -> None:
        await import_all(*arguments)
        file.write_text(f"# new\nOPENAI_API_KEY={OPENAI}\n")

    monkeypatch.setattr(importing, "import_all", and_edit)
    ended = run(kojikey, "--comment-out")
    assert (ended.code, ended.result["action"]) == (7, "added")
    assert ".env" in ended.error["message"]
    assert file.read_text() == f"# new\nOPENAI_API_KEY={OPENAI}\n"


@pytest.mark.parametrize("step", ["open", "fsync", "replace", "fchmod"])
def test_a_failure_at_each_step_of_the_rewriting_loses_nothing(
    kojikey: Program, folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    file = write(folder, f"P={PASSWORD}\nOPENAI_API_KEY={OPENAI}\n")
    before = file.read_bytes()
    assert run(kojikey).code == 0
    original = getattr(os, step)

    def fails(*arguments: Any, **more: Any) -> Any:
        if step != "open" or str(arguments[0]).endswith(".part"):
            raise OSError(28, "No space left on device")
        return original(*arguments, **more)

    with monkeypatch.context() as failing:
        failing.setattr(f"kojikey.model.atomic_file.os.{step}", fails)
        ended = run(kojikey, "--comment-out")
        assert "next: kojikey run -- CMD" in kojikey("import", "--comment-out", "--no-test").out.splitlines()
    assert (ended.code, ended.result["action"]) == (7, "unchanged")
    assert ".env was not changed" in ended.error["message"]
    assert file.read_bytes() == before
    assert [path.name for path in folder.iterdir()] == [".env"]


KILLED = """
import os, signal, sys
step, is_after = sys.argv[1], sys.argv[2] == "after"
original = getattr(os, step)
def dies(*arguments, **more):
    is_ours = step != "open" or str(arguments[0]).endswith(".part")
    if is_ours and not is_after:
        os.kill(os.getpid(), signal.SIGKILL)
    result = original(*arguments, **more)
    if is_ours:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
from kojikey.cli.commands.import_keys import comments
rewrite = comments._rewrite
def rewriting(*arguments):
    setattr(os, step, dies)
    rewrite(*arguments)
comments._rewrite = rewriting
sys.argv[1:] = ["import", "--no-test", "--comment-out"]
from kojikey.__main__ import main
main()
"""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["open", "fchmod", "fsync", "replace"])
def test_a_kill_at_each_step_of_the_rewriting_loses_nothing(
    kojikey: Program, folder: Path, step: str, moment: str
) -> None:
    before = f"P={PASSWORD}\nOPENAI_API_KEY={OPENAI}\n"
    file = write(folder, before)
    command = [sys.executable, "-c", KILLED, step, moment]
    done = subprocess.run(command, env=kojikey.with_environ({}), capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert file.read_text() in (before, f"P={PASSWORD}\n# OPENAI_API_KEY: in kojikey\n")
    assert value(kojikey) == OPENAI
    assert run(kojikey, "--comment-out").code in (0, 5)
    assert file.read_text() == f"P={PASSWORD}\n# OPENAI_API_KEY: in kojikey\n"
