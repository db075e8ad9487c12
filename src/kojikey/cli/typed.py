"""The command line as Typer sees it: built from the same definitions, for help, errors and completion.

Owns: wording what is wrong with a command line without repeating anything that may be a key.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer._click import exceptions as click_errors
from typer._click.core import Command as ClickCommand
from typer.core import TyperGroup

from kojikey.cli import commands
from kojikey.cli.command import Argument, Call, Command, Option, carry_out
from kojikey.cli.refuse import refuse
from kojikey.cli.report import write_line
from kojikey.model.errors import UsageError

_TYPES: dict[str, Any] = {"text": str, "texts": list[str], "integer": int, "number": float, "flag": bool}

_PLAIN_OPTION = re.compile(r"--?[a-z]{1,16}(?:-[a-z]{1,16}){0,3}")

_ALIKE = 0.7

ABOUT = "Keep provider API keys sealed, ask the provider whether they work, and rotate them without losing one."


class _Pressed(BaseException):
    """Ctrl-C, on its way past Typer, which would make a silent exit code of it; what it says was left is for people."""


def build_app() -> typer.Typer:
    """Return the Typer application with every command."""
    app = _group(ABOUT, epilog="kojikey --version tells the version; kojikey help exit-codes the exit codes.")
    groups: dict[str, typer.Typer] = {}
    for name, summary in commands.GROUPS.items():
        groups[name] = _group(summary)
        app.add_typer(groups[name], name=name, help=summary)
    for command in commands.load_all():
        group, _, last = command.name.rpartition(" ")
        _register(groups.get(group, app), command, last)
    return app


def _group(summary: str, *, epilog: str | None = None) -> typer.Typer:
    return typer.Typer(
        help=summary,
        epilog=epilog, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
        no_args_is_help=True, context_settings={"help_option_names": ["--help", "-h"]},
    )  # fmt: skip


def _register(app: typer.Typer, command: Command, name: str) -> None:
    context: dict[str, Any] = {"help_option_names": ["--help", "-h"]}
    if command.passes_on:
        context |= {"allow_interspersed_args": False, "ignore_unknown_options": False}
    app.command(
        name,
        help=_help_text(command),
        short_help=command.summary,
        context_settings=context,
        hidden=name in commands.HIDDEN,
        no_args_is_help=False,
    )(_callback(command))


def _help_text(command: Command) -> str:
    parts = [command.summary[0].upper() + command.summary[1:] + "."]
    if command.description:
        parts.append(command.description)
    if command.examples:
        parts.append("\b\nExamples:\n" + "\n".join(f"  {example}" for example in command.examples))
    return "\n\n".join(parts)


def _callback(command: Command) -> Callable[..., int]:
    def callback(**values: Any) -> int:
        call = Call(command, {name: value for name, value in values.items() if value is not None})
        try:
            return carry_out(call)
        except KeyboardInterrupt as stop:
            raise _Pressed(*stop.args) from None

    parameters = [_option(option) for option in command.options]
    if command.argument:
        parameters.insert(0, _argument(command.argument))
    callback.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    callback.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return callback


def _option(option: Option) -> inspect.Parameter:
    info = typer.Option(*option.flags, help=option.help, metavar=option.metavar, show_default=False)
    kind = _TYPES[option.kind]
    optional: Any = kind if option.kind == "flag" else kind | None
    annotation = Annotated[optional, info]
    default = False if option.kind == "flag" else None
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _argument(argument: Argument) -> inspect.Parameter:
    info = typer.Argument(help=argument.help, metavar=argument.metavar, show_default=False)
    kind: Any = list[str] if argument.many else str
    if argument.required:
        return inspect.Parameter(argument.name, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[kind, info])
    return inspect.Parameter(
        argument.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, info]
    )


def click_command() -> ClickCommand:
    """Return the command tree that Typer makes of the definitions."""
    return typer.main.get_command(build_app())


def help_of(names: list[str]) -> str:
    """Return the help of a command or group, by the words of its name; no words are the whole program."""
    command, context = click_command(), None
    for info_name, name in zip(["kojikey", *names], [None, *names], strict=True):
        if name is not None:
            assert isinstance(command, TyperGroup)  # noqa: S101 - the caller checked the name
            command = command.commands[name]
        context = command.make_context(info_name, [], parent=context, resilient_parsing=True)
    assert context is not None  # noqa: S101
    return command.get_help(context)


def run(tokens: list[str]) -> int:
    """Carry out a command line through Typer and return the exit code.

    Raises:
        UsageError: the command line makes no sense. Its message repeats no argument that may be a key.
    """
    refuse(_own(tokens))
    try:
        result = click_command().main(args=tokens, prog_name="kojikey", standalone_mode=False)
    except click_errors.NoArgsIsHelpError as error:
        write_line(error.ctx.get_help() if error.ctx else ABOUT)
        return 0
    except click_errors.UsageError as error:
        refuse(tokens)
        raise _worded(error, tokens) from None
    except SystemExit:  # Typer's way of saying that the reader of standard output went away
        raise BrokenPipeError from None
    except typer.Abort:
        raise KeyboardInterrupt from None
    except _Pressed as pressed:
        raise KeyboardInterrupt(*pressed.args) from None
    return int(result or 0)


def _own(tokens: list[str]) -> list[str]:
    """Return the tokens that are for kojikey itself, as far as that can be told before they are parsed."""
    if tokens[:1] == ["run"]:
        tokens = tokens[: tokens.index("--")] if "--" in tokens else []
    return [token for token in tokens if token != "--"]


def _worded(error: click_errors.UsageError, tokens: list[str]) -> UsageError:
    place = error.ctx.command_path if error.ctx else "kojikey"
    help_hint = f"{place} --help"
    if isinstance(error, click_errors.NoSuchOption):
        close = difflib.get_close_matches(error.option_name, _spellings(error), n=1)
        if error.option_name in ("--key", "--api-key", "-k", "--token", "--secret"):
            return UsageError(
                f"there is no option {error.option_name}: a key is never an argument",
                hint="give it at the prompt, or with --stdin, --from-env VAR or --from-file PATH",
            )
        shown = error.option_name if _PLAIN_OPTION.fullmatch(error.option_name) else "of that name"
        return UsageError(f"{place} has no option {shown}", hint=f"did you mean {close[0]}?" if close else help_hint)
    if isinstance(error, click_errors.BadParameter) and not isinstance(error, click_errors.MissingParameter):
        named = error.param.opts[0] if error.param else "an option"
        kind = error.param.type.name if error.param else ""
        takes = {"int": "a whole number", "float": "a number"}.get(kind, "another kind of value")
        return UsageError(f"{named} takes {takes}", hint=help_hint)
    message = error.format_message()
    if message.startswith("No such command"):
        meant = _nearest_command([token for token in tokens if not token.startswith("-")])
        hint = f"did you mean kojikey {meant}?" if meant else help_hint
        return UsageError(f"{place} has no such command", hint=hint)
    if message.startswith("Got unexpected extra argument"):
        return UsageError(
            f"{place} takes no further argument; what follows is not repeated here, in case it is a key",
            hint=help_hint,
        )
    return UsageError(message[0].lower() + message[1:].rstrip("."), hint=help_hint)


def _spellings(error: click_errors.NoSuchOption) -> list[str]:
    command = error.ctx.command if error.ctx else None
    return [spelling for parameter in (command.params if command else []) for spelling in parameter.opts]


def _nearest_command(words: list[str]) -> str | None:
    """Return the command that was likely meant; a second word may be part of its name, or its argument."""
    known = [name for name in (*commands.MODULES, *commands.GROUPS) if name not in commands.HIDDEN]
    tried = {" ".join(words[:2]), *words[:1]}
    if words[:1] and words[0] in commands.GROUPS:
        known = [name for name in known if name.startswith(f"{words[0]} ")]
        tried = {" ".join(words[:2])}
    found = [(_likeness(text, name), name) for text in tried for name in known]
    likeness, name = max(found)
    return name if likeness >= _ALIKE else None


def _likeness(text: str, name: str) -> float:
    return difflib.SequenceMatcher(None, text, name).ratio()
