"""A command line that Typer reads, because it asks for help or is not plainly right.

Owns: wording what is wrong with a command line without repeating anything that may be a key.
"""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from kojikey.cli import registry
from kojikey.cli.command import Flag
from kojikey.cli.options import COMMON
from kojikey.cli.output.failure import write_line
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

_SYNONYMS = {
    "ls": "list", "show": "list", "rm": "remove", "delete": "remove", "del": "remove", "login": "add", "new": "add",
    "create": "add", "verify": "test", "validate": "test", "exec": "run", "renew": "rotate", "replace": "rotate",
    "reveal": "get", "print": "get", "log": "audit", "init": "store init", "store ls": "store list",
    "account ls": "account list", "accounts": "account list",
}  # fmt: skip
_DELETE = frozenset({"remove", "account remove", "store revoke", "lock"})


def run(tokens: list[str]) -> int:
    """Carry out a command line through Typer and return the exit code.

    Raises:
        UsageError: the command line makes no sense. Its message repeats no argument that may be a key.
    """
    refuse(_own(tokens))
    _refuse_early_options(tokens)
    if not tokens or (len(tokens) == 1 and tokens[0] in registry.GROUPS):
        show_help(tokens, is_plain=False)
        return 0
    try:
        result = _tree(tokens).main(args=tokens, prog_name="kojikey", standalone_mode=False)
    except typer.TyperException as error:
        refuse(tokens)
        raise _worded(error, tokens) from None
    except SystemExit:  # Typer's way of saying that the reader of standard output went away
        raise BrokenPipeError from None
    except typer.Abort:
        raise KeyboardInterrupt from None
    except app.Pressed as pressed:
        raise KeyboardInterrupt(*pressed.args) from None
    return int(result or 0)


def _tree(tokens: list[str]) -> TyperCommand | TyperGroup:
    found = registry.find(tokens)
    drawn = is_rich(tokens)
    return app.outline(is_rich=drawn) if found is None else click_command(only=found[0], is_rich=drawn)


def help_of(names: list[str]) -> str:
    """Return the help of a command or group, by the words of its name; no words are the whole program."""
    return _help(names, drawn=False)


def show_help(names: list[str], *, is_plain: bool) -> None:
    """Write that help to standard output, as ``--help`` does."""
    _write_help(_help(names, drawn=not is_plain and is_rich([])))


def _help(names: list[str], *, drawn: bool) -> str:
    found = registry.find(names)
    command: Any = app.outline(is_rich=drawn) if found is None else click_command(only=found[0], is_rich=drawn)
    context = command.make_context("kojikey", [], resilient_parsing=True)
    for name in names:
        assert isinstance(command, TyperGroup)  # noqa: S101 - the caller checked the name
        command = command.commands[name]
        context = command.make_context(name, [], parent=context, resilient_parsing=True)
    return str(command.get_help(context))


def _write_help(text: str) -> None:
    for line in text.splitlines():  # none where rich has drawn it already
        write_line(line)


def _own(tokens: list[str]) -> list[str]:
    """Return the tokens that are for kojikey itself, as far as that can be told before they are parsed."""
    if tokens[:1] == ["run"]:
        tokens = tokens[: tokens.index("--")] if "--" in tokens else []
    return [token for token in tokens if token != "--"]


def _refuse_early_options(tokens: list[str]) -> None:
    """Check that no option stands before its command.

    Raises:
        UsageError: one does; the hint has the command line in the right order.
    """
    group = tokens[:1] if tokens[:1] and tokens[0] in registry.GROUPS else []
    early = _leading_options(tokens[len(group) :])
    if not early or early[0] in _HELP:
        return
    rest = tokens[len(group) + len(early) :]
    found = registry.find([*group, *rest])
    if found is None:
        return
    name = found[0].name
    ordered = [*name.split(), *early, *found[1]]
    is_plain = all(_PLAIN_WORD.fullmatch(word) and not has_password(word) for word in ordered)
    raise UsageError(
        f"options follow their command, here {name}",
        hint=next_step(name, *early, *found[1]) if is_plain else Hint(next_step(name), ", then its options"),
        effect=Effect.NOTHING_DONE,
    )


