"""How help looks: Typer's rich panels on a terminal, plain text in a pipe, the common options last in both.

Must not: be imported unless help or an error is shown.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from typing import Any

from typer.core import TyperCommand, TyperGroup

from kojikey.model.quick_import import import_typer_rich

COMMON_PANEL = "Common options"
MOST_COLUMNS = 100
_FEWEST_COLUMNS = 60  # of a terminal on which rich's columns leave the explanations room


class HelpCommand(TyperCommand):
    """A command whose help ends with the options that all commands share, ``--help`` among them."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options: in sections, as the rich panels have them."""
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

    def get_help_option(self, ctx: Any) -> Any:
        """Return ``--help``, as one of the common options."""
        return _worded(super().get_help_option(ctx), panel=COMMON_PANEL)


class HelpGroup(TyperGroup):
    """A group of commands, with ``--help`` in our words."""

    def get_help_option(self, ctx: Any) -> Any:
        """Return ``--help``."""
        return _worded(super().get_help_option(ctx), panel=None)


def _worded(option: Any, *, panel: str | None) -> Any:
    if option is not None:
        option.help, option.rich_help_panel = "show this help", panel
    return option


def width() -> int:
    """Return how many columns help may have: those of the terminal, but lines longer than that are hard to read."""
    return min(shutil.get_terminal_size().columns, MOST_COLUMNS)


def is_rich(*, is_plain: bool) -> bool:
    """Return whether help is drawn: on a terminal that is wide enough, unless colour is unwanted."""
    if is_plain or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty() and width() >= _FEWEST_COLUMNS


def escaper() -> Callable[[str], str]:
    """Prepare Typer's rich help, and return what makes a text safe in it: brackets are rich's markup."""
    import_typer_rich()
    from rich.markup import escape
    from typer import rich_utils

    rich_utils.MAX_WIDTH = width()
    rich_utils.STYLE_HELPTEXT = ""  # dim is too faint on many terminals
    rich_utils.STYLE_USAGE_COMMAND = "bold"
    return escape
