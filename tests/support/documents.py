"""README and the pages of documentation, as the tests read them.

Owns: finding the pages and the blocks of code in them. Must not: know what the program does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATHS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in PATHS}
README = PAGES["README.md"]
EVERYTHING = "\n".join(PAGES.values())


@dataclass(frozen=True)
class Block:
    """A fenced block of code in a page."""

    page: str
    language: str
    text: str

    def __str__(self) -> str:
        first = self.text.split("\n", 1)[0]
        return f"{self.page}: {first[:40]}"

    @property
    def commands(self) -> str:
        """The commands in it: the whole text, or the lines after a prompt if it shows a console."""
        if self.language != "console":
            return self.text
        return "".join(f"{line[2:]}\n" for line in self.text.splitlines() if line.startswith("$ "))

    @property
    def output(self) -> list[str]:
        """The lines of a console without a prompt."""
        return [line for line in self.text.splitlines() if not line.startswith("$ ")]


BLOCKS = [
    Block(page, found[1], found[2])
    for page, text in PAGES.items()
    for found in re.finditer(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
]


def blocks(*languages: str) -> list[Block]:
    """Return all blocks in one of these languages."""
    return [block for block in BLOCKS if block.language in languages]


def block(page: str, language: str, containing: str = "") -> str:
    """Return the only block of a page in this language that contains a text."""
    (found,) = [it.text for it in BLOCKS if (it.page, it.language) == (page, language) and containing in it.text]
    return found


def rows(text: str) -> list[list[str]]:
    """Return the cells of every row of the tables in a text."""
    lines = [line.replace("\\|", "¦") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip().replace("¦", "|") for cell in line.split("|")[1:-1]] for line in lines]
