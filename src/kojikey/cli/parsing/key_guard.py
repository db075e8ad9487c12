"""Refuses a key on the command line before anything can repeat it. On the hot path of ``kojikey run``."""

from __future__ import annotations

from kojikey.cli.command import Call, Identifier
from kojikey.model.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

REVOKE = (
    "it is in your shell's history now: revoke it at the provider, and give the new key at the prompt, or with "
    "--stdin, --from-env VAR or --from-file PATH"
)


def refuse_keys(call: Call) -> None:
    """Check the arguments and option values of a call, except the command line of another program (``run``).

    Raises:
        UsageError: one of them looks like a provider key; it is not repeated.
    """
    command = call.command
    passed_on = command.arguments if command.passes_on else ()
    texts: list[str] = []
    ids: list[str] = []
    for parameter, value in call.values.items():
        if parameter not in passed_on:
            checked = ids if isinstance(parameter, Identifier) else texts
            checked += [value] if isinstance(value, str) else value if isinstance(value, tuple) else []
    refuse(texts)
    if ids:
        from kojikey.model.key_detection import has_key_prefix

        refuse(text for text in ids if has_key_prefix(text))


def refuse(texts: Iterable[str]) -> None:
    """Check words of a command line.

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
