"""The modules that a command must not import: the start-up budgets depend on it, and a clock would be unreliable."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.program import COMMAND, Program

HEAVY = {
    "typer", "rich", "httpcore2", "asyncio", "keyring", "platformdirs", "pydantic", "click", "importlib.metadata",
    "hyperscan",  # of scan and run --mask alone
}  # fmt: skip
RUN = HEAVY | {
    "dataclasses",
    "msgspec",
    "pathlib",
    "tomllib",
    "inspect",
    "logging",
    "subprocess",
    "secrets",
    "socket",
    "email",
    "datetime",  # which `sqlite3` imports
    "kojikey.cli.output.failure",  # of a run that has something to say
}
RUN |= {"ctypes", "kojikey.sealing.kek.kernel_keyring"}  # of a store with a passphrase alone
TEST = {"typer", "click", "rich", "pygments", "keyring", "platformdirs", "httpx", "httpx2"}
TEST |= {"uvloop", "aiohappyeyeballs", "html"}  # of many keys, of a name, and of a page instead of an answer
TRACE = "-X", "importtime"

COLLECTIONS = """
import gc, sys
from kojikey.__main__ import main
collected = []
gc.callbacks.append(lambda phase, info: collected.append(info))
try:
    main()
finally:
    print(len(collected), gc.get_freeze_count() > 10_000, file=sys.stderr)
"""


def imported(kojikey: Program, *arguments: str, **environ: str | None) -> set[str]:
    """Return the modules that a command imported, as the interpreter itself tells."""
    finished = subprocess.run(
        [COMMAND[0], *TRACE, *COMMAND[1:], *arguments],
        env=kojikey.with_environ(environ), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr[-500:]
    lines = [line for line in finished.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines[1:]}


@pytest.mark.parametrize(
    ("arguments", "forbidden"),
    [
        (("run", "-q", "--", "true"), RUN),
        (("run", "-q", "-p", "elevenlabs", "-a", "default", "--", "true"), RUN),
        (("--version",), RUN | {"sqlite3", "cryptography", "json", "kojikey.cli.commands"}),
        (("list", "--json"), HEAVY | {"cryptography", "dataclasses"}),
        (("list",), HEAVY - {"rich"} | {"cryptography"}),
        (("get", "elevenlabs", "--reveal"), HEAVY),
        (("history", "elevenlabs", "--json"), HEAVY | {"cryptography"}),
        (("audit", "--json"), HEAVY),
        (("--help",), {"msgspec", "httpcore2", "rich", "sqlite3", "cryptography", "keyring", "platformdirs"}),
        (("test", "--json"), TEST),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_command_imports_nothing_that_it_does_not_need(
    kojikey: Program, arguments: tuple[str, ...], forbidden: set[str]
) -> None:
    kojikey.added("elevenlabs")
    modules = imported(kojikey, *arguments)
    assert "kojikey" in modules
    assert modules & forbidden == set()


def test_a_run_without_kojikey_home_imports_nothing_more(kojikey: Program, tmp_path: Path) -> None:
    kojikey.added("elevenlabs")
    (tmp_path / ".local/share").mkdir(parents=True)
    (tmp_path / ".local/share/kojikey").symlink_to(kojikey.home)
    modules = imported(
        kojikey, "run", "-q", "-p", "elevenlabs", "--require", "--", "true", KOJIKEY_HOME=None, HOME=str(tmp_path)
    )
    assert "kojikey.sealing.envelope" in modules
    assert modules & RUN == set()


def test_reading_the_config_does_not_import_what_edits_it(kojikey: Program) -> None:
    kojikey.added("elevenlabs")
    assert kojikey("config", "set", "account", "default").code == 0
    for command in (["run", "-q", "--", "true"], ["config", "get"], ["store", "list", "--json"]):
        modules = imported(kojikey, *command)
        assert "tomllib" in modules
        assert modules & {"tomlkit", "tomli_w", "kojikey.config.config_edit"} == set()


def test_the_trace_sees_what_is_imported(kojikey: Program) -> None:
    kojikey.added("elevenlabs")
    assert {"httpcore2", "asyncio", "_sqlite3", "kojikey.wiring"} <= imported(kojikey, "test", "--json")


def test_help_imports_every_command_but_no_operation(kojikey: Program) -> None:
    modules = imported(kojikey, "--help")
    assert not [name for name in modules if name.startswith(("kojikey.operations.", "kojikey.providers.definition"))]


def test_python_does_not_look_for_cycles_in_a_short_command_nor_at_its_end(kojikey: Program) -> None:
    kojikey.added("elevenlabs")
    done = subprocess.run(
        [sys.executable, "-c", COLLECTIONS, "list", "--json"],
        env=kojikey.with_environ({}), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stderr == "0 True\n"
