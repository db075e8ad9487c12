"""The quick reader of command lines. It says yes to what is plainly right, and steps aside for everything else.

Whatever it is not sure of (help, an unknown option, a missing value, too many arguments) it leaves to Typer, which
words the error. So it cannot differ from Typer in what it refuses; a test holds the two to the same answers.
On the hot path: imports nothing.
"""

from __future__ import annotations

from kojikey.cli.parsing.command import Call, Command, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def quick(command: Command, tokens: list[str]) -> Call | None:
    """Return the call that the tokens after the command's name spell, None to leave them to Typer."""
    options = {flag: option for option in command.options for flag in option.flags}
    values: dict[str, Any] = {}
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
        if option is None or (equals and not flag.startswith("--")) or (equals and option.kind == "flag"):
            return None
        if option.kind == "flag":
            values[option.name] = True
            continue
        if not equals:
            if index == len(tokens) or tokens[index].startswith("-"):
                return None
            attached = tokens[index]
            index += 1
        if not _keep(values, option, attached):
            return None
    return _with_arguments(command, values, rest)


def _keep(values: dict[str, Any], option: Option, text: str) -> bool:
    if option.kind == "texts":
        values.setdefault(option.name, []).append(text)
        return True
    if option.kind == "text":
        values[option.name] = text
        return True
    try:
        values[option.name] = int(text) if option.kind == "integer" else float(text)
    except ValueError:
        return False
    return True


def _with_arguments(command: Command, values: dict[str, Any], rest: list[str]) -> Call | None:
    argument = command.argument
    if argument is None:
        return None if rest else Call(command, values)
    if (argument.required and not rest) or (not argument.many and len(rest) > 1):
        return None
    if argument.many:
        values[argument.name] = rest
    elif rest:
        values[argument.name] = rest[0]
    return Call(command, values)
