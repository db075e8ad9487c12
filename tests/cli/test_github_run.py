"""A run on GitHub as its runner reads it: both streams as one, every line, and the step that fails."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from support.program import COMMAND, Program

ON_GITHUB = {"GITHUB_ACTIONS": "true"}


def test_the_annotation_of_a_run_that_fails_is_an_error(kojikey: Program) -> None:
    kojikey.added()
    ended = kojikey("test", "--github", KOJIKEY_KEK="not a KEK", **ON_GITHUB)
    assert ended.code == 8
    levels = [line.split(" ")[0] for line in ended.out.splitlines() if line.startswith("::")]
    assert levels == ["::error"]


def test_an_annotation_begins_a_line_of_its_own_where_both_streams_are_one(kojikey: Program) -> None:
    kojikey.added("elevenlabs", "ok")
    kojikey.sandbox.set_reason(kojikey.key().key, "invalid_key")
    done = subprocess.run(
        [*COMMAND, "test", "--json"],
        env={**kojikey.environ, **ON_GITHUB},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=60,
    )  # fmt: skip
    kojikey.sandbox.set_reason(kojikey.key().key, "ok")
    assert done.returncode == 3
    assert [line.split(" ")[0] for line in done.stdout.splitlines() if "::error" in line] == ["::error"]


@pytest.mark.parametrize("where", ["> /dev/full", ">&3"])
def test_the_summary_of_the_step_is_written_where_the_annotations_are_lost(
    kojikey: Program, tmp_path: Path, where: str
) -> None:
    kojikey.added("elevenlabs", "invalid_key", "--no-test")
    summary = tmp_path / "summary.md"
    script = f"exec 3> >(exec true); wait $!; kojikey test --github {where}"
    assert kojikey.shell(script, GITHUB_STEP_SUMMARY=str(summary)).code == 3
    assert "rejected: invalid" in summary.read_text()
