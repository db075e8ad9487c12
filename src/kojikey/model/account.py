"""Account names: whose key it is."""

from __future__ import annotations

import re

from kojikey.model.errors import BadAccount

DEFAULT_ACCOUNT = "default"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def checked_account(name: str) -> str:
    """Return the name unchanged when it is one (``[a-z0-9][a-z0-9._-]{0,63}``).

    Raises:
        BadAccount: it is not; the message does not repeat a name that could be a key.
    """
    if not _NAME.fullmatch(name):
        raise BadAccount(name)
    return name
