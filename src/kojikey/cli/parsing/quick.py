"""The quick reader of command lines: it parses lines that are clearly correct, and no other code splits a line.

It leaves everything else (help, an unknown option, a missing value, too many arguments) to Typer, together with the
part that it understood. So only Typer refuses a line; a test checks that both readers return the same calls.
On the hot path: imports nothing expensive.
"""

from __future__ import annotations

from kojikey.cli.command import Call, Command, CommandLine, Doubt, Flag, Texts
from kojikey.cli.options import COMMON
from kojikey.cli.registry import GROUPS, find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from kojikey.cli.command import Option, Parameter


def read(tokens: list[str]) -> CommandLine:
    """Return a command line as far as it is understood; without a call, Typer has to read it."""
    found = find(tokens)
    if found is None:
        return _without_command(tokens)
    command, rest = found
    reader = _Reader(command, rest)
    call = None if reader.doubt else _call(command, reader)
    flags = frozenset(option for option in reader.given if isinstance(option, Flag))
    doubt = None if call else reader.doubt or Doubt.ARGUMENTS
    return CommandLine(tokens, command, reader.own, [], rest, flags, call, doubt)


def _without_command(tokens: list[str]) -> CommandLine:
    """Read a line that does not begin with a command: options come first, or there is no command."""
    group = tokens[:1] if tokens[:1] and tokens[0] in GROUPS else []
    early = _leading_options(tokens[len(group) :])
    after = tokens[len(group) + len(early) :]
    is_early_end = after[:1] == ["--"]
    words = after[is_early_end:]
    found = find([*group, *words]) if early or is_early_end else None
    command, rest = found or (None, [])
    doubt = Doubt.OPTIONS_FIRST if found else Doubt.NO_COMMAND
    options = early + (words[: words.index("--")] if "--" in words else words)
    flags = frozenset(
        option for option in COMMON if isinstance(option, Flag) and any(flag in options for flag in option.flags)
    )
    own = [token for token in tokens if token != "--"]
    return CommandLine(tokens, command, own, early, rest, flags, doubt=doubt)


def _leading_options(tokens: list[str]) -> list[str]:
    """Return the options that the tokens begin with, and the values of those that every command takes."""
    valued = {flag for option in COMMON if not isinstance(option, Flag) for flag in option.flags}
    index = 0
    while index < len(tokens) and tokens[index].startswith("-") and tokens[index] not in ("-", "--"):
        index += 2 if tokens[index] in valued else 1
    return tokens[:index]


class _Reader:
    """Reads the tokens after a command's name; a doubtful one does not end the reading."""

    def __init__(self, command: Command, tokens: list[str]) -> None:
        self.given: dict[Parameter[Any], Any] = {}
        self.arguments: list[str] = []
        self.own: list[str] = []
        self.doubt: Doubt | None = None
        self._options = {flag: option for option in command.options for flag in option.flags}
        self._tokens = iter(tokens)
        for token in self._tokens:
            if token.startswith("-") and token not in ("-", "--"):
                self._read_option(token)
                continue
            self.arguments += [token] if token != "--" else []
            if token == "--" or command.passes_on:
                self.arguments += self._tokens
        self.own += () if command.passes_on else self.arguments

    def _read_option(self, token: str) -> None:
        self.own.append(token)
        flag, equals, attached = token.partition("=")
        option = self._options.get(flag)
        if option is None or (equals and not flag.startswith("--")):
            self._leave(Doubt.OPTION)
        elif not isinstance(option, Flag):
            self._set(option, attached if equals else self._value())
        elif equals:
            self._leave(Doubt.VALUE)
        else:
            self.given[option] = True

    def _value(self) -> str | None:
        """Return the token after an option; None where there is none, or where it looks like another option."""
        value = next(self._tokens, None)
        self.own += [] if value is None else [value]
        return None if value is None or value.startswith("-") else value

    def _set(self, option: Option[Any], text: str | None) -> None:
        try:
            value = None if text is None else option.read(text)
        except ValueError:
            value = None
        if value is None:
            self._leave(Doubt.VALUE)
        else:
            self.given[option] = self.given.get(option, ()) + value if isinstance(option, Texts) else value

    def _leave(self, doubt: Doubt) -> None:
        self.doubt = self.doubt or doubt


def _call(command: Command, reader: _Reader) -> Call | None:
    """Return the call, or None if the number of arguments is wrong."""
    given, rest = reader.given, list(reader.arguments)
    for argument in command.arguments:
        if argument.takes_many:
            given[argument] = tuple(rest)
            return Call(command, given)
        if rest:
            given[argument] = rest.pop(0)
        elif argument.is_required:
            return None
    return None if rest else Call(command, given)
