"""The settings of one command line: what its options choose, and where warnings about settings are written.

On the hot path. Must not: know what a command does with its settings.
"""

from __future__ import annotations

import os

from kojikey.cli.command import Call
from kojikey.cli.options import ACCOUNT, ALL_ACCOUNTS, ENV, NO_INPUT, STORE
from kojikey.config.settings import Settings
from kojikey.model.environment import Environment
from kojikey.model.next_step import Hint, next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from kojikey.model.errors import BadDefinition, UnsafeDefinition

_MISTAKES_SHOWN = 20
"""How many mistakes of a provider file are listed while the command uses other providers."""


def settings_of(call: Call, *, config: dict[str, Any] | None = None) -> Settings:
    """Return the settings of a call in this process's environment; ``config`` replaces the content of config.toml.

    Raises:
        BadAccount: the command takes an account, and the chosen one has no account's name.
    """
    settings = Settings(
        Environment(os.environ),
        account=call.get(ACCOUNT),
        store=call.get(STORE),
        no_input=call.get(NO_INPUT),
        config=config,
        warnings=SettingsWarnings(_named_providers(call)),
    )
    if ACCOUNT in call.values:
        settings.check_account()
    return settings


def refuse_account_with_all_accounts(call: Call, *words: str) -> None:
    """Check that a command line does not name one account and all of them; ``words`` are for the hint's command.

    Raises:
        UsageError: it does.
    """
    if call.get(ALL_ACCOUNTS) and call.get(ACCOUNT) is not None:
        from kojikey.model.errors import Effect, UsageError

        raise UsageError(
            "--all-accounts cannot be combined with --account",
            hint=next_step(call.command.name, *words, "--all-accounts"),
            effect=Effect.NOTHING_DONE,
        )


def _named_providers(call: Call) -> set[str]:
    words = [pair.rpartition("=")[2] for pair in call.get(ENV)]
    for parameter, value in call.values.items():
        if parameter.complete in ("provider", "provider_or_word"):
            words += value if isinstance(value, tuple) else [value]
    return {name.strip() for word in words if word for name in word.split(",")}


class SettingsWarnings:
    """Writes warnings about settings to stderr, except about the providers in ``named``: these the command reports."""

    def __init__(self, named: Iterable[str]) -> None:
        self._named = frozenset(named)

    def text(self, text: str) -> None:
        """Write a warning."""
        from kojikey.cli.output.failure import say

        say(f"kojikey: warning: {text}")

    def mistake(self, mistake: BadDefinition | UnsafeDefinition) -> None:
        """Warn that a provider file of the user is not used, unless the command names this provider and so fails."""
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
        say(f"  {mistake.hint}; the other providers work as before")
