"""``action.yml``: its steps, carried out as GitHub's runner does, against a store and a sandbox."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from kojikey.cli.commands.test.test import COMMANDS
from support.program import SECONDS, Program

ACTION = Path(__file__).parents[2] / "action.yml"
_EXPRESSION = re.compile(r"\$\{\{ *([a-z]+)\.([a-z_-]+) *\}\}")


@dataclass(frozen=True)
class Stepped:
    code: int
    said: str
    outputs: dict[str, str]


@dataclass(frozen=True)
class Runner:
    """What the runner does with a step of a composite action: fills in expressions, and starts bash as it does."""

    folder: Path
    environ: dict[str, str]

    def step(self, name: str, inputs: dict[str, str], **more: str) -> Stepped:
        action: dict[str, Any] = yaml.safe_load(ACTION.read_text())
        given = {key: str(declared["default"]) for key, declared in action["inputs"].items()} | inputs
        (step,) = [step for step in action["runs"]["steps"] if step["id"] == name]
        known = {"inputs": given, "github": {"action_path": str(ACTION.parent)}}
        environ = {k: _EXPRESSION.sub(lambda m: known[m[1]][m[2]], v) for k, v in step["env"].items()}
        assert "${{" not in step["run"], "an input in a script could be a command"
        output = self.folder / "output"
        output.write_text("")
        finished = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            env={**self.environ, **more, **environ, "GITHUB_OUTPUT": str(output), "RUNNER_TEMP": str(self.folder)},
            cwd=self.folder, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
        pairs = (line.partition("=") for line in output.read_text().splitlines())
        return Stepped(finished.returncode, finished.stdout + finished.stderr, {k: v for k, _, v in pairs})


@pytest.fixture
def runner(kojikey: Program, tmp_path: Path) -> Runner:
    """Return a runner on which the first step has installed kojikey: the one that is tested here."""
    folder = tmp_path / "runner"
    (folder / "kojikey" / "bin").mkdir(parents=True)
    program = folder / "kojikey" / "bin" / "kojikey"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m kojikey "$@"\n')
    program.chmod(0o755)
    return Runner(folder, {**kojikey.environ, "GITHUB_ACTIONS": "true", "CI": "true", "KOJIKEY_STORE": "local"})


def test_good_keys_pass_and_leave_reports(kojikey: Program, runner: Runner) -> None:
    kojikey.added("elevenlabs")
    done = runner.step("test", {})
    assert done.code == 0, done.said
    assert done.outputs == {
        "exit-code": "0", "junit": "kojikey-report/keys.xml", "html": "kojikey-report/keys.html",
    }  # fmt: skip
    for name in ("junit", "html"):
        assert (runner.folder / done.outputs[name]).stat().st_size > 0


def test_a_rejected_key_fails_the_job_with_an_annotation(kojikey: Program, runner: Runner) -> None:
    kojikey.add("google_gemini", "invalid_key", "--no-test")
    done = runner.step("test", {})
    assert (done.code, done.outputs["exit-code"]) == (3, "3")
    assert "::error title=" in done.said


@pytest.mark.parametrize(("allowed", "code"), [("false", 4), ("true", 0)])
def test_an_indeterminate_key_fails_the_job_unless_that_is_allowed(
    kojikey: Program, runner: Runner, allowed: str, code: int
) -> None:
    kojikey.add("google_gemini", "unknown", "--no-test")
    done = runner.step("test", {"allow-indeterminate": allowed})
    assert (done.code, done.outputs["exit-code"]) == (code, "4")


def test_every_input_reaches_the_command(kojikey: Program, runner: Runner) -> None:
    kojikey.added("elevenlabs")
    kojikey.added("google_gemini")
    kek = kojikey.environ["KOJIKEY_KEK"]
    inputs = {
        "store": f"sqlite://{kojikey.home}/keys.db", "kek": kek, "providers": "elevenlabs", "account": "default",
        "shard": "1/1", "not-tested-since": "1s", "fail-on": "rejected", "concurrency": "2", "rate": "50",
        "report": "out/here",
    }  # fmt: skip
    elsewhere = {"KOJIKEY_HOME": str(runner.folder / "home"), "KOJIKEY_KEK": ""}
    done = runner.step("test", inputs, **elsewhere)
    assert done.code == 0, done.said
    assert (runner.folder / "out" / "here" / "keys.xml").exists()
    assert kek not in done.said


@pytest.mark.parametrize("variable", ["", None])
def test_a_store_that_is_named_nowhere_is_an_error(kojikey: Program, runner: Runner, variable: str | None) -> None:
    """A renamed secret is empty: the job must not go green on a store that is not the one that was meant."""
    kojikey.added("elevenlabs")
    environ = {name: value for name, value in runner.environ.items() if name != "KOJIKEY_STORE"}
    if variable is not None:
        environ["KOJIKEY_STORE"] = variable
    done = Runner(runner.folder, environ).step("test", {"store": ""})
    assert (done.code, done.outputs["exit-code"]) == (2, "2")
    assert "::error title=kojikey::the input store is empty" in done.said


@pytest.mark.parametrize(("allowed", "code"), [("false", 5), ("true", 0)])
def test_a_store_without_a_key_fails_the_job_unless_it_may_be_empty(
    kojikey: Program, runner: Runner, allowed: str, code: int
) -> None:
    kojikey("store", "init", "--kek", "env")
    assert runner.step("test", {"allow-empty": allowed}).code == code


@pytest.mark.parametrize("between", [" ", "\n", "\n\n  "])
def test_providers_may_be_on_separate_lines(kojikey: Program, runner: Runner, between: str) -> None:
    kojikey.added("google_gemini")
    kojikey.add("elevenlabs", "invalid_key", "--no-test")
    assert runner.step("test", {"providers": "google_gemini"}).code == 0
    assert runner.step("test", {"providers": f"google_gemini{between}elevenlabs\n"}).code == 3


def test_an_input_is_never_run_as_a_command(kojikey: Program, runner: Runner) -> None:
    kojikey.added("elevenlabs")
    hostile = '"; touch broken; $(touch broken) `touch broken` #'
    for name in ("providers", "account", "shard", "fail-on", "rate", "concurrency"):
        assert runner.step("test", {name: hostile}).code == 2
    assert not list(runner.folder.rglob("broken"))


def test_every_option_in_the_action_exists() -> None:
    known = {flag for option in COMMANDS[0].options for flag in option.flags}
    script = yaml.safe_load(ACTION.read_text())["runs"]["steps"][1]["run"]
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", script)) <= known
