"""Ctrl-C in the middle of a change: it is not reported as undone where the engine did not answer."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kojikey.cli.parsing.quick import read
from support.program import SECONDS, Program

INTERRUPTED = """
import sys
from kojikey.__main__ import main
from kojikey.stores.sqlite.store import SqliteStore
commit = SqliteStore._commit
def interrupted(*arguments):
    commit(*arguments)
    raise KeyboardInterrupt
SqliteStore._commit = interrupted
main()
"""


@pytest.mark.parametrize("more", ["--quiet", "-qadefault"], ids=["the quick reader", "Typer"])
@pytest.mark.parametrize(
    "command", [("remove", "elevenlabs", "--yes"), ("rotate", "elevenlabs", "--rollback", "--no-test")], ids=" ".join
)
def test_after_ctrl_c_a_change_that_may_have_happened_is_not_denied(
    kojikey: Program, more: str, command: tuple[str, ...]
) -> None:
    assert (read([*command, more]).call is None) == (more != "--quiet")
    kojikey.added("elevenlabs", "ok", "--no-test")
    kojikey.rotate("elevenlabs", "ok_2", "--no-test")
    program = [sys.executable, "-c", INTERRUPTED, *command, more, "--json"]
    ended = subprocess.run(
        program, env=kojikey.with_environ({}), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert ended.returncode == 130, ended.stderr
    assert "Traceback" not in ended.stderr
    for told in (ended.stdout, ended.stderr):
        assert "it is not known whether it was made; history and audit show it" in told
        assert "only what is confirmed above" not in told
