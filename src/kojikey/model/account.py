"""The form of account names: an account says whose key it is."""

from __future__ import annotations

import re

from kojikey.model.errors import BadAccount
from kojikey.model.plain_text import is_name

DEFAULT_ACCOUNT = "default"
_LONGEST_WORD = 19  # letters and digits in a row; a longer row may be a key


def is_account(name: str) -> bool:
    """Return whether a text has the form of an account name; an e-mail address can have it."""
    return name == DEFAULT_ACCOUNT or is_name(name)  # the pattern is compiled only for another name


def checked_account(name: str) -> str:
    """Return an account name unchanged, after checking its form (``[a-z0-9][a-z0-9._@+-]{0,127}``).

    Raises:
        BadAccount: it does not have that form. The message does not repeat the name, because it could be a key. If
            only capitals are wrong with the name, the hint has it in small letters: capitals are refused so that no
            two accounts differ in nothing else.
    """
    if not is_account(name):
        raise BadAccount(name, small=_in_small_letters(name))
    return name


def _in_small_letters(name: str) -> str | None:
    """Return a name with capitals in small letters; None if that is no account name either, or could be a key."""
    small = name.lower()
    if small == name or not is_account(small):
        return None
    from kojikey.model.key_detection import looks_like_key

    is_wordy = all(len(word) <= _LONGEST_WORD for word in re.split(r"[^a-z0-9]", small))
    return small if is_wordy and not looks_like_key(name) else None
