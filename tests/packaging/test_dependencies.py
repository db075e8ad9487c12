"""A fresh installation has what a request needs: other packages of a developer's environment must not hide a gap."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

from kojikey.testing import Sandbox
from support.program import KEK

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SCRIPT = Path(__file__).parent / "only_dependencies.py"


def test_a_key_is_tested_with_nothing_installed_but_the_dependencies(tmp_path: Path, sandbox: Sandbox) -> None:
    key = sandbox.key("elevenlabs", "ok")
    command = [sys.executable, str(SCRIPT), json.dumps(PROJECT["dependencies"])]
    command += ["test", "elevenlabs", "--stdin", "--base-url", key.base_url]
    environ = {"KOJIKEY_HOME": str(tmp_path / "home"), "KOJIKEY_KEK": KEK, "HOME": str(tmp_path), "LANG": "C.UTF-8"}
    ended = subprocess.run(command, input=key.key, env=environ, capture_output=True, text=True, check=False)
    assert (ended.returncode, "valid" in ended.stdout) == (0, True), ended.stdout + ended.stderr
