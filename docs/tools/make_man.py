"""Writes the man pages, ``man/kojikey.1`` and one for each command, from the same data as ``--help``.

``python docs/tools/make_man.py FOLDER`` writes them into that folder. The date is the release's, so that pages of one
release are the same wherever they are made.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from kojikey import __version__
from kojikey.cli.command import Command, Option
from kojikey.cli.exits import MEANING
from kojikey.cli.options import COMMON
from kojikey.cli.parsing.help_format import COMMON_PANEL
from kojikey.cli.registry import GROUPS, HIDDEN, load_all

ABOUT = "keep API keys of AI providers sealed, test them, and rotate them without losing one"
FILES = (
    ("config.toml", "settings, in the platform's configuration folder or in KOJIKEY_HOME"),
    ("providers/*.toml", "definitions of your own providers, beside config.toml"),
    ("keys.db", "the local store, in the platform's data folder or in KOJIKEY_HOME"),
)
VARIABLES = (
    ("KOJIKEY_HOME", "one folder for everything"),
    ("KOJIKEY_ACCOUNT, KOJIKEY_STORE", "the account and the store where no option names one"),
    ("KOJIKEY_KEK", "the key-encryption key, 32 bytes in base64url or base64"),
    ("KOJIKEY_PASSPHRASE_FILE", "a file whose first line is the passphrase"),
    ("KOJIKEY_NO_INPUT", "never ask"),
    ("NO_COLOR, FORCE_COLOR, TERM=dumb", "colour"),
    ("HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE", "the way to the providers"),
)


def main(arguments: list[str]) -> int:
    """Write all pages into the folder that is named."""
    if len(arguments) != 1:
        print("usage: make_man.py FOLDER", file=sys.stderr)
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    commands = [command for command in load_all() if command.name not in HIDDEN]
    (folder / "kojikey.1").write_text(overview(commands), encoding="utf-8")
    for command in commands:
        (folder / f"{page_name(command)}.1").write_text(page(command), encoding="utf-8")
    return 0


def page_name(command: Command) -> str:
    """Return the name of a command's page: ``kojikey-store-init`` for ``store init``."""
    return "kojikey-" + command.name.replace(" ", "-")


def overview(commands: list[Command]) -> str:
    """Return the page of the program."""
    parts = [
        heading("kojikey"),
        section("NAME", f"kojikey \\- {escaped(ABOUT)}"),
        section("SYNOPSIS", "\\fBkojikey\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]"),
        section("COMMANDS", items([(f"\\fB{escaped(page_name(c))}\\fR(1)", escaped(c.summary)) for c in commands])),
        section("GROUPS", items([(f"\\fB{escaped(name)}\\fR", escaped(text)) for name, text in GROUPS.items()])),
        section("EXIT STATUS", items([(f"\\fB{int(code)}\\fR", escaped(text)) for code, text in MEANING.items()])),
        section("ENVIRONMENT", items([(f"\\fB{escaped(name)}\\fR", escaped(text)) for name, text in VARIABLES])),
        section("FILES", items([(f"\\fI{escaped(name)}\\fR", escaped(text)) for name, text in FILES])),
    ]
    return "".join(parts)


def page(command: Command) -> str:
    """Return the page of one command."""
    parts = [
        heading(page_name(command)),
        section("NAME", f"{escaped(page_name(command))} \\- {escaped(command.summary)}"),
        section("SYNOPSIS", synopsis(command)),
    ]
    if command.description:
        parts.append(section("DESCRIPTION", paragraphs(command.description)))
    if command.options:
        parts.append(section("OPTIONS", options(command)))
    if command.examples:
        parts.append(section("EXAMPLES", ".nf\n" + "\n".join(escaped(line) for line in command.examples) + "\n.fi"))
    parts.append(section("SEE ALSO", "\\fBkojikey\\fR(1)"))
    return "".join(parts)


def heading(name: str) -> str:
    """Return the line that a page begins with."""
    return f'.TH "{escaped(name.upper())}" "1" "" "kojikey {__version__}" "kojikey"\n'


def section(title: str, body: str) -> str:
    """Return a section of a page."""
    return f".SH {title}\n{body}\n"


def items(rows: list[tuple[str, str]]) -> str:
    """Return a list of terms with what they mean."""
    return "\n".join(f".TP\n{term}\n{text}" for term, text in rows)


def paragraphs(text: str) -> str:
    """Return text whose blocks are divided by empty lines."""
    return "\n.PP\n".join(escaped(block) for block in text.strip().split("\n\n"))


def synopsis(command: Command) -> str:
    """Return how a command is typed."""
    typed = f"\\fBkojikey {escaped(command.name)}\\fR [\\fIOPTIONS\\fR]"
    return typed + "".join(f" \\fI{escaped(argument.usage)}\\fR" for argument in command.arguments)


def options(command: Command) -> str:
    """Return the options of a command, those of a section of its help under a subheading."""
    common = [option for option in command.options if option in COMMON]
    titled: dict[str, list[Option[Any]]] = {}
    for option in command.options:
        if option not in common:
            titled.setdefault(option.section, []).append(option)
    sections = {**titled, COMMON_PANEL: common}
    return "\n".join(
        (f".SS {title}\n" if title != Option.section else "") + items([(flags(o), escaped(o.help)) for o in listed])
        for title, listed in sections.items()
        if listed
    )


def flags(option: Option[Any]) -> str:
    """Return an option as it is typed."""
    spelt = ", ".join(f"\\fB{escaped(flag)}\\fR" for flag in option.flags)
    return spelt + (f" \\fI{escaped(option.metavar)}\\fR" if option.metavar else "")


def escaped(text: str) -> str:
    """Return text without a meaning to roff: no escapes, no hyphens that break, no line that is a request."""
    safe = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return "\n".join(f"\\&{line}" if line.startswith(".") else line for line in safe.split("\n"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
