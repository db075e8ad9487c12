"""Refusing a key that was given as an argument, before anything repeats it. On the hot path of ``kojikey run``."""

from __future__ import annotations

from collections.abc import Iterable

from kojikey.cli.command import Call, Identifier
from kojikey.model.errors import UsageError

REVOKE = (
    "it is in your shell's history now: revoke it at the provider, and give the new key at the prompt, or with "
    "--stdin, --from-env VAR or --from-file PATH"
)


def refuse_keys(call: Call) -> None:
    """Check the arguments and option values of a call, but not what it hands on to another program.

    Raises:
        UsageError: one of them looks like a provider key; it is not repeated.
    """
    command = call.command
    handed_on = command.arguments if command.passes_on else ()
    texts: list[str] = []
    ids: list[str] = []
    for parameter, value in call.values.items():
        if parameter not in handed_on:
            kept = ids if isinstance(parameter, Identifier) else texts
            kept += [value] if isinstance(value, str) else value if isinstance(value, tuple) else []
    refuse(texts)
    if ids:
        from kojikey.model.key_detection import has_key_prefix

        refuse(text for text in ids if has_key_prefix(text))


def refuse(texts: Iterable[str]) -> None:
    """Check some words of a command line.

    Raises:
        UsageError: one of them looks like a provider key; it is not repeated.
    """
    for text in texts:
        from kojikey.model.key_detection import looks_like_key

        if looks_like_key(text):
            raise UsageError(
                "an argument looks like a provider key; it was not used and is not repeated here",
                hint=REVOKE,
            )