def _leading_options(tokens: list[str]) -> list[str]:
    """Return the options that tokens begin with, and the values of those that every command has."""
    valued = {flag for option in COMMON if not isinstance(option, Flag) for flag in option.flags}
    index = 0
    while index < len(tokens) and tokens[index].startswith("-") and tokens[index] != "--":
        index += 2 if tokens[index] in valued else 1
    return tokens[:index]


def _worded(error: typer.TyperException, tokens: list[str]) -> UsageError:
    """Return an error of Typer in our words. Typer has no public classes but one: the members tell the others apart."""
    context = getattr(error, "ctx", None)
    place = context.command_path if context else "kojikey"
    help_hint = next_step(place.partition(" ")[2], "--help")
    option = getattr(error, "option_name", None)
    if option is not None and hasattr(error, "possibilities"):
        return _no_such_option(option, context, place, help_hint)
    if option is not None:
        return _value_misplaced(option, tokens)
    if isinstance(error, typer.BadParameter):
        return _bad_value(error, help_hint)
    if registry.find(tokens) is None:
        meant = _nearest_command([token for token in tokens if not token.startswith("-")])
        return UsageError(
            f"{place} has no such command", hint=Hint("did you mean ", next_step(meant), "?") if meant else help_hint
        )
    return UsageError(
        f"{place} takes no further argument; what follows is not repeated here, in case it is a key", hint=help_hint
    )


def _bad_value(error: typer.BadParameter, help_hint: Hint) -> UsageError:
    if hasattr(error, "param_type"):  # an argument that is missing
        named = error.param.make_metavar(error.ctx) if error.param and error.ctx else "an argument"
        return UsageError(f"missing argument {named}", hint=help_hint)
    named = error.param.opts[0] if error.param else "an option"
    kind = error.param.type.name if error.param else ""
    takes = {"int": "a whole number", "float": "a number"}.get(kind, "another kind of value")
    return UsageError(f"{named} takes {takes}", hint=help_hint)


def _value_misplaced(name: str, tokens: list[str]) -> UsageError:
    found = registry.find(tokens)
    command = found[0] if found else None
    is_flag = any(isinstance(option, Flag) for option in (command.options if command else ()) if name in option.flags)
    what = "takes no value" if is_flag else "needs a value"
    return UsageError(f"{name} {what}", hint=next_step(command.name if command else "", "--help"))


def _no_such_option(name: str, context: typer.Context | None, place: str, help_hint: Hint) -> UsageError:
    if name in ("--key", "--api-key", "-k", "--token", "--secret"):
        return UsageError(
            f"there is no option {name}: a key is never an argument",
            hint="give it at the prompt, or with --stdin, --from-env VAR or --from-file PATH",
        )
    params = context.command.params if context else []
    close = nearest(name, (spelling for param in params for spelling in param.opts))
    shown = name if _PLAIN_OPTION.fullmatch(name) else "of that name"
    return UsageError(f"{place} has no option {shown}", hint=f"did you mean {close}?" if close else help_hint)


def _nearest_command(words: list[str]) -> str | None:
    """Return the command that was likely meant; a second word may be part of its name, or its argument."""
    known = [name for name in (*registry.MODULES, *registry.GROUPS) if name not in registry.HIDDEN]
    if words[:1] and words[0] in registry.GROUPS:
        within = {name.partition(" ")[2]: name for name in known if name.startswith(f"{words[0]} ")}
        named = _SYNONYMS.get(" ".join(words[:2]), "")
        if named in known:
            return named
        close = nearest(words[1] if len(words) > 1 else "", within, strict=frozenset({"remove", "revoke"}))
        return within[close] if close else None
    return next(
        (close for text in (" ".join(words[:2]), *words[:1])
         if (close := nearest(text, known, synonyms=_SYNONYMS, strict=_DELETE))),
        None,
    )  # fmt: skip
