"""``kojikey get``: prints a key."""

from __future__ import annotations

import sys

from kojikey.cli.command import Call, Command, Flag
from kojikey.cli.commands.key_choice import choose_key
from kojikey.cli.context import context_of
from kojikey.cli.options import COMMON, KEY
from kojikey.model.errors import UsageError
from kojikey.model.next_step import Hint, next_step

REVEAL = Flag("--reveal", help="yes, print the key itself")


def get(call: Call) -> int:
    """Run ``kojikey get`` and return the exit code."""
    from kojikey import wiring
    from kojikey.cli.output import documents
    from kojikey.model.masking import mask, tail_of
    from kojikey.operations.revealing import reveal

    context = context_of(call)
    named = call[KEY] or ""
    if not call[REVEAL]:
        raise UsageError(
            "get prints the key itself, and does so only with --reveal",
            hint=Hint(
                "to hand it to a program, ", next_step("run", "-p", named, "--", "CMD"), " keeps it off the screen"
            )
            if named.isidentifier() and named.islower()
            else Hint(next_step("run", "--", "CMD"), " hands keys to a program"),
        )
    if named:
        wiring.checked_provider(named, context.settings)
    open_store = wiring.open_chosen_store(context.settings, context.person)
    provider = named or choose_key(context, open_store)
    shown = reveal(open_store, account=context.account, provider=provider)
    value = shown.secret.reveal()
    if context.terminal.json:
        fields = {"account": context.account, "provider": provider, "version": shown.version}
        return documents.write("get", 0, [{**fields, "masked": mask(tail_of(value)), "key": value}])
    sys.stdout.write(value + ("\n" if sys.stdout.isatty() else ""))
    return 0


COMMANDS = (
    Command(
        "get",
        "print a key (only with --reveal)",
        get,
        options=(*COMMON, REVEAL),
        arguments=(KEY,),
        description="Leaves a `revealed` event in the audit trail. "
        "A line end follows only on a terminal, so that a pipe gets the key and nothing else.",
        examples=("kojikey get google_gemini --reveal | pbcopy",),
    ),
)
