"""``action.yml``'s first step: at a release every package is pinned by its hashes, and nothing else is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """Return a folder with a python3 whose virtual environments only note what pip is asked for."""
    programs = tmp_path / "programs"
    programs.mkdir()
    python = programs / "python3"
    python.write_text(
        "#!/bin/sh\n"
        'if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; exit; fi\n'
        f'echo "$*" >>"{tmp_path}/asked"\n'
    )
    python.chmod(0o755)
    (tmp_path / "action").mkdir()
    return tmp_path


def installed(machine: Path, extras: str = "") -> tuple[int, str, list[str]]:
    """Carry out the step; return its exit code, what it said, and each pip command."""
    steps = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"]
    (script,) = [step["run"] for step in steps if step["id"] == "install"]
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        env={
            "PATH": f"{machine / 'programs'}:{os.environ['PATH']}", "RUNNER_TEMP": str(machine / "temp"),
            "ACTION_FOLDER": str(machine / "action"), "INPUT_EXTRAS": extras,
        },
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    asked = machine / "asked"
    return done.returncode, done.stdout + done.stderr, asked.read_text().splitlines() if asked.exists() else []


def test_a_release_installs_by_hashes_alone(machine: Path) -> None:
    (machine / "action" / "pinned").mkdir()
    (machine / "action" / "pinned" / "base.txt").touch()
    code, said, asked = installed(machine, "postgres, aws")
    assert (code, said) == (0, "")
    folder = machine / "action"
    begin = "-m pip install --quiet --disable-pip-version-check"
    assert asked == [
        *(f"{begin} --require-hashes --requirement {folder}/pinned/{name}.txt" for name in ("base", "postgres", "aws")),
        f"{begin} --no-deps --no-build-isolation {folder}",
    ]


def test_a_branch_is_installed_with_a_note_that_nothing_is_pinned(machine: Path) -> None:
    code, said, asked = installed(machine, "aws")
    assert code == 0
    assert "::warning title=kojikey::not a release" in said
    assert asked[0].endswith(f"{machine / 'action'}[aws]")


@pytest.mark.parametrize("extras", ["../../x", "aws;x", "--index-url=x", "$(x)"])
def test_an_unknown_extra_is_refused(machine: Path, extras: str) -> None:
    code, said, asked = installed(machine, extras)
    assert (code, asked) == (2, [])
    assert "::error title=kojikey::" in said


def test_the_pins_are_made_for_every_extra_and_hold_no_address(tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\nwhile [ "$1" != --output-file ]; do shift; done\necho "$URL" >"$2"\n')
    uv.chmod(0o755)

    def pin(url: str) -> int:
        python = Path(shutil.which("python3") or "").parent
        return subprocess.run(
            ["bash", str(ROOT / ".ci" / "pin"), str(tmp_path / "pinned")],
            env={"PATH": f"{python}:{os.environ['PATH']}", "UV": str(uv), "URL": url},
            check=False, capture_output=True, timeout=60,
        ).returncode  # fmt: skip

    assert pin("a==1 --hash=sha256:00") == 0
    assert {path.stem for path in (tmp_path / "pinned").iterdir()} >= {"base", "postgres", "aws"}
    assert pin("a @ https://files.example/a.whl") == 1
