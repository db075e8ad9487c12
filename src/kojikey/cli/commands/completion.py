"""``kojikey completion``: prints the script that makes a shell complete kojikey's commands."""

from __future__ import annotations

import sys

from kojikey.cli.command import Argument, Call, Command
from kojikey.cli.context import context_of
from kojikey.cli.options import OUTPUT
from kojikey.model.errors import Effect, UsageError
from kojikey.model.next_step import next_step

SHELL = Argument("shell", "SHELL", "bash, zsh, fish or powershell", complete="shell")


def completion(call: Call) -> int:
    """Run ``kojikey completion`` and return the exit code; stderr explains where the script goes."""
    from kojikey.cli.completion.shells import SHELLS
    from kojikey.cli.output import documents
    from kojikey.cli.output.failure import say

    context = context_of(call, config={})
    name = call[SHELL]
    if name not in SHELLS:
        raise UsageError(
            f"the shells are {', '.join(SHELLS)}",
            hint=next_step("completion", "bash"),
            effect=Effect.NOTHING_DONE,
        )
    shell = SHELLS[name]
    script = shell.script()
    if context.terminal.json:
        return documents.write("completion", 0, [{"shell": name, "script": script, "steps": list(shell.steps)}])
    sys.stdout.write(script)
    sys.stdout.flush()
    if sys.stderr.isatty() and not context.terminal.quiet:
        say("kojikey: to load it in each new shell:")
        for line in (f"  {step}" for step in shell.steps):
            say(line, unbroken=(line,))
    return 0


COMMANDS = (
    Command(
        "completion",
        "print the completion script of a shell",
        completion,
        options=OUTPUT,
        arguments=(SHELL,),
        description="Completes commands, options, providers, accounts and stores without opening a key. On a terminal "
        "it also says where the script goes.",
        examples=("kojikey completion bash", "kojikey completion zsh"),
    ),
)
