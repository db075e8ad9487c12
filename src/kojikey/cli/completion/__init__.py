"""Completion scripts for shells, generated from the definitions of the commands.

Owns: which values are offered where, independent of any shell's language. A script is static; only values that change
(providers, accounts, stores, capabilities) come from ``kojikey complete KIND``, which opens nothing and prompts for
nothing. ``python -m kojikey.cli.completion --all completions`` writes those that are checked in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kojikey.cli.command import Flag, Option, Texts
from kojikey.cli.registry import GROUPS, HIDDEN, load_all

FILE, VARIABLE, CHOICES, NOTHING = "file", "variable", "choices:", ""
ABOUT_HELP = "show help"
GLOBAL = (("--help", "-h", ABOUT_HELP), ("--version", "-V", "show the version"))


@dataclass(frozen=True, slots=True)
class Offered:
    """An option as a shell sees it. ``kind`` is None for a flag, else what its value is completed with.

    A kind is ``file``, ``variable`` (an environment variable's name), ``choices:a b c``, one of those that ``kojikey
    complete`` takes, or empty where nothing can be offered.
    """

    long: str
    short: str
    help: str
    metavar: str
    kind: str | None
    is_repeatable: bool

    @property
    def spellings(self) -> tuple[str, ...]:
        """All spellings, the long one first."""
        return (self.long, self.short) if self.short else (self.long,)


@dataclass(frozen=True, slots=True)
class Entry:
    """A command as a shell sees it. ``argument`` is what its arguments are completed with, None where it has none."""

    name: str
    summary: str
    options: tuple[Offered, ...]
    argument: str | None
    metavar: str
    takes_many: bool
    passes_on: bool

    @property
    def identifier(self) -> str:
        """The name as part of a function's name."""
        return self.name.replace(" ", "_").replace("-", "_")


def entries() -> list[Entry]:
    """Return every command that people type."""
    found = []
    for command in load_all():
        if command.name in HIDDEN:
            continue
        argument = next(iter(command.arguments), None)
        found.append(
            Entry(
                command.name,
                command.summary,
                (*map(_offered, command.options), Offered("--help", "-h", ABOUT_HELP, "", None, is_repeatable=False)),
                (argument.complete or NOTHING) if argument else None,
                argument.name if argument else "",
                takes_many=bool(argument and argument.takes_many),
                passes_on=command.passes_on,
            )
        )
    return found


def first_words() -> dict[str, str]:
    """Return what may follow ``kojikey``, with a line about each."""
    single = {entry.name: entry.summary for entry in entries() if " " not in entry.name}
    return {**single, **GROUPS}


def group_words(group: str) -> dict[str, str]:
    """Return what may follow a group, for example ``store``, with a line about each."""
    members = [entry for entry in entries() if entry.name.startswith(group + " ")]
    return {entry.name.partition(" ")[2]: entry.summary for entry in members}


def _offered(option: Option[Any]) -> Offered:
    short = next((flag for flag in option.flags if not flag.startswith("--")), "")
    return Offered(
        option.spelling,
        short,
        option.help,
        option.metavar or "",
        _kind(option),
        is_repeatable=isinstance(option, Texts),
    )


def _kind(option: Option[Any]) -> str | None:
    if isinstance(option, Flag):
        return None
    metavar = option.metavar or ""
    if option.complete:
        return option.complete
    if "|" in metavar and metavar == metavar.lower():
        return CHOICES + metavar.replace("|", " ")
    return {"VAR": VARIABLE, "PATH": FILE, "FILE": FILE}.get(metavar, NOTHING)
