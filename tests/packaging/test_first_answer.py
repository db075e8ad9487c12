"""A first answer needs pytest and the program alone: no driver, no played AWS, no process, no server, on any system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
NEEDS_DRIVERS = {"aws", "sdk", "stores", "support"}  # they cannot be tested without
FIRST = "not program and not server"


def test_a_folder_of_tests_needs_no_driver_no_played_aws_and_nothing_that_windows_does_not_have() -> None:
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/*.py")}
    assert folders > NEEDS_DRIVERS
    command = [sys.executable, "-c", WITHOUT, *sorted(f"tests/{folder}" for folder in folders - NEEDS_DRIVERS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_markers_of_a_first_answer_are_the_same_everywhere() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    commands = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    assert [command for command in commands if f'-m "{FIRST}"' in command]
    for path in (".ci/test", "CONTRIBUTING.md"):
        assert f'bash .ci/test -m "{FIRST}"' in (ROOT / path).read_text(encoding="utf-8")


def test_the_gate_runs_what_the_normal_run_leaves_out() -> None:
    assert "-m pytest -q -n auto -m exhaustive" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
