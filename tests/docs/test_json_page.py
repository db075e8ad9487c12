"""docs/json.md names every member of every document that the program prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.documents import PAGES
from support.program import Program

DATA = {"base_urls", "capabilities", "details", "skipped"}
"""Members whose own members are data: names of regions, of capabilities, of an engine's properties."""

COMMANDS = [
    ("test",),
    ("check", "--require", "elevenlabs,google_gemini"),
    ("list",),
    ("history", "elevenlabs"),
    ("set", "elevenlabs", "--label", "night"),
    ("import", "--env", "missing.env", "--dry-run"),
    ("export", "--reveal"),
    ("get", "elevenlabs", "--reveal"),
    ("run", "--dry-run", "--json", "--", "true"),
    ("providers", "elevenlabs"),
    ("providers", "new", "acme_speech"),
    ("audit",),
    ("audit", "--verify"),
    ("store", "info"),
    ("store", "init"),
    ("store", "list"),
    ("store", "rekey", "--kek", "env:OTHER_KEK"),
    ("config", "path"),
    ("config", "set", "account", "acme"),
    ("config", "get"),
    ("config", "unset", "account"),
    ("lock",),
    ("doctor",),
    ("account", "list"),
    ("account", "disable", "default"),
    ("account", "enable", "default"),
    ("remove", "elevenlabs", "--yes"),
    ("account", "remove", "default", "--confirm", "default"),
    ("help", "exit-codes"),
    ("help", "add"),
    ("test", "--all"),
]
OTHER_KEK = "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="
SECTIONS = {
    name: text
    for titles, text in re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGES["docs/json.md"], re.DOTALL | re.MULTILINE)
    for name in titles.split(", ")
}
GENERAL = PAGES["docs/json.md"].partition("## test\n")[0]
SHARED = {"list", "history", "test"}
"""Sections to which others refer."""


def members(value: Any) -> Iterator[str]:
    """Yield the name of every member of a document."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from () if name in DATA else members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from members(inner)


def undescribed(document: dict[str, Any], command: str) -> set[str]:
    """Return the members of a document that the page does not name where a reader looks for them."""
    section = command.split()[0]
    text = GENERAL + SECTIONS[section] + "".join(SECTIONS[name] for name in SHARED - {section})
    return {name for name in members(document) if f"`{name}`" not in text}


def test_every_member_of_every_document_is_described(kojikey: Program, tmp_path: Path) -> None:
    added = kojikey.add("elevenlabs", "missing_permission", "--allow-limited", "--json")
    assert undescribed(added.document, "add") == set()
    rotated = kojikey.rotate("elevenlabs", "ok_2", "--json")
    assert undescribed(rotated.document, "rotate") == set()
    leak = tmp_path / "leak.txt"
    leak.write_text(kojikey.key("elevenlabs", "ok_2").key)
    environ = {"OTHER_KEK": OTHER_KEK, "XI_API_KEY": kojikey.key("elevenlabs", "ok_2").key}
    for command in (("scan", str(leak)), *COMMANDS):
        ended = kojikey(*command, *([] if "--json" in command else ["--json"]), **environ)
        assert undescribed(ended.document, command[0]) == set(), command


def test_every_member_of_a_batch_is_described(kojikey: Program, tmp_path: Path) -> None:
    kojikey.added()
    batch = tmp_path / "batch.jsonl"
    line = f'{{"account": "default", "provider": "elevenlabs", "key": "{kojikey.key("elevenlabs", "ok_2").key}"}}\n'
    batch.write_text(line + '{"account": "nobody"}\n')
    batch.chmod(0o600)
    for more in (["--dry-run"], []):
        ended = kojikey("rotate", "--batch", str(batch), "--json", *more)
        assert undescribed(ended.document, "rotate") == set()


def test_every_command_has_a_section() -> None:
    groups = {name.split()[0] for name in re.findall(r"^### kojikey (.+)$", PAGES["docs/commands.md"], re.MULTILINE)}
    assert groups - {"completion"} - set(SECTIONS) == set()
