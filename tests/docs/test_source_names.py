"""A file that a docstring or a comment names is there, and a name that a module keeps to itself is used in it."""

from __future__ import annotations

import ast
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


def test_every_private_name_of_a_module_is_used_in_it() -> None:
    """vulture takes a name that begins with an underscore for one that is unused on purpose."""
    unused = set()
    for path in (path for part in FOLDERS for path in (ROOT / part).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if getattr(node, "decorator_list", []):
                continue  # a fixture, for example, is used by what decorates it
            targets = node.targets if isinstance(node, ast.Assign) else [node]
            names = {getattr(target, "id", getattr(target, "name", "")) for target in targets}
            unused |= {
                f"{path.relative_to(ROOT)}: {name}"
                for name in names
                if re.match("_[^_]", name) and len(re.findall(rf"\b{name}\b", text)) < 2
            }
    assert unused == set()
