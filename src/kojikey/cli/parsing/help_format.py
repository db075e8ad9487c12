"""The layout of help: Typer's rich panels on a terminal, plain text in a pipe, the common options last in both.

Must not: be imported unless help or an error is shown.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from copy import copy
from typing import Any

from typer.core import TyperCommand, TyperGroup

from kojikey.cli.output.stdout import has_dumb_terminal

COMMON_PANEL = "Common options"
_MOST_COLUMNS = 100
_FEWEST_COLUMNS = 72  # on a narrower terminal rich's panels leave less room for the explanations than plain text
_NARROWEST = 30  # columns; with fewer, words would be broken


class HelpCommand(TyperCommand):
    """A command whose help ends with the options that all commands share, ``--help`` among them."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options in the sections that the rich panels have."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                panel = getattr(param, "rich_help_panel", None)
                usual = "Arguments" if param.param_type_name == "argument" else "Options"
                sections.setdefault(panel or usual, []).append(record)
        for name, records in sections.items():
            with formatter.section(name):
                formatter.write_dl(records)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters. Rich help shows no type beside an argument: each is text, and its name says more."""
        params = super().get_params(ctx)
        for argument in (param for param in params if param.param_type_name == "argument"):
            kind: Any = copy(argument.type)
            kind.get_metavar = lambda *_, **__: ""
            argument.type = kind
        return params

    def get_help_option(self, ctx: Any) -> Any:
        """Return ``--help`` in our words, as one of the common options."""
        return _reworded(super().get_help_option(ctx), panel=COMMON_PANEL)


class HelpGroup(TyperGroup):
    """A group of commands, with ``--help`` in our words."""

    def get_help_option(self, ctx: Any) -> Any:
        """Return ``--help`` in our words."""
        return _reworded(super().get_help_option(ctx), panel=None)


def _reworded(option: Any, *, panel: str | None) -> Any:
    if option is not None:
        option.help, option.rich_help_panel = "show this help", panel
    return option


def width() -> int:
    """Return the width of help in columns: the terminal's, but at most 100, for long lines are hard to read."""
    return min(shutil.get_terminal_size().columns, _MOST_COLUMNS)


def plain_width() -> int:
    """Return the width of plain help. Typer's own choice is never less than 50 columns, and has the same margin."""
    return max(width() - 2, _NARROWEST)


def is_rich(*, is_plain: bool) -> bool:
    """Return whether help has rich panels: on a terminal that is wide enough, unless colour is switched off."""
    if is_plain or os.environ.get("NO_COLOR") or has_dumb_terminal(os.environ):
        return False
    return sys.stdout.isatty() and width() >= _FEWEST_COLUMNS


def escaper() -> Callable[[str], str]:
    """Set up Typer's rich help, and return the function that escapes brackets, which are markup there."""
    from rich.markup import escape
    from typer import rich_utils

    rich_utils.MAX_WIDTH = width()
    rich_utils.STYLE_HELPTEXT = ""  # dim is too faint on many terminals
    rich_utils.STYLE_USAGE_COMMAND = "bold"
    return escape
