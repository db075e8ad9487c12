"""The pages about leaks say what the program does: their commands can be typed, their links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from kojikey.cli import commands
from kojikey.cli.parsing.quick import quick

ROOT = Path(__file__).parents[2]
PAGES = ("docs/leaks.md", "docs/agents.md")


def typed_commands(text: str) -> list[str]:
    """Return the command lines of ours in code, blocks and between backquotes."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`(kojikey [a-z][^`…]*)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    lines = re.findall(r"(?:^|\$ |exec |run: |chronic |: )(kojikey [a-z].*)$", "\n".join(blocks), re.MULTILINE)
    return [line.replace("[PATH]", ".") for line in (*lines, *spans)]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_line_can_be_typed(page: str) -> None:
    lines = typed_commands((ROOT / page).read_text(encoding="utf-8"))
    assert len(lines) > 5
    for line in lines:
        found = commands.find(shlex.split(line)[1:])
        if found is None and line.split()[1] in ("export", "unlock"):
            continue  # they are told to be forbidden, and come with their own pages
        assert found is not None, line
        is_name_alone = len(line.split()) == 2
        assert is_name_alone or quick(*found) is not None, line


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        assert target.startswith("https://") or (ROOT / "docs" / target).exists(), target


def test_the_hook_starts_a_command_that_there_is() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    found = commands.find(shlex.split(hook["entry"])[1:])
    assert found is not None
    call = quick(*found)
    assert call is not None
    assert call.flag("staged")
    assert not hook["pass_filenames"]
    assert f"- id: {hook['id']}" in (ROOT / "docs" / "leaks.md").read_text(encoding="utf-8")
