"""Writes the generated parts of the documentation: between ``<!-- made: NAME -->`` and ``<!-- end -->``.

``python docs/tools/make_docs.py`` writes README and all pages, ``--check`` exits 1 where one is stale. Values that
differ from run to run (times, durations) are replaced by fixed ones.
"""

from __future__ import annotations

import base64
import functools
import io
import json
import os
import re
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from kojikey.__main__ import run
from kojikey.cli.command import Command, Option
from kojikey.cli.exits import MEANING
from kojikey.cli.options import COMMON
from kojikey.cli.registry import HIDDEN, load_all
from kojikey.providers.catalog import load_catalog
from kojikey.providers.definition import Definition
from kojikey.testing import Sandbox

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
BLOCK = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
FIXED: dict[str, Any] = {"latency_ms": 171, "tested_at": "2026-11-23T04:47:00Z", "resets_at": "2026-12-01T00:00:00Z"}
KOJI = ("google_gemini", "elevenlabs")


def main(arguments: list[str]) -> int:
    """Write all pages, or check them."""
    stale = [page for page in PAGES if not _is_fresh(page, is_check=arguments == ["--check"])]
    for page in stale:
        print(f"{page.relative_to(ROOT)} is not what the program says: python docs/tools/make_docs.py", file=sys.stderr)
    return int(bool(stale))


def _is_fresh(page: Path, *, is_check: bool) -> bool:
    """Tell whether a page is as it would be written; unless it is only checked, write it."""
    there = page.read_text(encoding="utf-8")
    made = BLOCK.sub(lambda block: block[1] + _block(block[2]) + block[3], there)
    if not is_check and made != there:
        page.write_text(made, encoding="utf-8")
        return True
    return made == there


@functools.cache
def _block(name: str) -> str:
    return BLOCKS[name]()


def help_text() -> str:
    """Return what ``kojikey --help`` prints."""
    return f"```console\n$ kojikey --help\n{said('--help')}```\n"


def exits() -> str:
    """Return the table of exit codes."""
    rows = [f"| {int(code)} | {code.label} | {when} |" for code, when in MEANING.items()]
    return "\n".join(["| code | name | when |", "|---|---|---|", *rows]) + "\n"


def commands() -> str:
    """Return the table of commands, with the options that are a command's own."""
    rows = [
        f"| `{usage(command)}` | {cell(command.summary)} | {cell(spelt_out(own(command)))} |"
        for command in load_all()
        if command.name not in HIDDEN
    ]
    table = ["| command | does | options of its own |", "|---|---|---|", *rows]
    return "\n".join(table) + f"\n\nCommands that touch a store also take {spelt_out(COMMON)}.\n"


def details() -> str:
    """Return the help of every command."""
    parts = []
    for command in load_all():
        if command.name not in HIDDEN:
            shown = said(*command.name.split(), "--help").rstrip()
            parts.append(f"### kojikey {command.name}\n\n```text\n{shown}\n```\n")
    return "\n".join(parts)


def providers() -> str:
    """Return the table of Koji's two providers, and the names of the others whose models are used."""
    rows = [
        f"| `{name}` | {cell(definition.purpose)} | {quoted(definition.env)} |"
        for name, definition in definitions()
        if name in KOJI
    ]
    others = [name for name, _ in definitions() if name not in KOJI and not name.endswith("_admin")]
    table = ["| provider | for | variables that `kojikey run` sets |", "|---|---|---|", *rows]
    return "\n".join([*table, "", *textwrap.wrap(f"And {len(others)} more: {quoted(others)}.", 120)]) + "\n"


def variables() -> str:
    """Return the table of providers with the variable for a base URL, and the default one."""
    rows = [
        f"| `{name}` | {cell(definition.purpose)} | {quoted(definition.env)} "
        f"| {quoted([definition.base_url_env]) if definition.base_url_env else '–'} "
        f"| {quoted([definition.base_url or definition.base_url_form])} |"
        for name, definition in definitions()
    ]
    header = "| provider | for | key variables | base URL variable | base URL |"
    return "\n".join([header, "|---|---|---|---|---|", *rows]) + "\n"


