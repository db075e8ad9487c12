"""Ctrl-C in the middle of a change: it is not reported as undone where the engine did not answer."""

from __future__ import annotations

import subprocess
import sys

import pytest

from support.program import SECONDS, Program

INTERRUPTED = """
import sys
from kojikey.{module} import run
from kojikey.__main__ import main
from kojikey.stores.sqlite.store import SqliteStore
import kojikey.__main__
commit = SqliteStore._commit
def interrupted(*arguments):
    commit(*arguments)
    raise KeyboardInterrupt
SqliteStore._commit = interrupted
kojikey.__main__._carried_out = run if "{module}" == "cli.parsing.typer_app" else kojikey.__main__._carried_out
main()
"""


@pytest.mark.parametrize("module", ["__main__", "cli.parsing.typer_app"])
@pytest.mark.parametrize(
    "command", [("remove", "elevenlabs", "--yes"), ("rotate", "elevenlabs", "--rollback", "--no-test")], ids=" ".join
)
def test_a_change_that_may_have_been_made_is_not_denied(
    kojikey: Program, module: str, command: tuple[str, ...]
) -> None:
    kojikey.added("elevenlabs", "ok", "--no-test")
    kojikey.rotate("elevenlabs", "ok_2", "--no-test")
    program = [sys.executable, "-c", INTERRUPTED.format(module=module), *command, "--json"]
    ended = subprocess.run(
        program, env=kojikey.with_environ({}), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert ended.returncode == 130, ended.stderr
    assert "Traceback" not in ended.stderr
    for told in (ended.stdout, ended.stderr):
        assert "whether it was made is not known; history and audit show it" in told
        assert "nothing that was not confirmed" not in told
