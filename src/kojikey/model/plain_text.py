"""Makes text of unknown origin safe to show: one line, no control characters, quoted where its form is wrong.

Owns: which text of a store, a provider or a file may reach a terminal, a log or a report. Must not: know what the text
means. `kojikey run` imports this: nothing here may be slow to load.
"""

from __future__ import annotations

NAME = r"[a-z0-9][a-z0-9._@+-]{0,127}"
"""The form of the names that kojikey writes; those of accounts have it, all others have fewer characters."""

_LONGEST_QUOTED = 80


def one_line(text: str) -> str:
    """Return a text on one line without control characters, so that a terminal only shows it.

    White space becomes spaces. Escapes, bells, invisible characters and those that change the direction of writing are
    dropped. A surrogate (from a file name that is not UTF-8) stays: the stream's encoding replaces it.
    """
    if text.isprintable():
        return text
    return "".join(map(_harmless, text))


def _harmless(character: str) -> str:
    if character.isprintable() or not is_text(character):
        return character
    return " " if character.isspace() else ""


def is_text(text: str) -> bool:
    """Return whether a text can be encoded; the bytes of a command line or a file name may be no text."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def counted(number: int, noun: str) -> str:
    """Return a number and a noun: ``1 key``, ``2 keys``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def shortened(text: str, length: int) -> str:
    """Return a text, without its middle if it is longer than ``length``: names differ at both ends."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}…{text[head + 1 - length :]}"


def printable(text: str) -> str:
    """Return hostile text on one line, with each character escaped that cannot be printed."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def shell_quoted(word: str) -> str:
    """Return a word of a command as a person types it in a shell."""
    import shlex

    return shlex.quote(word)


def without_quotes(error: Exception) -> str:
    """Return the text of an error without the parts that quote a file: they may be a key or hostile text."""
    import re

    return re.sub(r"'[^']*'?|\"[^\"]*\"?", "...", str(error))


def is_name(text: str) -> bool:
    """Return whether a text has the form of a name, so that it can be shown as it is."""
    import re

    return re.fullmatch(NAME, text) is not None


def shown(value: object) -> str:
    """Return a name or a number as messages show it: unchanged if it has the form of one, else quoted."""
    is_plain = type(value) is int or (isinstance(value, str) and is_name(value))
    return str(value) if is_plain else quoted(value)


def quoted(text: object) -> str:
    """Return a value that failed its form check as a message shows it: quoted, in ASCII, shortened.

    A text that may be a key is not repeated.
    """
    from kojikey.model.key_detection import looks_like_key

    whole = str(text)
    if looks_like_key(whole):
        return "'' (not repeated, in case it is a key)"
    return ascii(whole[:_LONGEST_QUOTED]) + ("…" if len(whole) > _LONGEST_QUOTED else "")
