"""The scripts of .ci on machines that lack something: what they do and say, with nothing really installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from kojikey.cli.registry import HIDDEN, MODULES

ROOT = Path(__file__).parents[2]
SCRIPTS = ("run", "test")
PACKAGES = dict(
    line.split() for line in (ROOT / ".ci/packages").read_text().splitlines() if line and not line.startswith("#")
)
TOOLS = ("bash", "dirname", "grep", "id", "env", "cat", "chmod", "getconf")


class Machine:
    """A machine on which programs only note what they were asked, but for a few tools."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.notes, self.venv = folder / "bin", folder / "notes", folder / "venv"
        self.bin.mkdir()
        (self.venv / "bin").mkdir(parents=True)
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found
            (self.bin / tool).symlink_to(found)
        self.put(self.venv / "bin" / "python", 'case "$1" in -c) echo dev ;; esac')

    def put(self, path: Path, does: str = "") -> None:
        path.write_text(f'#!/usr/bin/env bash\necho "{path.name} $*" >>"{self.notes}"\n{does}\n')
        path.chmod(0o755)

    def test(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {"PATH": str(self.bin), "VENV": str(self.venv)}
        return subprocess.run(
            [str(self.bin / "bash"), str(ROOT / ".ci/test"), *arguments],
            env=environ, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def noted(self, program: str) -> list[str]:
        """Return how a program was called; ``env`` passes calls on."""
        return [line for line in self.notes.read_text().splitlines() if line.startswith(program + " ")]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def with_every_program(machine: Machine) -> None:
    for program in PACKAGES:
        if program not in TOOLS:
            machine.put(machine.bin / program)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_one_that_bash_reads(script: str) -> None:
    path = ROOT / ".ci" / script
    subprocess.run(["bash", "-n", str(path)], check=True)
    assert os.access(path, os.X_OK)
    assert "set -euo pipefail" in path.read_text()


def test_with_all_tools_present_the_script_installs_the_project_and_runs_the_tests(machine: Machine) -> None:
    with_every_program(machine)
    done = machine.test("tests/model", "-x")
    assert done.returncode == 0, done.stderr
    processes = int(os.sysconf("SC_NPROCESSORS_ONLN")) + 1
    assert machine.noted("python")[-1] == f"python -m pytest -q -n {processes} --dist worksteal tests/model -x"
    assert any("-m pip install" in line and ".[dev]" in line for line in machine.noted("python"))
    assert "apt-get" not in done.stdout + done.stderr


def test_without_apt_get_the_script_prints_the_line_to_type_and_continues(machine: Machine) -> None:
    done = machine.test()
    assert done.returncode == 0
    assert "sudo apt-get install" in done.stderr
    assert all(package in done.stderr for package in ("zsh", "fish", "nodejs", "npm", "gnome-keyring", "dbus"))
    assert machine.noted("python")[-1].startswith("python -m pytest")


def test_missing_tools_are_installed_once_and_nothing_else(machine: Machine) -> None:
    with_every_program(machine)
    (machine.bin / "fish").unlink()
    fish = machine.bin / "fish"
    machine.put(machine.bin / "apt-get", f'if [ "$1" = install ]; then : >"{fish}"; chmod +x "{fish}"; fi')
    machine.put(machine.bin / "sudo", '[ "$1" = -n ] && shift; "$@"')
    done = machine.test()
    assert done.returncode == 0, done.stderr
    calls = machine.noted("apt-get")
    assert len([call for call in calls if "update" in call]) == 1
    (install,) = [call for call in calls if call.startswith("apt-get install")]
    assert install.endswith(" fish")
    assert "sudo apt-get install" not in done.stderr


def test_a_failed_installation_does_not_stop_the_script(machine: Machine) -> None:
    with_every_program(machine)
    (machine.bin / "fish").unlink()
    (machine.bin / "zsh").unlink()
    machine.put(machine.bin / "apt-get", "exit 100")
    machine.put(machine.bin / "sudo", '[ "$1" = -n ] && shift; "$@"')
    done = machine.test()
    assert done.returncode == 0
    assert "sudo apt-get install zsh fish" in done.stderr
    assert [call.split()[-1] for call in machine.noted("apt-get")[-2:]] == ["zsh", "fish"]


def test_the_shared_data_of_the_wheel_has_every_completion_and_man_page() -> None:
    with open(ROOT / "pyproject.toml", "rb") as file:
        shared = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert {path for path in shared if path != "man"} == {
        f"completions/{path.name}" for path in (ROOT / "completions").iterdir()
    }
    assert all((ROOT / path).exists() for path in shared)
    assert {path.name for path in (ROOT / "man").iterdir()} == {"kojikey.1"} | {
        f"kojikey-{name.replace(' ', '-')}.1" for name in MODULES if name not in HIDDEN
    }
    tried = (ROOT / ".ci/try_installed.py").read_text()
    assert all(f'"{path}' in tried for path in shared.values())


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
