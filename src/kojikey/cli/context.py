"""What every command begins with: its settings and its terminal."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from kojikey.cli.output.terminal import Terminal
from kojikey.cli.parsing.command import Call
from kojikey.config.settings import Settings
from kojikey.model.environment import Environment


class Context(NamedTuple):
    """Where a command works."""

    call: Call
    settings: Settings
    terminal: Terminal

    @property
    def account(self) -> str:
        """The account that was chosen."""
        return self.settings.account.value


def context_of(call: Call, *, config: dict[str, Any] | None = None) -> Context:
    """Return the desk for a call, in this process's environment; with ``config`` in place of config.toml."""
    settings = Settings(call, Environment(os.environ), config=config)
    return Context(call, settings, Terminal(call, settings))
