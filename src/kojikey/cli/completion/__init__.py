"""The entries of the completion scripts, from the definitions of the commands, without any shell's syntax.

A script is static; only values that change (providers, accounts, stores, capabilities) come from ``kojikey complete
KIND``, which opens no store and asks nothing. ``python -m kojikey.cli.completion --all completions`` writes the
scripts that are checked in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kojikey.cli.command import Choice, Flag, Option, Texts
from kojikey.cli.registry import GROUPS, HIDDEN, load_all

FILE, VARIABLE, CHOICES, NOTHING = "file", "variable", "choices:", ""
ABOUT_HELP = "show help"
GLOBAL = (("--help", "-h", ABOUT_HELP), ("--version", "-V", "show the version"))


@dataclass(frozen=True, slots=True)
class OptionEntry:
    """An option in a completion script. ``kind`` says how its value is completed; it is None for a flag.

    A kind is ``file``, ``variable`` (the name of an environment variable), ``choices:a b c``, a kind of ``kojikey
    complete``, or empty if there is nothing to offer.
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
class CommandEntry:
    """A command in a completion script. ``argument`` is the kind of its arguments, None if it has none."""

    name: str
    summary: str
    options: tuple[OptionEntry, ...]
    argument: str | None
    metavar: str
    takes_many: bool
    passes_on: bool

    @property
    def identifier(self) -> str:
        """The name with underscores, as a part of a shell function's name."""
        return self.name.replace(" ", "_").replace("-", "_")


_HELP = OptionEntry("--help", "-h", ABOUT_HELP, "", None, is_repeatable=False)


def entries() -> list[CommandEntry]:
    """Return every command except the hidden ones."""
    found = []
    for command in load_all():
        if command.name in HIDDEN:
            continue
        argument = next(iter(command.arguments), None)
        found.append(
            CommandEntry(
                command.name,
                command.summary,
                (*map(_option_entry, command.options), _HELP),
                (argument.complete or NOTHING) if argument else None,
                argument.name if argument else "",
                takes_many=bool(argument and argument.takes_many),
                passes_on=command.passes_on,
            )
        )
    return found


def first_words() -> dict[str, str]:
    """Return the words that may follow ``kojikey``, with their descriptions."""
    single = {entry.name: entry.summary for entry in entries() if " " not in entry.name}
    return {**single, **GROUPS}


def group_words(group: str) -> dict[str, str]:
    """Return the words that may follow a group, for example ``store``, with their descriptions."""
    members = [entry for entry in entries() if entry.name.startswith(group + " ")]
    return {entry.name.partition(" ")[2]: entry.summary for entry in members}


def _option_entry(option: Option[Any]) -> OptionEntry:
    short = next((flag for flag in option.flags if not flag.startswith("--")), "")
    return OptionEntry(
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
    if option.complete:
        return option.complete
    if isinstance(option, Choice):
        return CHOICES + " ".join(option.choices)
    return {"VAR": VARIABLE, "PATH": FILE, "FILE": FILE}.get(option.metavar or "", NOTHING)
