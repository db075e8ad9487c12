"""Reads a command line with Typer if it asks for help or is not clearly correct.

Owns: the errors about a command line. They repeat nothing that may be a key.
"""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.core import TyperGroup

from kojikey.cli import registry
from kojikey.cli.command import Call, Choice, Command, CommandLine, Doubt, Flag, Option
from kojikey.cli.options import COMMON, JSON, NO_COLOR
from kojikey.cli.output.stdout import write_line
from kojikey.cli.parsing import app
from kojikey.cli.parsing.app import click_command as click_command
from kojikey.cli.parsing.help_format import is_rich
from kojikey.cli.parsing.key_guard import refuse
from kojikey.config.settings import has_password
from kojikey.model.errors import Effect, UsageError
from kojikey.model.nearest import nearest
from kojikey.model.next_step import Hint, next_step

_PLAIN_OPTION = re.compile(r"--?[a-z]{1,16}(?:-[a-z]{1,16}){0,3}")
_PLAIN_WORD = re.compile(r"[\w./:@=+,%~-]{1,200}", re.ASCII)
_HELP = ("--help", "-h")
_VERSION = ("--version", "-V")

_SYNONYMS = {
    "ls": "list", "show": "list", "rm": "remove", "delete": "remove", "del": "remove", "login": "add", "new": "add",
    "create": "add", "verify": "test", "validate": "test", "exec": "run", "renew": "rotate", "replace": "rotate",
    "reveal": "get", "print": "get", "log": "audit", "init": "store init", "store ls": "store list",
    "account ls": "account list", "accounts": "account list", "store show": "store info", "config list": "config get",
    "config show": "config get", "version": "--version",
}  # fmt: skip
_DELETING = frozenset({"remove", "account remove", "store revoke", "lock"})
"""Commands that are suggested only for a word that is nearly their name."""


def read(line: CommandLine) -> Call | None:
    """Return the call of a command line, or None if it asked for help, which was then written.

    Raises:
        UsageError: the command line is wrong. The message repeats no argument that may be a key.
    """
    refuse(line.own)
    if line.doubt is Doubt.OPTIONS_FIRST and not any(word in _HELP for word in line.early[:1]):
        raise _options_first(line)
    if not line.tokens or (len(line.tokens) == 1 and line.tokens[0] in registry.GROUPS):
        show_help(line.tokens, is_plain=False)
        return None
    if line.command is not None and JSON in line.flags and any(word in _HELP for word in line.own):
        write_help_document(line.command.name)
        return None
    drawn = is_rich(is_plain=NO_COLOR in line.flags)
    is_outline = line.command is None or line.doubt is Doubt.OPTIONS_FIRST
    tree = app.outline(is_rich=drawn) if is_outline else click_command(only=line.command, is_rich=drawn)
    try:
        result = tree.main(args=line.tokens, prog_name="kojikey", standalone_mode=False)
    except typer.TyperException as error:
        refuse(line.tokens)
        raise _usage_error(error, line) from None
    except SystemExit:  # Typer raises it when standard output was closed by its reader
        raise BrokenPipeError from None
    except typer.Abort:
        raise KeyboardInterrupt from None
    return result if isinstance(result, Call) else None


def write_help_document(topic: str) -> int:
    """Write the help of a command or group, ``""`` for the program's, as a JSON document; return the exit code."""
    from kojikey.cli.output import documents

    return documents.write("help", 0, [{"topic": topic or None, "text": _help(topic.split(), drawn=False)}])


def show_help(names: list[str], *, is_plain: bool) -> None:
    """Write the help of a command or group to standard output; ``names`` are its words, none for the program's."""
    for line in _help(names, drawn=is_rich(is_plain=is_plain)).splitlines():  # no line: rich has printed it already
        write_line(line)


def _help(names: list[str], *, drawn: bool) -> str:
    found = registry.find(names)
    command: Any = app.outline(is_rich=drawn) if found is None else click_command(only=found[0], is_rich=drawn)
    context = command.make_context("kojikey", [], resilient_parsing=True)
    for name in names:
        assert isinstance(command, TyperGroup)  # noqa: S101 - the caller checked the name
        command = command.commands[name]
        context = command.make_context(name, [], parent=context, resilient_parsing=True)
    return str(command.get_help(context))


def _options_first(line: CommandLine) -> UsageError:
    """Return the error about options before the command; its hint has the words in the right order."""
    for word in line.early[:1]:
        if word in _VERSION:
            return _version_misplaced(word)
    name = str(line.name)
    ordered = [*name.split(), *line.early, *line.rest]
    is_plain = all(_PLAIN_WORD.fullmatch(word) and not has_password(word) for word in ordered)
    return UsageError(
        f"options follow their command, here {name}" if line.early else f"-- follows the command, here {name}",
        hint=next_step(name, *line.early, *line.rest) if is_plain else Hint(next_step(name), ", then its options"),
        effect=Effect.NOTHING_DONE,
    )


