"""Builds the tree of Typer commands from the definitions; a caller can ask for the part that it needs.

A callback in the tree returns the parsed call and does nothing else.
"""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand, TyperGroup

from kojikey.cli import registry
from kojikey.cli.command import (
    Call,
    Choice,
    Command,
    Flag,
    Identifier,
    Integer,
    Number,
    Option,
    Parameter,
    Positional,
    Text,
    Texts,
)
from kojikey.cli.options import COMMON
from kojikey.cli.parsing.help_format import COMMON_PANEL, HelpCommand, HelpGroup, escaper, plain_width
from kojikey.model.next_step import Hint, next_step

_TYPES: dict[type[Option[Any]], Any] = {
    Text: str,
    Identifier: str,
    Texts: list[str],
    Integer: int,
    Number: float,
    Flag: bool,
}
_COMMON = {option.name for option in COMMON}

ABOUT = "Keep provider API keys sealed, ask the provider whether they work, and rotate them without losing one."
_EPILOG = Hint(
    "Begin with ", next_step("add"), ", or with ", next_step("sandbox", "--tour"), ", which needs no key. ",
    next_step("help", "exit-codes"), " shows the exit codes, ", next_step("", "--version"), " the version.",
)  # fmt: skip


def click_command(*, only: Command | None = None, is_rich: bool = False) -> TyperCommand | TyperGroup:
    """Return the tree of all commands, or of ``only`` one."""
    return _built(_Tree(is_rich=is_rich).app(registry.load_all() if only is None else [only]))


def outline(*, is_rich: bool) -> TyperCommand | TyperGroup:
    """Return the tree of all commands without their options, for help that lists commands and for a wrong name."""
    bare = [command._replace(options=(), arguments=()) for command in registry.load_all()]
    return _built(_Tree(is_rich=is_rich).app(bare))


def _built(app: typer.Typer) -> TyperCommand | TyperGroup:
    command = typer.main.get_command(app)
    assert isinstance(command, (TyperCommand, TyperGroup))  # noqa: S101 - for the type checker
    return command


class _Tree:
    """Builds the tree, for help in rich panels or in plain text."""

    def __init__(self, *, is_rich: bool) -> None:
        self._is_rich = is_rich
        self._safe: Callable[[str], str] = escaper() if is_rich else str

    def app(self, chosen: list[Command]) -> typer.Typer:
        app = self._group(ABOUT, epilog=_EPILOG)
        groups = {name: self._group(summary) for name, summary in registry.GROUPS.items()}
        for name, summary in registry.GROUPS.items():
            app.add_typer(groups[name], name=name, help=self._safe(summary))
        for command in chosen:
            group, _, last = command.name.rpartition(" ")
            self._register(groups.get(group, app), command, last)
        return app

    def _group(self, summary: str, *, epilog: str | None = None) -> typer.Typer:
        return typer.Typer(
            cls=HelpGroup, help=self._safe(summary),
            epilog=epilog, add_completion=False, rich_markup_mode="rich" if self._is_rich else None,
            pretty_exceptions_enable=False, no_args_is_help=True, context_settings=_context(),
            options_metavar="", subcommand_metavar="COMMAND [OPTIONS]...",
        )  # fmt: skip

    def _register(self, app: typer.Typer, command: Command, name: str) -> None:
        context = _context()
        if command.passes_on:
            context |= {"allow_interspersed_args": False, "ignore_unknown_options": False}
        app.command(
            name,
            cls=HelpCommand,
            help=self._help_text(command),
            short_help=self._safe(command.summary),
            context_settings=context,
            options_metavar="[OPTIONS]",
            hidden=name in registry.HIDDEN,
            no_args_is_help=False,
        )(self._callback(command))

    def _help_text(self, command: Command) -> str:
        parts = [self._safe(command.summary[0].upper() + command.summary[1:] + ".")]
        if command.description:
            parts.append(self._safe(command.description))
        if command.examples and self._is_rich:
            parts.append("[bold]Examples[/bold]\n" + "\n".join(map(self._safe, command.examples)))
        elif command.examples:
            parts.append("\b\nExamples:\n" + "\n".join(f"  {example}" for example in command.examples))
        return "\n\n".join(parts)

    def _callback(self, command: Command) -> Callable[..., Call]:
        takes: dict[str, Parameter[Any]] = {_name(each): each for each in (*command.arguments, *command.options)}

        def callback(**values: Any) -> Call:
            given = {name: value for name, value in values.items() if value is not None}
            return Call(
                command,
                {takes[name]: tuple(value) if isinstance(value, list) else value for name, value in given.items()},
            )

        own = [option for option in command.options if option.name not in _COMMON]
        shared = [option for option in command.options if option.name in _COMMON]
        parameters = [self._argument(argument) for argument in command.arguments]
        parameters += [self._option(option) for option in (*own, *shared)]
        callback.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        callback.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return callback

    def _option(self, option: Option[Any]) -> inspect.Parameter:
        info = typer.Option(
            *option.flags, help=self._safe(option.help), metavar=option.metavar, show_default=False,
            rich_help_panel=COMMON_PANEL if option.name in _COMMON else option.section,
        )  # fmt: skip
        is_flag = isinstance(option, Flag)
        kind: Any = Literal[option.choices] if isinstance(option, Choice) else _TYPES[type(option)]
        return _parameter(option, Annotated[kind if is_flag else kind | None, info], False if is_flag else None)

    def _argument(self, argument: Positional[Any]) -> inspect.Parameter:
        info = typer.Argument(help=self._safe(argument.help), metavar=argument.metavar, show_default=False)
        if argument.is_required:
            return _parameter(argument, Annotated[str, info], inspect.Parameter.empty)
        kind: Any = list[str] if argument.takes_many else str
        return _parameter(argument, Annotated[kind | None, info], None)


def _context() -> dict[str, Any]:
    return {"help_option_names": ["--help", "-h"], "terminal_width": plain_width()}


def _parameter(parameter: Parameter[Any], annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(_name(parameter), inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _name(parameter: Parameter[Any]) -> str:
    return f"{parameter.name}_" if keyword.iskeyword(parameter.name) else parameter.name  # --for
