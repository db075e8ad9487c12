"""A first answer needs pytest and the program alone: no driver, no played AWS, no server, on any system.

So do the tests that are run on every system. What the markers mean is in ``tests/support/marking.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WITHOUT = """
import sys
import types
for name in ("psycopg", "moto", "boto3", "botocore", "fcntl", "pty", "pwd", "resource", "termios", "tty"):
    sys.modules[name] = None
sys.modules["pexpect"] = types.ModuleType("pexpect")  # as it is on Windows, where no terminal is played
import pytest
sys.exit(pytest.main(["-q", "--collect-only", "--assert=plain", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""
NOT_WITHOUT = {"sdk", "support"}  # the clients of the providers, and what others import
FIRST, EVERYWHERE = "not program and not server", "not external"

MARKED = """
import os
import socket
import subprocess
import sys

import pytest

from kojikey.testing import Sandbox
from support.program import Program


def test_of_one_part(): pass
def test_of_the_program(kojikey): kojikey("--version")
def test_of_a_server(sandbox): assert sandbox.port
def test_of_a_server_that_it_starts():
    with Sandbox(): pass
def test_of_a_process(): subprocess.run([sys.executable, "--version"], check=True)
@pytest.mark.parametrize("kind", ["memory", "postgresql"])
def test_of_a_kind(kind): pass
@pytest.mark.external
def test_by_hand(): pass
def test_unmarked_process(): os.posix_spawn(sys.executable, [sys.executable, "--version"], {})
def test_unmarked_server():
    with socket.socket() as listening: listening.bind(("127.0.0.1", 0))
"""
SHOWN = """
def pytest_collection_finish(session):
    for item in session.items:
        markers = {mark.name for mark in item.iter_markers()}
        print("\\n" + item.name, *markers & {"program", "server", "external"})
"""
MARKERS = {
    "test_of_one_part": set(),
    "test_of_the_program": {"program", "server"},  # its home has a sandbox beside it
    "test_of_a_server": {"server"},
    "test_of_a_server_that_it_starts": {"server"},
    "test_of_a_process": {"program", "external"},
    "test_of_a_kind[memory]": set(),
    "test_of_a_kind[postgresql]": {"server", "external"},
    "test_by_hand": {"program", "external"},
    "test_unmarked_process": set(),
    "test_unmarked_server": set(),
}


def test_a_folder_of_tests_needs_no_driver_no_played_aws_and_nothing_that_windows_does_not_have() -> None:
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/*.py")}
    assert folders > NOT_WITHOUT
    command = [sys.executable, "-c", WITHOUT, *sorted(f"tests/{folder}" for folder in folders - NOT_WITHOUT)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_markers_of_the_quick_check_and_of_every_system_are_the_same_everywhere() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    commands = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    assert [command for command in commands if f'-m "{EVERYWHERE}"' in command]
    assert f'-m "{EVERYWHERE}"' in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for path in (".ci/test", "CONTRIBUTING.md"):
        assert f'bash .ci/test -m "{FIRST}"' in (ROOT / path).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what pytest says about tests of each kind, which it runs as it runs this suite."""
    folder = tmp_path_factory.mktemp("marked")
    (folder / "test_marked.py").write_text(MARKED)
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8") + SHOWN)
    options = ["-q", "-s", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), f"--rootdir={folder}"]
    command = [sys.executable, "-m", "pytest", *options, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False).stdout


def test_a_test_is_marked_by_what_it_starts(said: str) -> None:
    lines = [line.split() for line in said.splitlines()]
    assert {words[0]: set(words[1:]) for words in lines if words and words[0] in MARKERS} == MARKERS


def test_a_test_without_the_marker_of_what_it_starts_fails_and_says_so(said: str) -> None:
    assert "mark this test `external`: os.posix_spawn" in said
    assert "mark this test `server`: socket.bind" in said
    assert f"{len(MARKERS)} passed, 2 errors" in said


def test_the_ci_script_runs_the_tests_that_the_normal_run_leaves_out() -> None:
    assert "-m pytest -q -n auto -m exhaustive" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