def definitions() -> list[tuple[str, Definition]]:
    """Return the bundled providers, Koji's two first."""
    catalog = load_catalog(None)
    names = sorted(catalog.ids(), key=lambda name: (KOJI.index(name) if name in KOJI else len(KOJI), name))
    return [(name, catalog.get(name)) for name in names]


def quoted(names: Sequence[str]) -> str:
    """Return names as code."""
    return ", ".join(f"`{name}`" for name in names)


def tree() -> str:
    """Return the folders and modules of the source, and the folders of the tests."""
    lines = [line for top in ("src/kojikey", "tests") for line in branch(ROOT / top, ROOT / top)]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def branch(folder: Path, top: Path) -> Iterator[str]:
    """Yield the lines of a folder: its name, then its modules and folders, deeper by two columns."""
    depth = len(folder.relative_to(top).parts)
    name = folder.relative_to(ROOT).as_posix() if not depth else folder.name
    yield f"{'  ' * depth}{name}/"
    folders = sorted(inner for inner in folder.iterdir() if inner.is_dir() and any(tracked(inner)))
    modules = [path.stem for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]
    indent = "  " * (depth + 1)
    if modules and top.name != "tests":
        yield from textwrap.wrap("  ".join(modules), 110, initial_indent=indent, subsequent_indent=indent)
    for inner in folders:
        yield from branch(inner, top)


def tracked(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that belong to the project."""
    return (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def own(command: Command) -> list[Option[Any]]:
    """Return the options of a command that not every command has."""
    return [option for option in command.options if option.flags not in {common.flags for common in COMMON}]


def usage(command: Command) -> str:
    """Return how a command is typed."""
    return " ".join(["kojikey", command.name, *(argument.usage for argument in command.arguments)])


def spelt_out(options: Sequence[Option[Any]]) -> str:
    """Return options as they are typed."""
    values = (f" {option.metavar}" if option.metavar else "" for option in options)
    return ", ".join(f"`{'/'.join(option.flags)}{value}`" for option, value in zip(options, values, strict=True))


def cell(text: str) -> str:
    """Return a text that does not end its cell of a table."""
    return text.replace("|", "\\|")


def document() -> str:
    """Return what ``kojikey test --json`` prints of a key that lacks a permission."""
    with tempfile.TemporaryDirectory() as home, Sandbox() as sandbox:
        environ = {"KOJIKEY_HOME": home, "KOJIKEY_KEK": base64.urlsafe_b64encode(bytes(32)).decode()}
        key = sandbox.key("elevenlabs", "missing_permission")
        add = ("add", "elevenlabs", "--stdin", "--allow-limited", "--base-url", key.base_url)
        said(*add, given=key.key, **environ)
        found = json.loads(said("test", "elevenlabs", "--json", ends=3, **environ), object_hook=settled)
    return f"```json\n{json.dumps(found, indent=1)}\n```\n"


def settled(members: dict[str, Any]) -> dict[str, Any]:
    """Return an object with fixed values where they differ from run to run."""
    return {name: FIXED.get(name, value) if value is not None else None for name, value in members.items()}


def said(*arguments: str, given: str = "", ends: int = 0, **environ: str) -> str:
    """Return what the program prints to something 80 columns wide; it has to end with that exit code."""
    clean = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "COLUMNS": "80", "TERMINAL_WIDTH": "80", **environ}
    read, out, err = (io.TextIOWrapper(io.BytesIO(text), encoding="utf-8") for text in (given.encode(), b"", b""))
    with (
        mock.patch.dict(os.environ, clean, clear=True),
        mock.patch.multiple(sys, stdin=read, stdout=out, stderr=err),
    ):
        code = run(list(arguments))
    if code != ends:
        raise SystemExit(f"kojikey {' '.join(arguments)} ended with exit {code}: {_written(err)}")
    return _written(out)


def _written(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


BLOCKS: dict[str, Callable[[], str]] = {
    "help": help_text,
    "commands": commands,
    "exits": exits,
    "document": document,
    "details": details,
    "providers": providers,
    "variables": variables,
    "tree": tree,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
