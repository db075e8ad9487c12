"""Asks which of an account's keys a command is for, if the command line names none: a numbered choice."""

from __future__ import annotations

import sys

from kojikey.cli.command import Call, Flag
from kojikey.cli.context import Context
from kojikey.cli.options import COMMON
from kojikey.model.errors import Effect, InputNeeded, NotFound, RecordChanged
from kojikey.model.next_step import next_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kojikey.operations.open_store import OpenStore


def choose_key(context: Context, open_store: OpenStore) -> str:
    """Offer the account's keys by number, and return the provider of the chosen one.

    Raises:
        InputNeeded: no question is allowed. NotFound: the account has no key. UsageError: no answer was one of them.
    """
    command = next_step(context.call.command.name, "PROVIDER", *_flags(context.call))
    if not context.terminal.interactive:
        raise InputNeeded(
            f"no provider was named, and {context.terminal.why_unasked}", hint=command, effect=Effect.NOTHING_CHANGED
        )
    masks = _masks(context, open_store)
    if not masks:
        raise NotFound(f"account {context.account} has no key in this store", hint=next_step("add", "PROVIDER"))
    return context.terminal.choose(f"Which key of account {context.account}?", masks, again=command)


def _flags(call: Call) -> list[str]:
    """Return the flags of this command line that the suggested command needs as well, for example ``--resume``."""
    given = call.given(*call.command.options)
    return [option.spelling for option in given if isinstance(option, Flag) and option not in COMMON]


def _masks(context: Context, open_store: OpenStore) -> dict[str, str]:
    """Return the masked keys of the account by provider."""
    from kojikey.model import validators
    from kojikey.operations.key_records import key_of
    from kojikey.stores.base import Query

    masks: dict[str, str] = {}
    for stored in open_store.store.scan(Query(account=context.account)):
        try:
            provider = validators.name(stored.ref.provider)
        except ValueError:
            continue  # somebody added the record outside kojikey
        try:
            masks[provider] = context.terminal.masked(key_of(stored).current.tail, sys.stderr)
        except RecordChanged:
            masks[provider] = "changed outside kojikey"
    return masks
