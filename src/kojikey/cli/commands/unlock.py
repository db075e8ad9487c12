"""``kojikey unlock`` and ``kojikey lock``: keep a store's KEK in the kernel's keyring, so that the passphrase is asked
once in some hours, and delete it again.
"""

from __future__ import annotations

from datetime import timedelta

from kojikey.cli.command import Call, Command, Text
from kojikey.cli.context import context_of
from kojikey.cli.options import JSON, NO_COLOR, QUIET, STORE_OPTIONS
from kojikey.model.errors import Effect, UsageError
from kojikey.model.next_step import Hint, next_step
from kojikey.model.plain_text import counted

DEFAULT, LONGEST = "8h", timedelta(days=30)
FOR = Text("--for", help=f"for how long: a span, for example 30m, 8h or 1d (default {DEFAULT})", metavar="8h")

_KEYRINGS = {
    "session": "the session keyring: any program of this login can read it until then, and it is deleted at logout",
    "user": "the user keyring: any program of this user can read it until then, also after a logout",
}


def unlock(call: Call) -> int:
    """Run ``kojikey unlock`` and return the exit code."""
    from kojikey import wiring
    from kojikey.cli.output import documents
    from kojikey.operations.store_admin import unlocking

    context = context_of(call)
    duration = _duration(call)
    open_store = wiring.open_existing(context.settings, context.person)
    unlocked = unlocking.unlock(open_store, duration=duration)
    place = open_store.store.place
    if context.terminal.json:
        fields = {"action": "unlocked", "place": place, "unlocked_until": unlocked.until, "keyring": unlocked.ring}
        return documents.write("unlock", 0, [fields])
    from kojikey.cli.output.page import Page

    page = Page(context.terminal)
    page.line(f"unlocked {place} until {unlocked.until}")
    if not context.terminal.quiet:
        page.line(f"its key-encryption key is in {_KEYRINGS[unlocked.ring]}", indent=2)
        page.line(Hint(next_step("lock"), " ends it"), indent=2)
    return 0


def _duration(call: Call) -> timedelta:
    """Return how long the store stays unlocked.

    Raises:
        UsageError: ``--for`` is not a span, or out of range.
    """
    from kojikey.model.timestamps import short_span

    given = call[FOR]
    duration = short_span(DEFAULT if given is None else given, what="--for")
    if not timedelta(0) < duration <= LONGEST:
        raise UsageError(
            f"--for takes more than 0, and at most {LONGEST.days}d",
            hint=next_step("unlock", "--for", DEFAULT),
            effect=Effect.NOTHING_UNLOCKED,
        )
    return duration


def lock(call: Call) -> int:
    """Run ``kojikey lock`` and return the exit code."""
    from kojikey.cli.output import documents
    from kojikey.operations.store_admin import unlocking

    context = context_of(call)
    dropped = unlocking.lock()
    if context.terminal.json:
        return documents.write("lock", 0, [{"action": "locked" if dropped else "unchanged", "dropped": dropped}])
    from kojikey.cli.output.stdout import write_line

    stores = counted(dropped, "store")
    write_line(f"locked {stores}" if dropped else "no store was unlocked; nothing was changed")
    return 0


COMMANDS = (
    Command(
        "unlock",
        "ask for the store's passphrase now, then not again for some hours",
        unlock,
        options=(*STORE_OPTIONS, FOR),
        description="Keeps the store's key-encryption key in the Linux kernel's keyring: that of the login's session "
        "where it has one of its own, else that of the user. Nothing is written to a disk, and it is deleted when "
        "the time is over. Until then any program of this user can read it, as with an SSH agent.",
        examples=("kojikey unlock", "kojikey unlock --for 30m --store team"),
    ),
    Command(
        "lock",
        "drop the KEKs that unlock keeps, of all stores",
        lock,
        options=(JSON, QUIET, NO_COLOR),
        description="Exit 0 even if nothing was unlocked.",
        examples=("kojikey lock",),
    ),
)
