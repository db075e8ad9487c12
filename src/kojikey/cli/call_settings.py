"""The settings of one command line: what its options choose, and where warnings about settings are written.

On the hot path. Must not: know what a command does with its settings.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from kojikey.cli.parsing.command import Call
from kojikey.config.settings import Settings
from kojikey.model.environment import Environment
from kojikey.model.next_step import Hint, next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kojikey.model.errors import BadDefinition, UnsafeDefinition

_MISTAKES_SHOWN = 20
"""So many mistakes of a file are listed where another provider is wanted."""


def settings_of(call: Call, *, config: dict[str, Any] | None = None) -> Settings:
    """Return the settings of a call, in this process's environment; with ``config`` in place of config.toml."""
    return Settings(
        Environment(os.environ),
        account=call.text("account"),
        store=call.text("store"),
        no_input=call.flag("no_input"),
        config=config,
        warnings=SettingsWarnings(_named_providers(call)),
    )


def _named_providers(call: Call) -> set[str]:
    given = [call.values.get(name) for name in ("provider", "providers", "env")]
    words = [word for value in given for word in ([value] if isinstance(value, str) else _texts(value))]
    return {word.rpartition("=")[2] for word in words}


def _texts(value: object) -> list[str]:
    return value if isinstance(value, list) else []  # a flag of the same name (``import --env``) names nobody


class SettingsWarnings:
    """Writes warnings of settings to stderr; a mistake about a provider of ``named`` is the command's own error."""

    def __init__(self, named: Iterable[str]) -> None:
        self._named = frozenset(named)

    def text(self, text: str) -> None:
        """Write a warning."""
        from kojikey.cli.output.failure import say

        say(f"kojikey: warning: {text}")

    def mistake(self, mistake: BadDefinition | UnsafeDefinition) -> None:
        """Write that a definition of the user's is not used, unless the command was about it and fails with that."""
        if mistake.provider in self._named:
            return
        from kojikey.cli.output.failure import say

        first, *more = mistake.message.split("\n")
        for line in (f"kojikey: warning: {first}", *more[:_MISTAKES_SHOWN]):
            say(line)
        if len(more) > _MISTAKES_SHOWN:
            say(
                Hint(
                    f"  and {len(more) - _MISTAKES_SHOWN} more: ",
                    next_step("providers", mistake.provider),
                    " lists them all",
                )
            )
        way = mistake.hint or ""
        say(f"  {way}; the other providers work as before")
