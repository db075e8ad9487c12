"""The interface through which wiring reaches the person at the terminal: for notes, and for passphrases.

Owns: which prompt wiring gets. Must not: decide whether to ask; the terminal knows.
"""

from __future__ import annotations

from collections.abc import Callable

from kojikey.cli.output.terminal import Terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.model.secret import Secret
    from kojikey.sealing.kek.base import Purpose


class Person:
    """Asks and tells on a terminal (:class:`kojikey.wiring.Person`)."""

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

    def note(self, text: str) -> None:
        """Say something worth knowing, unless quiet was asked for."""
        self._terminal.note(text)

    def passphrase_prompt(self, store: str) -> Callable[[Purpose], Secret]:
        """Return what asks for the passphrase of a store; its name is empty for the local one."""
        from kojikey.cli.prompts import PassphrasePrompt

        return PassphrasePrompt(self._terminal, store=store)

    def identity_prompt(self) -> Callable[[str], Secret]:
        """Return a function that asks for the passphrase of an identity; its argument is the identity's place."""

        def ask(label: str) -> Secret:
            from kojikey.cli.prompts import hidden

            return hidden(f"Passphrase of your identity {label}: ")

        return ask
