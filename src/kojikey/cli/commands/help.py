"""``kojikey help``: prints the exit codes, or the help of a command."""

from __future__ import annotations

from kojikey.cli.command import Arguments, Call, Command
from kojikey.cli.context import context_of
from kojikey.cli.exits import MEANING
from kojikey.cli.options import OUTPUT
from kojikey.model.errors import UsageError
from kojikey.model.next_step import Hint, next_step

TOPIC = Arguments("topic", "[TOPIC]...", "a command, or exit-codes", complete="topic")

_EXIT_CODES = "exit-codes"


def help_topic(call: Call) -> int:
    """Run ``kojikey help`` and return the exit code."""
    from kojikey.cli.output import documents
    from kojikey.cli.parsing import typer_app
    from kojikey.cli.registry import GROUPS, HIDDEN, MODULES

    context = context_of(call, config={})  # help works with a config.toml that has mistakes
    topic = " ".join(call[TOPIC])
    if topic == _EXIT_CODES:
        if context.terminal.json:
            rows = [{"code": int(code), "name": code.label, "when": when} for code, when in MEANING.items()]
            return documents.write("help", 0, rows)
        from kojikey.cli.output.page import Page

        Page(context.terminal).table(
            ("CODE", "NAME", "WHEN"), [(str(int(code)), code.label, when) for code, when in MEANING.items()]
        )
        return 0
    if topic and topic not in GROUPS and (topic not in MODULES or topic in HIDDEN):
        raise UsageError("there is no help for that", hint=_nearest_topic(call[TOPIC]))
    if context.terminal.json:
        return typer_app.write_help_document(topic)
    typer_app.show_help(topic.split(), is_plain=context.terminal.plain)
    return 0


def _nearest_topic(words: tuple[str, ...]) -> Hint:
    from kojikey.cli.parsing.typer_app import nearest_command

    meant = nearest_command([word.lower() for word in words])
    if meant and not meant.startswith("-"):
        return Hint("did you mean ", next_step("help", *meant.split()), "?")
    return Hint(next_step("help", _EXIT_CODES), ", or ", next_step("help", "COMMAND"))


COMMANDS = (
    Command(
        "help",
        "explain a command, or the exit codes (kojikey help exit-codes)",
        help_topic,
        options=OUTPUT,
        arguments=(TOPIC,),
        examples=("kojikey help exit-codes", "kojikey help rotate"),
    ),
)
