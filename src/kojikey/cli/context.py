"""The context of a command: its settings and its terminal."""

from __future__ import annotations

from typing import Any

from kojikey.cli.call_settings import settings_of
from kojikey.cli.command import Call
from kojikey.cli.output.terminal import Terminal
from kojikey.cli.person import Person
from kojikey.config.settings import Settings
from kojikey.model.fast_namedtuple import NamedTuple


class Context(NamedTuple):
    """The parsed call, the settings and the terminal of one command."""

    call: Call
    settings: Settings
    terminal: Terminal

    @property
    def account(self) -> str:
        """The name of the account that the command works on."""
        return self.settings.account.value

    @property
    def person(self) -> Person:
        """The interface through which ``wiring`` asks the person at the terminal."""
        return Person(self.terminal)


def context_of(call: Call, *, config: dict[str, Any] | None = None) -> Context:
    """Return the context of a call in this process's environment; ``config`` replaces the content of config.toml."""
    settings = settings_of(call, config=config)
    return Context(call, settings, Terminal(call, settings))
