"""Suggested commands as values. The code that shows a suggestion adds the account and the store to it.

Owns: how a hint is composed of texts and commands. Must not: know the command line's options or settings.
`kojikey run` imports this: nothing here may be slow to load.
"""

from __future__ import annotations

from kojikey.model.fast_namedtuple import NamedTuple
from kojikey.model.plain_text import shell_quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_")
_IN_PLACEHOLDER = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ|-")


class NextCommand(NamedTuple):
    """A command of kojikey to type; ``command`` is ``""`` for ``kojikey`` with options alone.

    ``account`` is given if the command may be about another account than the one that was chosen.
    """

    command: str
    words: tuple[str, ...] = ()
    account: str | None = None

    def typed(self, options: tuple[str, ...] = ()) -> str:
        """Return the command line as text, with the options after the arguments; words are quoted for a shell."""
        place = next((at for at, word in enumerate(self.words) if word.startswith("-")), len(self.words))
        words = (*self.words[:place], *options, *self.words[place:])
        return " ".join(("kojikey", *filter(None, (self.command,)), *map(_quoted, words)))


class Hint(str):
    """A text that says what to do next; ``parts`` has the texts and commands that it consists of."""

    parts: tuple[str | NextCommand, ...]

    def __new__(cls, *parts: str | NextCommand) -> Hint:
        """Return a hint that consists of texts, commands and the parts of other hints."""
        flat: list[str | NextCommand] = []
        for part in parts:
            flat += part.parts if isinstance(part, Hint) else (part,)
        hint = super().__new__(cls, "".join(map(_text, flat)))
        hint.parts = tuple(flat)
        return hint

    def __add__(self, text: str) -> Hint:
        return Hint(self, text)

    def __radd__(self, text: str) -> Hint:
        return Hint(text, self)


def next_step(command: str, *words: str, account: str | None = None) -> Hint:
    """Return a hint that consists of one command; ``words`` are its arguments, then its options."""
    return Hint(NextCommand(command, words, account))


def finish_or_discard(provider: str, *, account: str | None = None) -> Hint:
    """Return the hint for a key with a staged version: finish the rotation, or discard it."""
    resume = next_step("rotate", provider, "--resume", account=account)
    abort = next_step("rotate", provider, "--abort", account=account)
    return Hint("finish it with ", resume, ", or discard it with ", abort)


def joined(separator: str, texts: Iterable[str]) -> Hint:
    """Return hints and texts as one hint, with a separator between them."""
    return Hint(*[part for text in texts for part in (separator, text)][1:])


def is_one_command(text: str) -> bool:
    """Return whether a hint is one command and nothing else, so that the whole line can be typed."""
    return isinstance(text, Hint) and len(text.parts) == 1 and isinstance(text.parts[0], NextCommand)


def commands_of(text: str) -> tuple[NextCommand, ...]:
    """Return the commands that a hint suggests, none for a plain ``str``."""
    return tuple(part for part in text.parts if isinstance(part, NextCommand)) if isinstance(text, Hint) else ()


def typed_commands(text: str) -> tuple[str, ...]:
    """Return the commands that a hint suggests as they stand in it, none for a plain ``str``.

    The longest comes first, so that a search for them does not find one inside another.
    """
    return tuple(sorted(map(_text, commands_of(text)), key=len, reverse=True))


def advice_then(hint: str | None, more: str) -> str:
    """Return what to do after an error that stopped work on many things: its hint, then ``more``.

    A hint with a command is left out: it is about one of the things.
    """
    return more if not hint or commands_of(hint) else f"{hint}; then {more}"


def with_commands(text: str, change: Callable[[NextCommand], str | NextCommand]) -> str:
    """Return a hint after ``change`` of each of its commands; a plain ``str`` is returned as it is."""
    if not isinstance(text, Hint):
        return text
    return Hint(*(change(part) if isinstance(part, NextCommand) else part for part in text.parts))


def _text(part: str | NextCommand) -> str:
    if isinstance(part, str):
        return part
    return part.typed(("--account", part.account) if part.account and part.account != "default" else ())


def _quoted(word: str) -> str:
    if word and (_PLAIN.issuperset(word) or _IN_PLACEHOLDER.issuperset(word)):  # for example NAME|URL
        return word
    return shell_quoted(word)
