"""A file that a docstring or a comment names is there: a reader who looks for it finds it."""

from __future__ import annotations

import re

import pytest

from support.documents import ROOT

FOLDERS = ("src", "tests", "benchmarks", "docs")
NAMED = re.compile(r"``(?:[a-z_]+/)*([a-z_]+\.py)``|[( ](?:[a-z_]+/)+([a-z_]+\.py)\)|\(([a-z_]+\.py)\)")
"""A file's name as docstrings write it: in double backticks, or alone in brackets."""


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_named_in_the_source_exists(folder: str) -> None:
    there = {path.name for part in FOLDERS for path in (ROOT / part).rglob("*.py")}
    missing = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / folder).rglob("*.py")
        for found in NAMED.finditer(path.read_text(encoding="utf-8"))
        if (name := next(filter(None, found.groups()))) not in there
    }
    assert missing == set()
