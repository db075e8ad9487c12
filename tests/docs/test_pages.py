"""The documents hold together: links lead somewhere, generated parts are fresh, and the site has every page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml

from support.documents import PATHS, ROOT
from support.each import each

DOCUMENTS = [*PATHS, *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"))]


def names_of(node: object) -> list[str]:
    """Return the pages of a part of the site's navigation."""
    if isinstance(node, dict):
        node = list(node.values())
    return [name for part in node for name in names_of(part)] if isinstance(node, list) else [str(node)]


@each("path", DOCUMENTS)
def test_every_link_within_the_project_leads_somewhere(path: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", path.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        there = path.parent / target if target else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), f"{target}#{anchor}"


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings."""
    titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def test_the_site_has_every_page() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in PATHS if path.name != "README.md"}
    assert pages ^ set(names_of(site["nav"])) == set()


def test_generated_files_are_up_to_date() -> None:
    """The pictures, which take longer, are checked by ``.ci/run``."""
    tool = str(ROOT / "docs" / "tools" / "make_docs.py")
    made = subprocess.run([sys.executable, tool, "--check"], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
