"""A suggested command is a value: which command, about what; the account and store are added where it is shown.

Owns: how a hint is put together of words and commands. Must not: know the command line's options or settings.
On the way of `kojikey run`: imports nothing that is slow to load.
"""

from __future__ import annotations

from kojikey.model.fast_namedtuple import NamedTuple

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_")


class Next(NamedTuple):
    """A command of kojikey to type (``""`` for none: kojikey's own options).

    ``account`` is the one that it is about, where that may be another than the one that was chosen.
    """

    command: str
    words: tuple[str, ...] = ()
    account: str | None = None

    def typed(self, options: tuple[str, ...] = ()) -> str:
        """Return the command as it is typed, with options after its arguments; words are quoted for a shell."""
        place = next((at for at, word in enumerate(self.words) if word.startswith("-")), len(self.words))
        words = (*self.words[:place], *options, *self.words[place:])
        return " ".join(("kojikey", *filter(None, (self.command,)), *map(_quoted, words)))


class Hint(str):
    """What to do next, as text; ``parts`` are the texts and the commands that it is made of."""

    parts: tuple[str | Next, ...]

    def __new__(cls, *parts: str | Next) -> Hint:
        """Put a hint together of texts, commands and other hints."""
        flat: list[str | Next] = []
        for part in parts:
            flat += part.parts if isinstance(part, Hint) else (part,)
        made = super().__new__(cls, "".join(map(_text, flat)))
        made.parts = tuple(flat)
        return made

    def __add__(self, text: str) -> Hint:
        return Hint(self, text)

    def __radd__(self, text: str) -> Hint:
        return Hint(text, self)


def next_step(command: str, *words: str, account: str | None = None) -> Hint:
    """Return the hint that is one command; ``words`` are its arguments, then its options."""
    return Hint(Next(command, words, account))


def finish_or_discard(provider: str, *, account: str | None = None) -> Hint:
    """Return the hint about a version that is staged."""
    resume = next_step("rotate", provider, "--resume", account=account)
    abort = next_step("rotate", provider, "--abort", account=account)
    return Hint("finish it with ", resume, ", or discard it with ", abort)


def is_command_first(text: str) -> bool:
    """Return whether a hint begins with a command, so that it can be typed as it stands."""
    return isinstance(text, Hint) and bool(text.parts) and isinstance(text.parts[0], Next)


def commands_of(text: str) -> tuple[Next, ...]:
    """Return the commands that a hint suggests; none for a mere text."""
    return tuple(part for part in text.parts if isinstance(part, Next)) if isinstance(text, Hint) else ()


def _text(part: str | Next) -> str:
    if isinstance(part, str):
        return part
    return part.typed(("--account", part.account) if part.account and part.account != "default" else ())


def _quoted(word: str) -> str:
    if word and (_PLAIN.issuperset(word) or word.isupper()):  # a placeholder, for example NAME|URL, is for people
        return word
    import shlex

    return shlex.quote(word)
