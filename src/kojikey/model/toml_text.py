"""Parses a TOML file that a person wrote.

Owns: that each text which is not TOML is one kind of error, and that its message repeats nothing of the text: a person
may have pasted a key. Must not: know which values a file may have.
"""

from __future__ import annotations

import tomllib
from typing import Any

from kojikey.model.plain_text import without_quotes


def parse_toml(text: str) -> dict[str, Any]:
    """Return the values in a TOML text.

    Raises:
        ValueError: the text is not TOML; the message says why.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason = without_quotes(error)
    except RecursionError:
        reason = "a value is nested too deeply"
    except ValueError:  # from int(), which takes at most 4,300 digits
        reason = "a number is too long"
    raise ValueError(reason)
