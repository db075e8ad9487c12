"""Refusing a key that was given as an argument, before anything repeats it."""

from __future__ import annotations

from kojikey.cli.command import Call
from kojikey.model.lookalike import looks_like_key


def refuse_keys(call: Call) -> None:
    """Check the arguments and option values of a call.

    Raises:
        UsageError: one of them looks like a provider key; it is not repeated.
    """
    for value in call.values.values():
        for text in value if isinstance(value, list) else (value,):
            if isinstance(text, str) and looks_like_key(text):
                from kojikey.cli.typed import key_in_arguments

                raise key_in_arguments()
