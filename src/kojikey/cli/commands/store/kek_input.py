"""The options of a new KEK: its source and, for a KEK that several people open, its recipients."""

from __future__ import annotations

from kojikey.cli.command import Text
from kojikey.cli.commands.store.recipient_input import RECIPIENT, read_recipients
from kojikey.cli.context import Context
from kojikey.model.errors import Effect, UsageError
from kojikey.model.next_step import next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.sealing.kek.base import KekInputs

KEK = Text(
    "--kek",
    help="where the KEK lives: keychain, passphrase, env, env:NAME, file:PATH, recipients or awskms:KEY-ID?region=R",
    metavar="SOURCE",
    complete="kek",
)


def check_kek(source: str | None) -> None:
    """Check the form of ``--kek`` before a store is opened. Raises the errors of ``check_source``."""
    if source is not None:
        from kojikey.sealing.kek.registry import check_source

        check_source(source, effect=Effect.NOTHING_DONE)


def with_recipients(context: Context, inputs: KekInputs) -> KekInputs:
    """Return the inputs with the recipients of ``--recipient``.

    Raises:
        UsageError: one is not a recipient, or ``--kek`` is not ``recipients``.
    """
    values = context.call[RECIPIENT]
    if values and context.call[KEK] != "recipients":
        hint = next_step(context.call.command.name, "--kek", "recipients", "--recipient", "R")
        raise UsageError("--recipient is for --kek recipients", hint=hint, effect=Effect.NOTHING_DONE)
    return inputs._replace(recipients=read_recipients(values)) if values else inputs