def _version_misplaced(name: str) -> UsageError:
    return UsageError(f"{name} stands alone", hint=next_step("", "--version"), effect=Effect.NOTHING_DONE)


def _usage_error(error: typer.TyperException, line: CommandLine) -> UsageError:
    """Return an error of Typer in our words. Most of its classes are private: their members tell them apart."""
    context = getattr(error, "ctx", None)
    place = context.command_path if context else "kojikey"
    help_hint = next_step(place.partition(" ")[2], "--help")
    option = getattr(error, "option_name", None)
    if option is not None and hasattr(error, "possibilities"):
        return _no_such_option(option, context, place, help_hint)
    if option is not None:
        return _value_misplaced(option, line)
    if isinstance(error, typer.BadParameter):
        return _bad_value(error, line, help_hint)
    if line.doubt is Doubt.NO_COMMAND:
        meant = nearest_command([token.lower() for token in line.tokens if not token.startswith("-")])
        return UsageError(
            f"{place} has no such command", hint=Hint("did you mean ", next_step(meant), "?") if meant else help_hint
        )
    return UsageError(
        f"{place} takes no further argument; what follows is not repeated here, in case it is a key", hint=help_hint
    )


def _bad_value(error: typer.BadParameter, line: CommandLine, help_hint: Hint) -> UsageError:
    command = line.command
    if hasattr(error, "param_type"):  # an argument that is missing
        named = error.param.make_metavar(error.ctx) if error.param and error.ctx else "an argument"
        usage = next_step(command.name, *(argument.usage for argument in command.arguments)) if command else help_hint
        return UsageError(f"missing argument {named}", hint=usage)
    named = error.param.opts[0] if error.param else "an option"
    option, kind = _option_named(command, named), error.param.type.name if error.param else ""
    if isinstance(option, Choice):
        takes = "one of " + ", ".join(option.choices)
    else:
        takes = {"int": "a whole number", "float": "a number"}.get(kind, "another kind of value")
    return UsageError(f"{named} takes {takes}", hint=_with_value(line, named) or help_hint)


def _value_misplaced(name: str, line: CommandLine) -> UsageError:
    is_flag = isinstance(_option_named(line.command, name), Flag)
    usual = next_step(line.name or "", name if is_flag else "--help")
    what = "takes no value" if is_flag else "needs a value"
    return UsageError(f"{name} {what}", hint=_with_value(line, name) or usual)


def _with_value(line: CommandLine, name: str) -> Hint | None:
    """Return the command with its own flags, and with an option and a value or its placeholder.

    None for an option without a value.
    """
    command, option = line.command, _option_named(line.command, name)
    if command is None or option is None or not option.metavar:
        return None
    value = option.choices[0] if isinstance(option, Choice) else option.metavar.partition("|")[0]
    flags = [each.spelling for each in command.options if each in line.flags and each not in COMMON]
    return next_step(command.name, *flags, name, value)


def _option_named(command: Command | None, flag: str) -> Option[Any] | None:
    return next((option for option in (command.options if command else ()) if flag in option.flags), None)


def _no_such_option(name: str, context: typer.Context | None, place: str, help_hint: Hint) -> UsageError:
    if name in ("--key", "--api-key", "-k", "--token", "--secret"):
        return UsageError(
            f"there is no option {name}: a key is never an argument",
            hint="give it at the prompt, or with --stdin, --from-env VAR or --from-file PATH",
        )
    if name in _VERSION:
        return _version_misplaced(name)
    params = context.command.params if context else []
    if name == "-v" and place == "kojikey":
        return UsageError("kojikey has no option -v", hint=next_step("", _VERSION[0]))
    close = nearest(name, (spelling for param in params for spelling in param.opts))
    shown = name if _PLAIN_OPTION.fullmatch(name) else "of that name"
    return UsageError(f"{place} has no option {shown}", hint=f"did you mean {close}?" if close else help_hint)


def nearest_command(words: list[str]) -> str | None:
    """Return the command that was probably meant; the second word may be part of its name or an argument."""
    known = [name for name in (*registry.MODULES, *registry.GROUPS, _VERSION[0]) if name not in registry.HIDDEN]
    if words[:1] and words[0] in registry.GROUPS:
        subcommands = {name.partition(" ")[2]: name for name in known if name.startswith(f"{words[0]} ")}
        named = _SYNONYMS.get(" ".join(words[:2]), "")
        if named in known:
            return named
        close = nearest(words[1] if len(words) > 1 else "", subcommands, strict=frozenset({"remove", "revoke"}))
        return subcommands[close] if close else None
    return next(
        (close for text in (" ".join(words[:2]), *words[:1])
         if (close := nearest(text, known, synonyms=_SYNONYMS, strict=_DELETING))),
        None,
    )  # fmt: skip
