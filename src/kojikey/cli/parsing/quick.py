"""The quick reader of command lines. It says yes to what is plainly right, and steps aside for everything else.

Whatever it is not sure of (help, an unknown option, a missing value, too many arguments) it leaves to Typer, which
words the error. So it cannot differ from Typer in what it refuses; a test holds the two to the same answers.
On the hot path: imports nothing.
"""

from __future__ import annotations

from kojikey.cli.command import Call, Command, Flag, Texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kojikey.cli.command import Parameter


def quick(command: Command, tokens: list[str]) -> Call | None:
    """Return the call that the tokens after the command's name spell, None to leave them to Typer."""
    options = {flag: option for option in command.options for flag in option.flags}
    given: dict[Parameter[Any], Any] = {}
    rest: list[str] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        index += 1
        if token == "--":
            rest += tokens[index:]
            break
        if not token.startswith("-") or token == "-":
            rest.append(token)
            if command.passes_on:
                rest += tokens[index:]
                break
            continue
        flag, equals, attached = token.partition("=")
        option = options.get(flag)
        if option is None or (equals and not flag.startswith("--")) or (equals and isinstance(option, Flag)):
            return None
        if isinstance(option, Flag):
            given[option] = True
            continue
        if not equals:
            if index == len(tokens) or tokens[index].startswith("-"):
                return None
            attached = tokens[index]
            index += 1
        try:
            value = option.read(attached)
        except ValueError:
            return None
        given[option] = given.get(option, ()) + value if isinstance(option, Texts) else value
    return _with_arguments(command, given, rest)


def _with_arguments(command: Command, given: dict[Parameter[Any], Any], rest: list[str]) -> Call | None:
    for argument in command.arguments:
        if argument.takes_many:
            given[argument] = tuple(rest)
            return Call(command, given)
        if rest:
            given[argument] = rest.pop(0)
        elif argument.is_required:
            return None
    return None if rest else Call(command, given)
