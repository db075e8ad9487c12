"""Account names: whose key it is."""

from __future__ import annotations

import re

from kojikey.model.errors import BadAccount

DEFAULT_ACCOUNT = "default"
NAME = r"[a-z0-9][a-z0-9._@+-]{0,127}"
_NAME = re.compile(NAME)
_LONGEST_WORD = 19  # characters without a mark between them; longer ones may be a key


def is_account(name: str) -> bool:
    """Return whether that is an account's name: an e-mail address can be one."""
    return _NAME.fullmatch(name) is not None


def checked_account(name: str) -> str:
    """Return the name unchanged when it is one (``[a-z0-9][a-z0-9._@+-]{0,127}``).

    Raises:
        BadAccount: it is not; the message does not repeat a name that could be a key. Of one with capitals, the hint
            has the name in small letters: two accounts that differ in nothing else would be a trap.
    """
    if not is_account(name):
        raise BadAccount(name, small=_in_small_letters(name))
    return name


def _in_small_letters(name: str) -> str | None:
    """Return what is likely meant by a name with capitals; None where it is none, or could be a key."""
    small = name.lower()
    if small == name or not is_account(small):
        return None
    from kojikey.model.key_detection import looks_like_key

    is_wordy = all(len(word) <= _LONGEST_WORD for word in re.split(r"[^a-z0-9]", small))
    return small if is_wordy and not looks_like_key(name) else None
