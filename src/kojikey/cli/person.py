"""Connects ``wiring`` to the person at the terminal: notes, and questions for passphrases.

Owns: the choice of the prompt. Must not: decide whether to ask; ``Terminal`` does.
"""

from __future__ import annotations

from collections.abc import Callable

from kojikey.cli.output.terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.model.secret import Secret
    from kojikey.sealing.kek.base import Purpose


class Person:
    """Implements :class:`kojikey.wiring.Person` on a terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    @property
    def interactive(self) -> bool:
        """Whether anything may be asked."""
        return self._terminal.interactive

    @property
    def may_ask_passphrase(self) -> bool:
        """Whether the passphrase of a store may be asked for."""
        return self._terminal.may_ask_passphrase

    @property
    def why_unasked(self) -> str:
        """Why nothing may be asked, if that is so."""
        return self._terminal.why_unasked

    def note(self, text: str) -> None:
        """Print a note, unless the command line has ``--quiet``."""
        self._terminal.note(text)

    def passphrase_prompt(self, store: str) -> Callable[[Purpose], Secret]:
        """Return a function that asks for a store's passphrase; ``store`` is its name, empty for the local store."""
        from kojikey.cli.prompts import PassphrasePrompt

        return PassphrasePrompt(self._terminal, store=store)

    def identity_prompt(self) -> Callable[[str], Secret]:
        """Return a function that asks for the passphrase of an identity; its argument says where the identity is."""

        def ask(label: str) -> Secret:
            from kojikey.cli.prompts import ask_hidden

            return ask_hidden(f"Passphrase of your identity {label}: ")

        return ask
